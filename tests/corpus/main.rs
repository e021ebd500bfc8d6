//! The fuzzers' corpus through the fuzzers' checks, on stable: it does not rot, and what it once found stays found.

#[path = "../../fuzz/checks/mod.rs"]
mod checks;

use std::{fs, path::PathBuf};

/// Files that the whole corpus has at most, and their bytes: it is a start for the fuzzers, and no store.
const MOST: (usize, usize) = (330, 300_000);

type Check = fn(&[u8]);

/// Every target, by the name that `cargo xtask fuzz` knows it by.
const TARGETS: [(&str, Check); 10] = [
    ("signature", checks::signature::check),
    ("delivery", checks::delivery::check),
    ("job", checks::job::check),
    ("form", checks::form::check),
    ("csv", checks::csv::check),
    ("uri", checks::uri::check),
    ("instant", checks::instant::check),
    ("message", checks::message::check),
    ("event", checks::event::check),
    ("rule", checks::rule::check),
];

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn what_the_fuzzers_found_worth_keeping_passes_their_checks() {
    for (target, check) in TARGETS {
        let files = corpus(target);
        assert!(files.len() >= 5, "{target}");
        for (path, bytes) in files {
            println!("{}", path.display());
            check(&bytes);
        }
    }
}

#[test]
fn every_target_is_replayed_and_the_corpus_stays_small() {
    let manifest = include_str!("../../fuzz/Cargo.toml");
    let named: Vec<&str> = manifest
        .split("[[bin]]")
        .skip(1)
        .filter_map(|bin| bin.split_once("name = \"")?.1.split('"').next())
        .collect();
    assert_eq!(named, TARGETS.map(|(target, _)| target));
    let files: Vec<_> = TARGETS.iter().flat_map(|(target, _)| corpus(target)).collect();
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(files.len() <= MOST.0 && bytes <= MOST.1, "{} files of {bytes} bytes", files.len());
}

#[test]
fn the_fuzzers_take_the_same_dependencies_as_the_product() {
    let versions = |lock: &'static str| -> Vec<(&str, &str)> {
        let packages = lock.split("[[package]]").skip(1);
        let word = |package: &'static str, name: &str| package.split_once(name)?.1.split('"').nth(1);
        packages.filter_map(|package| Some((word(package, "name =")?, word(package, "version =")?))).collect()
    };
    let product = versions(include_str!("../../Cargo.lock"));
    for (name, version) in versions(include_str!("../../fuzz/Cargo.lock")) {
        let known: Vec<&str> =
            product.iter().filter(|(known, _)| *known == name).map(|(_, version)| *version).collect();
        assert!(known.is_empty() || known.contains(&version), "{name} {version} is not one of {known:?}");
    }
}
