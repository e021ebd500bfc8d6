//! The Messaging API: sends, retry keys, limits, quota, profiles.

use http::Request;
use line_simulator::{Answer, Fault, FaultKind, NewUser};
use serde_json::json;

use crate::{Line, NOW, body_of, config, header, text};

const PUSH: &str = "/v2/bot/message/push";
const MULTICAST: &str = "/v2/bot/message/multicast";
const KEY: &str = "123e4567-e89b-12d3-a456-426655440001";

fn fault(path: &str, times: u32, kind: FaultKind) -> Fault {
    Fault { path: path.into(), times, kind, status: None, ms: None }
}

#[test]
fn a_push_reaches_the_chat_and_names_its_messages() {
    let mut line = Line::new();
    let user = line.friend("花子");
    let reply = line.call(PUSH, &json!({ "to": user, "messages": text("こんにちは") }));
    assert_eq!(reply.status(), 200);
    assert!(body_of(&reply)["sentMessages"][0]["id"].is_string());
    assert_eq!(line.sim.chat(&user).len(), 1);
    assert_eq!(*line.sim.chat(&user)[0].message, json!({ "type": "text", "text": "こんにちは" }));
    assert_eq!(&*line.sim.chat(&user)[0].request_id, header(&reply, "x-line-request-id"));
    assert!(line.sim.violations().is_empty());
}

#[test]
fn the_same_key_is_409_with_the_accepted_request_and_sends_nothing() {
    let mut line = Line::new();
    let user = line.friend("花子");
    let body = json!({ "to": user, "messages": text("a") });
    let first = line.call_with_key(PUSH, &body, KEY);
    let again = line.call_with_key(PUSH, &body, KEY);
    assert_eq!(again.status(), 409);
    assert_eq!(header(&again, "x-line-accepted-request-id"), header(&first, "x-line-request-id"));
    assert_ne!(header(&again, "x-line-request-id"), header(&first, "x-line-request-id"));
    assert_eq!(body_of(&again)["message"], "The retry key is already accepted");
    assert_eq!(body_of(&again)["sentMessages"], body_of(&first)["sentMessages"]);
    assert_eq!(line.sim.chat(&user).len(), 1);
    assert!(line.sim.violations().is_empty());
    line.now += 24 * 3_600_000;
    line.sim.upsert_channels(config(false, None));
    assert_eq!(line.call_with_key(PUSH, &body, KEY).status(), 401, "the token lives 15 minutes");
}

#[test]
fn the_same_key_with_another_body_is_409_too_and_a_violation() {
    let mut line = Line::new();
    let user = line.friend("花子");
    line.call_with_key(PUSH, &json!({ "to": user, "messages": text("a") }), KEY);
    let other = line.call_with_key(PUSH, &json!({ "to": user, "messages": text("b") }), KEY);
    assert_eq!(other.status(), 409);
    assert_eq!(line.sim.chat(&user).len(), 1);
    assert_eq!(line.kinds(), ["retry-key-body-changed"]);
}

#[test]
fn a_retry_key_must_be_a_uuid_and_must_not_be_on_a_reply() {
    let mut line = Line::new();
    let user = line.friend("花子");
    let body = json!({ "to": user, "messages": text("a") });
    assert_eq!(line.call_with_key(PUSH, &body, "not-a-uuid").status(), 400);
    let reply = json!({ "replyToken": "0", "messages": text("a") });
    assert_eq!(line.call_with_key("/v2/bot/message/reply", &reply, KEY).status(), 400);
    assert_eq!(line.kinds(), ["retry-key-not-uuid", "retry-key-not-supported"]);
}

#[test]
fn a_request_that_was_refused_is_not_accepted_under_its_key() {
    let mut line = Line::new();
    let user = line.friend("花子");
    let body = json!({ "to": user, "messages": text("a") });
    line.sim.add_fault(fault(PUSH, 1, FaultKind::Status));
    assert_eq!(line.call_with_key(PUSH, &body, KEY).status(), 500);
    assert_eq!(line.call_with_key(PUSH, &body, KEY).status(), 200);
    assert!(line.sim.violations().is_empty());
}

#[test]
fn a_time_out_after_acceptance_is_settled_by_409() {
    let mut line = Line::new();
    let user = line.friend("花子");
    let body = json!({ "to": user, "messages": text("a") });
    line.sim.add_fault(fault(PUSH, 1, FaultKind::AcceptThenTimeout));
    line.sim.add_fault(fault(PUSH, 1, FaultKind::Drop));
    let mut request = line.api(PUSH, &body);
    request.headers_mut().insert("x-line-retry-key", KEY.parse().unwrap());
    assert!(matches!(line.answer(request.clone()), Answer::TimedOut));
    assert!(matches!(line.answer(request.clone()), Answer::Dropped));
    let Answer::Reply(reply) = line.answer(request) else { panic!() };
    assert_eq!(reply.status(), 409);
    assert_eq!(line.sim.chat(&user).len(), 1);
}

