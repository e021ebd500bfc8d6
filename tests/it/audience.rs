//! Segments as audiences at LINE, and narrowcasts to them: what LINE has is what belongs to the rule, thresholds come first, the
//! month's messages are reserved and given back, nothing is sent twice.

use enishi::time::MINUTE;
use enishi_world::{
    ACCOUNT, Disturbance, Fault,
    line_simulator::{Answer, UserId},
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Stage, is_full};

const UPLOAD: &str = "/v2/bot/audienceGroup/upload";
const NARROWCAST: &str = "/v2/bot/message/narrowcast";

/// Why a narrowcast fails for which too few messages are left.
const USED_UP: &str = "the month's messages, or its budget, are used up or reserved";

/// Calls of ours to stores, queues and LINE in which what is under way happens, and more; of them each third, unless all are asked
/// for.
fn steps() -> impl Iterator<Item = u64> {
    (1..=40).step_by(if is_full() { 1 } else { 3 })
}

fn gold() -> Value {
    json!({ "attribute": "rank", "equals": "gold" })
}

impl Stage {
    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.api(&self.shop, Method::POST, path, Some(body))
    }

    fn show(&self, path: &str) -> Value {
        let (status, shown) = self.api(&self.shop, Method::GET, path, None);
        assert_eq!(status, 200, "{path}: {shown}");
        shown
    }

    /// An audience of everybody of rank gold.
    fn audience(&self) -> String {
        let (status, made) = self.post("/v1/audiences", &json!({ "name": "金", "rule": gold() }));
        assert_eq!(status, 202, "{made}");
        format!("/v1/audiences/{}", made["id"].as_str().unwrap())
    }

    fn narrowcast(&self, more: &Value) -> String {
        let (status, made) = self.ask(more);
        assert_eq!(status, 202, "{made}");
        format!("/v1/narrowcasts/{}", made["id"].as_str().unwrap())
    }

    fn ask(&self, more: &Value) -> (u16, Value) {
        let mut body = json!({ "name": "秋", "messages": [{ "type": "text", "text": "新茶" }] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("/v1/narrowcasts", &body)
    }

    fn got(&self, users: &[UserId]) -> Vec<usize> {
        users.iter().map(|user| self.received(user)).collect()
    }

    /// What LINE itself answers the account.
    pub(crate) fn line_json(&self, path: &str) -> Value {
        let mut line = self.world.line();
        let now = self.world.now().0;
        let mut ask = |request: http::Request<Vec<u8>>| {
            let Answer::Reply(reply) = line.handle(now, request) else { panic!("no answer") };
            serde_json::from_slice::<Value>(reply.body()).unwrap()
        };
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            ACCOUNT.messaging_channel, ACCOUNT.messaging_secret
        );
        let token = http::Request::post("/oauth2/v3/token")
            .header("content-type", "application/x-www-form-urlencoded");
        let token = ask(token.body(form.into_bytes()).unwrap());
        let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
        ask(http::Request::get(path).header("authorization", bearer).body(Vec::new()).unwrap())
    }

    /// Ids of all audiences at LINE.
    fn at_line(&self) -> Vec<i64> {
        let shown = self.world.query("SELECT group_id FROM audiences WHERE group_id IS NOT NULL");
        shown.iter().filter_map(|row| row["group_id"].as_i64()).collect()
    }

    fn used(&self) -> i64 {
        self.world.query("SELECT coalesce(sum(accepted), 0) AS n FROM usage")[0]["n"].as_i64().unwrap()
    }
}

