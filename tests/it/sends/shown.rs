//! What is shown of sends: lists, figures, recipients, a member's messages.

use enishi::time::{HOUR, MINUTE};
use serde_json::json;

use super::*;

fn pages(stage: &Stage, path: &str, what: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) =
            stage.api(&stage.shop, Method::GET, &format!("{path}?limit={limit}{after}"), None);
        assert_eq!(status, 200, "{page}");
        all.extend(page[what].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}

#[test]
fn sends_are_listed_the_newest_first_by_pages() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let ids: Vec<String> = (0..7).map(|_| make(&stage, &gold(&json!({ "draft": true })))).collect();
    let theirs = stage.api(&other, Method::POST, "/v1/sends", Some(&gold(&json!({ "draft": true })))).1;
    let listed: Vec<String> = pages(&stage, "/v1/sends", "sends", 3)
        .iter()
        .map(|send| send["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, ids.iter().rev().cloned().collect::<Vec<_>>());
    let path = format!("/v1/sends/{}", theirs["id"].as_str().unwrap());
    assert_eq!(stage.api(&stage.shop, Method::GET, &path, None).0, 404);
    assert_eq!(stage.api(&stage.shop, Method::GET, &format!("{path}/recipients"), None).0, 404);
    assert_eq!(stage.api(&stage.shop, Method::POST, &format!("{path}/cancel"), None).0, 404);
    for after in ["x", "-1", "1e3", "9007199254740993", "99999999999999999999", "1.5"] {
        assert_eq!(stage.api(&stage.shop, Method::GET, &format!("/v1/sends?after={after}"), None).0, 400);
        let path = format!("/v1/sends/{}/recipients?after={after}.", ids[0]);
        assert_eq!(stage.api(&stage.shop, Method::GET, &path, None).0, 400);
        let path = format!("/v1/members/m-1/messages?after=1.{}", after.replace("1.5", "x"));
        assert_eq!(stage.api(&stage.shop, Method::GET, &path, None).0, 400);
    }
    assert_eq!(pages(&stage, "/v1/sends", "sends", 3).len(), 7);
    let of = |state: &str| stage.api(&stage.shop, Method::GET, &format!("/v1/sends?state={state}"), None);
    assert_eq!(of("draft").1["sends"].as_array().unwrap().len(), 7);
    assert_eq!(of("done").1["sends"], json!([]));
    let (status, error) = of("paused");
    assert_eq!((status, &error["error"]), (400, &json!("invalid_request")), "{error}");
}

#[test]
fn pages_of_recipients_go_on_over_chunks_in_the_order_in_which_they_were_chosen() {
    let stage = Stage::new(1);
    let users = stage.many_members(1_200, "gold");
    let id = make(&stage, &gold(&json!({})));
    stage.world.run_queues();
    for limit in [1_000, 333] {
        let subs: Vec<String> = pages(&stage, &format!("/v1/sends/{id}/recipients"), "recipients", limit)
            .iter()
            .map(|one| one["sub"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(subs, users.iter().map(|user| format!("s{user}")).collect::<Vec<_>>(), "{limit}");
    }
}

#[test]
fn who_was_erased_is_shown_as_erased_whatever_became_of_them() {
    let stage = Stage::new(1);
    let [_, leaves] = ["m-1", "m-2"].map(|id| stage.member(id, "gold"));
    let id = make(&stage, &gold(&json!({})));
    assert!(stage.world.deliver_batch(enishi::store::Queue::Steps));
    stage.world.advance(1);
    let now = stage.world.now().0;
    stage.world.line().unfollow(now, &leaves).unwrap();
    stage.world.deliver_webhooks();
    stage.world.run_queue(enishi::store::Queue::Webhooks);
    stage.world.run_queues();
    assert_eq!(left_out(&stage, &id), json!({ "blocked": 1 }));
    assert_eq!(stage.api(&stage.shop, Method::DELETE, "/v1/members/m-2", None).0, 204);
    let outcomes: Vec<Value> = pages(&stage, &format!("/v1/sends/{id}/recipients"), "recipients", 10)
        .iter()
        .map(|one| json!([one["member_id"], one["outcome"]]))
        .collect();
    assert_eq!(outcomes, [json!(["m-1", "accepted"]), json!([null, "erased"])]);
}

#[test]
fn what_became_of_each_recipient_and_of_each_member_can_be_asked() {
    let stage = Stage::new(1);
    let users = ["m-1", "m-2", "m-3"].map(|id| stage.member(id, "gold"));
    let id = make(&stage, &gold(&json!({ "name": "お知らせ" })));
    assert!(stage.world.deliver_batch(enishi::store::Queue::Steps));
    stage.world.advance(1);
    let now = stage.world.now().0;
    stage.world.line().unfollow(now, &users[1]).unwrap();
    stage.world.deliver_webhooks();
    stage.world.run_queue(enishi::store::Queue::Webhooks);
    let path = format!("/v1/sends/{id}/recipients");
    let outcome = |all: &[Value]| -> Vec<(String, String)> {
        all.iter()
            .map(|one| (one["member_id"].as_str().unwrap().into(), one["outcome"].as_str().unwrap().into()))
            .collect()
    };
    let pair = |member: &str, outcome: &str| (member.to_owned(), outcome.to_owned());
    let waiting = outcome(&pages(&stage, &path, "recipients", 2));
    assert_eq!(waiting, ["m-1", "m-2", "m-3"].map(|id| pair(id, "waiting")));
    stage.world.run_queues();
    let settled = outcome(&pages(&stage, &path, "recipients", 2));
    assert_eq!(settled, [pair("m-1", "accepted"), pair("m-2", "blocked"), pair("m-3", "accepted")]);
    stage.world.settle(HOUR);
    make(&stage, &gold(&json!({ "frequency_cap": { "messages": 1, "days": 1 } })));
    stage.world.settle(MINUTE);
    let messages = pages(&stage, "/v1/members/m-1/messages", "messages", 1);
    let told: Vec<&str> = messages.iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(told, ["capped", "accepted"]);
    assert_eq!((&messages[1]["send"], &messages[1]["name"]), (&json!(id), &json!("お知らせ")));
    assert_eq!(
        stage.api(&stage.shop, Method::GET, "/v1/members/nobody/messages", None).1["messages"],
        json!([])
    );
}

#[test]
fn a_send_shows_how_fast_it_is_and_what_it_cost() {
    let stage = Stage::new(1);
    stage.many_members(1_500, "gold");
    settings(&stage, &json!({ "price_per_message": 3 }));
    let with = json!({ "custom_aggregation_unit": "autumn_1", "notification_disabled": true });
    let id = make(&stage, &gold(&with));
    stage.world.settle(MINUTE);
    let send = show(&stage, &id);
    assert_eq!(
        (&send["cost"], &send["waiting"], &send["seconds_left"]),
        (&json!(4_500.0), &json!(0), &json!(0.0))
    );
    assert!(send["rate_per_second"].as_f64().unwrap() > 1_000.0, "{send}");
    let line = stage.world.line();
    let body = &line.calls().iter().find(|call| call.path == MULTICAST).unwrap().body;
    assert!(body.contains(r#""customAggregationUnits":["autumn_1"]"#), "{body}");
    assert!(body.contains(r#""notificationDisabled":true"#), "{body}");
}

#[test]
fn what_a_send_must_not_be_is_refused_by_its_field() {
    let stage = Stage::new(1);
    for (with, field) in [
        (json!({ "members": ["m-1"] }), "a send has one of"),
        (json!({ "draft": "yes" }), "draft"),
        (json!({ "name": "x".repeat(201) }), "name"),
        (json!({ "name": 1 }), "name"),
        (json!({ "quiet_hours": { "from": "21:00" } }), "quiet_hours"),
        (json!({ "quiet_hours": { "from": "21:00", "to": "20:00" } }), "quiet_hours"),
        (json!({ "frequency_cap": { "messages": 0, "days": 1 } }), "frequency_cap"),
        (json!({ "exclude_received_within_hours": 0 }), "exclude_received_within_hours"),
        (json!({ "exclude_received_within_hours": 2_161 }), "exclude_received_within_hours"),
        (json!({ "budget": { "messages": 0 } }), "budget"),
        (json!({ "budget": { "yen": 100 } }), "budget"),
        (json!({ "budget": 100 }), "budget"),
        (json!({ "custom_aggregation_unit": "no-dashes" }), "custom_aggregation_unit"),
        (json!({ "custom_aggregation_unit": "x".repeat(31) }), "custom_aggregation_unit"),
        (json!({ "notification_disabled": 1 }), "notification_disabled"),
        (json!({ "extra": 1 }), "extra"),
        (json!({ "schedule": 5 }), "schedule"),
    ] {
        let (status, error) = stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&gold(&with)));
        assert_eq!(status, 400, "{with}: {error}");
        assert!(error["error_description"].as_str().unwrap().starts_with(field), "{with}: {error}");
    }
    let unknown = json!({ "segment": "seg_none", "messages": [{ "type": "text", "text": "a" }] });
    assert_eq!(stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&unknown)).0, 404);
    assert_eq!(stage.count("sends"), 0);
}

#[test]
fn a_segments_rule_counts_as_it_is_when_the_send_begins() {
    let stage = Stage::new(1);
    let [gold, silver] = [stage.member("m-1", "gold"), stage.member("m-2", "silver")];
    let account = stage.account_id();
    let rule = |rank: &str| json!({ "attribute": "rank", "equals": rank }).to_string();
    stage.world.execute(&format!(
        "INSERT INTO segments (account, id, name, rule, created_at, updated_at) VALUES ('{account}', 'seg_1', 's', '{}', 1, 1)",
        rule("gold")
    ));
    let body = json!({ "segment": "seg_1", "draft": true, "messages": [{ "type": "text", "text": "a" }] });
    let (first, second) = (make(&stage, &body), make(&stage, &body));
    stage.world.execute(&format!("UPDATE segments SET rule = '{}'", rule("silver")));
    assert_eq!(act(&stage, &first, "start"), did("expanding"));
    stage.world.settle(MINUTE);
    assert_eq!((stage.received(&gold), stage.received(&silver)), (0, 1));
    stage.world.execute("DELETE FROM segments");
    assert_eq!(act(&stage, &second, "start"), did("expanding"));
    stage.world.settle(MINUTE);
    assert_eq!(show(&stage, &second)["reason"], "segment_gone");
}

#[test]
fn a_send_whose_rule_is_refused_by_now_pauses_and_says_so() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    let body = json!({
        "rule": { "attribute": "rank", "equals": "gold" }, "draft": true, "messages": [{ "type": "text", "text": "a" }],
    });
    let id = make(&stage, &body);
    stage.world.execute(r#"UPDATE sends SET audience = '{"rule": {"event": {"type": "Purchase"}}}'"#);
    assert_eq!(act(&stage, &id, "start"), did("expanding"));
    stage.world.settle(5 * MINUTE);
    let shown = show(&stage, &id);
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("paused"), &json!("rule_refused")), "{shown}");
    assert_eq!(act(&stage, &id, "cancel"), did("cancelled"));
    assert_eq!(stage.received(&user), 0);
}

#[test]
fn after_ninety_days_nobody_knows_who_had_what_and_the_counts_stay() {
    let stage = Stage::new(1);
    stage.many_members(1_200, "gold");
    let id = make(&stage, &gold(&json!({})));
    stage.world.settle(MINUTE);
    stage.world.advance(89 * 24 * HOUR);
    stage.world.tick();
    assert_eq!(stage.count("receipts"), 1_200);
    stage.world.advance(25 * HOUR);
    stage.world.tick();
    assert_eq!((stage.count("receipts"), stage.count("chunks WHERE line_users <> '[]'")), (0, 0));
    assert_eq!(show(&stage, &id)["accepted"], 1_200);
    assert_eq!(pages(&stage, &format!("/v1/sends/{id}/recipients"), "recipients", 100).len(), 0);
    assert_eq!(act(&stage, &id, "retry"), (409, "wrong_state".to_owned()));
}

#[test]
fn half_a_character_is_refused_wherever_it_stands() {
    let stage = Stage::new(1);
    let post = |path: &str, body: &str| {
        let mut request = enishi_world::request(Method::POST, &format!("{}{path}", stage.shop.line.issuer));
        let bearer = format!("Bearer {}", stage.shop.api_key);
        request.headers.insert(http::header::AUTHORIZATION, bearer.parse().unwrap());
        request.body = Some(body.as_bytes().to_vec());
        stage.world.answer(request).status
    };
    for body in [
        r#"{"members":["m-1"],"messages":[{"type":"text","text":"\ud83c"}]}"#,
        r#"{"members":["\udf4e"],"messages":[{"type":"text","text":"a"}]}"#,
        r#"{"members":["m-1"],"name":"\ud83c\ud83c","messages":[{"type":"text","text":"a"}]}"#,
        r#"{"members":["m-1"],"messages":[{"type":"text","text":"{{a|\ud83c}}"}]}"#,
    ] {
        assert_eq!(post("/v1/sends", body), 400, "{body}");
        assert_eq!(post("/v1/sends/test", body), 400, "{body}");
    }
    assert_eq!((stage.count("sends"), stage.answers_of(PUSH)), (0, vec![]));
}
