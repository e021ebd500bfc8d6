//! LINE's webhooks, from the door to their effect.

use enishi::{
    app,
    time::{HOUR, MINUTE, SECOND},
};
use enishi_world::{ACCOUNT, Fault, OTHER_ACCOUNT, Point, line_simulator::WebhookBehaviour};
use http::Method;
use serde_json::{Value, json};

use crate::support::{
    Stage,
    delivery::{delivery, event, message},
    webhook,
};

/// Deliveries on which the queue gave up.
const FAILED: &str = "SELECT body FROM webhook_deliveries WHERE verdict = 'failed'";

/// A message that no database takes.
const POISON: &str = "CREATE TRIGGER poison BEFORE INSERT ON chat_messages WHEN new.text = 'poison' \
     BEGIN SELECT raise(ABORT, 'poison'); END";

/// Sends one delivery and applies it.
fn apply(stage: &Stage, events: &Value) {
    assert_eq!(stage.world.answer(webhook(&delivery(events))).status, 200);
    stage.world.run_queues();
}

fn friend_state(stage: &Stage, user: &str) -> Value {
    let (status, friend) = stage.api(&stage.shop, Method::GET, &format!("/v1/friends/{user}"), None);
    assert_eq!(status, 200, "{friend}");
    friend
}

#[test]
fn a_follow_makes_a_friend_and_an_unfollow_ends_it() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    let friend = friend_state(&stage, &user);
    assert_eq!((&friend["friend"], &friend["since"]), (&json!(true), &json!("2026-01-05T03:00:00.000Z")));
    stage.world.advance(MINUTE);
    let now = stage.world.now().0;
    stage.world.line().unfollow(now, &user).unwrap();
    stage.deliver();
    let blocked = friend_state(&stage, &user);
    assert_eq!((&blocked["friend"], &blocked["since"]), (&json!(false), &json!(null)));
    assert_eq!(blocked["sub"], friend["sub"]);
    assert_eq!(stage.api(&stage.shop, Method::GET, "/v1/friends/U%201", None).0, 400);
    let unknown = "/v1/friends/U00000000000000000000000000000000";
    assert_eq!(stage.api(&stage.shop, Method::GET, unknown, None).0, 404);
}

#[test]
fn a_delivery_that_line_did_not_sign_is_401_and_leaves_no_trace() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    let good = webhook(&delivery(&json!([event("follow", &user, "E1", 1)])));
    let mut unsigned = good.clone();
    unsigned.headers.remove("x-line-signature");
    let mut altered = good.clone();
    altered.body = Some(delivery(&json!([event("unfollow", &user, "E1", 1)])).into_bytes());
    let mut garbled = good.clone();
    garbled.headers.insert("x-line-signature", "AAAA".parse().unwrap());
    for bad in [unsigned, altered, garbled] {
        assert_eq!(stage.world.answer(bad).status, 401);
    }
    assert_eq!(stage.world.queued(), Vec::<String>::new());
    assert_eq!(stage.world.answer(good).status, 200);
}

#[test]
fn a_delivery_for_another_bot_is_refused_although_it_is_signed() {
    let stage = Stage::new(1);
    let body = json!({ "destination": OTHER_ACCOUNT.bot_user_id, "events": [] }).to_string();
    assert_eq!(stage.world.answer(webhook(&body)).status, 401);
}

#[test]
fn what_line_signed_and_nobody_can_read_is_kept_as_it_came() {
    let stage = Stage::new(1);
    for body in ["not json", "{}", "[]"] {
        assert_eq!(stage.world.answer(webhook(body)).status, 200, "{body}");
    }
    stage.world.run_queues();
    let kept = stage.world.query("SELECT verdict, body FROM webhook_deliveries ORDER BY seq");
    let kept: Vec<_> = kept.iter().map(|row| (row["verdict"].as_str(), row["body"].as_str())).collect();
    let unreadable = |body| (Some("unreadable"), Some(body));
    assert_eq!(kept, [unreadable("not json"), unreadable("{}"), unreadable("[]")]);
}

#[test]
fn the_connectivity_check_without_events_is_200_and_queues_nothing() {
    let stage = Stage::new(1);
    assert_eq!(stage.world.answer(webhook(&delivery(&json!([])))).status, 200);
    assert_eq!(stage.world.queued(), Vec::<String>::new());
}

