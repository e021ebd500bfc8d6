//! A large import through a storm, against the same import done by the book.

use std::collections::{BTreeMap, HashMap, HashSet};

use enishi::time::SECOND;
use enishi_world::World;
use serde_json::{Value, json};

use super::{begin, finish, part, show, user};
use crate::support::{Stage, for_each_seed_of, is_full, json_body};

/// Members who were linked before.
const LINKED_BEFORE: usize = 50;

/// What a line asks for, as member and LINE user; or why it is refused whatever is stored.
type Asked = Result<(String, String), &'static str>;

/// A part of the file, and what each of its lines asks for.
struct Piece {
    csv: String,
    lines: Vec<(u64, Asked)>,
}

/// The whole file, with planted lines that are malformed, repeated or contradict another.
struct File {
    pieces: Vec<Piece>,
    rows: usize,
}

impl File {
    fn of(world: &World, rows: usize, before: &[(String, String)]) -> Self {
        let largest = if is_full() { 18_000 } else { 700 };
        let mut said: Vec<(String, String)> = Vec::new();
        let (mut pieces, mut left) = (Vec::new(), rows);
        while left > 0 {
            let size = left.min(1 + world.below(largest));
            left -= size;
            pieces.push(Piece::of(world, size, before, &mut said));
        }
        Self { pieces, rows }
    }
}

impl Piece {
    fn of(world: &World, size: usize, before: &[(String, String)], said: &mut Vec<(String, String)>) -> Self {
        let mut piece = Self { csv: String::new(), lines: Vec::new() };
        let end = if world.below(2) == 0 { "\n" } else { "\r\n" };
        let mut number = 0;
        if world.below(3) == 0 {
            piece.csv = format!("\u{FEFF}member_id,line_user_id{end}");
            number = 1;
        }
        for _ in 0..size {
            if world.below(200) == 0 {
                piece.csv.push_str(end);
                number += 1;
            }
            number += 1;
            let (line, asked) = line(world, before, said);
            piece.csv.push_str(&line);
            piece.csv.push_str(end);
            piece.lines.push((number, asked));
        }
        assert!(piece.csv.len() <= 1_000_000);
        piece
    }
}

/// One line as text, and what it asks for.
fn line(world: &World, before: &[(String, String)], said: &mut Vec<(String, String)>) -> (String, Asked) {
    let fresh = |mark: &str| format!("{mark}-{}", said.len());
    let some = |of: &[(String, String)]| of.get(world.below(of.len().max(1))).cloned();
    let (earlier, linked) = (some(said), some(before));
    let (member, line_user) = match (world.below(100), earlier, linked) {
        (0, ..) => return ("no columns".to_owned(), Err("malformed")),
        (1, ..) => return (format!(",{}", user(1)), Err("member_id")),
        (2, ..) => return (format!("{},U1", fresh("m")), Err("line_user_id")),
        (3, Some(earlier), _) => earlier,
        (4, Some((member, _)), _) => (member, user(10_000_000 + said.len())),
        (5, Some((_, line_user)), _) => (fresh("other"), line_user),
        (6, _, Some(linked)) => linked,
        (7, _, Some((member, _))) => (member, user(20_000_000 + said.len())),
        (8, _, Some((_, line_user))) => (fresh("again"), line_user),
        (9, ..) => (format!("客,\"{}\"", fresh("q")), user(said.len())),
        _ => (fresh("m"), user(said.len())),
    };
    said.push((member.clone(), line_user.clone()));
    let quoted = format!("\"{}\"", member.replace('"', "\"\""));
    let column = if member.contains(',') || world.below(5) == 0 { &quoted } else { &member };
    (format!("{column},{line_user}"), Ok((member, line_user)))
}

/// The import done by the book: one line after the other, in the order in which the parts were applied.
struct Book {
    /// The LINE user of a member, and the member of a LINE user with the line that made the link, if one of ours did.
    users: HashMap<String, String>,
    members: HashMap<String, (String, Option<(u64, u64)>)>,
    counts: BTreeMap<u64, BTreeMap<String, u64>>,
    refused: BTreeMap<(u64, u64), String>,
}

