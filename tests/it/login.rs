//! From the shop's button over LINE back to the shop.

use enishi::{
    time::{HOUR, MINUTE, SECOND},
    web::Request,
};
use enishi_world::{
    ACCOUNT, Fault, LINE, Point,
    line_simulator::{self, AutoLogin, FaultKind, NewUser},
};
use http::{HeaderName, HeaderValue, Method, header};
use serde_json::json;

use crate::support::{Browser, Consent, LINE_TOKEN, Stage, query, webhook, without};

#[test]
fn a_new_customer_logs_in_adds_the_friend_and_arrives_with_verified_claims() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let hanako = stage.person("花子");
    let login = shop.begin("1");
    let location = Browser::of(world, &hanako).log_in(shop, &login, Consent::WithFriend);
    let claims = shop.claims(world, &login, &shop.code(&login, &location));
    assert_eq!(claims["name"], "花子");
    assert!(claims["picture"].as_str().unwrap().starts_with("https://"));
    assert_eq!(claims["line_friend"], true);
    assert_eq!(claims["auth_time"], world.now().seconds());
    assert!(claims.get("member_id").is_none());
    assert_eq!(claims["sub"], stage.subject(&hanako));
    assert!(!claims.to_string().contains(hanako.as_str()), "the LINE user id is nobody's subject");
}

#[test]
fn a_linked_customer_arrives_with_the_member_id_and_a_session_needs_no_second_login_at_line() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let login = shop.begin("1");
    let location = browser.log_in(shop, &login, Consent::Plain);
    let claims = shop.claims(world, &login, &shop.code(&login, &location));
    assert_eq!(claims["line_friend"], false);
    let linked = stage.link(claims["sub"].as_str().unwrap(), &json!({ "member_id": "会員-7" }));
    assert_eq!(linked.0, 201, "{}", linked.1);

    let again = shop.begin("2");
    let page = browser.go(&again.url);
    let location = page.location.unwrap();
    assert!(location.starts_with(&shop.redirect_uri), "{location}");
    let second = shop.claims(world, &again, &shop.code(&again, &location));
    assert_eq!(second["member_id"], "会員-7");
    assert_eq!((&second["sub"], &second["sid"]), (&claims["sub"], &claims["sid"]));
}

#[test]
fn a_customer_who_cancels_returns_to_the_shop_with_access_denied() {
    let stage = Stage::new(1);
    let login = stage.shop.begin("1");
    let location =
        Browser::of(&stage.world, &stage.person("花子")).log_in(&stage.shop, &login, Consent::Cancelled);
    let back = stage.shop.answer(&login, &location);
    assert_eq!(back("error").as_deref(), Some("access_denied"));
    assert_eq!(back("code"), None);
    assert_eq!(stage.count("sessions"), 0);
}

#[test]
fn a_login_by_popup_does_not_lose_the_shop_that_opened_it() {
    let stage = Stage::new(1);
    let mut browser = Browser::of(&stage.world, &stage.person("花子"));
    let policy = HeaderName::from_static("cross-origin-opener-policy");
    let login = stage.shop.begin("1");
    let started = browser.go(&login.url);
    let arrived = browser.go(&browser.at_line(&started.location.clone().unwrap(), Consent::Plain));
    let posted = browser.go(&stage.shop.begin("2").with("response_mode", "form_post").url);
    for on_the_way in [started, arrived, posted] {
        assert_eq!(on_the_way.header(&policy), None);
    }
    assert_eq!(browser.go(&stage.shop.logout_url(&[])).header(&policy), Some("same-origin"));
}

#[test]
fn prompt_consent_asks_at_line_again_although_there_is_a_session() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    browser.log_in(shop, &shop.begin("1"), Consent::Plain);
    let login = shop.begin("2").with("prompt", "consent");
    let started = browser.go(&login.url).location.unwrap();
    assert_eq!(query(&started)("prompt").as_deref(), Some("consent"));
    let pushed = shop.push(world, &shop.begin("3").with("prompt", "consent"), &[]);
    let opened = browser.go(&shop.opening(&pushed)).location.unwrap();
    assert_eq!(query(&opened)("prompt").as_deref(), Some("consent"));
    let back = browser.go(&browser.at_line(&started, Consent::Cancelled)).location.unwrap();
    assert_eq!(shop.answer(&login, &back)("error").as_deref(), Some("access_denied"), "it was asked");
}

