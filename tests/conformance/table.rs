//! Keeps `docs/CONFORMANCE.md` true: what it cites exists, and what exists it cites.
//!
//! In the rows of its tables the last cell names the proof: tests in backticks, titles of tests in JavaScript in
//! quotation marks.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The modules of the plans for Basic OP, Config OP and RP-Initiated Logout OP.
const MODULES: [&str; 50] = [
    "oidcc-server",
    "oidcc-response-type-missing",
    "oidcc-idtoken-signature",
    "oidcc-idtoken-unsigned",
    "oidcc-userinfo-get",
    "oidcc-userinfo-post-header",
    "oidcc-userinfo-post-body",
    "oidcc-ensure-request-without-nonce-succeeds-for-code-flow",
    "oidcc-scope-profile",
    "oidcc-scope-email",
    "oidcc-scope-address",
    "oidcc-scope-phone",
    "oidcc-scope-all",
    "oidcc-alternate-happy-flow",
    "oidcc-display-page",
    "oidcc-display-popup",
    "oidcc-prompt-login",
    "oidcc-prompt-none-not-logged-in",
    "oidcc-prompt-none-logged-in",
    "oidcc-max-age-1",
    "oidcc-max-age-10000",
    "oidcc-ensure-request-with-unknown-parameter-succeeds",
    "oidcc-id-token-hint",
    "oidcc-login-hint",
    "oidcc-ui-locales",
    "oidcc-claims-locales",
    "oidcc-ensure-request-with-acr-values-succeeds",
    "oidcc-codereuse",
    "oidcc-codereuse-30seconds",
    "oidcc-ensure-registered-redirect-uri",
    "oidcc-ensure-post-request-succeeds",
    "oidcc-server-client-secret-post",
    "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported",
    "oidcc-claims-essential",
    "oidcc-ensure-request-object-with-redirect-uri",
    "oidcc-refresh-token",
    "oidcc-ensure-request-with-valid-pkce-succeeds",
    "oidcc-discovery-endpoint-verification",
    "oidcc-rp-initiated-logout-discovery-endpoint-verification",
    "oidcc-rp-initiated-logout",
    "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri",
    "oidcc-rp-initiated-logout-modified-id-token-hint",
    "oidcc-rp-initiated-logout-no-id-token-hint",
    "oidcc-rp-initiated-logout-no-params",
    "oidcc-rp-initiated-logout-no-post-logout-redirect-uri",
    "oidcc-rp-initiated-logout-no-state",
    "oidcc-rp-initiated-logout-only-state",
    "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
    "oidcc-rp-initiated-logout-bad-id-token-hint",
];

/// The last statement's number.
const STATEMENTS: usize = 85;

/// A row of a table: its first cell, and what proves it.
struct Row {
    first: String,
    proof: String,
}

impl Row {
    /// What stands between these marks in the proof.
    fn between(&self, mark: char) -> Vec<&str> {
        assert_eq!(self.proof.matches(mark).count() % 2, 0, "{}: {}", self.first, self.proof);
        self.proof.split(mark).skip(1).step_by(2).collect()
    }

    fn tests(&self) -> Vec<&str> {
        self.between('`')
    }

    fn titles(&self) -> Vec<&str> {
        self.between('"')
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of all tables of the document, without their heads.
fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/CONFORMANCE.md")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let cells = lines.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        Row { first: cells[0].to_owned(), proof: cells[cells.len() - 1].to_owned() }
    });
    cells.filter(|row| row.proof != "Proven by").collect()
}

/// The files below a folder with this extension.
pub(super) fn files(below: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(below).unwrap_or_else(|error| panic!("{}: {error}", below.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => files(&path, extension),
            Some(found) if found == extension => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

/// The names of the tests in Rust files below a folder.
fn tests(below: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files(&root().join(below), "rs") {
        let text = fs::read_to_string(file).unwrap();
        for part in text.split("#[test]\n").skip(1) {
            let (_, name) = part.split_once("fn ").expect("a function");
            names.insert(name.split('(').next().unwrap().to_owned());
        }
    }
    names
}

/// The titles of the tests in JavaScript files below a folder.
fn titles(below: &str) -> BTreeSet<String> {
    let mut titles = BTreeSet::new();
    for file in files(&root().join(below), "mjs") {
        let text = fs::read_to_string(file).unwrap();
        titles.extend(text.split("test(\"").skip(1).map(|part| part.split('"').next().unwrap().to_owned()));
    }
    titles
}

fn test_of(module: &str) -> String {
    module.replace('-', "_")
}

#[test]
fn every_module_is_a_test_of_its_name_and_a_row_that_cites_it() {
    let (here, rows) = (tests("tests/conformance"), rows());
    for module in MODULES {
        assert!(here.contains(&test_of(module)), "{module} has no test");
        let named: Vec<&Row> = rows.iter().filter(|row| row.first == module).collect();
        assert_eq!(named.len(), 1, "{module} has one row");
        assert_eq!(named[0].tests(), [test_of(module)]);
    }
    let strays = rows.iter().filter(|row| row.first.starts_with("oidcc") && !MODULES.contains(&&*row.first));
    assert_eq!(strays.count(), 0);
    let of_modules: BTreeSet<String> = MODULES.iter().map(|module| test_of(module)).collect();
    let unnamed: Vec<_> =
        here.iter().filter(|name| name.starts_with("oidcc") && !of_modules.contains(*name)).collect();
    assert_eq!(unnamed, Vec::<&String>::new(), "tests of modules that do not exist");
}

#[test]
fn every_statement_has_one_row_with_its_proof_or_the_reason_why_there_is_none() {
    let rows = rows();
    let numbered: Vec<(usize, &Row)> =
        rows.iter().filter_map(|row| Some((row.first.parse().ok()?, row))).collect();
    let numbers: Vec<usize> = numbered.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=STATEMENTS).collect::<Vec<_>>());
    for (number, row) in numbered {
        let is_explained = row.proof.split(' ').count() >= 5;
        assert!(!row.tests().is_empty() || is_explained, "{number}: {}", row.proof);
    }
}

#[test]
fn every_test_that_is_cited_exists() {
    let rust: BTreeSet<String> =
        ["tests/it", "tests/conformance", "src"].into_iter().flat_map(tests).collect();
    let javascript: BTreeSet<String> = ["tests/clients", "tests/e2e"].into_iter().flat_map(titles).collect();
    let rows = rows();
    let missing: Vec<&str> = rows
        .iter()
        .flat_map(|row| {
            let tests = row.tests().into_iter().filter(|name| !rust.contains(*name));
            tests.chain(row.titles().into_iter().filter(|title| !javascript.contains(*title)))
        })
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn every_test_of_this_folder_is_cited() {
    let rows = rows();
    let cited: BTreeSet<&str> = rows.iter().flat_map(Row::tests).collect();
    let here = tests("tests/conformance");
    let uncited: Vec<&String> = here.iter().filter(|name| !cited.contains(name.as_str())).collect();
    assert_eq!(uncited, Vec::<&String>::new());
}
