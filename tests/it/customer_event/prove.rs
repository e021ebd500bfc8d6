//! Events and words in random order, repeated, partly bad, under faults and by several callers at once: what stands in the end is
//! what a plain model of the written rules says.

use std::collections::{BTreeMap, BTreeSet};

use enishi::time::{DAY, MINUTE, SECOND, UnixMillis};
use http::Method;
use serde_json::{Map, Value, json};

use super::days_are_exact;
use crate::support::{Figures, Stage, for_each_seed_of, json_body};

const TYPES: [&str; 3] = ["visited", "purchase", "shop.own"];

/// What is stored of an event.
type Stored = (String, String, i64, Value);

/// An event that may be bad.
fn any_event(stage: &Stage, now: UnixMillis) -> Value {
    let below = |bound: usize| stage.world.below(bound);
    let kind = TYPES[below(3)];
    let mut event = json!({
        "id": format!("e-{}", below(120)),
        "member_id": format!("m-{}", below(12)),
        "type": kind,
        // Out of order, by up to two months; some beyond what is kept, and some ahead of the clock.
        "occurred_at": (now + -(i64::try_from(below(60)).unwrap() * DAY)).rfc3339(),
        "properties": { "n": below(3), "order_id": "o", "amount": below(5000) },
    });
    match below(14) {
        0 => event["occurred_at"] = json!((now + -500 * DAY).rfc3339()),
        1 => event["occurred_at"] = json!((now + 10 * MINUTE).rfc3339()),
        2 => event["properties"] = json!({ "amount": -1 }),
        3 => event["member_id"] = json!(7),
        4 => _ = event.as_object_mut().unwrap().remove("id"),
        _ => {}
    }
    event
}

/// What a line says by the rules, or nothing if it is refused whatever is stored.
fn read(event: &Value, now: UnixMillis) -> Option<(String, Stored)> {
    let text = |name: &str| event[name].as_str().map(str::to_owned);
    let (id, member, kind) = (text("id")?, text("member_id")?, text("type")?);
    let at = UnixMillis::parse_rfc3339(&text("occurred_at")?)?;
    let properties = event["properties"].clone();
    let amount = properties["amount"].as_i64();
    let is_purchase = properties["order_id"].is_string() && amount.is_some_and(|amount| amount >= 0);
    let is_good = (kind != "purchase" || is_purchase) && at <= now + 5 * MINUTE;
    is_good.then_some((id, (member, kind, at.0, properties)))
}

/// What a line is answered: the result, and whether it differs from what is there.
type Said = (String, bool);

fn said(result: &Value) -> Said {
    let word = result["result"].as_str().unwrap().to_owned();
    let is_named = result["field"].as_str().is_some_and(|field| !field.is_empty());
    assert_eq!(word == "refused", is_named, "{result}");
    (word, result["differs"] == json!(true))
}

/// The written rules, line by line.
fn applied(batch: &[Value], now: UnixMillis, model: &mut BTreeMap<String, Stored>) -> Vec<Said> {
    let mut line = |event: &Value| -> Said {
        let Some((id, says)) = read(event, now) else { return ("refused".to_owned(), false) };
        match model.get(&id) {
            // One that is there is repeated, however old it is.
            Some(known) => ("repeated".to_owned(), *known != says),
            None if says.2 < (now + (-400 * DAY)).0 => ("refused".to_owned(), false),
            None => {
                model.insert(id, says);
                ("accepted".to_owned(), false)
            }
        }
    };
    batch.iter().map(&mut line).collect()
}

/// Everything that is stored of events.
fn stored(stage: &Stage) -> BTreeMap<String, Stored> {
    let rows = stage.world.query(
        "SELECT e.id, m.member_id, e.type, e.occurred_at, e.properties FROM events e JOIN members m ON m.id = e.member",
    );
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.iter()
        .map(|row| {
            let properties = serde_json::from_str(row["properties"].as_str().unwrap()).unwrap();
            let at = row["occurred_at"].as_i64().unwrap();
            (text(row, "id"), (text(row, "member_id"), text(row, "type"), at, properties))
        })
        .collect()
}

