//! What the reports say of logins and of the friend box.

use enishi::time::{DAY, HOUR, MINUTE};
use enishi_world::{
    ACCOUNT, Fault, Point,
    line_simulator::{self, AutoLogin, FaultKind, NewUser},
};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Browser, Consent, LINE_TOKEN, Shop, Stage, query};

const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
    Version/18.6 Mobile/15E148 Safari/604.1";

const DESKTOP: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/138.0.0.0 Safari/537.36";

fn report(stage: &Stage, of: &str) -> Value {
    let (status, report) = stage.api(&stage.shop, Method::GET, &format!("/v1/reports/{of}"), None);
    assert_eq!(status, 200, "{report}");
    report
}

/// LINE refuses the next exchange.
fn refuse_exchange(stage: &Stage) {
    let path = LINE_TOKEN.to_owned();
    let fault =
        line_simulator::Fault { path, times: 1, kind: FaultKind::Status, status: Some(400), ms: None };
    stage.world.line().add_fault(fault);
}

/// The counts that are not zero.
fn figures(counts: &Value) -> Vec<(&str, i64)> {
    let all = counts.as_object().unwrap().iter();
    all.filter_map(|(name, count)| Some((name.as_str(), count.as_i64()?)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

#[test]
fn a_login_counts_once_by_what_line_did() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let automatic = stage.person_with("花子", AutoLogin::On);
    let mut phone = Browser::of(world, &automatic).named(SAFARI);
    let started = phone.go(&shop.begin("1").url);
    let callback = phone.at_line(&started.location.unwrap(), Consent::Plain);
    let replies = world.together((0..20).map(|_| world.serve(phone.request(&callback))));
    assert!(replies.into_iter().flatten().all(|reply| reply.status == 302));
    phone.go(&callback);
    let mut computer = Browser::of(world, &stage.person("太郎")).named(DESKTOP);
    computer.log_in(shop, &shop.begin("2"), Consent::Plain);
    let mut cancelling = Browser::of(world, &stage.person("次郎")).named(DESKTOP);
    cancelling.log_in(shop, &shop.begin("3"), Consent::Cancelled);
    let report = report(&stage, "auto-login");
    assert_eq!(figures(&report["totals"]), [("asked", 1), ("auto_login", 1), ("cancelled", 1)], "{report}");
    assert_eq!(report["totals"]["success_rate"], json!(1.0));
    let of =
        |at: usize| (report["browsers"][at]["browser"].as_str().unwrap(), figures(&report["browsers"][at]));
    assert_eq!(of(0), ("desktop", vec![("asked", 1), ("cancelled", 1)]));
    assert_eq!(report["browsers"][0]["success_rate"], json!(null), "nothing was tried");
    assert_eq!(of(1), ("ios_safari", vec![("auto_login", 1)]));
    assert_eq!((&report["reasons"], &report["links"]), (&json!([]), &json!([])));
}

#[test]
fn a_failed_auto_login_its_retry_and_a_lost_page_are_counted_with_their_reason_and_reloads_are_not() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let page = format!("{}tea", shop.home_uri);
    let link = stage.auto_login_link(shop, &page, &json!({ "label": "新茶" }));
    let user = stage.person_with("花子", AutoLogin::Fails);
    let mut browser = Browser::of(world, &user).named(SAFARI);
    let start = browser.go(link["url"].as_str().unwrap()).location.unwrap();
    let (login, _) = shop.started(&start, "1");
    let started = browser.go(&login.url).location.unwrap();
    let dead = browser.at_line(&started, Consent::Plain);
    browser.go(&dead);
    let failed = browser.go(&dead);
    let start = browser.press_retry(&failed).unwrap();
    let (login, target) = shop.started(&start, "2");
    assert_eq!(target.as_deref(), Some(&*page));
    let location = browser.log_in(shop, &login, Consent::Plain);
    shop.claims(world, &login, &shop.code(&login, &location));
    // The same dead callback in a browser that knows nothing: the page is lost, and the link is not known.
    let mut stranger = Browser::of(world, "nobody").named(DESKTOP);
    let at_a_loss = stranger.go(&dead.replace("code=", "code=x"));
    assert_eq!(query(&at_a_loss.button().unwrap())("client_id"), None);
    let report = report(&stage, "auto-login");
    assert_eq!(
        figures(&report["totals"]),
        [("failed", 2), ("retried_ok", 1), ("retry_pressed", 1), ("target_lost", 1)]
    );
    assert_eq!(report["totals"]["success_rate"], json!(0.0));
    assert_eq!(report["reasons"], json!([{ "outcome": "failed", "reason": "foreign_state", "count": 2 }]));
    assert_eq!(figures(&report["links"][0]), [("failed", 1), ("retried_ok", 1), ("retry_pressed", 1)]);
    assert_eq!(
        (&report["links"][0]["label"], &report["links"][0]["client_id"]),
        (&json!("新茶"), &json!(shop.client_id))
    );
}

#[test]
fn every_way_to_fail_has_its_reason_and_the_way_back_keeps_the_page() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let page = format!("{}tea", shop.home_uri);
    let user = stage.person("花子");
    let begun = |browser: &mut Browser<'_>, mark: &str| {
        let login = shop.begin(mark).with("target_link_uri", &page);
        let started = browser.go(&login.url).location.unwrap();
        browser.at_line(&started, Consent::Plain)
    };
    let keeps_the_page = |shown: &crate::support::Page, reason: &str| {
        assert_eq!((shown.status, shown.location.as_deref()), (400, None), "{reason}");
        assert!(shown.html.contains(reason), "{reason}: {}", shown.html);
        assert_eq!(query(&shown.button().unwrap())("target").as_deref(), Some(&*page), "{reason}");
    };
    let browser = || Browser::of(world, &user);
    // In another browser: nothing of it there.
    let callback = begun(&mut browser(), "1");
    keeps_the_page(&browser().go(&callback), "no_attempt_cookie");
    // LINE refuses the exchange, or is silent.
    let mut phone = browser();
    let callback = begun(&mut phone, "2");
    refuse_exchange(&stage);
    keeps_the_page(&phone.go(&callback), "line_exchange_refused");
    let mut phone = browser();
    let callback = begun(&mut phone, "3");
    world.fail_next_call(LINE_TOKEN, Fault::Refused);
    keeps_the_page(&phone.go(&callback), "line_exchange_unanswered");
    // Too late.
    let mut phone = browser();
    let callback = begun(&mut phone, "4");
    world.advance(16 * MINUTE);
    keeps_the_page(&phone.go(&callback), "attempt_over");
    // LINE could not do it without a word.
    for error in ["LOGIN_REQUIRED", "INTERACTION_REQUIRED"] {
        let mut phone = browser();
        let callback = begun(&mut phone, error).replace("code=", &format!("error={error}&x="));
        keeps_the_page(&phone.go(&callback), "line_login_required");
    }
    // Cookies are off.
    let mut blank = browser().without_cookies();
    let callback = begun(&mut blank, "5");
    let shown = blank.go(&callback);
    assert_eq!(blank.press_retry(&shown), None);
    let report = report(&stage, "auto-login");
    let reasons: Vec<(&str, &str, i64)> = report["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["outcome"].as_str().unwrap(),
                one["reason"].as_str().unwrap(),
                one["count"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        reasons,
        [
            ("failed", "attempt_over", 1),
            ("failed", "line_exchange_refused", 1),
            ("failed", "line_exchange_unanswered", 1),
            ("failed", "line_login_required", 2),
            ("failed", "no_attempt_cookie", 2),
            ("retry_failed", "cookies_off", 1),
        ]
    );
}