#[test]
fn an_event_that_is_delivered_twice_is_applied_once() {
    let stage = Stage::new(1);
    let behaviour = WebhookBehaviour { duplicate: true, ..WebhookBehaviour::default() };
    stage.world.line().set_webhook_behaviour(behaviour);
    let user = stage.friend("花子");
    let now = stage.world.now().0;
    stage.world.line().send_message(now, &user, "こんにちは").unwrap();
    stage.world.deliver_webhooks();
    stage.world.duplicate_queued();
    stage.world.run_queues();
    assert_eq!(stage.count("webhook_events"), 2);
    assert_eq!(stage.count("line_users"), 1);
    let messages = stage.world.query("SELECT text FROM chat_messages");
    assert_eq!(messages, [json!({ "text": "こんにちは" })]);
    assert_eq!(stage.count("dead_letters"), 0);
}

#[test]
fn the_newest_of_follow_and_unfollow_wins_in_whatever_order_they_arrive() {
    let events = |user: &str| {
        [
            event("follow", user, "E1", 1_000),
            event("unfollow", user, "E2", 2_000),
            event("follow", user, "E3", 3_000),
            event("unfollow", user, "E4", 3_000),
        ]
    };
    let orders: [[usize; 4]; 5] = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2], [3, 0, 1, 2]];
    for order in orders {
        let stage = Stage::new(1);
        let user = stage.person("花子");
        let events = events(&user);
        for (count, at) in order.into_iter().enumerate() {
            apply(&stage, &json!([events[at]]));
            if order[..=count].iter().all(|seen| *seen != 3) {
                let newest = order[..=count].iter().max().unwrap();
                assert_eq!(friend_state(&stage, &user)["friend"], *newest != 1, "{order:?} after {count}");
            }
        }
        // Equal times are settled by the larger event id.
        assert_eq!(friend_state(&stage, &user)["friend"], false, "{order:?}");
    }
}

#[test]
fn since_when_somebody_is_a_friend_survives_a_repeated_follow() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    apply(&stage, &json!([event("follow", &user, "E1", 1_000), event("follow", &user, "E2", 5_000)]));
    assert_eq!(friend_state(&stage, &user)["since"], "1970-01-01T00:00:01.000Z");
    apply(&stage, &json!([event("unfollow", &user, "E3", 6_000), event("follow", &user, "E4", 7_000)]));
    assert_eq!(friend_state(&stage, &user)["since"], "1970-01-01T00:00:07.000Z");
}

#[test]
fn what_we_do_not_know_is_acknowledged_and_spoils_nothing_beside_it() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    let group = json!({ "type": "group", "groupId": "C1", "userId": user });
    let mut in_group = event("follow", &user, "E3", 1);
    in_group["source"] = group;
    let events = json!([
        event("someFutureEvent", &user, "E1", 1),
        { "type": "broken" },
        "not even an object",
        in_group,
        event("follow", &user, "E4", 2),
    ]);
    apply(&stage, &events);
    assert_eq!(friend_state(&stage, &user)["friend"], true);
    let kept = stage.world.query("SELECT verdict, body FROM webhook_deliveries");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0]["verdict"], "unreadable", "what cannot be read is kept where it can be seen");
    assert!(kept[0]["body"].as_str().unwrap().contains("not even an object"), "{kept:?}");
    assert_eq!(stage.world.queued(), Vec::<String>::new());
}

#[test]
fn an_unsent_message_is_blank_whichever_of_the_two_arrives_first() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    let unsend = |id: &str, event_id: &str| {
        let mut event = event("unsend", &user, event_id, 2_000);
        event["unsend"] = json!({ "messageId": id });
        event
    };
    apply(&stage, &json!([message(&user, "1", "secret one", 1_000)]));
    apply(&stage, &json!([unsend("1", "U1")]));
    apply(&stage, &json!([unsend("2", "U2")]));
    apply(&stage, &json!([message(&user, "2", "secret two", 1_000)]));
    let messages =
        stage.world.query("SELECT message_id, text, unsent FROM chat_messages ORDER BY message_id");
    let blank = |id: &str| json!({ "message_id": id, "text": null, "unsent": 1 });
    assert_eq!(messages, [blank("1"), blank("2")]);
}