#[test]
fn with_max_age_auth_time_is_when_line_authenticated_and_not_when_the_customer_came_back() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let login = shop.begin("1").with("max_age", "60");
    let started = browser.go(&login.url).location.unwrap();
    let callback = browser.at_line(&started, Consent::Plain);
    let authenticated = world.now().seconds();
    world.advance(20 * SECOND);
    let back = browser.go(&callback).location.unwrap();
    let claims = shop.claims(world, &login, &shop.code(&login, &back));
    assert_eq!(claims["auth_time"], json!(authenticated));
}

#[test]
fn an_id_token_that_line_signed_for_another_attempt_logs_nobody_in() {
    let stage = Stage::new(1);
    let mut browser = Browser::of(&stage.world, &stage.person("花子"));
    let login = stage.shop.begin("1");
    let started = browser.go(&login.url).location.unwrap();
    let nonce = query(&started)("nonce").unwrap();
    let callback = browser.at_line(&started.replace(&nonce, &"x".repeat(nonce.len())), Consent::Plain);
    let back = browser.go(&callback).location.unwrap();
    assert_eq!(stage.shop.answer(&login, &back)("error").as_deref(), Some("server_error"));
    assert_eq!(stage.count("sessions"), 0);
}

#[test]
fn ui_locales_is_the_language_of_lines_pages_as_well() {
    let stage = Stage::new(1);
    let mut browser = Browser::of(&stage.world, &stage.person("花子"));
    for (asked, told) in [("fr en ja", "en"), ("ja-JP", "ja")] {
        let started = browser.go(&stage.shop.begin("1").with("ui_locales", asked).url).location.unwrap();
        assert_eq!(query(&started)("ui_locales").as_deref(), Some(told), "{asked}");
    }
    let started = browser.go(&stage.shop.begin("1").url).location.unwrap();
    assert_eq!(query(&started)("ui_locales"), None);
}

#[test]
fn a_session_of_another_address_than_login_hint_names_does_not_count() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person_at("花子", "hanako@mail.example"));
    browser.log_in(shop, &shop.begin("1").but("scope", Some("openid email")), Consent::Plain);
    let mut ask = |hint: &str| {
        let silent = shop.begin("2").with("prompt", "none").with("login_hint", hint);
        let back = browser.go(&silent.url).location.unwrap();
        shop.answer(&silent, &back)("error")
    };
    assert_eq!(ask("Hanako@mail.example"), None, "case does not count");
    assert_eq!(ask("090-0000-0000"), None, "what is no address does not count");
    assert_eq!(ask("taro@mail.example").as_deref(), Some("login_required"));
}

#[test]
fn a_state_that_is_not_ours_leads_to_the_retry_page_and_to_no_code() {
    let stage = Stage::new(1);
    let mut browser = Browser::of(&stage.world, &stage.person("花子"));
    let started = browser.go(&stage.shop.begin("1").url);
    let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
    let ours = query(&callback)("state").unwrap();
    let changed = if ours.starts_with('A') { ours.replacen('A', "B", 1) } else { format!("A{}", &ours[1..]) };
    for wrong in [changed.as_str(), "foreign", ""] {
        let page = browser.go(&format!("{}/line/callback?code=x&state={wrong}", ACCOUNT.issuer));
        assert_eq!((page.status, page.location.as_deref()), (400, None), "{wrong}");
        assert!(page.button().is_some() && !page.html.contains("code="), "{}", page.html);
    }
    assert_eq!(stage.answers_of(LINE_TOKEN), []);
}