#[test]
fn a_segment_becomes_an_audience_of_exactly_those_who_belong_to_it() {
    let stage = Stage::new(1);
    let golden = stage.many_members(12, "gold");
    stage.many_members(5, "silver");
    stage.world.line().unfollow(stage.world.now().0, &golden[0]).unwrap();
    stage.deliver();
    let audience = stage.audience();
    assert_eq!(stage.show(&audience)["state"], "uploading");
    stage.world.settle(5 * MINUTE);
    let shown = stage.show(&audience);
    assert_eq!(
        (&shown["state"], &shown["uploaded"], &shown["line_count"]),
        (&json!("ready"), &json!(11), &json!(11))
    );
    let list = stage.show("/v1/audiences");
    assert_eq!((list["audiences"].as_array().unwrap().len(), &list["audiences"][0]), (1, &shown));
    assert_eq!(stage.answers_of(UPLOAD), [Some(202)]);
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &audience, None).0, 204);
    stage.world.settle(MINUTE);
    assert_eq!(stage.show(&audience)["state"], "deleted");
    assert_eq!(
        stage.answers_of(&format!("/v2/bot/audienceGroup/{}", stage.at_line()[0])).last(),
        Some(&Some(202))
    );
}

#[test]
fn a_large_segment_is_uploaded_in_parts_of_ten_thousand() {
    let stage = Stage::new(1);
    stage.many_members(21_000, "gold");
    let audience = stage.audience();
    stage.world.settle(10 * MINUTE);
    let shown = stage.show(&audience);
    assert_eq!(
        (&shown["state"], &shown["uploaded"], &shown["line_count"]),
        (&json!("ready"), &json!(21_000), &json!(21_000))
    );
    assert_eq!(stage.answers_of(UPLOAD).len(), 3);
}

#[test]
fn a_stored_segment_is_taken_by_its_id() {
    let stage = Stage::new(1);
    stage.many_members(3, "gold");
    let account = stage.account_id();
    stage.world.execute(&format!(
        "INSERT INTO segments (account, id, name, rule, created_at, updated_at) VALUES ('{account}', 'seg_1', 'a', '{}', 1, 1)",
        gold()
    ));
    let (status, made) = stage.post("/v1/audiences", &json!({ "name": "a", "segment": "seg_1" }));
    assert_eq!(status, 202, "{made}");
    stage.world.settle(5 * MINUTE);
    assert_eq!(stage.show(&format!("/v1/audiences/{}", made["id"].as_str().unwrap()))["uploaded"], 3);
    assert_eq!(stage.post("/v1/audiences", &json!({ "name": "a", "segment": "seg_2" })).0, 404);
}

#[test]
fn a_segment_of_nobody_fails_and_leaves_nothing_at_line() {
    let stage = Stage::new(1);
    let audience = stage.audience();
    stage.world.settle(2 * MINUTE);
    let shown = stage.show(&audience);
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("failed"), &json!("nobody belongs to it")));
    assert_eq!(stage.answers_of(UPLOAD), []);
}

#[test]
fn whatever_fails_at_any_step_there_is_one_audience_at_line_with_everybody_once() {
    for fault in Fault::ALL {
        for at in steps() {
            let stage = Stage::new(1);
            stage.many_members(3, "gold");
            let audience = stage.audience();
            stage.world.fail_at(at, fault);
            stage.world.settle(25 * MINUTE);
            let struck = !stage.world.end_faults();
            stage.world.settle(10 * MINUTE);
            let shown = stage.show(&audience);
            assert_eq!(
                (&shown["state"], &shown["line_count"]),
                (&json!("ready"), &json!(3)),
                "{fault:?} {at}: {shown}"
            );
            assert_eq!(
                stage.line_json("/v2/bot/audienceGroup/list?page=1")["totalCount"],
                1,
                "{fault:?} {at}"
            );
            assert!(struck);
        }
    }
}

#[test]
fn an_audience_whose_making_line_did_not_answer_is_found_by_its_description() {
    let stage = Stage::new(1);
    stage.many_members(3, "gold");
    stage.world.fail_next_call(UPLOAD, Fault::AnswerLost);
    let audience = stage.audience();
    stage.world.settle(10 * MINUTE);
    assert_eq!(stage.show(&audience)["state"], "ready");
    let methods: Vec<String> = stage
        .world
        .line()
        .calls()
        .iter()
        .filter(|call| call.path == UPLOAD)
        .map(|call| call.method.clone())
        .collect();
    assert_eq!(methods, ["POST", "PUT"]);
}

