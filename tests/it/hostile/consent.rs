//! The customer's word on the consent page: it counts from the browser that was asked, while it is asked, once.

use enishi::time::MINUTE;
use enishi_world::request;
use http::Method;

use super::{
    at, cookies, error_of,
    html::{assert_page, hidden, html},
    leaving,
    linking::{at_consent, code, pushed, word},
    location, posted, sent, session_cookie, with_cookies,
};
use crate::support::{Browser, Consent, Stage, form, query};

#[test]
fn consent_from_another_browser_or_without_the_cookie_of_its_attempt_counts_for_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (login, opening) = pushed(&stage, shop, "1", "m-1");
    let mut victim = Browser::of(world, &stage.person("花子"));
    let sealed = at_consent(world, &mut victim, &opening);
    let (_, other) = pushed(&stage, shop, "2", "m-2");
    let mut attacker = Browser::of(world, &stage.person("太郎"));
    let foreign = at_consent(world, &mut attacker, &other);
    let session = format!("{}={}", enishi::web::cookie::SESSION, session_cookie(&victim));
    let fields = [("state", sealed.as_str()), ("choice", "allow")];
    for (how, cookies) in [
        ("no cookie", String::new()),
        ("the session alone", session),
        (
            "the attacker's cookies",
            cookies(&attacker).iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("; "),
        ),
    ] {
        let reply = world.answer(with_cookies(form(&at("/line/consent"), &fields), &cookies));
        assert_eq!((reply.status.as_u16(), location(&reply)), (400, None), "{how}");
        assert_page(&reply);
        assert_eq!(code(shop, &reply), None, "{how}");
    }
    for (browser, sealed) in [(&victim, &foreign), (&attacker, &sealed)] {
        for choice in ["allow", "deny"] {
            assert_eq!(word(world, browser, sealed, choice).status, 400, "states exchanged");
        }
    }
    assert_eq!(stage.count("codes"), 0);
    assert_eq!(stage.count("pushed_requests WHERE spent_by IS NOT NULL"), 0, "nobody declined for another");
    let code = code(shop, &word(world, &victim, &sealed, "allow")).expect("her own word counts");
    shop.claims(world, &login, &code);
}

#[test]
fn consent_before_line_has_answered_or_by_get_or_in_a_query_counts_for_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, opening) = pushed(&stage, shop, "1", "m-1");
    let mut browser = Browser::of(world, &stage.person("花子"));
    let line = browser.go(&opening).location.unwrap();
    let sealed = query(&line)("state").unwrap();
    let early = word(world, &browser, &sealed, "allow");
    assert_eq!((early.status.as_u16(), code(shop, &early)), (400, None), "nobody has logged in");
    let sealed = at_consent(world, &mut browser, &opening);
    for method in [Method::GET, Method::HEAD, Method::PUT] {
        let url = format!("{}?state={sealed}&choice=allow", at("/line/consent"));
        assert_eq!(world.answer(browser.request(&url)).status, 405);
        let mut asked = browser.request(&url);
        asked.method = method;
        assert_eq!(world.answer(asked).status, 405);
    }
    let url = format!("{}?state={sealed}&choice=allow", at("/line/consent"));
    assert_eq!(world.answer(posted(&browser, &url, &[])).status, 400);
    let mut json = posted(&browser, &at("/line/consent"), &[]);
    json.headers.insert("content-type", "application/json".parse().unwrap());
    json.body = Some(format!("{{\"state\":\"{sealed}\",\"choice\":\"allow\"}}").into_bytes());
    assert_eq!(world.answer(json).status, 400);
    let mut plain = posted(&browser, &at("/line/consent"), &[("state", &sealed), ("choice", "allow")]);
    plain.headers.insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(world.answer(plain).status, 400, "as another site's form could send it without asking");
    assert_eq!(stage.count("codes"), 0);
}

#[test]
fn whatever_is_not_allow_is_a_no() {
    for choice in
        ["", "Allow", "ALLOW", "allow ", " allow", "allow\0", "yes", "true", "1", "deny", "allow,deny"]
    {
        let stage = Stage::new(1);
        let (world, shop) = (&stage.world, &stage.shop);
        let (login, opening) = pushed(&stage, shop, "1", "m-1");
        let mut browser = Browser::of(world, &stage.person("花子"));
        let sealed = at_consent(world, &mut browser, &opening);
        let reply = word(world, &browser, &sealed, choice);
        assert_eq!((reply.status.as_u16(), code(shop, &reply)), (200, None), "{choice:?}");
        let to = super::html::ways(&html(&reply)).remove(0);
        assert_eq!(shop.answer(&login, &to)("error").as_deref(), Some("access_denied"), "{choice:?}");
        let twice = posted(
            &browser,
            &at("/line/consent"),
            &[("state", &sealed), ("choice", choice), ("choice", "allow")],
        );
        assert_eq!(world.answer(twice).status, 400, "{choice:?}");
        assert_eq!(stage.count("codes"), 0);
    }
}

#[test]
fn who_has_declined_is_not_taken_at_a_later_yes() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, opening) = pushed(&stage, shop, "1", "m-1");
    let mut browser = Browser::of(world, &stage.person("花子"));
    let sealed = at_consent(world, &mut browser, &opening);
    assert_eq!(code(shop, &word(world, &browser, &sealed, "deny")), None);
    let shown = browser.go(&opening);
    assert_eq!((shown.status, shown.location), (400, None), "the request is spent");
    let reply = word(world, &browser, &sealed, "allow");
    let code = code(shop, &reply);
    assert_eq!(
        (code, stage.count("links")),
        (None, 0),
        "the shop was told access_denied, and the request is over"
    );
}

