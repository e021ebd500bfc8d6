//! Linking from the chat: LINE's link token, our nonce, LINE's word. Neither side can be finished by another.

use enishi::time::{DAY, MINUTE};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Browser, CHANNEL_TOKEN, Stage};

fn issue_token(stage: &Stage, user: &str) -> (u16, Value) {
    stage.api(&stage.shop, Method::POST, "/v1/link-tokens", Some(&json!({ "line_user_id": user })))
}

/// What the customer followed in the chat.
fn link_token(stage: &Stage, user: &str) -> String {
    let (status, body) = issue_token(stage, user);
    assert_eq!(status, 201, "{body}");
    body["link_token"].as_str().unwrap().to_owned()
}

fn start(stage: &Stage, token: &str, member: &str) -> (u16, Value) {
    let body = json!({ "link_token": token, "member_id": member, "consent": { "text": "v7" } });
    stage.api(&stage.shop, Method::POST, "/v1/account-links", Some(&body))
}

/// Where the shop sends its member on to LINE.
fn dialog(stage: &Stage, token: &str, member: &str) -> String {
    let (status, body) = start(stage, token, member);
    assert_eq!(status, 201, "{body}");
    body["url"].as_str().unwrap().to_owned()
}

fn link_of(stage: &Stage, member: &str) -> Option<Value> {
    let path = format!("/v1/links?member_id={member}");
    let (status, link) =
        stage.api_with(&stage.shop, Method::GET, &path, None, &[("cache-control", "no-cache")]);
    (status == 200).then_some(link)
}

#[test]
fn somebody_in_the_chat_logs_in_at_the_shop_and_is_linked_with_the_consent_that_the_shop_recorded() {
    let stage = Stage::new(1);
    stage.takes_events();
    let user = stage.friend("花子");
    let token = link_token(&stage, &user);
    let url = dialog(&stage, &token, "m-1");
    let page = Browser::of(&stage.world, &user).line_shows(&url);
    assert!(page.contains("連携しました"), "{page}");
    assert_eq!(link_of(&stage, "m-1"), None, "LINE has not told us yet");
    stage.deliver();
    let link = link_of(&stage, "m-1").expect("a link");
    assert_eq!((&link["line_user_id"], &link["sub"]), (&json!(user), &json!(stage.subject(&user))));
    assert_eq!((&link["consent"]["way"], &link["consent"]["text"]), (&json!("account_link"), &json!("v7")));
    let told = stage.events().pop().unwrap();
    assert_eq!(told, ("link.made".to_owned(), json!({ "sub": link["sub"], "member_id": "m-1" })));
    assert_eq!(stage.count("link_nonces"), 0, "a nonce counts once");
}

#[test]
fn a_stranger_who_opens_anothers_dialog_links_nobody_in_either_direction() {
    let stage = Stage::new(1);
    stage.takes_events();
    let [victim, attacker] = ["花子", "太郎"].map(|name| stage.friend(name));
    // His member, his token: she follows.
    let lured = dialog(&stage, &link_token(&stage, &attacker), "m-attacker");
    assert!(Browser::of(&stage.world, &victim).line_shows(&lured).contains("できませんでした"));
    // Her member, her token: he follows.
    let stolen = dialog(&stage, &link_token(&stage, &victim), "m-victim");
    assert!(Browser::of(&stage.world, &attacker).line_shows(&stolen).contains("できませんでした"));
    stage.deliver();
    assert_eq!((link_of(&stage, "m-attacker"), link_of(&stage, "m-victim")), (None, None));
    let refused: Vec<_> = stage.events().into_iter().filter(|(kind, _)| kind == "link.refused").collect();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|(_, data)| data["reason"] == "line_failed"), "{refused:?}");
    assert_eq!(stage.count("links") + stage.count("link_nonces"), 0);
}

#[test]
fn whoever_is_linked_already_is_not_linked_again_and_the_shop_hears_why() {
    let stage = Stage::new(1);
    stage.takes_events();
    let [one, two] = ["花子", "太郎"].map(|name| stage.friend(name));
    let urls =
        [dialog(&stage, &link_token(&stage, &one), "m-1"), dialog(&stage, &link_token(&stage, &two), "m-2")];
    let third = stage.friend("次郎");
    assert_eq!(stage.link(&stage.subject(&one), &json!({ "member_id": "m-9" })).0, 201);
    assert_eq!(stage.link(&stage.subject(&third), &json!({ "member_id": "m-2" })).0, 201);
    for (user, url) in [(&one, &urls[0]), (&two, &urls[1])] {
        Browser::of(&stage.world, user).line_shows(url);
    }
    stage.deliver();
    let refused: Vec<_> =
        stage.events().into_iter().filter(|(kind, _)| kind == "link.refused").map(|(_, data)| data).collect();
    let reason =
        |member: &str| refused.iter().find(|data| data["member_id"] == member).unwrap()["reason"].clone();
    assert_eq!((reason("m-1"), reason("m-2")), (json!("subject_is_linked"), json!("member_is_linked")));
    assert_eq!(stage.count("links"), 2);
    let (status, error) = start(&stage, &link_token(&stage, &two), "m-2");
    assert_eq!((status, &error["error"]), (409, &json!("member_is_linked")));
}