#[test]
fn a_callback_without_the_cookie_of_its_attempt_leads_to_the_retry_page() {
    let stage = Stage::new(1);
    let mut victim = Browser::of(&stage.world, &stage.person("花子"));
    let attacker = Browser::of(&stage.world, &stage.person("太郎"));
    let started = victim.go(&stage.shop.begin("1").url);
    let callback = attacker.at_line(&started.location.unwrap(), Consent::Plain);
    for mut browser in [attacker, Browser::of(&stage.world, "nobody")] {
        let page = browser.go(&callback);
        assert_eq!((page.status, page.location.as_deref()), (400, None));
        assert!(page.button().is_some());
        assert_eq!(browser.cookies(ACCOUNT.host), Vec::<&str>::new());
    }
    assert_eq!(stage.answers_of(LINE_TOKEN), []);
    assert_eq!(stage.count("sessions"), 0);
}

#[test]
fn a_state_of_another_account_does_not_count_here() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let mut browser = Browser::of(&stage.world, &stage.person("花子"));
    let started = browser.go(&other.begin("1").url);
    let foreign = query(&started.location.unwrap())("state").unwrap();
    let page = browser.go(&format!("{}/line/callback?code=x&state={foreign}", ACCOUNT.issuer));
    assert_eq!((page.status, page.location.as_deref()), (400, None));
}

#[test]
fn after_a_failed_auto_login_the_button_starts_again_without_it() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let user = NewUser { name: "花子".into(), auto_login: AutoLogin::Fails, ..NewUser::default() };
    let user = world.line().add_user(user);
    let mut browser = Browser::of(world, &user);
    let started = browser.go(&shop.begin("1").url);
    let dead = browser.at_line(&started.location.unwrap(), Consent::Plain);
    let page = browser.go(&dead);
    assert_eq!((page.status, page.location.as_deref()), (400, None));
    // LINE's dead code was not presented.
    assert_eq!(stage.answers_of(LINE_TOKEN), []);

    let checked = browser.go(&page.button().unwrap()).location.unwrap();
    let start = browser.go(&checked).location.unwrap();
    assert!(start.starts_with(&format!("{}login", shop.home_uri)), "{start}");
    assert_eq!(query(&start)("iss").as_deref(), Some(ACCOUNT.issuer));

    let login = shop.begin("2");
    let location = browser.log_in(shop, &login, Consent::Plain);
    shop.claims(world, &login, &shop.code(&login, &location));
    let third = browser.go(&shop.begin("3").with("prompt", "login").url).location.unwrap();
    assert_eq!(
        query(&third)("disable_auto_login"),
        None,
        "once the login worked, auto-login may be tried again"
    );
}

#[test]
fn a_browser_without_cookies_is_told_so_and_not_sent_round_in_circles() {
    let stage = Stage::new(1);
    let mut browser = Browser::of(&stage.world, &stage.person("花子")).without_cookies();
    let started = browser.go(&stage.shop.begin("1").url);
    let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
    let page = browser.go(&callback);
    let checked = browser.go(&page.button().unwrap()).location.unwrap();
    let told = browser.go(&checked);
    assert_eq!((told.status, told.location), (400, None));
    assert!(told.html.contains("Cookie"), "{}", told.html);
}

#[test]
fn a_second_arrival_of_the_same_callback_receives_a_fresh_code_of_the_same_session() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let login = shop.begin("1");
    let started = browser.go(&login.url);
    let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
    let codes: Vec<String> =
        (0..2).map(|_| shop.code(&login, &browser.go(&callback).location.unwrap())).collect();
    assert_ne!(codes[0], codes[1]);
    let sids: Vec<_> = codes.iter().map(|code| shop.claims(world, &login, code)["sid"].clone()).collect();
    assert_eq!(sids[0], sids[1]);
    assert_eq!(stage.answers_of(LINE_TOKEN), [Some(200)]);
    assert_eq!(stage.count("sessions"), 1);
}

#[test]
fn a_hundred_equal_callbacks_make_one_session_and_nobody_sees_a_failure() {
    for seed in 1..4 {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, &stage.shop);
        let mut browser = Browser::of(world, &stage.person("花子"));
        let login = shop.begin("1");
        let started = browser.go(&login.url);
        let callback = browser.at_line(&started.location.unwrap(), Consent::WithFriend);
        let replies = world.together((0..100).map(|_| world.serve(browser.request(&callback))));
        for reply in replies {
            let reply = reply.unwrap();
            assert_eq!(reply.status, 302, "seed {seed}: {:?}", reply.reason);
            shop.code(&login, reply.headers["location"].to_str().unwrap());
            browser.keep(ACCOUNT.host, &reply);
        }
        assert_eq!(stage.count("sessions"), 1);
        assert_eq!(stage.answers_of(LINE_TOKEN), [Some(200)]);
        assert_eq!(browser.cookies(ACCOUNT.host).iter().filter(|name| name.ends_with("session")).count(), 1);
    }
}