#[test]
fn latency_delays_the_answer() {
    let mut line = Line::new();
    line.sim.add_fault(Fault { ms: Some(700), ..fault("/v2/bot/info", 1, FaultKind::Latency) });
    let request = Request::get("/v2/bot/info").body(Vec::new()).unwrap();
    assert!(matches!(line.answer(request), Answer::Delayed { ms: 700, .. }));
}

#[test]
fn a_multicast_skips_who_blocked_and_delivers_once_to_each() {
    let mut line = Line::new();
    let (one, two) = (line.friend("一"), line.friend("二"));
    line.sim.unfollow(NOW, &two).unwrap();
    let reply = line.call(MULTICAST, &json!({ "to": [one, two, one], "messages": text("a") }));
    assert_eq!((reply.status().as_u16(), body_of(&reply)), (200, json!({})));
    assert_eq!(line.sim.chat(&one).len(), 1);
    assert!(line.sim.chat(&two).is_empty());
    assert_eq!(body_of(&line.read("/v2/bot/message/quota/consumption")), json!({ "totalUsage": 1 }));
}

#[test]
fn an_unknown_id_is_named_by_its_index_and_nobody_receives_anything() {
    let mut line = Line::new();
    let one = line.friend("一");
    let stranger = "Uffffffffffffffffffffffffffffffff";
    let reply = line.call(MULTICAST, &json!({ "to": [one, stranger], "messages": text("a") }));
    assert_eq!(reply.status(), 400);
    assert_eq!(
        body_of(&reply)["message"],
        "The property, to[1], in the request body is invalid (line: -, column: -)"
    );
    assert!(line.sim.chat(&one).is_empty());
    let reply = line.call(PUSH, &json!({ "to": stranger, "messages": text("a") }));
    assert_eq!(body_of(&reply)["message"], "Failed to send messages");
    assert_eq!(line.kinds(), ["unknown-recipient", "unknown-recipient"]);
}

#[test]
fn more_than_500_ids_are_refused() {
    let mut line = Line::new();
    let users: Vec<_> = (0..501).map(|number| line.friend(&number.to_string())).collect();
    assert_eq!(line.call(MULTICAST, &json!({ "to": users, "messages": text("a") })).status(), 400);
    assert_eq!(line.kinds(), ["too-many-recipients"]);
    assert_eq!(line.call(MULTICAST, &json!({ "to": users[..500], "messages": text("a") })).status(), 200);
    assert!(users[..500].iter().all(|user| line.sim.chat(user).len() == 1));
}

#[test]
fn the_monthly_limit_refuses_a_send_that_would_exceed_it_as_a_whole() {
    let mut line = Line::with(config(false, Some(2)));
    let users = [line.friend("一"), line.friend("二"), line.friend("三")];
    assert_eq!(body_of(&line.read("/v2/bot/message/quota")), json!({ "type": "limited", "value": 2 }));
    let reply = line.call(MULTICAST, &json!({ "to": users, "messages": text("a") }));
    assert_eq!(reply.status(), 429);
    assert_eq!(body_of(&reply)["message"], "You have reached your monthly limit.");
    assert_eq!(line.call(MULTICAST, &json!({ "to": users[..2], "messages": text("a") })).status(), 200);
    assert_eq!(line.call(PUSH, &json!({ "to": users[2], "messages": text("a") })).status(), 429);
    assert!(line.sim.violations().is_empty());
}

#[test]
fn the_201st_multicast_of_a_second_is_429_and_the_301st_is_hammering() {
    let mut line = Line::new();
    let user = line.friend("一");
    let body = json!({ "to": [user], "messages": text("a") });
    let statuses: Vec<u16> = (0..300).map(|_| line.call(MULTICAST, &body).status().as_u16()).collect();
    assert!(statuses[..200].iter().all(|status| *status == 200));
    assert!(statuses[200..].iter().all(|status| *status == 429));
    assert!(line.sim.violations().is_empty());
    let reply = line.call(MULTICAST, &body);
    assert_eq!(body_of(&reply)["message"], "The API rate limit has been exceeded. Try again later.");
    assert_eq!(line.kinds(), ["hammering"]);
    assert_eq!(line.call(PUSH, &json!({ "to": user, "messages": text("a") })).status(), 200);
}