#[test]
fn prove_events_are_put_in_once_whatever_comes_in_between() {
    for_each_seed_of("prove_events", 300, |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let mut model: BTreeMap<String, Stored> = BTreeMap::new();
        let mut members: BTreeSet<String> = BTreeSet::new();
        let (mut lines, mut repeats, mut lost) = (0, 0, 0);
        for _ in 0..12 {
            let now = world.now();
            let batch: Vec<Value> = (0..=world.below(40)).map(|_| any_event(&stage, now)).collect();
            world.fail_by_seed(0.25);
            let body = json!({ "events": batch });
            // Until it is answered, as a shop does; after an answer that was lost the first attempt may have counted.
            let mut attempts = 0;
            let (answer, read_at) = loop {
                attempts += 1;
                let read_at = world.now();
                let request = stage.shop.api_request(Method::POST, "/v1/events", Some(&body));
                let reply = world.together([world.serve(request)]).remove(0);
                match reply.map(|reply| (reply.status.as_u16(), json_body(&reply))) {
                    Some((200, answer)) => break (answer, read_at),
                    None | Some((503, _)) => world.advance(SECOND),
                    Some(other) => panic!("{other:?}"),
                }
            };
            world.end_faults();
            lost += attempts - 1;
            let before = model.clone();
            let fresh = applied(&batch, read_at, &mut model);
            // After an attempt whose answer was lost everything may have been there.
            let again = applied(&batch, read_at, &mut model.clone());
            let said: Vec<Said> = answer["results"].as_array().unwrap().iter().map(said).collect();
            assert!(said == fresh || (attempts > 1 && said == again), "seed {seed}: {batch:?} {answer}");
            lines += batch.len() as u64;
            repeats += fresh.iter().filter(|said| said.0 == "repeated").count() as u64;
            members.extend(
                model.iter().filter(|(id, _)| !before.contains_key(*id)).map(|(_, says)| says.0.clone()),
            );
            world.advance(i64::try_from(world.below(600)).unwrap() * SECOND);
        }
        assert!(stored(&stage) == model, "seed {seed}: the events");
        let known = world.query("SELECT member_id FROM members");
        let known: BTreeSet<String> =
            known.iter().map(|row| row["member_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(known, members, "seed {seed}");
        days_are_exact(&stage);
        vec![("lines", lines), ("repeats", repeats), ("calls made again", lost)] as Figures
    });
}

#[test]
fn prove_events_of_many_callers_at_once_count_once_and_are_swept_while_they_come() {
    for_each_seed_of("prove_events_together", 100, |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let keep = json!({ "retention_days": 30 });
        assert_eq!(stage.api(&stage.shop, Method::PUT, "/v1/event-types/visited", Some(&keep)).0, 200);
        let (mut calls, mut swept) = (0, 0);
        let mut accepted: BTreeMap<String, u64> = BTreeMap::new();
        for _ in 0..6 {
            let now = world.now();
            let bodies: Vec<Value> = (0..2 + world.below(4))
                .map(|_| json!({ "events": (0..20).map(|_| any_event(&stage, now)).collect::<Vec<_>>() }))
                .collect();
            let requests: Vec<_> = bodies
                .iter()
                .map(|body| stage.shop.api_request(Method::POST, "/v1/events", Some(body)))
                .collect();
            calls += requests.len() as u64;
            let replies = world.together(requests.into_iter().map(|request| world.serve(request)));
            for (reply, body) in replies.into_iter().zip(&bodies) {
                let answer = json_body(&reply.unwrap());
                for (result, event) in
                    answer["results"].as_array().unwrap().iter().zip(body["events"].as_array().unwrap())
                {
                    if result["result"] == "accepted" {
                        *accepted.entry(event["id"].as_str().unwrap().to_owned()).or_default() += 1;
                    }
                }
            }
            days_are_exact(&stage);
            let before = stage.count("events");
            world.advance(10 * DAY);
            world.tick();
            swept += before - stage.count("events");
            days_are_exact(&stage);
        }
        let there = stage.count("events");
        assert_eq!(accepted.values().sum::<u64>(), there + swept, "seed {seed}: each was put in once");
        let over = format!("events WHERE type = 'visited' AND occurred_at < {}", (world.now() + -30 * DAY).0);
        assert_eq!(stage.count(&over), 0, "seed {seed}");
        vec![("calls", calls), ("events swept", swept)] as Figures
    });
}

