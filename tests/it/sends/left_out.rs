//! Whom a send leaves out, and why.

use enishi::time::{DAY, HOUR, MINUTE};
use enishi_world::Disturbance;
use serde_json::json;

use super::*;

#[test]
fn who_had_as_many_messages_as_the_cap_allows_is_left_out() {
    let stage = Stage::new(1);
    settings(&stage, &json!({ "frequency_cap": { "messages": 2, "days": 7 } }));
    let users = stage.many_members(3, "gold");
    let mut sends = Vec::new();
    for _ in 0..3 {
        sends.push(make(&stage, &gold(&json!({}))));
        stage.world.settle(HOUR);
    }
    assert_eq!(had(&stage, &users), [2, 2, 2]);
    assert_eq!(left_out(&stage, &sends[2]), json!({ "frequency_cap": 3 }));
    let uncapped = make(&stage, &gold(&json!({ "frequency_cap": null })));
    stage.world.settle(HOUR);
    assert_eq!((left_out(&stage, &uncapped), had(&stage, &users)), (json!({}), vec![3, 3, 3]));
    stage.world.advance(8 * DAY);
    make(&stage, &gold(&json!({})));
    stage.world.run_queues();
    assert_eq!(had(&stage, &users), [4, 4, 4]);
}

#[test]
fn the_accounts_cap_is_that_of_when_a_send_begins_or_goes_on_and_its_own_is_its_own() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    let draft = |with: Value| {
        let id = make(&stage, &gold(&with));
        assert_eq!(state(&stage, &id), "draft");
        id
    };
    let accounts = draft(json!({ "draft": true }));
    let own = draft(json!({ "draft": true, "frequency_cap": { "messages": 2, "days": 7 } }));
    let none = draft(json!({ "draft": true, "frequency_cap": null }));
    make(&stage, &gold(&json!({})));
    stage.world.settle(MINUTE);
    settings(&stage, &json!({ "frequency_cap": { "messages": 1, "days": 7 } }));
    for (id, expected) in [(&accounts, json!({ "frequency_cap": 3 })), (&own, json!({})), (&none, json!({}))]
    {
        assert_eq!(act(&stage, id, "start"), did("expanding"));
        stage.world.settle(MINUTE);
        assert_eq!(left_out(&stage, id), expected);
    }
    assert_eq!(had(&stage, &users), [3; 3]);
    // Paused before anything was sent, and gone on with after the cap is no more.
    let paused = make(&stage, &gold(&json!({})));
    assert!(stage.world.deliver_batch(enishi::store::Queue::Steps));
    assert_eq!(act(&stage, &paused, "pause"), did("paused"));
    settings(&stage, &json!({}));
    assert_eq!(act(&stage, &paused, "resume"), did("sending"));
    stage.world.settle(MINUTE);
    assert_eq!((left_out(&stage, &paused), had(&stage, &users)), (json!({}), vec![4; 3]));
}

#[test]
fn of_sends_that_are_under_way_at_once_a_capped_recipient_gets_one() {
    for seed in 1..=5 {
        let stage = Stage::new(seed);
        stage.world.disturb_queues(Disturbance { consumers: 4, shuffle: true, ..Disturbance::NONE });
        let users = stage.many_members(20, "gold");
        let capped = gold(&json!({ "frequency_cap": { "messages": 1, "days": 1 } }));
        let sends: Vec<String> = (0..4).map(|_| make(&stage, &capped)).collect();
        stage.world.settle(10 * MINUTE);
        assert!(sends.iter().all(|id| state(&stage, id) == "done"), "seed {seed}");
        assert!(had(&stage, &users).iter().all(|had| *had == 1), "seed {seed}: {:?}", had(&stage, &users));
    }
}

#[test]
fn of_sends_that_are_under_way_at_once_nobody_gets_more_than_the_cap_allows() {
    for seed in 1..=5 {
        let stage = Stage::new(seed);
        let users = stage.many_members(20, "gold");
        let capped = gold(&json!({ "frequency_cap": { "messages": 2, "days": 1 } }));
        let sends: Vec<String> = (0..5).map(|_| make(&stage, &capped)).collect();
        // LINE is slow: one consumer has all of them under way.
        stage.world.settle(10 * MINUTE);
        assert!(sends.iter().all(|id| state(&stage, id) == "done"), "seed {seed}");
        assert_eq!(had(&stage, &users), vec![2; 20], "seed {seed}");
    }
}

#[test]
fn who_had_a_message_recently_is_left_out_where_that_is_asked_for() {
    let stage = Stage::new(1);
    let users = stage.many_members(2, "gold");
    make(&stage, &gold(&json!({})));
    stage.world.settle(HOUR);
    let later = stage.many_members(1, "gold");
    let recent = gold(&json!({ "exclude_received_within_hours": 24 }));
    let id = make(&stage, &recent);
    stage.world.settle(MINUTE);
    assert_eq!(left_out(&stage, &id), json!({ "recently_messaged": 2 }));
    assert_eq!((had(&stage, &users), had(&stage, &later)), (vec![1, 1], vec![1]));
    stage.world.advance(DAY);
    make(&stage, &recent);
    stage.world.settle(MINUTE);
    assert_eq!((had(&stage, &users), had(&stage, &later)), (vec![2, 2], vec![2]));
}

#[test]
fn members_are_sent_to_by_name_and_the_names_are_forgotten() {
    let stage = Stage::new(1);
    let users = ["m-1", "m-2", "m-3"].map(|id| stage.member(id, "silver"));
    let body = json!({ "members": ["m-1", "m-3", "nobody"], "messages": [{ "type": "text", "text": "a" }] });
    let id = make(&stage, &body);
    stage.world.settle(MINUTE);
    let send = show(&stage, &id);
    assert_eq!((&send["state"], &send["accepted"]), (&json!("done"), &json!(2)), "{send}");
    assert_eq!(send["audience"], json!({ "members_named": 3 }));
    assert_eq!(had(&stage, &users), [1, 0, 1]);
    for wrong in [json!([]), json!([""]), json!("m-1"), json!(vec!["m"; 10_001])] {
        let body = json!({ "members": wrong, "messages": [{ "type": "text", "text": "a" }] });
        let (status, error) = stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&body));
        assert_eq!(status, 400, "{error}");
        assert!(error["error_description"].as_str().unwrap().starts_with("members"), "{error}");
    }
}

#[test]
fn a_member_who_is_erased_stands_in_no_send() {
    let stage = Stage::new(1);
    let [stays, leaves] = ["m-1", "m-2"].map(|id| stage.member(id, "gold"));
    let messages = json!([{ "type": "text", "text": "a" }]);
    let named = json!({ "members": ["m-2", "m-1", "m-2"], "messages": messages, "draft": true });
    let ruled = json!({ "rule": { "members": ["m-1", "m-2"] }, "messages": messages, "draft": true });
    let sends = [make(&stage, &named), make(&stage, &ruled)];
    assert_eq!(stage.api(&stage.shop, Method::DELETE, "/v1/members/m-2", None).0, 204);
    assert_eq!(stage.count("sends WHERE instr(audience, 'm-2')"), 0);
    for id in &sends {
        assert_eq!(act(&stage, id, "start"), did("expanding"));
    }
    stage.world.settle(MINUTE);
    assert!(sends.iter().all(|id| state(&stage, id) == "done"));
    assert_eq!(had(&stage, &[stays, leaves]), [2, 0]);
}
