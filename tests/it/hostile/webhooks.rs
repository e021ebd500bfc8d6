//! Deliveries of LINE's that come in an unlucky way: what they say of somebody is still found when it must go.

use enishi::{
    store::Queue,
    time::{DAY, HOUR, MINUTE, SECOND},
    web::MAX_BODY,
};
use enishi_world::{ACCOUNT, Fault, Point};
use serde_json::{Value, json};

use super::super::{
    erase::{erase, found},
    support::{
        Stage,
        delivery::{delivery, event, message},
        webhook,
    },
};

/// A message that no database takes.
const POISON: &str = "CREATE TRIGGER poison BEFORE INSERT ON chat_messages WHEN new.text = 'poison' \
     BEGIN SELECT raise(ABORT, 'poison'); END";

fn arrive(stage: &Stage, events: &Value) {
    assert_eq!(stage.world.answer(webhook(&delivery(events))).status, 200);
}

pub(super) fn deliver(stage: &Stage, events: &Value) {
    arrive(stage, events);
    stage.world.run_queues();
}

/// The verdicts of deliveries, and whether they have a body.
fn ledger(stage: &Stage) -> Vec<(String, bool)> {
    let rows = stage.world.query("SELECT verdict, body FROM webhook_deliveries ORDER BY seq");
    let row = |row: &Value| (row["verdict"].as_str().unwrap().to_owned(), row["body"] != "");
    rows.iter().map(row).collect()
}

pub(super) fn bodies(stage: &Stage) -> String {
    Value::from(stage.world.query("SELECT body FROM webhook_deliveries ORDER BY seq")).to_string()
}

pub(super) fn unsend(user: &str, message: &str, id: &str, at: i64) -> Value {
    let mut unsend = event("unsend", user, id, at);
    unsend["unsend"] = json!({ "messageId": message });
    unsend
}

/// Somebody in a group.
pub(super) fn in_group(mut event: Value, user: &str) -> Value {
    event["source"] = json!({ "type": "group", "groupId": "C1", "userId": user });
    event
}

#[test]
fn a_delivery_with_a_poison_event_lies_in_the_ledger_once_and_once_as_failed() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    world.execute(POISON);
    deliver(
        &stage,
        &json!([{ "type": "broken" }, message(&user, "1", "hi", 1), message(&user, "2", "poison", 2)]),
    );
    world.settle(3 * HOUR);
    let with_body: Vec<_> =
        ledger(&stage).into_iter().filter(|(_, body)| *body).map(|(verdict, _)| verdict).collect();
    assert_eq!(with_body, ["unreadable", "failed"]);
    deliver(&stage, &json!([message(&user, "3", "hi", 1), message(&user, "4", "poison", 2)]));
    world.settle(3 * HOUR);
    let with_body: Vec<_> =
        ledger(&stage).into_iter().filter(|(_, body)| *body).map(|(verdict, _)| verdict).collect();
    assert_eq!(with_body, ["unreadable", "failed", "applied", "failed"]);
}

#[test]
fn who_is_erased_leaves_every_delivery_that_repeated_their_event() {
    let stage = Stage::new(1);
    let (canary, other) = (stage.member("m1", "gold"), stage.person("太郎"));
    let now = stage.world.now().0;
    let one = message(&canary, "1", "words of the canary", now);
    let others = in_group(message(&other, "2", "stays", now), &other);
    for events in [
        json!([one]),
        json!([one, others]),
        json!([others, one]),
        json!([others, one, event("follow", &other, "F", now)]),
    ] {
        deliver(&stage, &events);
    }
    assert_eq!(erase(&stage, "m1"), 204);
    assert_eq!(found(&stage, &[&canary, "words of the canary"]), []);
    assert!(bodies(&stage).contains("stays"));
}

#[test]
fn what_is_unsent_leaves_every_delivery_that_repeated_it() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    for wrap in [|event, _: &str| event, in_group] {
        let secret = wrap(message(&user, "1", "secret", 1), &user);
        let other = |id: &str| wrap(message(&user, id, "stays", 1), &user);
        for events in [json!([secret]), json!([secret, other("2")]), json!([other("3"), secret])] {
            deliver(&stage, &events);
        }
        deliver(&stage, &json!([wrap(unsend(&user, "1", "U", 2), &user)]));
        assert!(!bodies(&stage).contains("secret") && bodies(&stage).contains("stays"), "{}", bodies(&stage));
        stage.world.execute("DELETE FROM webhook_events; DELETE FROM webhook_deliveries");
    }
}