#[test]
fn prove_events_of_a_file_are_put_in_once_however_its_parts_are_sent() {
    for_each_seed_of("prove_events_imports", 100, |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let id = crate::import::begin(&stage, &json!({ "kind": "events" }));
        let now = world.now();
        let mut model = BTreeSet::new();
        let parts: Vec<String> = (0..8)
            .map(|_| {
                let lines = (0..=world.below(30)).map(|_| {
                    let number = world.below(100);
                    let at = (now + -(i64::try_from(number).unwrap() * DAY)).rfc3339();
                    if world.below(8) == 0 {
                        return format!("e-{number},,visited,{at},1\n");
                    }
                    model.insert(format!("e-{number}"));
                    format!("e-{number},m-{},visited,{at},{number}\n", number % 9)
                });
                let lines: String = lines.collect();
                format!("id,member_id,type,occurred_at,n\n{lines}")
            })
            .collect();
        // Some more than once, in any order, several at a time, until each is answered.
        let mut waiting: Vec<usize> = (1..=parts.len()).chain(1..=3).collect();
        let (mut accepted, mut sent) = (BTreeMap::new(), 0);
        world.fail_by_seed(0.2);
        while !waiting.is_empty() {
            let together = 1 + world.below(waiting.len().min(3));
            let numbers: Vec<usize> =
                (0..together).map(|_| waiting.swap_remove(world.below(waiting.len()))).collect();
            let requests =
                numbers.iter().map(|n| crate::import::part(&stage, &id, *n, parts[n - 1].as_bytes()));
            let replies = world.together(requests.map(|request| world.serve(request)));
            sent += numbers.len() as u64;
            for (number, reply) in numbers.into_iter().zip(replies) {
                match reply.map(|reply| (reply.status.as_u16(), json_body(&reply))) {
                    Some((200, answer)) => {
                        let number_of = answer["accepted"].as_u64().unwrap();
                        assert_eq!(
                            *accepted.entry(number).or_insert(number_of),
                            number_of,
                            "seed {seed}: {answer}"
                        );
                        let lines = parts[number - 1].lines().count() as u64 - 1;
                        assert_eq!(answer["lines"], json!(lines), "seed {seed}: {answer}");
                    }
                    None | Some((503, _)) => waiting.push(number),
                    Some(other) => panic!("seed {seed}: {other:?}"),
                }
            }
        }
        world.end_faults();
        let there: BTreeSet<String> = stored(&stage).into_keys().collect();
        assert_eq!(there, model, "seed {seed}");
        assert_eq!(accepted.values().sum::<u64>(), model.len() as u64, "seed {seed}");
        days_are_exact(&stage);
        vec![("parts sent", sent), ("events", model.len() as u64)] as Figures
    });
}

/// What the newest words say of one member: each attribute, and each tag, with the time of the word.
#[derive(Default)]
struct Known {
    attributes: BTreeMap<String, (i64, Value)>,
    tags: BTreeMap<String, (i64, bool)>,
    whole: i64,
}

impl Known {
    fn hear(&mut self, word: &Value, as_of: i64) {
        for (name, value) in word["attributes"].as_object().unwrap() {
            let known = self.attributes.entry(name.clone()).or_insert((i64::MIN, Value::Null));
            if as_of >= known.0 {
                *known = (as_of, value.clone());
            }
        }
        let list = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|tag| tag.as_str().unwrap().to_owned()).collect()
        };
        let tags = &word["tags"];
        let (add, remove) = (list(if tags.is_array() { tags } else { &tags["add"] }), list(&tags["remove"]));
        if tags.is_array() {
            self.whole = self.whole.max(as_of);
            for known in self.tags.values_mut().filter(|known| known.0 <= as_of) {
                *known = (as_of, false);
            }
        }
        for (tag, is_there) in
            add.into_iter().map(|tag| (tag, true)).chain(remove.into_iter().map(|tag| (tag, false)))
        {
            let known = self.tags.entry(tag).or_insert((self.whole, false));
            if as_of >= known.0 {
                *known = (as_of, is_there);
            }
        }
    }

    fn shown(&self) -> (Value, Value) {
        let attributes: Map<String, Value> = self
            .attributes
            .iter()
            .filter(|(_, (_, value))| !value.is_null())
            .map(|(name, (_, value))| (name.clone(), value.clone()))
            .collect();
        let tags: Vec<&String> =
            self.tags.iter().filter(|(_, (_, there))| *there).map(|(tag, _)| tag).collect();
        (attributes.into(), json!(tags))
    }
}