#[test]
fn acknowledging_touches_no_store_once_the_configuration_is_warm() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    let (world, body) = (&stage.world, delivery(&json!([message(&user, "1", "hi", 1)])));
    world.reset_calls();
    assert_eq!(world.answer(webhook(&body)).status, 200);
    let calls = world.calls();
    assert!(calls.touched_no_store(), "{calls:?}");
    assert_eq!((calls.enqueues, calls.fetches), (1, 0));
}

#[test]
fn where_the_queue_refuses_the_ledger_takes_the_delivery_and_cron_finds_it() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    let world = &stage.world;
    world.fail_next(Point::Queue, Fault::Refused, 2);
    let now = world.now().0;
    world.line().follow(now, &user).unwrap();
    assert_eq!(world.deliver_webhooks(), [200]);
    assert_eq!((world.queued().len(), stage.count("webhook_deliveries WHERE verdict = 'waiting'")), (0, 1));
    world.settle(5 * MINUTE);
    assert_eq!(friend_state(&stage, &user)["friend"], true);
    assert_eq!(stage.count("webhook_deliveries WHERE verdict = 'waiting'"), 0);
}

#[test]
fn where_nothing_can_keep_a_delivery_line_is_told_503_and_sends_it_again() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let behaviour = WebhookBehaviour { redelivery: true, ..WebhookBehaviour::default() };
    world.line().set_webhook_behaviour(behaviour);
    let user = stage.person("花子");
    let now = world.now().0;
    world.line().follow(now, &user).unwrap();
    let warm = world.get(&format!("{}/jwks.json", ACCOUNT.issuer));
    assert_eq!(warm.status, 200);
    world.fail_next(Point::Queue, Fault::Refused, 1);
    world.fail_next(Point::Database, Fault::Refused, 1);
    assert_eq!(world.deliver_webhooks(), [503]);
    assert_eq!(world.deliver_webhooks(), [200]);
    world.run_queues();
    let friend = friend_state(&stage, &user);
    assert_eq!((&friend["friend"], &friend["since"]), (&json!(true), &json!("2026-01-05T03:00:00.000Z")));
}

#[test]
fn a_body_above_100_kb_travels_by_reference_and_whole() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    let text = "あ".repeat(5_000);
    let events: Vec<Value> = (0..20).map(|at| message(&user, &at.to_string(), &text, at)).collect();
    let body = delivery(&Value::from(events));
    assert!(body.len() > 300_000);
    assert_eq!(stage.world.answer(webhook(&body)).status, 200);
    let queued = stage.world.queued();
    assert!(queued.len() == 1 && queued[0].len() < 500, "{queued:?}");
    stage.world.run_queues();
    assert_eq!(stage.count("chat_messages WHERE length(text) = 5000"), 20);
    assert_eq!(stage.count("webhook_deliveries WHERE verdict = 'waiting'"), 0);
}

#[test]
fn a_body_that_escaping_makes_too_large_for_a_message_is_kept_too() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    let events: Vec<Value> =
        (0..19).map(|at| message(&user, &at.to_string(), &"\"\\".repeat(1_200), at)).collect();
    let body = delivery(&Value::from(events));
    assert!(body.len() <= 100_000, "{}", body.len());
    assert_eq!(stage.world.answer(webhook(&body)).status, 200);
    stage.world.run_queues();
    assert_eq!(stage.count("chat_messages WHERE length(text) = 2400"), 19);
}

#[test]
fn a_store_that_fails_while_events_are_applied_loses_and_doubles_nothing() {
    for fault in Fault::ALL {
        for number in 1.. {
            let stage = Stage::new(number);
            let world = &stage.world;
            let users = ["花子", "太郎", "次郎"].map(|name| stage.person(name));
            let now = world.now().0;
            for user in &users {
                world.line().follow(now, user).unwrap();
                world.line().send_message(now, user, "hi").unwrap();
            }
            world.deliver_webhooks();
            world.evict_isolate();
            world.fail_at(number, fault);
            world.run_queues();
            let unharmed = world.end_faults();
            world.settle(5 * MINUTE);
            assert_eq!(stage.count("line_users WHERE friend = 1"), 3, "{fault:?} at {number}");
            assert_eq!(stage.count("chat_messages"), 3, "{fault:?} at {number}");
            assert_eq!(world.queued(), Vec::<String>::new());
            if unharmed {
                break;
            }
        }
    }
}