#[test]
fn lines_word_that_comes_again_or_late_changes_nothing_and_a_nonce_is_over_after_a_quarter_of_an_hour() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    let url = dialog(&stage, &link_token(&stage, &user), "m-1");
    stage.world.advance(9 * MINUTE);
    Browser::of(&stage.world, &user).line_shows(&url);
    let said = stage.world.now();
    // LINE's webhook is hours late: what counts is when LINE said it.
    stage.world.advance(5 * 60 * MINUTE);
    stage.deliver();
    assert!(link_of(&stage, "m-1").is_some());
    let sub = stage.subject(&user);
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{sub}"), None).0, 204);
    let event = |nonce: &str, at: i64, id: &str| {
        let body = json!({
            "destination": enishi_world::ACCOUNT.bot_user_id,
            "events": [{
                "type": "accountLink", "mode": "active", "timestamp": at, "webhookEventId": id,
                "replyToken": "r", "source": { "type": "user", "userId": user },
                "deliveryContext": { "isRedelivery": true }, "link": { "result": "ok", "nonce": nonce },
            }],
        });
        assert_eq!(stage.world.answer(crate::support::webhook(&body.to_string())).status, 200);
        stage.world.run_queues();
    };
    let nonce = crate::support::query(&url)("nonce").unwrap();
    event(&nonce, said.0, "again");
    assert_eq!(link_of(&stage, "m-1"), None, "a nonce that was spent");
    event("not-a-nonce-of-ours", said.0, "foreign");
    let over = crate::support::query(&dialog(&stage, "any-token", "m-1"))("nonce").unwrap();
    event(&over, stage.world.now().0 + 16 * MINUTE, "stale");
    assert_eq!(link_of(&stage, "m-1"), None);
    stage.world.advance(6 * DAY);
    stage.world.tick();
    assert_eq!(stage.count("link_nonces"), 0, "swept");
}

#[test]
fn what_line_or_the_form_does_not_admit_is_said_clearly() {
    let stage = Stage::new(1);
    let stranger = "U0123456789abcdef0123456789abcd00";
    let (status, error) = issue_token(&stage, stranger);
    assert_eq!((status, &error["error"]), (409, &json!("line_refused")), "{error}");
    assert_eq!(issue_token(&stage, "nobody").0, 400);
    for wrong in [
        json!({}),
        json!({ "link_token": "", "member_id": "m" }),
        json!({ "link_token": "a b", "member_id": "m" }),
        json!({ "link_token": "t", "member_id": "" }),
        json!({ "link_token": "t", "member_id": "m", "consent": "yes" }),
    ] {
        let (status, error) = stage.api(&stage.shop, Method::POST, "/v1/account-links", Some(&wrong));
        assert_eq!((status, &error["error"]), (400, &json!("invalid_request")), "{wrong}");
    }
}

#[test]
fn a_channel_token_that_line_refuses_is_drawn_anew_for_a_link_token_once() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    let path = format!("/v2/bot/user/{user}/linkToken");
    link_token(&stage, &user);
    let drawn = stage.answers_of(CHANNEL_TOKEN).len();
    stage.world.answer_next_call(&path, StatusCode::UNAUTHORIZED, "{}");
    link_token(&stage, &user);
    assert_eq!(stage.answers_of(CHANNEL_TOKEN).len(), drawn + 1);
    for _ in 0..2 {
        stage.world.answer_next_call(&path, StatusCode::UNAUTHORIZED, "{}");
    }
    let (status, error) = issue_token(&stage, &user);
    assert_eq!((status, &error["error"]), (503, &json!("no_answer")), "LINE takes no token of ours");
}

#[test]
fn a_flow_that_line_calls_failed_links_nobody_whomever_it_names() {
    let stage = Stage::new(1);
    stage.takes_events();
    let user = stage.friend("花子");
    let nonce = crate::support::query(&dialog(&stage, "any-token", "m-1"))("nonce").unwrap();
    for (at, result) in ["failed", "", "OK", "error"].iter().enumerate() {
        let nonce = if at == 0 {
            nonce.clone()
        } else {
            crate::support::query(&dialog(&stage, "t", "m-1"))("nonce").unwrap()
        };
        let body = json!({
            "destination": enishi_world::ACCOUNT.bot_user_id,
            "events": [{
                "type": "accountLink", "mode": "active", "timestamp": stage.world.now().0,
                "webhookEventId": format!("E{at}"), "replyToken": "r", "source": { "type": "user", "userId": user },
                "deliveryContext": { "isRedelivery": false }, "link": { "result": result, "nonce": nonce },
            }],
        });
        assert_eq!(stage.world.answer(crate::support::webhook(&body.to_string())).status, 200);
        let (kind, data) = stage.events().pop().unwrap();
        assert_eq!((kind.as_str(), &data["reason"]), ("link.refused", &json!("line_failed")), "{result}");
    }
    assert_eq!((stage.count("links"), stage.count("link_nonces")), (0, 0));
}
