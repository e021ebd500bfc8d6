//! Webhooks: their events, signatures, redelivery and order.

use line_simulator::{TestOutcome, WebhookBehaviour, WebhookDelivery, sign};
use serde_json::{Value, json};

use crate::{Line, body_of};

const SECRET: &str = "5f2d1c3b4a69788796a5b4c3d2e1f00f";

fn events(delivery: &WebhookDelivery) -> Value {
    let body: Value = serde_json::from_slice(&delivery.body).unwrap();
    assert_eq!(body["destination"], "U0123456789abcdef0123456789abcdef");
    body["events"].clone()
}

#[test]
fn follow_unfollow_and_message_become_signed_events() {
    let mut line = Line::new();
    let user = line.sim.add_user(line_simulator::NewUser::default());
    line.sim.follow(line.now, &user).unwrap();
    line.sim.unfollow(line.now + 1, &user).unwrap();
    line.sim.follow(line.now + 2, &user).unwrap();
    line.sim.send_message(line.now + 3, &user, "こんにちは😀").unwrap();
    line.sim.send_postback(line.now + 4, &user, "menu=b").unwrap();
    let taken = line.sim.take_webhooks();
    let all: Vec<Value> = taken.iter().map(|delivery| events(delivery)[0].clone()).collect();
    let kinds: Vec<&str> = all.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["follow", "unfollow", "follow", "message", "postback"]);
    assert_eq!(all[0]["follow"]["isUnblocked"], false);
    assert_eq!(all[2]["follow"]["isUnblocked"], true);
    assert_eq!(all[1].get("replyToken"), None);
    assert_eq!(all[3]["message"]["text"], "こんにちは😀");
    assert!(all[3]["message"]["quoteToken"].is_string());
    assert!(all[0]["webhookEventId"].as_str().unwrap().starts_with("01KDVDNA00"));
    assert_eq!(all[4]["postback"], json!({ "data": "menu=b" }));
    for delivery in &taken {
        let signature = delivery.headers.get("x-line-signature").unwrap().to_str().unwrap();
        assert_eq!(signature, sign(SECRET, &delivery.body));
        assert_eq!(delivery.url, "https://shop.example/line/webhook");
    }
    assert_eq!(line.sim.follow(line.now, &user), Ok(None), "a friend does not follow again");
}

#[test]
fn redelivery_is_off_until_switched_on_and_keeps_the_event_id() {
    let mut line = Line::new();
    let user = line.friend("花子");
    line.sim.send_message(line.now, &user, "a").unwrap();
    let first = line.sim.take_webhooks().remove(0);
    line.sim.webhook_answered(line.now, first.clone(), None);
    assert!(line.sim.take_webhooks().is_empty());

    line.sim.set_webhook_behaviour(WebhookBehaviour { redelivery: true, ..WebhookBehaviour::default() });
    line.sim.webhook_answered(line.now, first.clone(), Some(503));
    let again = line.sim.take_webhooks().remove(0);
    assert!(again.due > line.now);
    assert!(again.event_ids().eq(first.event_ids()));
    assert_eq!(events(&again)[0]["replyToken"], events(&first)[0]["replyToken"]);
    assert_eq!(events(&again)[0]["deliveryContext"]["isRedelivery"], true);
    assert_ne!(again.headers["x-line-signature"], first.headers["x-line-signature"]);
    line.sim.webhook_answered(line.now, again, Some(200));
    assert!(line.sim.take_webhooks().is_empty());
}

#[test]
fn duplicates_and_shuffled_order_come_on_demand() {
    let mut line = Line::new();
    let user = line.friend("花子");
    line.sim.set_webhook_behaviour(WebhookBehaviour { duplicate: true, shuffle: true, redelivery: false });
    for number in 0..20 {
        line.sim.send_message(line.now + number, &user, "a").unwrap();
    }
    let taken = line.sim.take_webhooks();
    assert_eq!(taken.len(), 40);
    let numbers: Vec<u64> = taken.iter().map(|delivery| delivery.number).collect();
    assert!(!numbers.is_sorted());
}

#[test]
fn the_endpoint_is_set_read_and_tested() {
    let mut line = Line::new();
    let path = "/v2/bot/channel/webhook/endpoint";
    let put = |line: &mut Line, endpoint: &str| {
        let mut request = line.api(path, &json!({ "endpoint": endpoint }));
        *request.method_mut() = http::Method::PUT;
        line.send(request)
    };
    assert_eq!(
        body_of(&put(&mut line, "http://shop.example/")),
        json!({ "message": "Invalid webhook endpoint URL" })
    );
    assert_eq!(body_of(&put(&mut line, "http://localhost:8787/line/webhook")), json!({}));
    let read = body_of(&line.read(path));
    assert_eq!(read, json!({ "endpoint": "http://localhost:8787/line/webhook", "active": true }));

    let test = line.api("/v2/bot/channel/webhook/test", &json!({}));
    let delivery = line.sim.webhook_test(line.now, &test).unwrap();
    assert_eq!(events(&delivery), json!([]));
    let answer = line.sim.handle_webhook_test(line.now, test.clone(), TestOutcome::TimedOut);
    let line_simulator::Answer::Reply(reply) = answer else { panic!() };
    assert_eq!(body_of(&reply)["reason"], "REQUEST_TIMEOUT");
    assert_eq!(body_of(&line.send(test))["success"], true);
    assert_eq!(line.sim.take_webhooks().len(), 1);
}

#[test]
fn a_webhook_that_is_not_in_use_is_read_as_inactive_and_its_events_are_lost() {
    let mut line = Line::new();
    let user = line.friend("花子");
    let mut config = line.sim.config().clone();
    config.messaging_channels[0].webhook_active = false;
    line.sim.replace_channels(config);
    let read = body_of(&line.read("/v2/bot/channel/webhook/endpoint"));
    assert_eq!(read, json!({ "endpoint": "https://shop.example/line/webhook", "active": false }));
    line.sim.take_webhooks();
    line.sim.send_message(line.now, &user, "a").unwrap();
    assert!(line.sim.take_webhooks().is_empty());
    let last = line.sim.webhook_results().last().unwrap();
    assert_eq!((last.url.as_str(), last.status), ("", None));
}

#[test]
fn an_account_link_is_ok_for_its_user_and_failed_without_source_for_another() {
    let mut line = Line::new();
    let (user, other) = (line.friend("花子"), line.friend("太郎"));
    for (holder, result) in [(&user, "ok"), (&other, "failed")] {
        let issued = line.call(&format!("/v2/bot/user/{user}/linkToken"), &json!({}));
        let token = body_of(&issued)["linkToken"].as_str().unwrap().to_owned();
        line.cookie = Some(format!("line_sim_user={holder}"));
        let path = format!("/dialog/bot/accountLink?linkToken={token}&nonce=0123456789");
        assert_eq!(line.get(&path).status(), 200);
        let event = events(&line.sim.take_webhooks()[0])[0].clone();
        assert_eq!(event["link"], json!({ "result": result, "nonce": "0123456789" }));
        assert_eq!(event.get("source").is_some(), result == "ok");
        assert_eq!(event.get("replyToken").is_some(), result == "ok");
        assert_eq!(line.get(&path).status(), 400, "a link token works once");
        assert!(line.sim.take_webhooks().is_empty());
    }
}