impl Book {
    fn of(before: &[(String, String)]) -> Self {
        Self {
            users: before.iter().cloned().collect(),
            members: before.iter().map(|(member, user)| (user.clone(), (member.clone(), None))).collect(),
            counts: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    fn apply(&mut self, number: u64, piece: &Piece) {
        for (line, asked) in &piece.lines {
            let Ok((member, user)) = asked else { continue };
            if !self.users.contains_key(member) && !self.members.contains_key(user) {
                self.users.insert(member.clone(), user.clone());
                self.members.insert(user.clone(), (member.clone(), Some((number, *line))));
            }
        }
        for (line, asked) in &piece.lines {
            let verdict = match asked {
                Err(reason) => reason,
                Ok((member, user)) => match self.members.get(user) {
                    None => "member_is_linked",
                    Some((other, _)) if other != member => "subject_is_linked",
                    Some((_, Some(by))) if *by == (number, *line) => "linked",
                    Some((_, Some(_))) => "repeated",
                    Some((_, None)) => "already_linked",
                },
            };
            *self.counts.entry(number).or_default().entry(verdict.to_owned()).or_default() += 1;
            if !["linked", "already_linked"].contains(&verdict) {
                self.refused.insert((number, *line), verdict.to_owned());
            }
        }
    }
}

#[test]
fn prove_imports_lose_no_line_and_do_none_twice() {
    let rows = if is_full() { 1_000_000 } else { 4_000 };
    for_each_seed_of("imports", 2, |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let users = stage.many_members(LINKED_BEFORE, "gold");
        let before: Vec<(String, String)> =
            users.iter().map(|user| (format!("gold-{user}"), user.to_string())).collect();
        let file = File::of(world, rows, &before);
        let id = begin(&stage, &json!({ "consent": { "text": "v1" } }));
        let requests = through_a_storm(&stage, &id, &file);
        let (status, finished) = finish(&stage, &id, file.pieces.len());
        assert_eq!(status, 200, "seed {seed}: {finished}");
        let mut book = Book::of(&before);
        for number in in_their_places(&finished) {
            book.apply(number, &file.pieces[usize::try_from(number).unwrap() - 1]);
        }
        compare(&stage, &id, &finished, &book, seed);
        let total = |name: &str| finished["totals"][name].as_u64().unwrap();
        assert_eq!(total("lines"), file.rows as u64, "seed {seed}");
        vec![
            ("lines", total("lines")),
            ("parts", file.pieces.len() as u64),
            ("requests", requests),
            ("faults", world.faults_struck()),
            ("linked", total("linked")),
            ("already linked", total("already_linked")),
            ("refused", total("refused")),
            ("lost", 0),
            ("done twice", 0),
        ]
    });
}

/// Every part in any order, some at once, some again, some under a number that is taken, while calls fail; how many requests
/// that took.
fn through_a_storm(stage: &Stage, id: &str, file: &File) -> u64 {
    let world = &stage.world;
    let mut waiting: Vec<usize> = (1..=file.pieces.len()).flat_map(|n| vec![n; 1 + world.below(3)]).collect();
    let mut answers: HashMap<usize, Value> = HashMap::new();
    let mut requests = 0;
    world.fail_by_seed(0.15);
    while !waiting.is_empty() {
        let together = (1 + world.below(3)).min(waiting.len());
        let numbers: Vec<usize> =
            (0..together).map(|_| waiting.swap_remove(world.below(waiting.len()))).collect();
        let parts = numbers.iter().map(|n| part(stage, id, *n, file.pieces[n - 1].csv.as_bytes()));
        let replies = world.together(parts.map(|request| world.serve(request)));
        requests += numbers.len() as u64;
        for (number, reply) in numbers.into_iter().zip(replies) {
            match reply.map(|reply| (reply.status.as_u16(), json_body(&reply))) {
                Some((200, answer)) => {
                    let first = answers.entry(number).or_insert_with(|| answer.clone());
                    assert_eq!(*first, answer, "the same part answers alike");
                }
                None | Some((503, _)) => waiting.push(number),
                Some(other) => panic!("{other:?}"),
            }
        }
        if let Some(number) = answers.keys().min().filter(|_| world.below(10) == 0) {
            let other = world.answer(part(stage, id, *number, format!("other,{}", user(30_000_000))));
            assert!([409, 500, 503].contains(&other.status.as_u16()), "{other:?}");
            requests += 1;
        }
        if world.below(5) == 0 {
            world.evict_isolate();
            world.advance(SECOND);
        }
    }
    world.end_faults();
    requests
}

/// The numbers of the parts in the order in which they were applied.
fn in_their_places(import: &Value) -> Vec<u64> {
    let parts = import["parts"].as_array().unwrap().iter();
    let mut places: Vec<(u64, u64)> =
        parts.map(|part| (part["place"].as_u64().unwrap(), part["part"].as_u64().unwrap())).collect();
    places.sort_unstable();
    assert!(places.iter().map(|(place, _)| *place).eq(1..=places.len() as u64), "{places:?}");
    places.into_iter().map(|(_, part)| part).collect()
}

/// Counts, refused lines, links and LINE users are those of the book.
fn compare(stage: &Stage, id: &str, finished: &Value, book: &Book, seed: u64) {
    for part in finished["parts"].as_array().unwrap() {
        let mut counts: BTreeMap<String, u64> = serde_json::from_value(part["reasons"].clone()).unwrap();
        for name in ["linked", "already_linked"] {
            let count = part[name].as_u64().unwrap();
            if count > 0 {
                counts.insert(name.to_owned(), count);
            }
        }
        assert_eq!(counts, book.counts[&part["part"].as_u64().unwrap()], "seed {seed}: {part}");
    }
    let (mut refused, mut query) = (BTreeMap::new(), "?limit=1000".to_owned());
    loop {
        let page = show(stage, id, &query);
        for (part, line, reason) in super::refused(&page) {
            assert!(refused.insert((part, line), reason).is_none(), "seed {seed}: {part}.{line} twice");
        }
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=1000&after={next}");
    }
    assert!(refused == book.refused, "seed {seed}: the refused lines");
    let links = exported_links(stage);
    assert!(links == book.users, "seed {seed}: the links");
    assert_eq!(stage.count("line_users"), book.members.len() as u64, "seed {seed}: nobody is left over");
    let consented = stage.count("links WHERE consent = '{\"text\":\"v1\",\"way\":\"import\"}'");
    assert_eq!(consented, finished["totals"]["linked"].as_u64().unwrap(), "seed {seed}");
}

/// All links by `GET /v1/exports/links`: each once.
fn exported_links(stage: &Stage) -> HashMap<String, String> {
    let (mut links, mut subjects) = (HashMap::new(), HashSet::new());
    let mut next = Some("/v1/exports/links?limit=10000".to_owned());
    while let Some(path) = next {
        let (rows, following) = crate::export::page(stage, &path);
        for row in rows {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            assert!(subjects.insert(text("sub")), "one subject for two LINE users");
            assert!(links.insert(text("member_id"), text("line_user_id")).is_none(), "exported twice: {row}");
        }
        next = following;
    }
    links
}