#[test]
fn what_line_refuses_of_an_audience_fails_it_with_lines_word() {
    let stage = Stage::new(1);
    stage.many_members(2, "gold");
    let refusal =
        json!({ "message": "a", "details": [{ "message": "AUDIENCE_GROUP_COUNT_MAX_OVER" }] }).to_string();
    stage.world.answer_next_call(UPLOAD, StatusCode::BAD_REQUEST, &refusal);
    let audience = stage.audience();
    stage.world.settle(3 * MINUTE);
    let shown = stage.show(&audience);
    assert_eq!(shown["state"], "failed");
    assert!(shown["reason"].as_str().unwrap().contains("AUDIENCE_GROUP_COUNT_MAX_OVER"), "{shown}");
}

#[test]
fn a_narrowcast_to_a_rule_makes_its_audience_and_deletes_it_afterwards() {
    let stage = Stage::new(1);
    let golden = stage.many_members(4, "gold");
    let silver = stage.many_members(4, "silver");
    let narrowcast = stage.narrowcast(&json!({ "rule": gold(), "notification_disabled": true }));
    assert_eq!(stage.show(&narrowcast)["state"], "waiting");
    stage.world.settle(15 * MINUTE);
    let shown = stage.show(&narrowcast);
    assert_eq!(
        (&shown["state"], &shown["succeeded"], &shown["max"]),
        (&json!("done"), &json!(4), &json!(4)),
        "{shown}"
    );
    assert_eq!((stage.got(&golden), stage.got(&silver)), (vec![1; 4], vec![0; 4]));
    let audience = stage.show("/v1/audiences")["audiences"][0].clone();
    assert_eq!(
        (&audience["state"], &audience["keep"], &audience["id"]),
        (&json!("deleted"), &json!(false), &shown["audience"])
    );
    assert_eq!(stage.used(), 4);
    assert_eq!(stage.show("/v1/narrowcasts")["narrowcasts"][0], shown);
    let calls =
        stage.world.line().calls().iter().filter(|call| call.path == NARROWCAST).cloned().collect::<Vec<_>>();
    let body: Value = serde_json::from_str(&calls[0].body).unwrap();
    assert_eq!(
        (calls.len(), &body["limit"]["max"], &body["notificationDisabled"]),
        (1, &json!(4), &json!(true))
    );
}

#[test]
fn an_audience_that_is_kept_serves_again_and_a_limit_bounds_what_it_costs() {
    let stage = Stage::new(1);
    let golden = stage.many_members(6, "gold");
    let audience = stage.audience();
    stage.world.settle(5 * MINUTE);
    let id = audience.rsplit('/').next().unwrap();
    for (max, each) in [(Some(2), 2), (None, 8)] {
        let mut more = json!({ "audience": id });
        if let Some(max) = max {
            more["max"] = max.into();
        }
        let narrowcast = stage.narrowcast(&more);
        stage.world.settle(10 * MINUTE);
        assert_eq!(stage.show(&narrowcast)["state"], "done");
        assert_eq!(stage.got(&golden).iter().sum::<usize>(), each);
    }
    assert_eq!((stage.show(&audience)["state"].as_str(), stage.used()), (Some("ready"), 8));
}

#[test]
fn lines_thresholds_are_checked_before_anything_is_sent() {
    let stage = Stage::new(1);
    stage.many_members(60, "gold");
    let female = json!({ "type": "gender", "oneOf": ["female"] });
    let refused = |more: &Value| {
        let (status, answer) = stage.ask(more);
        (status, answer["error"].as_str().unwrap().to_owned())
    };
    assert_eq!(refused(&json!({ "rule": gold(), "filter": female })), (422, "too_few_friends".to_owned()));
    stage.many_members(60, "silver");
    stage.many_members(10, "bronze");
    let bronze = json!({ "attribute": "rank", "equals": "bronze" });
    let small = stage.narrowcast(&json!({ "rule": bronze, "filter": female }));
    stage.world.settle(10 * MINUTE);
    let shown = stage.show(&small);
    assert_eq!(
        (&shown["state"], &shown["reason"]),
        (&json!("failed"), &json!("with a filter LINE sends to 50 people or more"))
    );
    assert_eq!(stage.answers_of(NARROWCAST), []);
    let half = stage.narrowcast(&json!({ "rule": gold(), "filter": { "type": "operator", "not": { "type": "appType", "oneOf": ["ios"] } } }));
    stage.world.settle(15 * MINUTE);
    let shown = stage.show(&half);
    assert!(["done", "failed"].contains(&shown["state"].as_str().unwrap()), "{shown}");
    assert_eq!(stage.used(), shown["succeeded"].as_i64().unwrap_or(0), "what was not used is given back");
}