#[test]
fn who_fails_without_auto_login_too_is_told_what_else_helps_and_counts_apart() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.person_with("花子", AutoLogin::Fails);
    let mut browser = Browser::of(world, &user);
    let failed = browser.arrive(&shop.begin("1").url, Consent::Plain);
    assert!(!failed.html.contains("help.line.me"));
    browser.press_retry(&failed).unwrap();
    refuse_exchange(&stage);
    let again = browser.arrive(&shop.begin("2").url, Consent::Plain);
    assert!(again.html.contains("help.line.me") && again.html.contains("標準のブラウザ"), "{}", again.html);
    assert!(again.button().is_some(), "the customer may try, and nothing tries by itself");
    let report = report(&stage, "auto-login");
    assert_eq!(figures(&report["totals"]), [("failed", 1), ("retry_failed", 1), ("retry_pressed", 1)]);
}

#[test]
fn a_page_too_long_for_the_state_is_lost_only_where_no_cookie_knows_it() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let page = format!("{}{}", shop.home_uri, "a".repeat(900));
    let mut browser = Browser::of(world, &stage.person("花子"));
    let started = browser.go(&shop.begin("1").with("target_link_uri", &page).url).location.unwrap();
    assert!(query(&started)("state").unwrap().len() <= 1_000);
    let callback = browser.at_line(&started, Consent::Plain).replace("code=", "error=LOGIN_REQUIRED&x=");
    let known = browser.go(&callback);
    assert_eq!(query(&known.button().unwrap())("target"), Some(page));
    let mut elsewhere = Browser::of(world, "nobody");
    let lost = elsewhere.go(&callback.replace("error=LOGIN_REQUIRED&x=", "code="));
    assert_eq!(query(&lost.button().unwrap())("client_id").as_deref(), Some(&*shop.client_id));
    assert_eq!(query(&lost.button().unwrap())("target"), None);
}

