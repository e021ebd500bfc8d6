//! What sends may cost: LINE's quota, budgets, months.

use enishi::time::{DAY, MINUTE};
use serde_json::json;

use super::*;

#[test]
fn two_sends_at_once_do_not_reserve_the_same_messages() {
    let stage = Stage::new(1);
    let users = stage.many_members(60, "gold");
    stage.world.set_quota(Some(100));
    let sends = [make(&stage, &gold(&json!({}))), make(&stage, &gold(&json!({})))];
    stage.world.settle(5 * MINUTE);
    let mut states = sends.iter().map(|id| state(&stage, id)).collect::<Vec<_>>();
    states.sort();
    assert_eq!(states, ["done", "paused"]);
    assert!(users.iter().all(|user| stage.received(user) == 1));
    let paused = sends.iter().find(|id| state(&stage, id) == "paused").unwrap();
    assert_eq!(show(&stage, paused)["reason"], "quota");
    // The next month has a quota of its own.
    stage.world.advance(28 * DAY);
    assert_eq!(act(&stage, paused, "resume"), did("expanding"));
    stage.world.settle(5 * MINUTE);
    assert_eq!(state(&stage, paused), "done");
    assert!(users.iter().all(|user| stage.received(user) == 2));
}

#[test]
fn what_a_budget_does_not_cover_pauses_before_its_first_call() {
    let stage = Stage::new(1);
    stage.many_members(60, "gold");
    settings(&stage, &json!({ "price_per_message": 3, "monthly_budget": 300 }));
    for (budget, reason) in [(json!({ "messages": 59 }), "budget"), (json!({ "yen": 179 }), "budget")] {
        let id = make(&stage, &gold(&json!({ "budget": budget })));
        stage.world.settle(2 * MINUTE);
        let send = show(&stage, &id);
        assert_eq!((&send["state"], &send["reason"]), (&json!("paused"), &json!(reason)), "{send}");
    }
    let fits = make(&stage, &gold(&json!({ "budget": { "yen": 180 } })));
    stage.world.settle(2 * MINUTE);
    let send = show(&stage, &fits);
    assert_eq!((&send["state"], &send["cost"]), (&json!("done"), &json!(180.0)), "{send}");
    let second = make(&stage, &gold(&json!({})));
    stage.world.settle(2 * MINUTE);
    assert_eq!(show(&stage, &second)["reason"], "monthly_budget");
}

#[test]
fn tests_cost_the_accounts_budget_too() {
    let stage = Stage::new(1);
    let users = ["m-1", "m-2"].map(|id| stage.member(id, "gold"));
    settings(&stage, &json!({ "price_per_message": 3, "monthly_budget": 5 }));
    let test = |members: Value| {
        let body = json!({ "members": members, "messages": [{ "type": "text", "text": "a" }] });
        stage.api(&stage.shop, Method::POST, "/v1/sends/test", Some(&body))
    };
    let (status, error) = test(json!(["m-1", "m-2"]));
    assert_eq!((status, &error["error"]), (409, &json!("quota")), "{error}");
    assert_eq!(test(json!(["m-1"])).0, 200);
    assert_eq!(test(json!(["m-1"])).0, 409);
    assert_eq!(had(&stage, &users), [1, 0]);
}

#[test]
fn nothing_begins_as_a_month_ends_and_what_is_left_counts_for_the_next() {
    let stage = Stage::new(1);
    let users = stage.many_members(60, "gold");
    stage.world.set_quota(Some(60));
    let first = make(&stage, &gold(&json!({})));
    stage.world.settle(2 * MINUTE);
    assert_eq!(state(&stage, &first), "done");
    // Ten seconds before February begins in Tokyo.
    let february = enishi::time::end_of_japanese_month(stage.world.now());
    stage.world.advance(february - stage.world.now() - 10_000);
    let second = make(&stage, &gold(&json!({})));
    stage.world.run_queues();
    assert_eq!((state(&stage, &second).as_str(), calls(&stage)), ("expanding", 1));
    stage.world.settle(3 * MINUTE);
    assert_eq!(state(&stage, &second), "done");
    assert!(users.iter().all(|user| stage.received(user) == 2));
}

#[test]
fn settings_are_checked_shown_and_kept() {
    let stage = Stage::new(1);
    let path = "/v1/send-settings";
    assert_eq!(stage.api(&stage.shop, Method::GET, path, None).1["quiet_hours"], json!(null));
    let set = json!({
        "quiet_hours": { "from": "21:00", "to": "09:00" }, "frequency_cap": { "messages": 3, "days": 7 },
        "price_per_message": 2.5, "monthly_budget": 50_000,
    });
    settings(&stage, &set);
    stage.world.evict_isolate();
    let (_, shown) = stage.api(&stage.shop, Method::GET, path, None);
    assert_eq!(shown["quiet_hours"]["utc_offset"], "+09:00");
    assert_eq!((&shown["frequency_cap"]["days"], &shown["price_per_message"]), (&json!(7), &json!(2.5)));
    for wrong in [
        json!({ "quiet_hours": { "from": "21:00", "to": "21:00" } }),
        json!({ "quiet_hours": { "from": "25:00", "to": "09:00" } }),
        json!({ "frequency_cap": { "messages": 0, "days": 7 } }),
        json!({ "frequency_cap": { "messages": 1, "days": 91 } }),
        json!({ "price_per_message": -1 }),
        json!({ "monthly_budget": 1 }),
        json!({ "budget": 1 }),
        json!([]),
    ] {
        assert_eq!(stage.api(&stage.shop, Method::PUT, path, Some(&wrong)).0, 400, "{wrong}");
    }
}
