//! Another site's page in the customer's browser, and cookies in the wrong one: nobody is logged in as somebody else, nor
//! out, nor answers for anyone.

use enishi::web::{Reply, Request, cookie};
use http::{HeaderValue, header};

use super::{
    at, cookies,
    html::{hidden, html, is_page},
    is_nobody, leaving, location, posted, sent, session_cookie, silent, text, with_cookies,
};
use crate::support::{Browser, Consent, LINE_TOKEN, Stage, claims_of, form, query};

/// What the browser sends along with a form of another site's page: no `Lax` cookie, and the page's origin.
fn from_elsewhere(mut request: Request) -> Request {
    request.headers.insert(header::ORIGIN, HeaderValue::from_static("https://evil.example"));
    request
}

/// Whether a reply takes the session's cookie away or sets another.
fn touches_session(reply: &Reply) -> bool {
    let set = reply.headers.get_all(header::SET_COOKIE).iter();
    set.into_iter().any(|cookie| cookie.to_str().unwrap().starts_with(cookie::SESSION))
}

#[test]
fn another_sites_page_cannot_log_anybody_out_with_the_confirmation() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (browser, _, _) = stage.logged_in(shop, "openid");
    let own = format!("{}={}", cookie::SESSION, session_cookie(&browser));
    // A form of another site carries no cookie of ours; the browser would obey the answer all the same.
    for fields in
        [vec![("choice", "leave")], vec![], vec![("choice", "leave"), ("client_id", "storefront-0")]]
    {
        let reply = world.answer(from_elsewhere(form(&at("/logout/confirm"), &fields)));
        assert!(!touches_session(&reply), "it would take the cookie of whoever is sent here");
    }
    assert!(!is_nobody(world, shop, &own));
    assert_eq!(stage.count("sessions WHERE ended_at IS NULL"), 1);
}

#[test]
fn a_page_of_the_shops_own_site_cannot_confirm_for_the_customer() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (browser, _, _) = stage.logged_in(shop, "openid");
    // blog.shop.example beside line.shop.example: one site to the browser, so that `Lax` does not keep the cookie back.
    for origin in
        ["https://blog.shop.example", "null", "http://localhost:8788", "http://localhost:8787.evil.example"]
    {
        let mut confirmed = posted(&browser, &at("/logout/confirm"), &[("choice", "leave")]);
        confirmed.headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        let reply = world.answer(confirmed);
        assert!(!touches_session(&reply), "{origin}");
        assert_eq!(stage.count("sessions WHERE ended_at IS NULL"), 1, "{origin}");
    }
    // Nor with what the page showed in another session.
    let (mut attacker, _, _) = stage.logged_in(shop, "openid");
    let (_, shown) = attacker.go(&shop.logout_url(&[])).form();
    let shown: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (&**name, &**value)).collect();
    let fields: Vec<(&str, &str)> = shown.into_iter().chain([("choice", "leave")]).collect();
    assert!(!touches_session(&world.answer(posted(&browser, &at("/logout/confirm"), &fields))));
    assert_eq!(stage.count("sessions WHERE ended_at IS NULL"), 2);
    let mut browser = browser;
    let page = browser.go(&shop.logout_url(&[]));
    browser.choose(&page, &[("choice", "leave")]);
    assert_eq!(stage.count("sessions WHERE ended_at IS NULL"), 1, "our own page does");
}

#[test]
fn an_attackers_own_token_logs_nobody_else_out() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (victim, _, _) = stage.logged_in(shop, "openid");
    let (_, _, tokens) = stage.logged_in(shop, "openid");
    let hint = text(&tokens, "id_token");
    let own = format!("{}={}", cookie::SESSION, session_cookie(&victim));
    // By a link or a redirect, which carries the cookie.
    let by_get = world.answer(victim.request(&shop.logout_url(&[("id_token_hint", &hint)])));
    assert!(!touches_session(&by_get));
    assert!(!is_nobody(world, shop, &own));
    // By a form, which does not: what the reply says of the cookie, the browser does.
    let by_post = world.answer(from_elsewhere(form(&at("/logout"), &[("id_token_hint", &hint)])));
    assert!(!touches_session(&by_post), "it would take the cookie of whoever is sent here");
    let again = world.answer(from_elsewhere(form(&at("/logout"), &[("id_token_hint", &hint)])));
    assert!(!touches_session(&again));
    assert!(!is_nobody(world, shop, &own));
}