#[test]
fn whatever_fails_at_the_door_an_acknowledged_delivery_is_applied() {
    for fault in Fault::ALL {
        for (number, queue_refuses) in [(1, 0), (1, 1), (2, 0), (2, 1), (3, 1), (4, 1)] {
            let stage = Stage::new(number);
            let (world, user) = (&stage.world, stage.person("花子"));
            let request = webhook(&delivery(&json!([event("follow", &user, "E1", 1_000)])));
            world.evict_isolate();
            world.fail_at(number, fault);
            world.fail_next(Point::Queue, Fault::Refused, queue_refuses);
            let status = world.answer(request.clone()).status;
            world.end_faults();
            if status != 200 {
                assert_eq!(world.answer(request).status, 200);
            }
            world.settle(5 * MINUTE);
            assert_eq!(friend_state(&stage, &user)["friend"], true, "{fault:?} at {number}");
        }
    }
}

#[test]
fn a_poison_event_fails_none_of_its_neighbours_and_is_kept_where_it_can_be_seen() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    world.execute(POISON);
    let poisoned =
        [message(&user, "1", "one", 1), message(&user, "2", "poison", 2), message(&user, "3", "three", 3)];
    for events in [json!(poisoned), json!([event("follow", &user, "E1", 4)])] {
        assert_eq!(world.answer(webhook(&delivery(&events))).status, 200);
    }
    world.run_queues();
    assert_eq!(friend_state(&stage, &user)["friend"], true);
    assert_eq!(stage.count("chat_messages"), 2);
    world.settle(60 * MINUTE);
    assert_eq!(stage.count("chat_messages"), 2);
    let letters = world.query(FAILED);
    assert!(letters.iter().any(|letter| letter["body"].as_str().unwrap().contains("poison")), "{letters:?}");
    assert_eq!(world.queued(), Vec::<String>::new());
}

#[test]
fn a_rotated_channel_secret_counts_at_once_and_its_announced_predecessor_still() {
    let stage = Stage::new(1);
    let old = webhook(&delivery(&json!([])));
    let mut body = stage.shop.account_body();
    body["messaging_channel"]["secret"] = "ffffffffffffffffffffffffffffffff".into();
    body["messaging_channel"]["previous_secret"] = ACCOUNT.messaging_secret.into();
    assert_eq!(stage.put_account(ACCOUNT.host, &body).status, 200);
    assert_eq!(stage.world.answer(old.clone()).status, 200);
    body["messaging_channel"].as_object_mut().unwrap().remove("previous_secret");
    assert_eq!(stage.put_account(ACCOUNT.host, &body).status, 200);
    assert_eq!(stage.world.answer(old).status, 401);
}

#[test]
fn a_job_that_nobody_can_read_is_kept_among_the_dead_letters() {
    let stage = Stage::new(1);
    let memory = stage.world.isolate();
    let bodies = ["not json", r#"{"v":2,"job":"from the future"}"#];
    let done = stage.world.run(enishi::app::work(stage.world.context(&memory), &bodies)).unwrap();
    assert!(done.iter().all(|disposition| *disposition == enishi::app::Disposition::Done), "{done:?}");
    assert_eq!(stage.count("dead_letters"), 2);
}

#[test]
fn a_delivery_that_the_queue_gave_up_on_is_applied_once_the_outage_is_over() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    let request = webhook(&delivery(&json!([event("follow", &user, "E1", 1_000)])));
    assert_eq!(world.answer(request).status, 200);
    // The queue's hundred retries, and a day among what it gave up on, where nothing can be kept either.
    for _ in 0..130 {
        world.fail_next(Point::Database, Fault::Refused, 10);
        world.run_queues();
        world.end_faults();
        world.advance(HOUR);
    }
    world.settle(2 * HOUR);
    assert_eq!(friend_state(&stage, &user)["friend"], true);
    assert_eq!(stage.count("dead_letters"), 0);
}