#[test]
fn whatever_fails_in_a_callback_the_customer_arrives_or_starts_anew_and_never_has_two_sessions() {
    for fault in Fault::ALL {
        for number in 1.. {
            let stage = Stage::new(number);
            let (world, shop) = (&stage.world, &stage.shop);
            let mut browser = Browser::of(world, &stage.person("花子"));
            let login = shop.begin("1");
            let started = browser.go(&login.url);
            let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
            world.fail_at(number, fault);
            browser.go(&callback);
            let unharmed = world.end_faults();
            let reloaded = browser.go(&callback);
            match reloaded.location {
                Some(location) => _ = shop.claims(world, &login, &shop.code(&login, &location)),
                None => assert!(reloaded.button().is_some(), "{fault:?} at {number}: {}", reloaded.html),
            }
            assert!(stage.answers_of(LINE_TOKEN).len() <= 1, "{fault:?} at {number}");
            assert!(stage.count("sessions") <= 1, "{fault:?} at {number}");
            if unharmed {
                break;
            }
        }
    }
}

#[test]
fn starting_a_login_touches_no_store_once_the_configuration_is_warm() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    browser.go(&shop.begin("warm").url);
    world.advance(MINUTE - 1);
    world.reset_calls();
    let started = browser.go(&shop.begin("1").url);
    assert!(started.location.unwrap().starts_with(LINE));
    assert!(world.calls().touched_no_store(), "{:?}", world.calls());
    assert_eq!(world.calls().fetches + world.calls().enqueues, 0);
    world.advance(1);
    browser.go(&shop.begin("2").url);
    assert_eq!(
        (world.calls().batches, world.calls().statements),
        (1, 1),
        "the configuration is read once a minute"
    );
}

#[test]
fn an_attempt_is_over_after_a_quarter_of_an_hour() {
    let stage = Stage::new(1);
    let mut browser = Browser::of(&stage.world, &stage.person("花子"));
    let started = browser.go(&stage.shop.begin("1").url);
    stage.world.advance(15 * MINUTE + 1);
    let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
    let page = browser.go(&callback);
    assert_eq!((page.status, page.location.as_deref()), (400, None));
    assert!(page.button().is_some());
    assert_eq!(stage.count("sessions"), 0);
}

#[test]
fn a_browser_carries_at_most_five_attempts_and_the_newest_works() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    for tab in 0..9 {
        browser.go(&shop.begin(&format!("{tab}")).url);
        world.advance(1_000);
    }
    assert!(browser.cookies(ACCOUNT.host).len() <= 5, "{:?}", browser.cookies(ACCOUNT.host));
    let login = shop.begin("last");
    let location = browser.log_in(shop, &login, Consent::Plain);
    shop.claims(world, &login, &shop.code(&login, &location));
}

#[test]
fn a_state_too_large_for_a_cookie_waits_in_a_row_and_comes_back_unchanged() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let mut login = shop.begin("1");
    (login.state, login.nonce) = ("s".repeat(2_048), "n".repeat(2_048));
    let login = login.clone().but("state", Some(&login.state)).but("nonce", Some(&login.nonce));
    let location = browser.log_in(shop, &login, Consent::Plain);
    shop.claims(world, &login, &shop.code(&login, &location));
}

#[test]
fn prompt_none_answers_with_a_code_or_login_required_and_shows_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let silent = shop.begin("0").with("prompt", "none");
    let refused = browser.go(&silent.url).location.unwrap();
    assert_eq!(shop.answer(&silent, &refused)("error").as_deref(), Some("login_required"));
    let login = shop.begin("1");
    browser.log_in(shop, &login, Consent::Plain);
    let silent = shop.begin("2").with("prompt", "none");
    let location = browser.go(&silent.url).location.unwrap();
    shop.claims(world, &silent, &shop.code(&silent, &location));
}