#[test]
fn a_delivery_that_the_queue_took_without_saying_so_has_its_body_once() {
    let stage = Stage::new(1);
    let (world, canary) = (&stage.world, stage.member("m1", "gold"));
    let one = message(&canary, "1", "words of the canary", world.now().0);
    world.fail_next(Point::Queue, Fault::AnswerLost, 1);
    deliver(&stage, &json!([one]));
    world.settle(5 * MINUTE);
    assert_eq!(ledger(&stage).iter().filter(|(_, body)| *body).count(), 2, "{:?}", ledger(&stage));
    assert_eq!(ledger(&stage).iter().filter(|(verdict, _)| verdict == "duplicate").count(), 1);
    assert_eq!(erase(&stage, "m1"), 204);
    assert_eq!(found(&stage, &[&canary, "words of the canary"]), []);
}

#[test]
fn who_is_erased_while_a_delivery_is_tried_is_not_kept_with_what_failed_of_it() {
    let stage = Stage::new(1);
    let (world, canary, other) = (&stage.world, stage.member("m1", "gold"), stage.person("太郎"));
    world.execute(POISON);
    let now = world.now().0;
    let words = "words of the canary";
    let group = in_group(message(&canary, "2", words, now), &canary);
    arrive(&stage, &json!([message(&canary, "1", words, now), message(&other, "3", "poison", now), group]));
    world.run_queue(Queue::Webhooks);
    world.settle(5 * MINUTE);
    assert_eq!(erase(&stage, "m1"), 204);
    world.settle(3 * HOUR);
    assert_eq!(ledger(&stage).iter().filter(|(verdict, _)| verdict == "failed").count(), 1);
    let body = bodies(&stage);
    assert!(body.contains("poison") && !body.contains(words) && !body.contains(&*canary), "{body}");
}

#[test]
fn what_comes_late_of_somebody_who_was_erased_is_not_kept_where_it_waited() {
    for (verdict, neighbour) in [("applied", "stays"), ("unreadable", "broken"), ("failed", "poison")] {
        let stage = Stage::new(1);
        let (world, canary, other) = (&stage.world, stage.member("m1", "gold"), stage.person("太郎"));
        world.execute(POISON);
        let at = world.now().0;
        world.advance(SECOND);
        assert_eq!(erase(&stage, "m1"), 204);
        let words = "words of the canary";
        let neighbour = match neighbour {
            "broken" => json!({ "type": "broken" }),
            text => message(&other, "3", text, at),
        };
        let group = in_group(message(&canary, "2", words, at), &canary);
        world.fail_next(Point::Queue, Fault::Refused, 2);
        arrive(&stage, &json!([message(&canary, "1", words, at), neighbour, group]));
        assert_eq!(stage.count("webhook_deliveries WHERE verdict = 'waiting'"), 1);
        world.settle(3 * HOUR);
        assert_eq!(
            stage.count(&format!("webhook_deliveries WHERE verdict = '{verdict}'")),
            1 + u64::from(verdict == "applied")
        );
        let body = bodies(&stage);
        assert!(!body.contains(words) && !body.contains(&*canary), "{verdict}: {body}");
    }
}

#[test]
fn a_delivery_that_was_applied_by_halves_is_found_for_both() {
    for erased in ["m1", "m2"] {
        let stage = Stage::new(1);
        let world = &stage.world;
        let [one, two] = ["m1", "m2"].map(|member| stage.member(member, "gold"));
        let now = world.now().0;
        world.run_queues();
        arrive(
            &stage,
            &json!([message(&one, "1", "words of one", now), message(&two, "2", "words of two", now)]),
        );
        // The whole and the second half are refused; what is left is tried again.
        world.evict_isolate();
        assert_eq!(world.get(&format!("{}/jwks.json", ACCOUNT.issuer)).status, 200);
        world.fail_next(Point::Database, Fault::Refused, 1);
        assert!(world.deliver_batch(Queue::Webhooks));
        world.settle(5 * MINUTE);
        let (gone, words) = if erased == "m1" { (&one, "words of one") } else { (&two, "words of two") };
        assert_eq!(erase(&stage, erased), 204);
        assert_eq!(found(&stage, &[gone, words]), []);
        assert_eq!(stage.count("chat_messages"), 1);
    }
}

#[test]
fn a_delivery_whose_second_half_fails_is_found_for_both() {
    for erased in ["m1", "m2"] {
        let stage = Stage::new(1);
        let world = &stage.world;
        let [one, two] = ["m1", "m2"].map(|member| stage.member(member, "gold"));
        world.execute(
            "CREATE TRIGGER busy BEFORE INSERT ON chat_messages WHEN new.text = 'words of two' \
             BEGIN SELECT raise(ABORT, 'busy'); END",
        );
        let now = world.now().0;
        deliver(
            &stage,
            &json!([message(&one, "1", "words of one", now), message(&two, "2", "words of two", now)]),
        );
        world.execute("DROP TRIGGER busy");
        world.settle(5 * MINUTE);
        assert_eq!(stage.count("chat_messages"), 2);
        let (gone, words) = if erased == "m1" { (&one, "words of one") } else { (&two, "words of two") };
        assert_eq!(erase(&stage, erased), 204);
        assert_eq!(found(&stage, &[gone, words]), []);
    }
}