#[test]
fn an_acknowledged_delivery_outlives_an_outage_of_any_length_and_is_applied_once() {
    for (outage, text) in [
        (10 * MINUTE, "こんにちは".to_owned()),
        (5 * HOUR, "こんにちは".to_owned()),
        (30 * HOUR, "こんにちは".to_owned()),
        // Too large for a queue message: it waits in the ledger.
        (10 * MINUTE, "あ".repeat(40_000)),
        (5 * HOUR, "あ".repeat(40_000)),
    ] {
        let stage = Stage::new(1);
        let (world, user) = (&stage.world, stage.person("花子"));
        let events = json!([event("follow", &user, "E1", 1_000), message(&user, "1", &text, 2_000)]);
        assert_eq!(world.answer(webhook(&delivery(&events))).status, 200);
        world.fail_always(Point::Database, Fault::Refused);
        world.settle(outage);
        world.end_faults();
        world.settle(2 * HOUR);
        let what = format!("{} bytes, {outage} ms", text.len());
        assert_eq!(friend_state(&stage, &user)["friend"], true, "{what}");
        assert_eq!(stage.count("chat_messages"), 1, "{what}");
        assert_eq!(
            stage.count("webhook_deliveries WHERE verdict = 'waiting'") + stage.count("dead_letters"),
            0,
            "{what}"
        );
        assert_eq!(world.queued(), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn while_the_database_fails_deliveries_are_taken_by_the_configuration_last_known() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.friend("花子"));
    let good = webhook(&delivery(&json!([message(&user, "1", "hi", 1)])));
    let mut wrong = good.clone();
    wrong.headers.insert("x-line-signature", "A".repeat(44).parse().unwrap());
    let to_another = json!({ "destination": OTHER_ACCOUNT.bot_user_id, "events": [] }).to_string();
    world.advance(HOUR);
    world.fail_always(Point::Database, Fault::Refused);
    assert_eq!(world.answer(good).status, 200);
    assert_eq!(world.queued().len(), 1);
    assert_eq!(world.answer(wrong.clone()).status, 503, "the secret may have been replaced meanwhile");
    assert_eq!(world.answer(webhook(&to_another)).status, 503, "and the bot too");
    assert_eq!(world.get(&format!("{}/jwks.json", ACCOUNT.issuer)).status, 200);
    world.end_faults();
    assert_eq!(world.answer(wrong).status, 401);
    world.settle(5 * MINUTE);
    assert_eq!(stage.count("chat_messages"), 1);
}

#[test]
fn an_event_that_is_no_text_does_not_spoil_the_one_beside_it() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    let broken = message(&user, "1", "LONE", 1).to_string().replace("LONE", r"\ud83d");
    let follow = event("follow", &user, "E2", 2);
    let body = format!(r#"{{"destination":"{}","events":[{broken},{follow}]}}"#, ACCOUNT.bot_user_id);
    assert_eq!(stage.world.answer(webhook(&body)).status, 200);
    stage.world.run_queues();
    assert_eq!(friend_state(&stage, &user)["friend"], true);
    let letters = stage.world.query("SELECT body FROM webhook_deliveries WHERE verdict = 'unreadable'");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0]["body"].as_str().unwrap().contains(r"\ud83d"), "{letters:?}");
    assert_eq!(stage.world.queued(), Vec::<String>::new());
}

#[test]
fn of_twenty_deliveries_only_the_one_with_a_poison_event_ends_among_the_dead_letters() {
    let stage = Stage::new(1);
    let world = &stage.world;
    world.execute(POISON);
    let users: Vec<_> = (0..20).map(|at| stage.person(&format!("客{at}"))).collect();
    for (at, user) in users.iter().enumerate() {
        let text = if at == 7 { "poison" } else { "hi" };
        let events = json!([
            event("follow", user, &format!("F{at}"), 1_000),
            message(user, &format!("a{at}"), text, 2_000),
            message(user, &format!("b{at}"), "bye", 3_000),
        ]);
        assert_eq!(world.answer(webhook(&delivery(&events))).status, 200);
    }
    world.run_queues();
    for _ in 0..2 {
        assert_eq!(stage.count("line_users WHERE friend = 1"), 20);
        assert_eq!(stage.count("chat_messages"), 39);
        world.settle(3 * HOUR);
    }
    let letters = world.query(FAILED);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0]["body"].as_str().unwrap().contains("poison"), "{letters:?}");
    assert_eq!(world.queued(), Vec::<String>::new());
}

