//! The end of a link: LINE is told, the customer has a control, and the record stays.

use enishi::time::{DAY, HOUR, SECOND};
use enishi_world::{ACCOUNT, Fault};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Browser, CHANNEL_TOKEN, Consent, Page, Shop, Stage, form};

const DEAUTHORIZE: &str = "/user/v1/deauthorize";

/// Somebody who logged in and was linked to this member; the browser and the subject.
fn linked<'a>(stage: &'a Stage, name: &str, member: &str) -> (Browser<'a>, String) {
    let (shop, world) = (&stage.shop, &stage.world);
    let mut browser = Browser::of(world, &stage.person(name));
    let login = shop.begin(name);
    let location = browser.log_in(shop, &login, Consent::Plain);
    let sub = shop.claims(world, &login, &shop.code(&login, &location))["sub"].as_str().unwrap().to_owned();
    assert_eq!(stage.link(&sub, &json!({ "member_id": member })).0, 201);
    (browser, sub)
}

fn unlink(stage: &Stage, sub: &str) {
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{sub}"), None).0, 204);
}

fn history(stage: &Stage, query: &str) -> Value {
    let (status, body) = stage.api(&stage.shop, Method::GET, &format!("/v1/link-history?{query}"), None);
    assert_eq!(status, 200, "{body}");
    body["history"].clone()
}

fn told(stage: &Stage, sub: &str) -> Value {
    history(stage, &format!("sub={sub}"))[0]["line_told"].clone()
}

#[test]
fn line_is_told_of_an_unlinking_and_asks_the_customer_for_consent_at_the_next_login() {
    let stage = Stage::new(1);
    let (mut browser, sub) = linked(&stage, "花子", "m-1");
    unlink(&stage, &sub);
    assert_eq!(told(&stage, &sub), "owed");
    stage.world.run_queues();
    assert_eq!(stage.answers_of(DEAUTHORIZE), [Some(204)]);
    assert_eq!(told(&stage, &sub), "told");
    assert_eq!(stage.count("outbox") + stage.count("line_users WHERE line_tokens IS NOT NULL"), 0);
    let started = browser.go(&stage.shop.begin("again").url).location.unwrap();
    let callback = browser.at_line(&started, Consent::Cancelled);
    assert!(callback.contains("ACCESS_DENIED"), "there was a consent screen to cancel: {callback}");
}

#[test]
fn where_no_token_is_held_the_record_says_that_line_could_not_be_told() {
    let stage = Stage::new(1);
    let sub = stage.subject(&stage.friend("花子"));
    assert_eq!(stage.link(&sub, &json!({ "member_id": "m-1" })).0, 201);
    unlink(&stage, &sub);
    stage.world.run_queues();
    assert_eq!((told(&stage, &sub), stage.answers_of(DEAUTHORIZE)), (json!("impossible"), vec![]));
}

#[test]
fn an_access_token_that_is_over_is_renewed_and_one_that_cannot_be_is_recorded_as_impossible() {
    for (age, answers, expected) in [(40 * DAY, vec![Some(204)], "told"), (100 * DAY, vec![], "impossible")] {
        let stage = Stage::new(1);
        let (_, sub) = linked(&stage, "花子", "m-1");
        stage.world.advance(age);
        unlink(&stage, &sub);
        stage.world.run_queues();
        assert_eq!(stage.answers_of(DEAUTHORIZE), answers, "after {} days", age / DAY);
        assert_eq!(told(&stage, &sub), expected);
        assert_eq!(stage.count("outbox"), 0);
    }
}