#[test]
fn too_few_in_the_end_fails_with_lines_error_and_gives_the_messages_back() {
    let stage = Stage::new(1);
    let everybody = stage.many_members(130, "gold");
    let tokyo = json!({ "type": "area", "oneOf": ["jp_13"] });
    let narrowcast = stage.narrowcast(&json!({ "everyone": true, "max": 130, "filter": tokyo }));
    stage.world.settle(10 * MINUTE);
    let shown = stage.show(&narrowcast);
    assert_eq!(shown["state"], "failed");
    assert!(shown["reason"].as_str().unwrap().starts_with("LINE's error 2: "), "{shown}");
    assert_eq!((stage.used(), stage.got(&everybody).iter().sum::<usize>()), (0, 0));
}

#[test]
fn a_month_that_is_used_up_fails_it_before_the_call() {
    let stage = Stage::new(1);
    stage.many_members(5, "gold");
    let now = stage.world.now().0;
    stage.world.line().set_quota(now, ACCOUNT.messaging_channel, Some(10), Some(7));
    let narrowcast = stage.narrowcast(&json!({ "rule": gold() }));
    stage.world.settle(10 * MINUTE);
    let shown = stage.show(&narrowcast);
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("failed"), &json!(USED_UP)));
    assert_eq!((stage.answers_of(NARROWCAST), stage.used()), (vec![], 0));
    let fits = stage.narrowcast(&json!({ "rule": gold(), "max": 3 }));
    stage.world.settle(15 * MINUTE);
    assert_eq!(stage.show(&fits)["succeeded"], 3);
}

#[test]
fn a_narrowcast_that_the_account_s_budget_does_not_pay_for_fails_before_the_call() {
    let stage = Stage::new(1);
    stage.many_members(5, "gold");
    let settings = json!({ "price_per_message": 3, "monthly_budget": 12 });
    assert_eq!(stage.api(&stage.shop, Method::PUT, "/v1/send-settings", Some(&settings)).0, 200);
    let narrowcast = stage.narrowcast(&json!({ "rule": gold() }));
    stage.world.settle(10 * MINUTE);
    let shown = stage.show(&narrowcast);
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("failed"), &json!(USED_UP)));
    assert_eq!((stage.answers_of(NARROWCAST), stage.used()), (vec![], 0));
    let fits = stage.narrowcast(&json!({ "rule": gold(), "max": 3 }));
    stage.world.settle(15 * MINUTE);
    assert_eq!((&stage.show(&fits)["succeeded"], stage.used()), (&json!(3), 3));
    let members = stage.world.query("SELECT member_id FROM members LIMIT 2");
    let members: Vec<&Value> = members.iter().map(|row| &row["member_id"]).collect();
    let test = json!({ "members": members, "messages": [{ "type": "text", "text": "試し" }] });
    let (status, refused) = stage.post("/v1/sends/test", &test);
    assert_eq!((status, &refused["error"]), (409, &json!("quota")), "{refused}");
}

#[test]
fn whatever_fails_at_any_step_it_is_sent_once_and_counted_once() {
    for fault in Fault::ALL {
        for at in steps() {
            let stage = Stage::new(1);
            let golden = stage.many_members(3, "gold");
            let narrowcast = stage.narrowcast(&json!({ "rule": gold() }));
            stage.world.fail_at(at, fault);
            stage.world.settle(40 * MINUTE);
            let struck = !stage.world.end_faults();
            stage.world.settle(10 * MINUTE);
            let shown = stage.show(&narrowcast);
            assert_eq!(
                (&shown["state"], stage.got(&golden)),
                (&json!("done"), vec![1; 3]),
                "{fault:?} {at}: {shown}"
            );
            assert_eq!(stage.used(), 3, "{fault:?} {at}");
            assert_eq!(
                stage.line_json("/v2/bot/audienceGroup/list?page=1")["totalCount"],
                0,
                "{fault:?} {at}"
            );
            assert!(struck);
        }
    }
}