#[test]
fn a_full_batch_of_deliveries_takes_few_statements() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let users: Vec<_> = (0..100).map(|at| stage.person(&format!("客{at}"))).collect();
    for (at, user) in users.iter().enumerate() {
        let mut unsend = event("unsend", user, &format!("U{at}"), 4_000);
        unsend["unsend"] = json!({ "messageId": format!("b{at}") });
        let events = json!([
            event("follow", user, &format!("F{at}"), 1_000),
            message(user, &format!("a{at}"), "one", 2_000),
            message(user, &format!("b{at}"), "two", 3_000),
            unsend,
            event("unfollow", user, &format!("G{at}"), 5_000),
        ]);
        assert_eq!(world.answer(webhook(&delivery(&events))).status, 200);
    }
    world.reset_calls();
    assert_eq!(world.run_queues(), 1);
    let calls = world.calls();
    assert!(calls.statements <= 20 && calls.batches <= 10, "{calls:?}");
    assert_eq!(stage.count("webhook_events"), 500);
    assert_eq!(stage.count("line_users WHERE friend = 0 AND friendship_at = 5000"), 100);
    assert_eq!(stage.count("chat_messages WHERE text = 'one'"), 100);
    assert_eq!(stage.count("chat_messages WHERE text IS NULL AND unsent = 1"), 100);
}

#[test]
fn who_follows_and_blocks_many_times_within_one_batch_ends_as_at_last() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    let kind = |at: i64| if at % 2 == 0 { "follow" } else { "unfollow" };
    for first in (0..100).rev() {
        let events: Vec<Value> = (first * 5..first * 5 + 5)
            .map(|at| event(kind(at), &user, &format!("E{at}"), 1_000 + at))
            .collect();
        assert_eq!(world.answer(webhook(&delivery(&Value::from(events)))).status, 200);
    }
    world.run_queues();
    assert_eq!(friend_state(&stage, &user)["friend"], false);
    assert_eq!(stage.count("webhook_events"), 500);
}

#[test]
fn a_corrected_bot_counts_for_the_next_delivery() {
    let stage = Stage::new(1);
    let (world, elsewhere) = (&stage.world, stage.world.isolate());
    let user = stage.person("花子");
    let mut wrong = stage.shop.account_body();
    wrong["messaging_channel"]["bot_user_id"] = "U0000000000000000000000000000ffff".into();
    assert_eq!(stage.put_account(ACCOUNT.host, &wrong).status, 200);
    let request = webhook(&delivery(&json!([event("follow", &user, "E1", 1_000)])));
    let ask = || world.run(app::serve(world.context(&elsewhere), request.clone())).unwrap().status.as_u16();
    assert_eq!(ask(), 401);
    // The operator's correction reaches another isolate.
    world.evict_isolate();
    assert_eq!(stage.put_account(ACCOUNT.host, &stage.shop.account_body()).status, 200);
    world.advance(5 * SECOND);
    assert_eq!(ask(), 200);
    world.run_queues();
    assert_eq!(friend_state(&stage, &user)["friend"], true);
}

#[test]
fn a_poison_event_in_a_full_batch_stays_within_the_statements_of_an_invocation() {
    let stage = Stage::new(1);
    let world = &stage.world;
    world.execute(POISON);
    let user = stage.person("花子");
    for at in 0..100 {
        let text = |n: i32| if (at, n) == (0, 0) { "poison" } else { "hi" };
        let events: Vec<Value> = (0..5).map(|n| message(&user, &format!("{at}-{n}"), text(n), 1)).collect();
        assert_eq!(world.answer(webhook(&delivery(&Value::from(events)))).status, 200);
    }
    world.reset_calls();
    world.run_queues();
    world.settle(3 * HOUR);
    assert_eq!(stage.count("chat_messages"), 499);
    assert_eq!(world.query(FAILED).len(), 1);
}