#[test]
fn line_is_tried_until_it_answers_and_what_is_over_already_is_done() {
    let stage = Stage::new(1);
    let (_, sub) = linked(&stage, "花子", "m-1");
    stage.world.fail_next_call(DEAUTHORIZE, Fault::Refused);
    stage.world.answer_next_call(DEAUTHORIZE, StatusCode::SERVICE_UNAVAILABLE, "{}");
    unlink(&stage, &sub);
    stage.world.settle(HOUR);
    assert_eq!(told(&stage, &sub), "told");
    let (_, other) = linked(&stage, "太郎", "m-2");
    stage.world.answer_next_call(DEAUTHORIZE, StatusCode::BAD_REQUEST, r#"{"message":"invalid token"}"#);
    unlink(&stage, &other);
    stage.world.run_queues();
    assert_eq!(told(&stage, &other), "told", "LINE knows of no authorization any more");
    assert_eq!(stage.count("outbox"), 0);
}

#[test]
fn line_that_never_answers_is_given_up_after_days_and_recorded() {
    let stage = Stage::new(1);
    let (_, sub) = linked(&stage, "花子", "m-1");
    stage.world.fail_always_call(DEAUTHORIZE, Fault::Refused);
    unlink(&stage, &sub);
    stage.hours(4 * 24);
    assert_eq!((told(&stage, &sub), stage.count("outbox")), (json!("impossible"), 0));
}

#[test]
fn of_a_link_that_is_replaced_line_is_told_only_about_who_is_linked_no_more() {
    let stage = Stage::new(1);
    let (_, hanako) = linked(&stage, "花子", "m-1");
    let (_, taro) = linked(&stage, "太郎", "m-2");
    assert_eq!(stage.link(&hanako, &json!({ "member_id": "m-2", "replace": true })).0, 201);
    stage.world.run_queues();
    assert_eq!((told(&stage, &hanako), told(&stage, &taro)), (Value::Null, json!("told")));
    assert_eq!(stage.answers_of(DEAUTHORIZE), [Some(204)]);
    assert_eq!(stage.count("line_users WHERE line_tokens IS NOT NULL"), 1, "hers may be needed yet");
}

#[test]
fn tokens_of_line_are_sealed_wherever_they_lie() {
    let stage = Stage::new(1);
    let (_, sub) = linked(&stage, "花子", "m-1");
    let held = stage.world.query("SELECT line_tokens FROM line_users")[0]["line_tokens"].to_string();
    unlink(&stage, &sub);
    let owed = stage.world.query("SELECT body FROM outbox")[0]["body"].to_string();
    assert!(held.contains("v1.") && held == owed, "{held} {owed}");
    assert!(!held.contains("eyJ") && !held.contains("token"));
}

fn control(browser: &mut Browser<'_>) -> Page {
    browser.go(&format!("{}/line/unlink", ACCOUNT.issuer))
}

#[test]
fn the_customer_ends_the_link_with_lines_notice_beside_the_control() {
    let stage = Stage::new(1);
    stage.takes_events();
    stage.world.set_cache_staleness(0);
    let (mut browser, sub) = linked(&stage, "花子", "m-1");
    assert_eq!(stage.api(&stage.shop, Method::GET, &format!("/v1/links/{sub}"), None).0, 200);
    let page = control(&mut browser);
    assert_eq!(page.status, 200);
    assert!(page.html.contains("花子") && page.html.contains("LINEヤフー株式会社"), "{}", page.html);
    let kept = browser.choose(&page, &[("choice", "keep")]);
    assert_eq!((kept.status, stage.count("links")), (200, 1));
    let page = control(&mut browser);
    let done = browser.choose(&page, &[("choice", "unlink")]);
    assert!(done.status == 200 && done.html.contains("解除しました"), "{}", done.html);
    // The shop's own session may go on, so nothing is promised of it.
    for said in [&page.html, &done.html] {
        assert!(said.contains("LINEによるログイン") && !said.contains("ショップからログアウト"), "{said}");
    }
    assert_eq!(stage.api(&stage.shop, Method::GET, &format!("/v1/links/{sub}"), None).0, 404, "KV forgot");
    assert!(!browser.has_session(&stage.shop));
    let ended = history(&stage, "member_id=m-1");
    assert_eq!((&ended[0]["ended_by"], ended.as_array().unwrap().len()), (&json!("customer"), 1));
    let last = stage.events().pop().unwrap();
    assert_eq!(
        last,
        ("link.ended".to_owned(), json!({ "sub": sub, "member_id": "m-1", "reason": "customer" }))
    );
    assert_eq!(told(&stage, &sub), "told");
    assert_eq!(control(&mut browser).status, 401, "logged out");
}

#[test]
fn the_control_is_complete_in_english_and_says_what_is_missing_to_whoever_has_nothing_to_end() {
    let stage = Stage::new(1);
    let english = |browser: &Browser<'_>| {
        let mut request = browser.request(&format!("{}/line/unlink", ACCOUNT.issuer));
        request.headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en"));
        let reply = stage.world.answer(request);
        (reply.status.as_u16(), String::from_utf8(reply.body).unwrap())
    };
    let stranger = Browser::of(&stage.world, &stage.person("花子"));
    let (status, page) = english(&stranger);
    assert!(status == 401 && page.contains("log in to the shop"), "{page}");
    let (browser, sub) = linked(&stage, "太郎", "m-1");
    let (status, page) = english(&browser);
    assert!(status == 200 && page.contains("LY Corporation is informed"), "{page}");
    let is_japanese = |c: char| ('\u{3040}'..'\u{30ff}').contains(&c);
    let words = page.replace(ACCOUNT.name, "");
    assert!(!words.contains(is_japanese), "{page}");
    let mut unlinked = Browser::of(&stage.world, &stage.person("次郎"));
    unlinked.log_in(&stage.shop, &stage.shop.begin("3"), Consent::Plain);
    let (status, page) = english(&unlinked);
    assert!(status == 200 && page.contains("not tied to any member") && !page.contains("<form"), "{page}");
    unlink(&stage, &sub);
}