#[test]
fn a_channel_token_lives_fifteen_minutes() {
    let mut line = Line::new();
    assert_eq!(line.read("/v2/bot/info").status(), 200);
    line.now += 900_000;
    let reply = line.read("/v2/bot/info");
    assert_eq!(reply.status(), 401);
    assert!(body_of(&reply)["message"].as_str().unwrap().starts_with("Authentication failed due to"));
    assert_eq!(line.get("/v2/bot/info").status(), 401);
}

#[test]
fn a_wrong_secret_obtains_no_token() {
    let mut line = Line::new();
    let body = "grant_type=client_credentials&client_id=2000000001&client_secret=wrong";
    let reply = line.form("/oauth2/v3/token", body);
    assert_eq!(
        body_of(&reply),
        json!({ "error": "invalid_request", "error_description": "Invalid 'client_credentials'." })
    );
}

#[test]
fn a_profile_is_readable_for_friends_only() {
    let mut line = Line::new();
    let friend = line.friend("花子");
    let stranger = line.sim.add_user(NewUser { name: "太郎".into(), ..NewUser::default() });
    assert_eq!(body_of(&line.read(&format!("/v2/bot/profile/{friend}")))["displayName"], "花子");
    assert_eq!(line.read(&format!("/v2/bot/profile/{stranger}")).status(), 404);
    assert_eq!(line.read("/v2/bot/profile/nobody").status(), 400);
}

#[test]
fn a_reply_token_works_once_within_a_minute_and_costs_nothing() {
    let mut line = Line::with(config(false, Some(0)));
    let user = line.friend("花子");
    let token = |line: &mut Line| {
        line.sim.send_message(line.now, &user, "やあ").unwrap();
        let body: serde_json::Value = serde_json::from_slice(&line.sim.take_webhooks()[0].body).unwrap();
        body["events"][0]["replyToken"].as_str().unwrap().to_owned()
    };
    let first = token(&mut line);
    let body = json!({ "replyToken": first, "messages": text("a") });
    assert_eq!(line.call("/v2/bot/message/reply", &body).status(), 200);
    assert_eq!(body_of(&line.call("/v2/bot/message/reply", &body))["message"], "Invalid reply token");
    let late = token(&mut line);
    line.now += 60_001;
    let body = json!({ "replyToken": late, "messages": text("a") });
    assert_eq!(line.call("/v2/bot/message/reply", &body).status(), 400);
    assert_eq!(line.sim.chat(&user).len(), 1);
}

#[test]
fn validate_sends_nothing_and_answers_as_a_send_would() {
    let mut line = Line::new();
    let path = "/v2/bot/message/validate/push";
    assert_eq!(line.call(path, &json!({ "messages": text("a") })).status(), 200);
    let refused = line.call(path, &json!({ "messages": text("") }));
    assert_eq!(refused.status(), 400);
    assert_eq!(body_of(&refused)["details"][0]["property"], "messages[0].text");
    assert!(line.sim.violations().is_empty());
}

#[test]
fn a_path_that_is_not_played_is_404_and_a_violation() {
    let mut line = Line::new();
    assert_eq!(line.call("/v2/bot/richmenu", &json!({})).status(), 404);
    assert_eq!(line.read(PUSH).status(), 405);
    assert_eq!(line.kinds(), ["unknown-endpoint", "unknown-endpoint"]);
}

#[test]
fn a_wrong_media_type_and_a_body_that_is_no_json_are_refused() {
    let mut line = Line::new();
    let mut request = line.api(PUSH, &json!({}));
    request.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(line.send(request).status(), 415);
    let mut request = line.api(PUSH, &json!({}));
    *request.body_mut() = b"{".to_vec();
    assert_eq!(line.send(request).status(), 400);
}

#[test]
fn followers_are_listed_page_by_page_for_a_verified_account_only() {
    let mut line = Line::new();
    assert_eq!(line.read("/v2/bot/followers/ids").status(), 403);
    let mut line = Line::with(config(true, None));
    let users: Vec<_> = (0..3).map(|number| line.friend(&number.to_string())).collect();
    let page = body_of(&line.read("/v2/bot/followers/ids?limit=2"));
    assert_eq!(page["userIds"], json!(users[..2]));
    let next = page["next"].as_str().unwrap().to_owned();
    let page = body_of(&line.read(&format!("/v2/bot/followers/ids?limit=2&start={next}")));
    assert_eq!(page, json!({ "userIds": users[2..] }));
}

#[test]
fn a_broadcast_reaches_all_friends() {
    let mut line = Line::new();
    let users = [line.friend("一"), line.friend("二")];
    let stranger = line.sim.add_user(NewUser::default());
    assert_eq!(line.call("/v2/bot/message/broadcast", &json!({ "messages": text("a") })).status(), 200);
    assert!(users.iter().all(|user| line.sim.chat(user).len() == 1));
    assert!(line.sim.chat(&stranger).is_empty());
}