#[test]
fn a_full_batch_of_long_messages_is_applied_without_d1s_refusal() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let user = stage.person("花子");
    let text = "あ".repeat(5_000);
    for at in 0..100 {
        let events: Vec<Value> = (0..2).map(|n| message(&user, &format!("{at}-{n}"), &text, 1)).collect();
        assert_eq!(world.answer(webhook(&delivery(&Value::from(events)))).status, 200);
    }
    world.run_queues();
    assert_eq!(stage.count("chat_messages"), 200);
    world.settle(3 * HOUR);
}

#[test]
fn a_large_delivery_whose_last_try_comes_just_after_the_outage_is_applied() {
    for secs in (50 * 60..53 * 60).step_by(15) {
        let stage = Stage::new(1);
        let (world, user) = (&stage.world, stage.person("花子"));
        let events =
            json!([event("follow", &user, "E1", 1_000), message(&user, "1", &"あ".repeat(40_000), 2_000)]);
        assert_eq!(world.answer(webhook(&delivery(&events))).status, 200);
        world.fail_always(Point::Database, Fault::Refused);
        world.settle(secs * SECOND);
        world.end_faults();
        world.settle(2 * HOUR);
        assert_eq!(stage.count("dead_letters"), 0, "{secs} s");
        assert_eq!(stage.count("line_users WHERE friend = 1"), 1);
    }
}

#[test]
fn a_single_failure_of_the_last_try_does_not_bury_what_could_be_applied() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    let events = json!([event("follow", &user, "E1", 1_000)]);
    assert_eq!(world.answer(webhook(&delivery(&events))).status, 200);
    world.fail_always(Point::Database, Fault::Refused);
    for _ in 0..101 {
        world.run_queue(enishi::store::Queue::Webhooks);
        world.advance(30 * SECOND);
    }
    world.end_faults();
    // The outage ends while the dead letters' consumer is at work.
    world.fail_next(Point::Database, Fault::Refused, 1);
    world.settle(2 * HOUR);
    assert_eq!(stage.count("dead_letters"), 0);
    assert_eq!(stage.count("line_users WHERE friend = 1"), 1);
}

#[test]
fn what_cannot_be_read_is_kept_once_although_its_delivery_is_tried_again() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    world.execute(POISON);
    let events = json!([{ "type": "broken" }, message(&user, "1", "poison", 1)]);
    assert_eq!(world.answer(webhook(&delivery(&events))).status, 200);
    world.settle(3 * HOUR);
    let letters = world.query(FAILED);
    assert_eq!(letters.len(), 1, "{letters:?}");
    let body = letters[0]["body"].as_str().unwrap();
    assert!(body.contains("broken") && body.contains("poison"), "{body}");
    assert_eq!(stage.count("dead_letters") + stage.count("webhook_deliveries"), 1);
}

#[test]
fn deliveries_of_an_account_that_does_not_open_keep_nobody_elses_waiting() {
    let stage = Stage::new(1);
    let world = &stage.world;
    stage.other_shop();
    let mine = stage.account_id();
    let ids = world.query("SELECT id FROM accounts");
    let other = ids.iter().map(|row| row["id"].as_str().unwrap()).find(|id| *id != mine).unwrap();
    for at in 0..100 {
        world.execute(&format!(
            "INSERT INTO webhook_deliveries (account, seq, received_at, due_at, verdict, events, signature, body)
             VALUES ('{other}', {at}, {at}, {at}, 'waiting', 0, '', '{{}}')"
        ));
    }
    world.execute(&format!("UPDATE accounts SET config = '{{}}' WHERE id = '{other}'"));
    let user = stage.person("花子");
    let now = world.now().0;
    world.line().follow(now, &user).unwrap();
    // The queue refuses: the delivery waits in the ledger, and its job is lost.
    world.fail_next(Point::Queue, Fault::Refused, 2);
    assert_eq!(world.deliver_webhooks(), [200]);
    assert_eq!(
        stage.count(&format!("webhook_deliveries WHERE verdict = 'waiting' AND account = '{mine}'")),
        1
    );
    world.settle(5 * enishi::time::MINUTE);
    assert_eq!(
        stage.count(&format!("webhook_deliveries WHERE verdict = 'waiting' AND account = '{mine}'")),
        0
    );
    assert_eq!(stage.count("line_users WHERE friend = 1"), 1);
}