#[test]
fn a_second_tap_on_the_control_is_told_the_same_as_the_first_and_ends_nothing_more() {
    let stage = Stage::new(1);
    stage.takes_events();
    let (mut browser, sub) = linked(&stage, "花子", "m-1");
    let page = control(&mut browser);
    let (_, hidden) = page.form();
    let url = format!("{}/line/unlink", ACCOUNT.issuer);
    let said = |choice| {
        let fields = [(hidden[0].0.as_str(), hidden[0].1.as_str()), ("choice", choice)];
        let mut posted = form(&url, &fields);
        posted.headers.extend(browser.request(&url).headers);
        posted
    };
    let taps = [said("unlink"), said("unlink")].map(|tap| stage.world.serve(tap));
    for reply in stage.world.together(taps).into_iter().flatten().chain([stage.world.answer(said("unlink"))])
    {
        let html = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(reply.status == 200 && html.contains("解除しました"), "{html}");
    }
    assert_eq!(stage.world.answer(said("keep")).status, 401, "too late to keep it");
    assert_eq!(history(&stage, "member_id=m-1").as_array().unwrap().len(), 1);
    stage.world.run_queues();
    assert_eq!(stage.answers_of(DEAUTHORIZE), [Some(204)]);
    // Once she is linked again, the old page says nothing of it.
    assert_eq!(stage.link(&sub, &json!({ "member_id": "m-1" })).0, 201);
    assert_eq!((stage.world.answer(said("unlink")).status.as_u16(), stage.count("links")), (401, 1));
}

#[test]
fn nobody_unlinks_a_customer_by_a_form_of_their_own() {
    let stage = Stage::new(1);
    let (mut victim, _) = linked(&stage, "花子", "m-1");
    let (mut attacker, _) = linked(&stage, "太郎", "m-2");
    let of_attacker = control(&mut attacker);
    let (_, hidden) = of_attacker.form();
    let url = format!("{}/line/unlink", ACCOUNT.issuer);
    let stolen = [("choice", "unlink"), (hidden[0].0.as_str(), hidden[0].1.as_str())];
    for fields in [&[("choice", "unlink")][..], &[("choice", "unlink"), ("confirmation", "x")], &stolen] {
        let refused = victim.post(&url, fields);
        assert_eq!(refused.status, 401, "{fields:?}");
    }
    assert_eq!(stage.count("links"), 2);
}

