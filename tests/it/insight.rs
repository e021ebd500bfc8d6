//! What LINE counts of messages by unit: asked for by cron, stored, shown with the sends of the unit.

use enishi::time::MINUTE;
use enishi_world::Fault;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::Stage;

const INSIGHT: &str = "/v2/bot/insight/message/event/aggregation";

/// A stage with so many linked friends of rank gold.
fn stage(friends: usize) -> Stage {
    let stage = Stage::new(1);
    stage.many_members(friends, "gold");
    stage
}

impl Stage {
    fn sent(&self, unit: &str) -> String {
        let action = json!({ "type": "uri", "label": "見る", "uri": "https://shop.example/" });
        let template = json!({ "type": "buttons", "text": "新茶", "actions": [action] });
        let body = json!({
            "rule": { "attribute": "rank", "equals": "gold" }, "custom_aggregation_unit": unit,
            "messages": [{ "type": "template", "altText": "新茶", "template": template }],
        });
        let (status, answer) = self.api(&self.shop, Method::POST, "/v1/sends", Some(&body));
        assert_eq!(status, 202, "{answer}");
        self.world.settle(2 * MINUTE);
        answer["id"].as_str().unwrap().to_owned()
    }

    fn insight(&self, send: &str) -> Value {
        let (status, mut answer) = self.api(&self.shop, Method::GET, &format!("/v1/sends/{send}"), None);
        assert_eq!(status, 200, "{answer}");
        answer["insight"].take()
    }

    fn asked(&self) -> usize {
        self.answers_of(INSIGHT).len()
    }
}

#[test]
fn figures_of_a_unit_are_asked_for_until_they_move_no_more() {
    let stage = stage(40);
    let send = stage.sent("autumn");
    assert_eq!((stage.insight(&send), stage.asked()), (Value::Null, 0), "it is too early");
    stage.hours(7);
    let first = stage.insight(&send);
    assert_eq!(first["final"], false);
    assert_eq!(first["overview"]["uniqueImpression"], Value::Null, "12 of 40 are kept back");
    let day = stage.world.now().rfc3339()[..10].to_owned();
    assert!(first["from"].as_str().unwrap() <= day.as_str() && first["to"].as_str().unwrap() >= day.as_str());
    stage.hours(16 * 24);
    let last = stage.insight(&send);
    assert_eq!((&last["final"], &last["overview"]["uniqueImpression"]), (&json!(true), &json!(24)));
    assert_eq!(last["messages"][0]["seq"], 1);
    let asked = stage.asked();
    assert!((15..=26).contains(&asked), "{asked}");
    stage.hours(10 * 24);
    assert_eq!(stage.asked(), asked, "they move no more");
}

#[test]
fn a_send_under_a_unit_that_never_began_is_cancelled_and_has_no_figures() {
    let stage = stage(1);
    let later = (stage.world.now() + 60 * MINUTE).rfc3339();
    for when in [json!({ "draft": true }), json!({ "schedule": later }), json!({})] {
        let mut body = json!({
            "rule": { "attribute": "rank", "equals": "gold" }, "custom_aggregation_unit": "never",
            "messages": [{ "type": "text", "text": "新茶" }],
        });
        body.as_object_mut().unwrap().extend(when.as_object().unwrap().clone());
        let (_, send) = stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&body));
        let id = send["id"].as_str().unwrap();
        let (status, answer) = stage.api(&stage.shop, Method::POST, &format!("/v1/sends/{id}/cancel"), None);
        assert_eq!((status, &answer["state"]), (202, &json!("cancelled")), "{when}: {answer}");
        assert_eq!(stage.insight(id), Value::Null);
    }
    stage.hours(8);
    assert_eq!((stage.count("unit_insight"), stage.count("receipts"), stage.asked()), (0, 0, 0));
}

#[test]
fn what_is_sent_without_a_unit_has_no_figures() {
    let stage = stage(1);
    let body = json!({ "rule": { "attribute": "rank", "equals": "gold" }, "messages": [{ "type": "text", "text": "a" }] });
    let (_, answer) = stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&body));
    stage.hours(24);
    assert_eq!(stage.insight(answer["id"].as_str().unwrap()), Value::Null);
    assert_eq!((stage.asked(), stage.count("unit_insight")), (0, 0));
}

#[test]
fn where_line_does_not_answer_it_is_asked_again_in_an_hour_and_what_it_refuses_is_not() {
    let stage = stage(1);
    let send = stage.sent("autumn");
    stage.world.fail_next_call(INSIGHT, Fault::Refused);
    stage.hours(6);
    assert_eq!(stage.insight(&send), Value::Null);
    stage.world.answer_next_call(INSIGHT, StatusCode::TOO_MANY_REQUESTS, "{}");
    stage.hours(1);
    assert_eq!(stage.insight(&send), Value::Null);
    stage.hours(1);
    assert_eq!(stage.insight(&send)["final"], false);
    let refusal = json!({ "message": "The value for the 'to' parameter is invalid" }).to_string();
    stage.world.answer_next_call(INSIGHT, StatusCode::BAD_REQUEST, &refusal);
    let asked = stage.asked();
    stage.hours(7);
    let kept = stage.insight(&send);
    assert_eq!((&kept["final"], &kept["overview"]["uniqueImpression"]), (&json!(true), &Value::Null));
    stage.hours(48);
    assert!(stage.asked() <= asked + 1);
    assert_eq!(
        stage.world.query("SELECT refusal FROM unit_insight")[0]["refusal"],
        "The value for the 'to' parameter is invalid"
    );
}

#[test]
fn another_send_under_the_same_unit_starts_the_figures_again() {
    let stage = stage(1);
    let first = stage.sent("letter");
    stage.hours(17 * 24);
    assert_eq!(stage.insight(&first)["final"], true);
    let second = stage.sent("letter");
    assert_eq!(stage.insight(&second)["final"], false);
    stage.hours(20 * 24);
    let figures = stage.insight(&second);
    assert_eq!((&figures["final"], stage.count("unit_insight")), (&json!(true), 1));
    assert_ne!(figures["from"], stage.world.query("SELECT first_at FROM unit_insight")[0]["first_at"]);
}

#[test]
fn of_many_units_each_minute_one_is_asked_for_and_no_account_waits_for_another() {
    let stage = stage(1);
    for number in 0..30 {
        stage.sent(&format!("u{number}"));
    }
    stage.hours(6);
    stage.world.settle(50 * MINUTE);
    let statuses = stage.answers_of(INSIGHT);
    assert!(statuses.len() >= 30 && statuses.iter().all(|status| *status == Some(200)), "{statuses:?}");
    assert!(
        stage
            .world
            .line()
            .busiest(enishi_world::ACCOUNT.messaging_channel, "insight/message/event/aggregation")
            <= 60
    );
    let fetched = stage.world.query("SELECT count(*) AS n FROM unit_insight WHERE fetched_at IS NOT NULL");
    assert_eq!(fetched[0]["n"], 30);
}