#[test]
fn a_logout_without_a_hint_asks_first_by_whatever_method() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (browser, _, _) = stage.logged_in(shop, "openid");
    let home = shop.home_uri.as_str();
    for fields in [
        vec![],
        vec![("client_id", shop.client_id.as_str())],
        vec![("client_id", &shop.client_id), ("post_logout_redirect_uri", home), ("state", "s")],
        vec![("choice", "leave")],
        vec![("logout_hint", "somebody"), ("confirm", "1")],
    ] {
        for reply in [
            world.answer(browser.request(&shop.logout_url(&fields))),
            world.answer(posted(&browser, &at("/logout"), &fields)),
        ] {
            assert_eq!((reply.status.as_u16(), location(&reply)), (200, None), "{fields:?}");
            assert!(!touches_session(&reply) && html(&reply).contains("/logout/confirm"), "{fields:?}");
        }
    }
    assert_eq!(stage.count("sessions WHERE ended_at IS NULL"), 1);
}

#[test]
fn a_session_that_was_planted_before_a_login_is_not_the_session_after_it() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (attacker, _, tokens) = stage.logged_in(shop, "openid");
    let attackers = text(&claims_of(&text(&tokens, "id_token")), "sub");
    let live = session_cookie(&attacker);
    for planted in ["chosen-by-an-attacker-0123456789", "x", live.as_str()] {
        let mut victim = Browser::of(world, &stage.person("花子"));
        let login = shop.begin("1").with("prompt", "login");
        let with = |request: Request| {
            let cookies = request.headers.get(header::COOKIE).map_or("", |value| value.to_str().unwrap());
            let both = format!("{}={planted}; {cookies}", cookie::SESSION);
            with_cookies(request, both.trim_end_matches("; "))
        };
        let asked = with(victim.request(&login.url));
        let started = sent(world, &mut victim, asked);
        let callback = victim.at_line(location(&started).unwrap(), Consent::Plain);
        let asked = with(victim.request(&callback));
        let arrived = sent(world, &mut victim, asked);
        let claims = shop.claims(world, &login, &shop.code(&login, location(&arrived).unwrap()));
        assert_ne!(claims["sub"], attackers.as_str());
        let fresh = session_cookie(&victim);
        assert_ne!(fresh, planted);
        // What was planted is worth what it was: nothing, or the attacker's own session.
        let planted = format!("{}={planted}", cookie::SESSION);
        if planted.ends_with(&live) {
            let (login, reply) = silent(world, shop, &planted);
            let claims = shop.claims(world, &login, &shop.code(&login, location(&reply).unwrap()));
            assert_eq!(claims["sub"], attackers.as_str());
        } else {
            assert!(is_nobody(world, shop, &planted));
        }
    }
}

#[test]
fn two_browsers_that_exchange_their_attempts_are_both_sent_back_to_begin_anew() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut one = Browser::of(world, &stage.person("花子"));
    let mut two = Browser::of(world, &stage.person("太郎"));
    let callbacks = [(&mut one, "1"), (&mut two, "2")].map(|(browser, mark)| {
        let started = browser.go(&shop.begin(mark).url);
        browser.at_line(&started.location.unwrap(), Consent::Plain)
    });
    for (browser, callback) in [(&one, &callbacks[1]), (&two, &callbacks[0])] {
        let reply = world.answer(browser.request(callback));
        assert_eq!((reply.status.as_u16(), location(&reply)), (400, None));
        assert!(is_page(&reply) && reply.headers.get(header::SET_COOKIE).is_none());
    }
    // LINE's answer of one with the state of the other, as a page that reads both could put them together.
    for (browser, code, sealed) in [(&one, 1, 0), (&two, 0, 1)] {
        let code = query(&callbacks[code])("code").unwrap();
        let sealed = query(&callbacks[sealed])("state").unwrap();
        let reply =
            world.answer(browser.request(&format!("{}?code={code}&state={sealed}", at("/line/callback"))));
        assert_eq!(
            (reply.status.as_u16(), location(&reply)),
            (400, None),
            "LINE's proof of the code does not fit"
        );
        assert!(!touches_session(&reply));
    }
    assert_eq!(stage.count("sessions"), 0);
}