#[test]
fn links_are_listed_in_pages_and_found_from_all_three_sides() {
    let stage = Stage::new(1);
    let shop: &Shop = &stage.shop;
    let users: Vec<_> = (0..5).map(|at| stage.member(&format!("m-{at}"), "gold")).collect();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = stage.api(shop, Method::GET, &format!("/v1/links?limit=2{after}"), None);
        assert_eq!(status, 200, "{page}");
        seen.extend(
            page["links"]
                .as_array()
                .unwrap()
                .iter()
                .map(|link| link["member_id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["m-0", "m-1", "m-2", "m-3", "m-4"]);
    let (status, link) = stage.api(shop, Method::GET, &format!("/v1/links?line_user_id={}", users[3]), None);
    assert_eq!((status, &link["member_id"]), (200, &json!("m-3")));
    let by_sub = format!("/v1/friends/{}", link["sub"].as_str().unwrap());
    let by_line_user = format!("/v1/friends/{}", users[3]);
    let [one, two] = [by_sub, by_line_user].map(|path| stage.api(shop, Method::GET, &path, None));
    assert_eq!((&one, &one.1["member_id"], &one.1["friend"]), (&two, &json!("m-3"), &json!(true)));
    for wrong in [
        "links?limit=1001",
        "links?line_user_id=x",
        "friends/x%20y",
        "link-history",
        "link-history?sub=a&member_id=b",
    ] {
        assert_eq!(stage.api(shop, Method::GET, &format!("/v1/{wrong}"), None).0, 400, "{wrong}");
    }
}

#[test]
fn the_history_is_read_in_pages_the_newest_first_with_the_consent_of_each_link() {
    let stage = Stage::new(1);
    let sub = stage.subject(&stage.friend("花子"));
    for at in 0..5 {
        let body = json!({ "member_id": format!("m-{at}"), "consent": { "text": format!("v{at}") } });
        assert_eq!(stage.link(&sub, &body).0, 201);
        stage.world.advance(SECOND);
        unlink(&stage, &sub);
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/link-history?sub={sub}&limit=2{after}");
        let (_, page) = stage.api(&stage.shop, Method::GET, &path, None);
        seen.extend(
            page["history"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["consent"]["text"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["v4", "v3", "v2", "v1", "v0"]);
    let of_member = history(&stage, "member_id=m-2");
    assert_eq!((&of_member[0]["sub"], &of_member[0]["consent"]["way"]), (&json!(sub), &json!("shop")));
    assert!(of_member[0]["consent"]["at"].is_string());
}

#[test]
fn who_is_linked_again_before_line_could_be_told_keeps_the_authorization_that_she_gave_since() {
    for logs_in in [true, false] {
        let stage = Stage::new(1);
        let (mut browser, sub) = linked(&stage, "花子", "m-1");
        stage.world.fail_always_call(DEAUTHORIZE, Fault::Refused);
        unlink(&stage, &sub);
        stage.world.run_queues();
        if logs_in {
            browser.log_in(&stage.shop, &stage.shop.begin("again"), Consent::Plain);
        }
        assert_eq!(stage.link(&sub, &json!({ "member_id": "m-1" })).0, 201);
        stage.world.end_faults();
        stage.world.settle(HOUR);
        assert!(
            !stage.answers_of(DEAUTHORIZE).contains(&Some(204)),
            "the authorization of now is not withdrawn"
        );
        assert_eq!((told(&stage, &sub), stage.count("outbox")), (Value::Null, 0));
        assert_eq!(stage.count("line_users WHERE line_tokens IS NOT NULL"), 1, "for the end of the new link");
        stage.world.advance(SECOND);
        unlink(&stage, &sub);
        stage.world.settle(HOUR);
        assert_eq!(stage.answers_of(DEAUTHORIZE).iter().filter(|status| **status == Some(204)).count(), 1);
        assert_eq!((told(&stage, &sub), stage.count("outbox")), (json!("told"), 0));
    }
}

#[test]
fn a_channel_that_line_does_not_know_again_yet_makes_no_end_untellable() {
    let stage = Stage::new(1);
    let (_, sub) = linked(&stage, "花子", "m-1");
    stage.world.advance(40 * DAY);
    let refused = r#"{"error":"invalid_client","error_description":"invalid client_secret"}"#;
    stage.world.answer_next_call("/oauth2/v2.1/token", StatusCode::BAD_REQUEST, refused);
    unlink(&stage, &sub);
    stage.world.run_queues();
    assert_eq!(told(&stage, &sub), "owed");
    stage.world.settle(HOUR);
    assert_eq!((told(&stage, &sub), stage.answers_of(DEAUTHORIZE)), (json!("told"), vec![Some(204)]));
}

#[test]
fn a_channel_token_that_line_refuses_is_drawn_anew_before_line_is_told_again() {
    let stage = Stage::new(1);
    let (_, sub) = linked(&stage, "花子", "m-1");
    stage.world.answer_next_call(DEAUTHORIZE, StatusCode::UNAUTHORIZED, r#"{"message":"invalid token"}"#);
    unlink(&stage, &sub);
    stage.world.settle(HOUR);
    assert_eq!((told(&stage, &sub), stage.count("outbox")), (json!("told"), 0));
    assert_eq!(stage.answers_of(CHANNEL_TOKEN).len(), 2);
}