#[test]
fn callbacks_that_anybody_can_make_up_are_counted_as_far_as_people_make_them() {
    let stage = Stage::new(1);
    let mut browser = Browser::of(&stage.world, "nobody");
    for number in 0..50 {
        let page = browser.go(&format!("{}/line/callback?code=x&state={number}", ACCOUNT.issuer));
        assert_eq!(page.status, 400);
    }
    browser.go(&format!("{}/line/callback", ACCOUNT.issuer));
    assert_eq!(stage.count("login_attempts"), 10);
    let report = report(&stage, "auto-login");
    assert_eq!(figures(&report["totals"]), [("failed", 10), ("target_lost", 10)]);
    stage.world.advance(2 * HOUR);
    stage.world.tick();
    assert_eq!(stage.count("login_attempts"), 0);
}

#[test]
fn a_counter_that_fails_never_fails_the_page() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.person_with("花子", AutoLogin::Fails);
    let mut browser = Browser::of(world, &user);
    let started = browser.go(&shop.begin("1").url).location.unwrap();
    let dead = browser.at_line(&started, Consent::Plain);
    world.fail_always(Point::Database, Fault::Refused);
    let failed = browser.go(&dead);
    assert_eq!((failed.status, failed.location.as_deref()), (400, None), "{}", failed.html);
    let checked = browser.go(&failed.button().unwrap()).location.unwrap();
    assert_eq!(browser.go(&checked).status, 302);
    world.end_faults();
    assert_eq!(stage.count("login_counts"), 0);
}

#[test]
fn a_report_is_of_days_in_japan_and_of_one_client_or_link_where_they_are_named() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let other = stage.client("o", &json!({}));
    // 2026-01-05 at noon in Tokyo, and the next day there half a minute after midnight.
    Browser::of(world, &stage.person("花子")).log_in(shop, &shop.begin("1"), Consent::Plain);
    world.advance(12 * HOUR + 30_000);
    Browser::of(world, &stage.person("太郎")).log_in(&other, &other.begin("2"), Consent::Plain);
    let asked =
        |query: &str| report(&stage, &format!("auto-login?{query}"))["totals"]["asked"].as_i64().unwrap();
    assert_eq!(asked("from=2026-01-05&to=2026-01-05"), 1);
    assert_eq!(asked("from=2026-01-06&to=2026-01-06"), 1);
    assert_eq!(asked("from=2026-01-05&to=2026-01-06"), 2);
    assert_eq!(asked("to=2026-01-04"), 0);
    assert_eq!(asked(&format!("client_id={}", other.client_id)), 1);
    assert_eq!(asked("link=none"), 0);
    assert_eq!(asked(""), 2);
    let second = stage.other_shop();
    let (_, foreign) = stage.api(&second, Method::GET, "/v1/reports/auto-login", None);
    assert_eq!(figures(&foreign["totals"]), [], "another account's");
    for of in ["auto-login", "friend-add"] {
        for wrong in [
            "from=2026-02-30",
            "to=yesterday",
            "from=2026-01-06&to=2026-01-05",
            "from=2024-01-01",
            "from=2026-01-01&from=2026-01-02",
        ] {
            let (status, error) = stage.api(shop, Method::GET, &format!("/v1/reports/{of}?{wrong}"), None);
            assert_eq!((status, &error["error"]), (400, &json!("invalid_request")), "{of} {wrong}");
        }
    }
}