#[test]
fn of_what_line_never_answers_nobody_knows_and_its_messages_stay_counted() {
    let stage = Stage::new(1);
    stage.many_members(3, "gold");
    stage.world.fail_always_call(NARROWCAST, Fault::Refused);
    let narrowcast = stage.narrowcast(&json!({ "rule": gold() }));
    stage.world.settle(10 * MINUTE);
    assert_eq!(stage.show(&narrowcast)["state"], "sending");
    stage.hours(24);
    let shown = stage.show(&narrowcast);
    assert_eq!((&shown["state"], stage.used()), (&json!("unresolved"), 3), "{shown}");
    stage.world.end_faults();
    stage.hours(3);
    assert_eq!(stage.show(&narrowcast)["state"], "unresolved");
}

#[test]
fn whoever_is_erased_is_in_no_audience_at_line() {
    let stage = Stage::new(1);
    stage.member("hanako", "gold");
    let audience = stage.audience();
    stage.world.settle(5 * MINUTE);
    assert_eq!(stage.show(&audience)["state"], "ready");
    let (status, _) = stage.api(&stage.shop, Method::DELETE, "/v1/members/hanako", None);
    assert!(status < 300, "{status}");
    stage.world.settle(3 * MINUTE);
    assert_eq!(stage.show(&audience)["state"], "deleted");
    assert_eq!(stage.line_json("/v2/bot/audienceGroup/list?page=1")["totalCount"], 0);
}

#[test]
fn an_audience_that_ends_while_line_is_asked_to_make_it_is_not_left_at_line() {
    for seed in 1..40 {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, &stage.shop);
        world.disturb_queues(Disturbance { consumers: 3, ..Disturbance::NONE });
        stage.member("hanako", "gold");
        let audience = stage.audience();
        let path = if seed % 2 == 0 { &audience } else { "/v1/members/hanako" };
        world.fail_next_call(UPLOAD, Fault::Stalled);
        let ends = async {
            for _ in 0..seed / 2 % 10 {
                world.serve(shop.api_request(Method::GET, "/v1/audiences", None)).await;
            }
            world.serve(shop.api_request(Method::DELETE, path, None)).await;
        };
        world.settle_beside(10 * MINUTE, ends);
        world.end_faults();
        assert_eq!(stage.show(&audience)["state"], "deleted", "seed {seed}");
        assert_eq!(stage.line_json("/v2/bot/audienceGroup/list?page=1")["totalCount"], 0, "seed {seed}");
    }
}

#[test]
fn the_same_key_is_the_same_narrowcast() {
    let stage = Stage::new(1);
    stage.many_members(3, "gold");
    let body = json!({ "name": "秋", "messages": [{ "type": "text", "text": "新茶" }], "rule": gold() });
    let post = |body: &Value| {
        stage.api_with(
            &stage.shop,
            Method::POST,
            "/v1/narrowcasts",
            Some(body),
            &[("idempotency-key", "k-1")],
        )
    };
    let first = post(&body);
    assert_eq!((first.0, post(&body).1["id"].clone()), (202, first.1["id"].clone()));
    let mut other = body.clone();
    other["max"] = 1.into();
    assert_eq!(post(&other).1["error"], "idempotency_key_reused");
    assert_eq!(
        (stage.count("narrowcasts"), stage.count("audiences")),
        (1, 1),
        "no audience of a narrowcast that is none"
    );
}

