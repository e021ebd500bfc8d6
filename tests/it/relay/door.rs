//! From LINE's door to the tools.

use super::*;
use crate::support::webhook;

/// LINE delivers this.
fn deliver(stage: &Stage, body: &str) {
    assert_eq!(stage.world.answer(webhook(body)).status, 200);
}

/// The bodies that a tool was sent.
fn bodies(stage: &Stage, url: &str) -> Vec<String> {
    calls_at(stage, url).into_iter().map(|call| String::from_utf8(call.body).unwrap()).collect()
}

/// A delivery with this message.
fn message(user: &str, id: &str, text: &str) -> String {
    let event = json!({ "type": "message", "mode": "active", "timestamp": 1_767_582_000_000_i64,
        "webhookEventId": format!("01KE5MESSAGE{id:0>14}"), "source": { "type": "user", "userId": user },
        "deliveryContext": { "isRedelivery": false },
        "message": { "type": "text", "id": id, "quoteToken": "q", "text": text } });
    json!({ "destination": ACCOUNT.bot_user_id, "events": [event] }).to_string()
}

#[test]
fn what_line_delivers_reaches_a_tool_byte_by_byte_once_and_in_sequence() {
    let stage = Stage::new(1);
    let id = relay_to(&stage, ONE, &json!({}));
    let user = stage.person("花子");
    // With a space that no program of ours writes, and a body that is too large for the queue.
    let first = message(&user, "1", "こんにちは").replace("\"events\":", "\"events\" : ");
    let large = message(&user, "2", &"字".repeat(60_000));
    let third = message(&user, "3", "さようなら");
    for body in [&first, &first, &large, &third, &large] {
        deliver(&stage, body);
        stage.world.run_queues();
    }
    stage.world.settle(MINUTE);
    deliver(&stage, &third);
    stage.world.run_queue(Queue::Webhooks);
    assert_eq!(stage.world.queued(), Vec::<String>::new(), "what only repeats costs a relay no job");
    let sent = bodies(&stage, ONE);
    assert_eq!(sent, [first, large, third]);
    for call in calls_at(&stage, ONE) {
        let signature = call.headers["x-line-signature"].to_str().unwrap();
        assert_eq!(signature, sign(ACCOUNT.messaging_secret, &call.body));
    }
    assert_eq!(shown(&stage, &id)["lag"]["deliveries"], 0);
    assert_eq!(stage.world.queued(), Vec::<String>::new());
}

#[test]
fn a_delivery_whose_application_fails_for_good_reaches_a_tool_all_the_same() {
    let stage = Stage::new(1);
    let world = &stage.world;
    relay_to(&stage, ONE, &json!({}));
    let user = stage.person("花子");
    world.execute(
        "CREATE TRIGGER poison BEFORE INSERT ON chat_messages WHEN new.text = 'poison' \
         BEGIN SELECT raise(ABORT, 'poison'); END",
    );
    let [poison, other] = [message(&user, "1", "poison"), message(&user, "2", "hi")];
    deliver(&stage, &poison);
    deliver(&stage, &other);
    world.settle(2 * HOUR);
    let sent = bodies(&stage, ONE);
    assert_eq!((sent.len(), sent.contains(&poison), &sent[0]), (2, true, &other));
}

#[test]
fn what_was_unsent_or_is_of_somebody_who_was_erased_is_not_sent_on() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    let erased = stage.friend("花子");
    let other = stage.friend("太郎");
    let sub = stage.subject(&erased);
    assert_eq!(stage.link(&sub, &json!({ "member_id": "M-1" })).0, 201);
    patch(&stage, &id, &json!({ "paused": true }));
    let before = bodies(&stage, ONE).len();
    deliver(&stage, &message(&erased, "1", "ひみつ"));
    deliver(&stage, &message(&other, "2", "おっと"));
    deliver(&stage, &message(&other, "3", "どうも"));
    let unsend = json!({ "destination": ACCOUNT.bot_user_id, "events": [{
        "type": "unsend", "mode": "active", "timestamp": 1_767_582_001_000_i64, "webhookEventId": "01KE5UNSEND000000000000001",
        "source": { "type": "user", "userId": other }, "unsend": { "messageId": "2" },
        "deliveryContext": { "isRedelivery": false },
    }] });
    deliver(&stage, &unsend.to_string());
    world.run_queues();
    assert_eq!(stage.api(&stage.shop, Method::DELETE, "/v1/members/M-1", None).0, 204);
    patch(&stage, &id, &json!({ "paused": false }));
    world.settle(MINUTE);
    let sent = bodies(&stage, ONE).split_off(before);
    assert_eq!(sent.len(), 3, "{sent:?}");
    assert!(!sent.iter().any(|body| body.contains("ひみつ") || body.contains(erased.as_str())), "{sent:?}");
    assert!(!sent.iter().any(|body| body.contains("おっと")), "{sent:?}");
    assert!(sent[0].contains("\"id\":\"2\"") && sent[1].contains("どうも"), "{sent:?}");
    for call in calls_at(&stage, ONE) {
        let signature = call.headers["x-line-signature"].to_str().unwrap();
        assert_eq!(signature, sign(ACCOUNT.messaging_secret, &call.body), "signed anew");
    }
}

#[test]
fn an_account_without_relays_pays_one_statement_and_no_job() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    deliver(&stage, &message(&user, "1", "hi"));
    stage.world.reset_calls();
    stage.world.run_queues();
    let calls = stage.world.calls();
    assert_eq!((calls.enqueues, calls.fetches), (0, 0));
    // Whoever comes later and wants everything gets it.
    relay_to(&stage, ONE, &json!({ "from": "start" }));
    assert_eq!(bodies(&stage, ONE), [message(&user, "1", "hi")]);
}