/// The figures of the friend box at a shop, in one mode.
fn friends(stage: &Stage, shop: &Shop, mode: &str) -> Vec<(String, i64)> {
    let report = report(stage, &format!("friend-add?client_id={}", shop.client_id));
    let of = report["modes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["mode"] == mode)
        .cloned()
        .unwrap_or(json!({}));
    figures(&of).into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

fn expected(figures: &[(&str, i64)]) -> Vec<(String, i64)> {
    figures.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn the_friend_box_is_offered_as_the_client_says_and_else_as_the_account() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let offered = |shop: &Shop| {
        let mut browser = Browser::of(world, "nobody");
        query(&browser.go(&shop.begin("1").url).location.unwrap())("bot_prompt")
    };
    assert_eq!(offered(&stage.shop).as_deref(), Some("normal"));
    let pressing = stage.client("p", &json!({ "friend_add": "aggressive" }));
    assert_eq!(offered(&pressing).as_deref(), Some("aggressive"));
    assert_eq!(offered(&stage.client("o", &json!({ "friend_add": "off" }))), None);
    let split = stage.client("s", &json!({ "friend_add": "split" }));
    let drawn: Vec<_> = (0..200).filter_map(|_| offered(&split)).collect();
    let normal = drawn.iter().filter(|mode| *mode == "normal").count();
    assert!(drawn.len() == 200 && (60..140).contains(&normal), "{normal} of {}", drawn.len());
    let path = format!("/v1/clients/{}", pressing.client_id);
    let (_, shown) = stage.api(&stage.shop, Method::PATCH, &path, Some(&json!({ "friend_add": null })));
    assert_eq!(shown["friend_add"], json!(null));
    assert_eq!(offered(&pressing).as_deref(), Some("normal"));
    assert_eq!(stage.api(&stage.shop, Method::PATCH, &path, Some(&json!({ "friend_add": "often" }))).0, 400);
}

#[test]
fn what_became_of_the_friend_box_is_counted_by_lines_word_and_who_blocks_later_is_seen() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let log_in = |user: &str, mark: &str, consent| {
        Browser::of(world, user).log_in(shop, &shop.begin(mark), consent);
    };
    let added = stage.person("花子");
    log_in(&added, "1", Consent::WithFriend);
    log_in(&stage.person("太郎"), "2", Consent::Plain);
    let before = world.line().add_user(NewUser { name: "次郎".into(), friend: true, ..NewUser::default() });
    log_in(&before, "3", Consent::Plain);
    // Again: the consent screen is not shown, and with it no box.
    log_in(&added, "4", Consent::WithFriend);
    world.fail_next_call("/friendship/v1/status", Fault::Refused);
    log_in(&stage.person("三郎"), "5", Consent::WithFriend);
    let known = [("declined", 1), ("friends_added", 1), ("friends_before", 2), ("logins", 5), ("unknown", 1)];
    assert_eq!(friends(&stage, shop, "normal"), expected(&known));
    let blocks = |user: &str| {
        world.advance(1_000);
        let now = world.now().0;
        world.line().unfollow(now, user).unwrap();
        stage.deliver();
    };
    blocks(&before);
    assert_eq!(friends(&stage, shop, "normal"), expected(&known), "the login did not add this one");
    blocks(&added);
    let with_blocked = [
        ("blocked", 1),
        ("declined", 1),
        ("friends_added", 1),
        ("friends_before", 2),
        ("logins", 5),
        ("unknown", 1),
    ];
    assert_eq!(friends(&stage, shop, "normal"), expected(&with_blocked));
    world.advance(40 * DAY);
    assert_eq!(friends(&stage, shop, "normal"), [], "of another period");
}

#[test]
fn a_parameter_that_the_customer_alters_adds_nobody_who_was_a_friend_or_is_none() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    // Friends whom we know from their webhook, and somebody who never was one.
    let friend = stage.friend("花子");
    world.advance(1_000);
    let stranger = stage.person("太郎");
    for (user, mark) in [(&friend, "1"), (&stranger, "2")] {
        let mut browser = Browser::of(world, user);
        let started = browser.go(&shop.begin(mark).url).location.unwrap();
        let callback = browser.at_line(&started, Consent::Plain);
        let forged = format!(
            "{}&friendship_status_changed=true",
            callback.replace("friendship_status_changed=", "x=")
        );
        assert_eq!(browser.go(&forged).status, 302);
    }
    assert_eq!(
        friends(&stage, shop, "normal"),
        expected(&[("declined", 1), ("friends_before", 1), ("logins", 2)])
    );
    assert_eq!(stage.count("line_users WHERE added_at IS NOT NULL"), 0);
}