#[test]
fn prompt_login_and_an_old_session_go_to_line_again() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    browser.log_in(shop, &shop.begin("1"), Consent::Plain);
    let asked = browser.go(&shop.begin("2").with("prompt", "login").url).location.unwrap();
    assert_eq!(query(&asked)("prompt").as_deref(), Some("login"));
    let asked = browser.go(&shop.begin("2").with("prompt", "select_account").url).location.unwrap();
    assert_eq!(query(&asked)("prompt").as_deref(), Some("login"));
    world.advance(HOUR);
    let asked = browser.go(&shop.begin("3").with("max_age", "60").url).location.unwrap();
    assert_eq!(query(&asked)("max_age").as_deref(), Some("60"));
    let login = shop.begin("4").with("max_age", "60");
    let location = browser.log_in(shop, &login, Consent::Plain);
    let claims = shop.claims(world, &login, &shop.code(&login, &location));
    assert!(claims["auth_time"].as_i64().unwrap() >= world.now().seconds() - 60);
    world.advance(12 * HOUR);
    let ended = browser.go(&shop.begin("5").url).location.unwrap();
    assert!(ended.starts_with(LINE), "a session lasts 12 hours");
}

#[test]
fn a_login_does_not_fail_because_the_friendship_could_not_be_asked() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    world.fail_next_call("/friendship/v1/status", Fault::Refused);
    let login = shop.begin("1");
    let location = Browser::of(world, &stage.person("花子")).log_in(shop, &login, Consent::Plain);
    let claims = shop.claims(world, &login, &shop.code(&login, &location));
    assert!(claims.get("line_friend").is_none(), "what is not known is not claimed");
}

#[test]
fn a_store_that_fails_shows_an_apology_and_the_same_address_works_afterwards() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let login = shop.begin("1");
    let started = browser.go(&login.url);
    let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
    world.fail_next(Point::Database, Fault::Refused, 1);
    let apology = browser.go(&callback);
    assert_eq!((apology.status, apology.location.as_deref()), (503, None));
    let location = browser.go(&callback).location.unwrap();
    shop.claims(world, &login, &shop.code(&login, &location));
}

#[test]
fn a_login_of_one_account_is_no_login_of_another_and_their_subjects_differ() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let login = shop.begin("1");
    let location = browser.log_in(shop, &login, Consent::Plain);
    let here = shop.claims(world, &login, &shop.code(&login, &location));
    let elsewhere = other.begin("2");
    assert!(browser.go(&elsewhere.url).location.unwrap().starts_with(LINE));
    let location = browser.log_in(&other, &elsewhere, Consent::Plain);
    let there = other.claims(world, &elsewhere, &other.code(&elsewhere, &location));
    assert_ne!(here["sub"], there["sub"]);
    let (status, _) =
        stage.api(&other, Method::GET, &format!("/v1/links/{}", here["sub"].as_str().unwrap()), None);
    assert_eq!(status, 404);
}

#[test]
fn a_cookie_of_raw_bytes_beside_ours_hides_neither_attempt_nor_session() {
    let beside = |mut request: Request, raw: &[u8], first: bool| {
        let ours = request.headers[header::COOKIE].as_bytes().to_vec();
        let cookies = if first { [raw, &ours] } else { [&ours, raw] };
        let value = HeaderValue::from_bytes(&cookies.join(b"; ".as_slice())).unwrap();
        request.headers.insert(header::COOKIE, value);
        request
    };
    for raw in ["seen=商品".as_bytes(), b"seen=\xff\xfe", b"\xe5\x95=\x86", "seen=\"商品;茶\"".as_bytes()]
    {
        for first in [true, false] {
            let stage = Stage::new(1);
            let (world, shop) = (&stage.world, &stage.shop);
            let mut browser = Browser::of(world, &stage.person("花子"));
            let login = shop.begin("1");
            let started = browser.go(&login.url);
            let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
            let reply = world.answer(beside(browser.request(&callback), raw, first));
            assert_eq!(reply.status, 302, "{raw:?} {first}: {:?}", reply.reason);
            browser.keep(ACCOUNT.host, &reply);
            shop.code(&login, reply.headers[header::LOCATION].to_str().unwrap());
            let silent = shop.begin("2").with("prompt", "none");
            let reply = world.answer(beside(browser.request(&silent.url), raw, first));
            shop.code(&silent, reply.headers[header::LOCATION].to_str().unwrap());
        }
    }
}