#[test]
fn a_login_that_an_attacker_began_is_not_ended_in_a_victims_browser() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut attacker = Browser::of(world, &stage.person("太郎"));
    let started = attacker.go(&shop.begin("1").url);
    let callback = attacker.at_line(&started.location.unwrap(), Consent::Plain);
    let mut victim = Browser::of(world, &stage.person("花子"));
    victim.go(&shop.begin("2").url);
    let before = cookies(&victim);
    let asked = victim.request(&callback);
    let reply = sent(world, &mut victim, asked);
    assert_eq!((reply.status.as_u16(), location(&reply)), (400, None));
    assert_eq!(cookies(&victim), before, "her own attempt is still under way, and she is not the attacker");
    assert_eq!(stage.answers_of(LINE_TOKEN), []);
    assert_eq!(attacker.go(&callback).status, 302, "his is still his");
}

#[test]
fn after_a_logout_the_back_button_brings_nobody_back() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let login = shop.begin("1");
    let started = browser.go(&login.url);
    let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
    assert_eq!(browser.go(&callback).status, 302);
    let old = cookies(&browser)
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("; ");
    let leave = leaving(world, &browser, &[]);
    assert_eq!(sent(world, &mut browser, leave).status, 200);
    for asked in [browser.request(&callback), with_cookies(browser.request(&callback), &old)] {
        let reply = world.answer(asked);
        assert_eq!((reply.status.as_u16(), location(&reply)), (400, None));
        assert!(!touches_session(&reply));
    }
    assert!(is_nobody(world, shop, &old), "a copy of the cookies is dead too");
}

#[test]
fn another_sites_page_answers_neither_consent_nor_mailed_code() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, opening) = super::linking::pushed(&stage, shop, "1", "m-1");
    let mut victim = Browser::of(world, &stage.person("花子"));
    let sealed = super::linking::at_consent(world, &mut victim, &opening);
    for (path, choice) in [("/line/consent", "allow"), ("/line/consent", "deny"), ("/line/email", "skip")] {
        let reply = world.answer(from_elsewhere(form(&at(path), &[("state", &sealed), ("choice", choice)])));
        assert_eq!((reply.status.as_u16(), location(&reply)), (400, None), "{path} {choice}");
        assert!(reply.headers.get(header::SET_COOKIE).is_none());
        assert_eq!(hidden(&html(&reply), "state"), None);
    }
    assert_eq!(stage.count("codes") + stage.count("pushed_requests WHERE spent_by IS NOT NULL"), 0);
}

#[test]
fn no_redirect_tells_the_next_page_where_it_came_from_or_is_kept() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let started = browser.go(&shop.begin("1").url);
    let callback = browser.at_line(started.location.as_ref().unwrap(), Consent::Plain);
    let arrived = browser.go(&callback);
    let again = browser.go(&shop.begin("2").url);
    let error = browser.go(&shop.begin("3").but("scope", Some("x")).url);
    let retry = browser.go(&at("/line/retry"));
    for page in [started, arrived, again, error, retry] {
        assert_eq!(page.status, 302);
        assert_eq!(page.header(&header::REFERRER_POLICY), Some("no-referrer"));
        assert_eq!(page.header(&header::CACHE_CONTROL), Some("no-store"));
        assert!(page.html.is_empty());
    }
}