#[test]
fn a_split_is_counted_by_the_mode_that_each_login_drew() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let shop = stage.client("s", &json!({ "friend_add": "split" }));
    for number in 0..12 {
        let user = stage.person(&format!("客{number}"));
        Browser::of(world, &user).log_in(&shop, &shop.begin(&number.to_string()), Consent::WithFriend);
    }
    let of = |mode: &str, name: &str| {
        friends(&stage, &shop, mode).iter().find(|(known, _)| known == name).map_or(0, |(_, n)| *n)
    };
    assert_eq!(of("normal", "logins") + of("aggressive", "logins"), 12);
    assert!(of("normal", "logins") > 0 && of("aggressive", "logins") > 0);
    assert_eq!(of("normal", "friends_added"), of("normal", "logins"));
    assert_eq!(of("aggressive", "friends_added"), of("aggressive", "logins"));
}

#[test]
fn a_follow_event_that_overtakes_the_login_hides_nobody_whom_the_login_added() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let mut browser = Browser::of(&stage.world, &stage.person("花子"));
    let started = browser.go(&shop.begin("1").url).location.unwrap();
    stage.world.advance(enishi::time::SECOND);
    let callback = browser.at_line(&started, Consent::WithFriend);
    stage.deliver();
    assert_eq!(browser.go(&callback).status, 302);
    let counted = stage.world.query("SELECT logins, friends_before, friends_added FROM friend_add_counts");
    assert_eq!(counted, [json!({ "logins": 1, "friends_before": 0, "friends_added": 1 })]);
    assert_eq!(stage.count("line_users WHERE added_at IS NOT NULL"), 1);
}

#[test]
fn who_blocks_is_told_of_the_period_in_which_they_were_added_alone() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let days: Vec<String> = (0..2)
        .map(|at| {
            let user = stage.person(&format!("客{at}"));
            Browser::of(world, &user).log_in(shop, &shop.begin(&format!("{at}")), Consent::WithFriend);
            if at == 1 {
                world.advance(1_000);
                let now = world.now().0;
                world.line().unfollow(now, &user).unwrap();
                stage.deliver();
            }
            let today = enishi::time::Day::of(world.now()).to_string();
            world.advance(DAY);
            today
        })
        .collect();
    let blocked = |from: &str, to: &str| {
        report(&stage, &format!("friend-add?from={from}&to={to}"))["modes"][0]["blocked"].clone()
    };
    assert_eq!((blocked(&days[0], &days[0]), blocked(&days[1], &days[1])), (json!(0), json!(1)));
    assert_eq!(blocked(&days[0], &days[1]), json!(1));
}