/// What came back to the shop after the customer's browser had lost these parameters of LINE's URL.
fn after_losing(stage: &Stage, asked: (&str, &str), age: i64, lost: &[&str]) -> Option<String> {
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.person("花子");
    Browser::of(world, &user).log_in(shop, &shop.begin("1").with("prompt", "login"), Consent::Plain);
    world.advance(age);
    let mut browser = Browser::of(world, &user);
    let login = shop.begin("2").with(asked.0, asked.1);
    let at_line = without(&browser.go(&login.url).location.unwrap(), lost);
    let back = browser.go(&browser.at_line(&at_line, Consent::Plain)).location.unwrap();
    let answer = shop.answer(&login, &back);
    assert_eq!(answer("code").is_some(), answer("error").is_none(), "{back}");
    answer("error")
}

#[test]
fn what_the_browser_strips_from_lines_url_does_not_make_an_old_login_a_fresh_one() {
    for (asked, age, lost) in [
        (("max_age", "60"), HOUR, &["max_age"][..]),
        (("max_age", "60"), 0, &["max_age"]),
        (("prompt", "login"), 10 * MINUTE, &["prompt"]),
        (("prompt", "login"), 10 * MINUTE, &["max_age"]),
        (("prompt", "login"), 10 * MINUTE, &["prompt", "max_age"]),
    ] {
        let stage = Stage::new(1);
        let error = after_losing(&stage, asked, age, lost);
        assert_eq!(error.as_deref(), Some("login_required"), "{asked:?} without {lost:?}");
        assert_eq!(stage.count("sessions"), 1, "the one before");
    }
    for (asked, age) in [(("max_age", "60"), HOUR), (("prompt", "login"), 10 * MINUTE)] {
        assert_eq!(after_losing(&Stage::new(1), asked, age, &[]), None, "{asked:?}");
    }
}

#[test]
fn a_friendship_that_changes_while_line_answers_about_it_is_known_by_the_webhook() {
    for (friend, kind) in [(true, "unfollow"), (false, "follow")] {
        for webhook_first in [false, true] {
            let stage = Stage::new(1);
            let (world, shop) = (&stage.world, &stage.shop);
            let user = if friend { stage.friend("花子") } else { stage.person("花子") };
            world.advance(MINUTE);
            let mut browser = Browser::of(world, &user);
            let login = shop.begin("1");
            let started = browser.go(&login.url);
            let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
            let path = "/friendship/v1/status".to_owned();
            let kind_of_fault = FaultKind::Latency;
            let slow =
                line_simulator::Fault { path, times: 1, kind: kind_of_fault, status: None, ms: Some(4_000) };
            world.line().add_fault(slow);
            let asked_at = world.now();
            let changed = json!({
                "destination": ACCOUNT.bot_user_id,
                "events": [{
                    "type": kind, "mode": "active", "timestamp": asked_at.0 + 2_000, "webhookEventId": "E1",
                    "source": { "type": "user", "userId": user }, "deliveryContext": { "isRedelivery": false },
                }],
            });
            let tell = || {
                assert_eq!(world.answer(webhook(&changed.to_string())).status, 200);
                world.run_queues();
            };
            if webhook_first {
                tell();
            }
            let back = browser.go(&callback).location.unwrap();
            assert_eq!(world.now() - asked_at, 4 * SECOND);
            shop.code(&login, &back);
            if !webhook_first {
                tell();
            }
            let (_, now) = stage.api(shop, Method::GET, &format!("/v1/friends/{user}"), None);
            assert_eq!(now["friend"], !friend, "{kind}, the webhook first: {webhook_first}");
        }
    }
}
