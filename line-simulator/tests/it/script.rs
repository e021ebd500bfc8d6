//! The stand-in's own paths: scripts and pages.

use http::Request;
use line_simulator::{Config, Simulator};
use serde_json::json;

use crate::{Line, NOW, body_of, header, text};

#[test]
fn a_script_makes_users_and_reads_their_messages() {
    let mut line = Line::new();
    let made =
        body_of(&line.json("/sim/users", &json!({ "name": "花子", "friend": true, "auto_login": true })));
    let id = made["userId"].as_str().unwrap().to_owned();
    let many = body_of(&line.json("/sim/users", &json!({ "count": 3, "prefix": "客", "friend": true })));
    assert_eq!(many["users"].as_array().unwrap().len(), 3);
    line.call("/v2/bot/message/push", &json!({ "to": id, "messages": text("a") }));
    let messages = body_of(&line.get(&format!("/sim/users/{id}/messages")));
    assert_eq!(messages["messages"][0]["text"], "a");
    assert_eq!(messages["messages"][0]["delivery"]["method"], "push");
    let users = body_of(&line.get("/sim/users?limit=2"));
    assert_eq!(users["total"], 4);
    assert_eq!(users["users"][0]["auto_login"], true);
    assert_eq!(users["users"][1]["name"], "客1");
}

#[test]
fn deeds_queue_webhooks_and_unknown_users_are_404() {
    let mut line = Line::new();
    let id = line.friend("花子");
    for (deed, body) in [
        ("unfollow", json!({})),
        ("follow", json!({})),
        ("message", json!({ "text": "a" })),
        ("postback", json!({ "data": "a" })),
    ] {
        let reply = line.json(&format!("/sim/users/{id}/{deed}"), &body);
        assert!(body_of(&reply)["webhookEventId"].is_string(), "{deed}");
    }
    assert_eq!(line.sim.take_webhooks().len(), 4);
    assert_eq!(line.json("/sim/users/U0/follow", &json!({})).status(), 404);
}

#[test]
fn calls_and_violations_are_listed_and_a_reset_keeps_the_channels() {
    let mut line = Line::new();
    let id = line.friend("花子");
    line.call("/v2/bot/message/push", &json!({ "to": id, "messages": text("a") }));
    line.call("/v2/bot/nothing", &json!({}));
    let listed = body_of(&line.get("/sim/calls"));
    assert_eq!(listed["calls"][1]["path"], "/v2/bot/message/push");
    assert_eq!(listed["calls"][1]["status"], 200);
    assert_eq!(listed["violations"][0]["kind"], "unknown-endpoint");
    assert_eq!(listed["violations"][0]["call"], listed["calls"][2]["number"]);
    line.json("/sim/reset", &json!({}));
    assert_eq!(body_of(&line.get("/sim/calls")), json!({ "calls": [], "violations": [], "dropped": 0 }));
    assert!(line.sim.users().is_empty());
    assert_eq!(line.read("/v2/bot/info").status(), 200);
}

#[test]
fn faults_come_by_script() {
    let mut line = Line::new();
    let fault = json!({ "path": "/v2/bot/info", "times": 1, "kind": "status", "status": 503 });
    line.json("/sim/faults", &fault);
    assert_eq!(line.read("/v2/bot/info").status(), 503);
    assert_eq!(line.read("/v2/bot/info").status(), 200);
    assert_eq!(line.json("/sim/faults", &json!({ "kind": "unheard-of" })).status(), 400);
}

#[test]
fn login_as_sets_the_cookie() {
    let mut line = Line::new();
    let id = line.friend("花子");
    line.json(&format!("/sim/login-as/{id}"), &json!({}));
    assert_eq!(line.cookie, Some(format!("line_sim_user={id}")));
}

#[test]
fn the_page_shows_the_chat_escaped_and_the_rich_menu() {
    let mut line = Line::new();
    let id = line.friend("花子");
    line.json(
        "/sim/richmenu",
        &json!({ "areas": [{ "label": "会員証", "uri": "https://shop.example/go/card" }] }),
    );
    line.call(
        "/v2/bot/message/push",
        &json!({ "to": id, "messages": text("<b> https://shop.example/go/a") }),
    );
    let template = json!([{
        "type": "template", "altText": "a",
        "template": { "type": "buttons", "text": "選ぶ", "actions": [
            { "type": "uri", "label": "見る", "uri": "https://shop.example/b" },
            { "type": "postback", "label": "送る", "data": "x=1" },
        ] },
    }]);
    line.call("/v2/bot/message/push", &json!({ "to": id, "messages": template }));
    let page = String::from_utf8(line.get(&format!("/sim/?user={id}")).into_body()).unwrap();
    assert_eq!(page.matches("data-testid=\"bubble\"").count(), 2);
    assert!(page.contains("&lt;b&gt; <a href=\"https://shop.example/go/a\">"));
    assert!(page.contains("<a href=\"https://shop.example/b\">見る</a>"));
    assert!(page.contains("<a href=\"https://shop.example/go/card\">会員証</a>"));
    assert!(page.contains("name=\"data\" value=\"x=1\""));
    let back = line.form(&format!("/sim/users/{id}/message"), "text=hello");
    assert_eq!(
        (back.status().as_u16(), header(&back, "location")),
        (303, format!("/sim/?user={id}").as_str())
    );
}

#[test]
fn what_was_saved_is_there_again() {
    let mut line = Line::new();
    let id = line.friend("花子");
    let key = "123e4567-e89b-12d3-a456-426655440001";
    let body = json!({ "to": id, "messages": text("a") });
    line.call_with_key("/v2/bot/message/push", &body, key);
    let saved = line.sim.save();
    line.sim = Simulator::restore(Config::default(), &saved).unwrap();
    assert_eq!(line.sim.chat(&id).len(), 1);
    assert_eq!(line.call_with_key("/v2/bot/message/push", &body, key).status(), 409);
    assert!(Simulator::restore(Config::default(), b"{").is_err());
}

#[test]
fn the_same_seed_and_requests_give_the_same_answers() {
    let run = || {
        let mut line = Line::new();
        let id = line.friend("花子");
        let reply = line.call("/v2/bot/message/push", &json!({ "to": id, "messages": text("a") }));
        (id, header(&reply, "x-line-request-id").to_owned(), reply.into_body())
    };
    assert_eq!(run(), run());
}

#[test]
fn channels_come_at_run_time() {
    let mut line = Line::new();
    let channel = json!({ "messaging_channels": [{
        "channel_id": "2000000002", "channel_secret": "s", "bot_user_id": "U00000000000000000000000000000002",
    }] });
    line.json("/sim/channels", &channel);
    let token = line.stateless_token("2000000002", "s");
    assert_eq!(body_of(&line.read_as("/v2/bot/info", &token))["userId"], "U00000000000000000000000000000002");
    let request =
        Request::get("https://access.line.me/.well-known/openid-configuration").body(Vec::new()).unwrap();
    assert_eq!(body_of(&line.send(request))["issuer"], "https://access.line.me");
    assert_eq!(line.now, NOW);
}

#[test]
fn only_choosing_a_phone_takes_it_and_a_browsers_own_requests_are_no_calls() {
    let mut line = Line::new();
    let (one, two) = (line.friend("一"), line.friend("二"));
    line.get("/sim/");
    assert_eq!(line.cookie, None);
    line.get(&format!("/sim/?user={one}"));
    line.get(&format!("/sim/?user={two}&live=1"));
    assert_eq!(line.cookie, Some(format!("line_sim_user={one}")));
    assert_eq!(line.get("/favicon.ico").status(), 204);
    assert!(line.sim.violations().is_empty());
}