#[test]
fn a_request_is_good_for_one_agreement_in_however_many_tabs_it_is_open() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (login, opening) = pushed(&stage, shop, "1", "m-1");
    let mut browser = Browser::of(world, &stage.person("花子"));
    let first = at_consent(world, &mut browser, &opening);
    let second = at_consent(world, &mut browser, &opening);
    let good = code(shop, &word(world, &browser, &second, "allow")).expect("one tab");
    for choice in ["allow", "deny", "allow"] {
        let late = word(world, &browser, &first, choice);
        assert_eq!(code(shop, &late), None, "the other tab is too late");
    }
    shop.claims(world, &login, &good);
    assert_eq!(stage.count("links"), 1);
    for browser in [&mut browser, &mut Browser::of(world, "nobody")] {
        let again = browser.go(&opening);
        assert_eq!((again.status, again.location), (400, None), "a request_uri is used once");
    }
}

#[test]
fn of_two_requests_for_two_members_one_ties_and_the_other_is_refused() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let (one, opening_one) = pushed(&stage, shop, "1", "m-1");
    let (two, opening_two) = pushed(&stage, shop, "2", "m-2");
    let sealed_one = at_consent(world, &mut browser, &opening_one);
    let sealed_two = at_consent(world, &mut browser, &opening_two);
    let code_one = code(shop, &word(world, &browser, &sealed_one, "allow")).expect("the first");
    let code_two = code(shop, &word(world, &browser, &sealed_two, "allow")).expect("nothing is tied yet");
    // Each code speaks of its own member, whichever tab was first.
    shop.claims(world, &two, &code_two);
    assert_eq!(error_of(&shop.redeem(world, &one, &code_one)), (400, "invalid_grant".to_owned()));
    let linked = world.query("SELECT member_id FROM links");
    assert_eq!(linked.len(), 1);
    assert_eq!(linked[0]["member_id"], "m-2");
    // The next one is told at the page's place.
    let (three, opening) = pushed(&stage, shop, "3", "m-3");
    let line = browser.go(&opening).location.unwrap();
    let back = browser.go(&browser.at_line(&line, Consent::Plain)).location.unwrap();
    assert_eq!(shop.answer(&three, &back)("error").as_deref(), Some("access_denied"));
}

#[test]
fn what_the_consent_form_says_of_member_or_client_is_not_believed() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (login, opening) = pushed(&stage, shop, "1", "m-1");
    let mut browser = Browser::of(world, &stage.person("花子"));
    let sealed = at_consent(world, &mut browser, &opening);
    let fields = [
        ("state", sealed.as_str()),
        ("choice", "allow"),
        ("member_id", "m-evil"),
        ("client_id", "storefront-1"),
        ("redirect_uri", "https://evil.example/"),
        ("link", "{\"member_id\":\"m-evil\"}"),
        ("subject", "evil"),
    ];
    let reply = world.answer(posted(&browser, &at("/line/consent"), &fields));
    shop.claims(world, &login, &code(shop, &reply).expect("a code"));
    assert_eq!(world.query("SELECT member_id FROM links")[0]["member_id"], "m-1");
}

#[test]
fn the_door_for_mailed_codes_is_no_way_round_the_consent_page() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, opening) = pushed(&stage, shop, "1", "m-1");
    let mut browser = Browser::of(world, &stage.person_at("花子", "hanako@shop.example"));
    let sealed = at_consent(world, &mut browser, &opening);
    for choice in ["skip", "verify", "resend", "allow", ""] {
        let fields = [("state", sealed.as_str()), ("choice", choice), ("code", "123456")];
        let reply = world.answer(posted(&browser, &at("/line/email"), &fields));
        assert_eq!(code(shop, &reply), None, "{choice}");
        assert!(hidden(&html(&reply), "state").is_some(), "asked again: {}", html(&reply));
    }
    assert_eq!(stage.count("codes") + stage.count("links"), 0);
}

#[test]
fn consent_is_over_with_its_session_and_with_its_quarter_of_an_hour() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, opening) = pushed(&stage, shop, "1", "m-1");
    let mut browser = Browser::of(world, &stage.person("花子"));
    let sealed = at_consent(world, &mut browser, &opening);
    let leave = leaving(world, &browser, &[]);
    assert_eq!(sent(world, &mut browser, leave).status, 200);
    let reply = word(world, &browser, &sealed, "allow");
    assert_eq!((reply.status.as_u16(), code(shop, &reply)), (400, None), "she has left");
    let (_, opening) = pushed(&stage, shop, "2", "m-2");
    let sealed = at_consent(world, &mut browser, &opening);
    world.advance(15 * MINUTE + 1);
    let reply = word(world, &browser, &sealed, "allow");
    assert_eq!((reply.status.as_u16(), code(shop, &reply)), (400, None), "too late");
    assert_eq!(stage.count("links"), 0);
    assert_eq!(world.answer(request(Method::POST, &at("/line/consent"))).status, 400);
}

#[test]
fn a_browser_opens_its_request_again_also_where_the_attempt_was_too_large_for_a_cookie() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let large = "s".repeat(2_048);
    let login = shop.begin("1").but("state", Some(&large)).but("nonce", Some(&large));
    let reply = shop.push(world, &login, &[("member_id", "m-1")]);
    let opening = shop.opening(&reply);
    let mut browser = Browser::of(world, &stage.person("花子"));
    assert!(browser.go(&opening).location.is_some());
    let again = browser.go(&opening);
    assert!(again.location.is_some(), "the browser that opened it may reload: {}", again.html);
    assert_eq!(Browser::of(world, "nobody").go(&opening).status, 400);
}