#[test]
fn the_same_key_answers_alike_when_what_it_named_is_gone() {
    let stage = Stage::new(1);
    stage.many_members(3, "gold");
    let (_, segment) = stage.post("/v1/segments", &json!({ "name": "金", "rule": gold() }));
    let (_, audience) = stage.post("/v1/audiences", &json!({ "name": "金", "rule": gold(), "keep": false }));
    stage.world.settle(5 * MINUTE);
    let ask = |key: &str, what: &str, id: &Value| {
        let mut body = json!({ "name": "秋", "messages": [{ "type": "text", "text": "新茶" }] });
        body[what] = id.clone();
        let key = [("idempotency-key", key)];
        stage.api_with(&stage.shop, Method::POST, "/v1/narrowcasts", Some(&body), &key)
    };
    let both = || [ask("k-1", "segment", &segment["id"]), ask("k-2", "audience", &audience["id"])];
    let first = both();
    stage.world.settle(15 * MINUTE);
    let path = format!("/v1/segments/{}", segment["id"].as_str().unwrap());
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &path, None).0, 204);
    for ((status, again), (_, before)) in both().into_iter().zip(first) {
        assert_eq!((status, &again["id"], &again["state"]), (202, &before["id"], &json!("done")), "{again}");
    }
}

#[test]
fn malformed_audiences_and_narrowcasts_are_refused_by_the_field() {
    let stage = Stage::new(1);
    let long = "あ".repeat(81);
    for (body, says) in [
        (json!({ "rule": gold() }), "name"),
        (json!({ "name": "", "rule": gold() }), "name"),
        (json!({ "name": long, "rule": gold() }), "name"),
        (json!({ "name": "a\nb", "rule": gold() }), "name"),
        (json!({ "name": "a" }), "rule"),
        (json!({ "name": "a", "rule": gold(), "segment": "seg_1" }), "segment"),
        (json!({ "name": "a", "rule": {} }), "rule"),
        (json!({ "name": "a", "rule": gold(), "keep": 1 }), "keep"),
        (json!({ "name": "a", "rule": gold(), "more": 1 }), "more"),
    ] {
        let (status, answer) = stage.post("/v1/audiences", &body);
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(answer["error_description"].as_str().unwrap().contains(says), "{says}: {answer}");
    }
    for (more, says) in [
        (json!({}), "audience"),
        (json!({ "everyone": true, "rule": gold() }), "everyone"),
        (json!({ "everyone": true }), "max"),
        (json!({ "everyone": false }), "everyone"),
        (json!({ "audience": "a b" }), "audience"),
        (json!({ "audience": "a", "rule": gold() }), "audience"),
        (json!({ "rule": gold(), "max": 0 }), "max"),
        (json!({ "rule": gold(), "max": "1" }), "max"),
        (json!({ "rule": gold(), "filter": { "type": "age" } }), "filter"),
        (json!({ "rule": gold(), "filter": { "type": "area", "oneOf": ["jp_99"] } }), "filter.oneOf[0]"),
        (json!({ "rule": gold(), "messages": [{ "type": "text", "text": "" }] }), "messages[0].text"),
        (
            json!({ "rule": gold(), "messages": [{ "type": "text", "text": "{{name}}" }] }),
            "same to everybody",
        ),
        (json!({ "rule": gold(), "limit": {} }), "limit"),
    ] {
        let (status, answer) = stage.ask(&more);
        assert_eq!(status, 400, "{more}: {answer}");
        assert!(answer["error_description"].as_str().unwrap().contains(says), "{says}: {answer}");
    }
    assert_eq!(stage.ask(&json!({ "audience": "unknown" })).0, 404);
    assert_eq!((stage.count("audiences"), stage.count("narrowcasts")), (0, 0));
}

#[test]
fn another_shop_sees_neither_audiences_nor_narrowcasts() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    stage.many_members(2, "gold");
    let (audience, narrowcast) = (stage.audience(), stage.narrowcast(&json!({ "rule": gold() })));
    for path in [&audience, &narrowcast] {
        assert_eq!(stage.api(&other, Method::GET, path, None).0, 404);
    }
    assert_eq!(stage.api(&other, Method::DELETE, &audience, None).0, 404);
    let id = audience.rsplit('/').next().unwrap();
    let body = json!({ "name": "a", "messages": [{ "type": "text", "text": "a" }], "audience": id });
    assert_eq!(stage.api(&other, Method::POST, "/v1/narrowcasts", Some(&body)).0, 404);
    let (_, list) = stage.api(&other, Method::GET, "/v1/audiences", None);
    assert_eq!(list["audiences"], json!([]));
}