#[test]
fn prove_events_words_on_members_stand_as_the_newest_of_each_says() {
    for_each_seed_of("prove_events_words", 300, |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let below = |bound: usize| world.below(bound);
        let tags = ["a", "b", "c", "d"];
        let some = || -> Vec<&str> { tags.iter().filter(|_| below(2) == 0).copied().collect() };
        let value = || match below(6) {
            0 => Value::Null,
            1 => json!(some()),
            2 => json!(below(3)),
            3 => json!(true),
            4 => json!("1990-01-01"),
            _ => json!(format!("t{}", below(3))),
        };
        let mut model: BTreeMap<String, Known> = BTreeMap::new();
        let (mut words, mut late) = (0, 0);
        for _ in 0..15 {
            let now = world.now();
            let mut named = BTreeSet::new();
            let lines: Vec<Value> = (0..=below(6))
                .map(|_| format!("m-{}", below(5)))
                .filter(|member| named.insert(member.clone()))
                .map(|member| {
                    let attributes: Map<String, Value> =
                        (0..below(4)).map(|_| (format!("n{}", below(4)), value())).collect();
                    let tags = match below(3) {
                        0 => json!(some()),
                        1 => {
                            let (add, remove) = (&["a", "b"][..below(3)], &["c", "d"][..below(3)]);
                            json!({ "add": add, "remove": remove })
                        }
                        _ => json!({}),
                    };
                    // Several words of one time, too.
                    let as_of = (now + -(i64::try_from(below(8)).unwrap() * DAY)).rfc3339();
                    json!({ "member_id": member, "attributes": attributes, "tags": tags, "as_of": as_of })
                })
                .collect();
            world.fail_by_seed(0.2);
            // A word that is said twice says the same.
            loop {
                let body = json!({ "members": lines });
                let request = stage.shop.api_request(Method::POST, "/v1/members", Some(&body));
                let reply = world.together([world.serve(request)]).remove(0);
                match reply.map(|reply| (reply.status.as_u16(), json_body(&reply))) {
                    Some((200, answer)) => {
                        assert_eq!(answer["accepted"], json!(lines.len()), "seed {seed}: {answer}");
                        break;
                    }
                    None | Some((503, _)) => {}
                    Some(other) => panic!("{other:?}"),
                }
            }
            world.end_faults();
            for line in &lines {
                let as_of = UnixMillis::parse_rfc3339(line["as_of"].as_str().unwrap()).unwrap().0;
                let known = model.entry(line["member_id"].as_str().unwrap().to_owned()).or_default();
                late += u64::from(known.attributes.values().any(|(at, _)| *at > as_of));
                known.hear(line, as_of);
                words += 1;
            }
            // Some hours pass, so that not all words fall on the same times.
            if below(3) == 0 {
                world.advance(DAY);
            }
        }
        for (member, known) in &model {
            let (_, shown) = stage.api(&stage.shop, Method::GET, &format!("/v1/members/{member}"), None);
            let (attributes, tags) = known.shown();
            assert_eq!((&shown["attributes"], &shown["tags"]), (&attributes, &tags), "seed {seed}: {member}");
        }
        let lists = world.query(
            "SELECT DISTINCT a.member, a.name, v.value FROM attributes a, json_each(a.value) v WHERE a.kind = 'list' ORDER BY 1, 2, 3",
        );
        let items = world.query("SELECT member, name, value FROM attribute_items ORDER BY 1, 2, 3");
        assert_eq!(items, lists, "seed {seed}: the elements of lists");
        vec![("words", words), ("of them late", late)] as Figures
    });
}