#[test]
fn an_event_whose_id_looks_like_the_claim_of_a_further_person_is_not_taken_for_it() {
    let stage = Stage::new(1);
    let [one, two] = ["花子", "太郎"].map(|name| stage.person(name));
    let joined = in_group(event("memberJoined", &one, "E", 1), &two);
    deliver(&stage, &json!([joined]));
    deliver(&stage, &json!([event("follow", &one, "E/0", 2)]));
    let rows = stage.world.query("SELECT verdict FROM webhook_deliveries ORDER BY seq");
    assert_eq!(rows, ["applied", "unreadable"].map(|verdict| json!({ "verdict": verdict })));
}

#[test]
fn an_event_that_stands_twice_in_a_delivery_counts_once() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    let one = message(&user, "1", "hi", 1);
    deliver(&stage, &json!([one, one, event("follow", &user, "E", 2), one]));
    assert_eq!(ledger(&stage), [("applied".to_owned(), true)]);
    world.fail_next(Point::Queue, Fault::Refused, 2);
    arrive(&stage, &json!([event("follow", &user, "F", 3), event("follow", &user, "F", 3)]));
    world.settle(5 * MINUTE);
    assert_eq!(ledger(&stage)[1], ("applied".to_owned(), true));
    assert_eq!((stage.count("chat_messages"), stage.count("line_users WHERE friendship_at = 3")), (1, 1));
    let counts =
        world.query("SELECT sum(events) AS events, sum(duplicates) AS duplicates FROM webhook_counts");
    assert_eq!(counts, [json!({ "events": 6, "duplicates": 3 })]);
}

#[test]
fn a_replay_near_the_end_of_a_claims_life_applies_nothing_twice() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    let id = |at: i64| format!("{}0000000000000000", enishi::time::UnixMillis(at).ulid());
    let now = world.now().0;
    // What happened long before it came, as after LINE's redelivery, has a claim that is swept by the time of the event's id.
    let old = now - 20 * DAY;
    let mut late = message(&user, "1", "hi", old);
    late["webhookEventId"] = id(old).into();
    deliver(&stage, &json!([late]));
    for _ in 0..13 {
        world.advance(DAY);
        world.tick();
    }
    world.execute("DELETE FROM chat_messages");
    let (status, answer) =
        stage.api(&stage.shop, http::Method::POST, "/v1/webhooks/replay", Some(&json!({ "ids": [1] })));
    assert_eq!((status, &answer["replayed"]), (202, &json!(1)), "{answer}");
    world.run_queues();
    assert_eq!(stage.count("chat_messages"), 0);
}

#[test]
fn a_delivery_of_two_megabytes_with_six_thousand_events_is_applied_whole_and_once() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    let events: Vec<Value> = (0..6_000).map(|at| message(&user, &format!("{at}"), "hi", at)).collect();
    let body = delivery(&Value::from(events));
    assert!((1_000_000..2_000_000).contains(&body.len()), "{}", body.len());
    for _ in 0..2 {
        assert_eq!(world.answer(webhook(&body)).status, 200);
        world.settle(5 * MINUTE);
    }
    assert_eq!((stage.count("chat_messages"), stage.count("webhook_events")), (6_000, 6_000));
    assert_eq!(ledger(&stage), [("applied".to_owned(), true), ("duplicate".to_owned(), false)]);
    // As large as a body may be, in as many events as it may hold.
    let small = |at: usize| {
        format!(
            r#"{{"type":"follow","timestamp":1,"webhookEventId":"{at:x}","source":{{"type":"user","userId":"U{at:032x}"}}}}"#
        )
    };
    let events: Vec<String> = (0..MAX_BODY / (small(0).len() + 4)).map(small).collect();
    let body = format!(r#"{{"destination":"{}","events":[{}]}}"#, ACCOUNT.bot_user_id, events.join(","));
    let padded = format!("{}{body}", " ".repeat(MAX_BODY - body.len()));
    assert_eq!(world.answer(webhook(&padded)).status, 200);
    world.settle(5 * MINUTE);
    assert_eq!(world.queued(), Vec::<String>::new());
    assert_eq!(stage.count("webhook_deliveries WHERE verdict = 'waiting'"), 0);
    assert_eq!(stage.count("line_users WHERE friend = 1"), events.len() as u64);
}
