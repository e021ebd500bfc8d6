//! Return addresses that are registered nowhere: whichever door they come through, nobody is sent there.

use enishi::web::Reply;
use enishi_world::{ACCOUNT, World, request};
use http::Method;
use serde_json::json;
use url::form_urlencoded;

use super::{
    at, error_of,
    html::{assert_harmless, assert_page, hidden, html},
    location,
    payloads::{BYE, CALLBACK, HOME, WITH_QUERY, payloads},
    posted, text,
};
use crate::support::{Browser, Consent, Shop, Stage, form};

/// The least number of addresses that must have been tried at a door.
const MANY: usize = 200;

/// A storefront at https, with a redirect URI that has a query.
fn storefront(stage: &Stage) -> Shop {
    let registered = json!({
        "redirect_uris": [CALLBACK, WITH_QUERY], "post_logout_redirect_uris": [BYE], "home_uri": HOME,
    });
    let mut shop = stage.client("r", &registered);
    (shop.redirect_uri, shop.home_uri) = (CALLBACK.to_owned(), HOME.to_owned());
    shop
}

/// Our own addresses and registered ones are the only ways from a page.
fn assert_nowhere(reply: &Reply, payload: &str) {
    assert_eq!((reply.status.as_u16(), location(reply)), (400, None), "{payload:?}");
    assert_harmless(reply, payload, &[HOME, "http://127.0.0.1:8789/0/"]);
}

#[test]
fn an_authorization_request_by_get_leads_to_no_address_but_a_registered_one() {
    let stage = Stage::new(1);
    let shop = storefront(&stage);
    let mut tried = 0;
    for payload in payloads() {
        for more in [None, Some(("prompt", "none")), Some(("response_mode", "form_post"))] {
            let login = shop.begin("1").but("redirect_uri", Some(&payload));
            let login = more.map_or(login.clone(), |(name, value)| login.with(name, value));
            assert_nowhere(&stage.world.get(&login.url), &payload);
        }
        tried += 1;
    }
    assert!(tried >= MANY, "{tried}");
    for registered in [CALLBACK, WITH_QUERY] {
        let login = shop.begin("1").but("redirect_uri", Some(registered)).with("prompt", "none");
        let reply = stage.world.get(&login.url);
        let joint = if registered.contains('?') { '&' } else { '?' };
        assert!(location(&reply).unwrap().starts_with(&format!("{registered}{joint}error=login_required")));
    }
}

#[test]
fn an_authorization_request_by_post_leads_to_no_address_but_a_registered_one() {
    let stage = Stage::new(1);
    let shop = storefront(&stage);
    let mut tried = 0;
    for payload in payloads() {
        let login = shop.begin("1").but("redirect_uri", Some(&payload));
        let (url, fields) = login.url.split_once('?').unwrap();
        let mut asked = form(url, &[]);
        asked.body = Some(fields.as_bytes().to_vec());
        let reply = stage.world.answer(asked);
        let continued = location(&reply).map(str::to_owned);
        match (reply.status.as_u16(), continued) {
            (303, Some(own)) => {
                assert!(own.starts_with(&at("/authorize?")) && own.is_ascii(), "{payload:?}: {own}");
                assert_nowhere(&stage.world.get(&own), &payload);
            }
            (status, location) => assert_eq!((status, location), (400, None), "{payload:?}"),
        }
        tried += 1;
    }
    assert!(tried >= MANY, "{tried}");
}

#[test]
fn a_pushed_request_takes_no_address_but_a_registered_one() {
    let stage = Stage::new(1);
    let shop = storefront(&stage);
    let mut tried = 0;
    for payload in payloads() {
        let login = shop.begin("1").but("redirect_uri", Some(&payload));
        let reply = shop.push(&stage.world, &login, &[]);
        assert_eq!(error_of(&reply), (400, "invalid_request".to_owned()), "{payload:?}");
        assert_eq!(location(&reply), None);
        let said = String::from_utf8(reply.body).unwrap();
        assert!(!said.contains("evil"), "{payload:?} is repeated: {said}");
        tried += 1;
    }
    assert!(tried >= MANY, "{tried}");
    assert_eq!(stage.count("pushed_requests"), 0);
}

#[test]
fn a_parameter_that_comes_twice_or_under_a_likeness_of_its_name_leads_nowhere() {
    let stage = Stage::new(1);
    let shop = storefront(&stage);
    let login = shop.begin("1");
    let evil = "https%3A%2F%2Fevil.example%2F";
    let twice = [
        format!("redirect_uri={evil}"),
        format!("redirect%5furi={evil}"),
        format!("%72edirect_uri={evil}"),
        "redirect_uri=".to_owned(),
        "client_id=storefront-0".to_owned(),
        "response_mode=query&response_mode=form_post".to_owned(),
        "state=evil".to_owned(),
    ];
    for more in &twice {
        for url in [format!("{}&{more}", login.url), login.url.replacen('?', &format!("?{more}&"), 1)] {
            assert_nowhere(&stage.world.get(&url), more);
        }
    }
    // What only looks like it is ignored, and the registered address stands.
    let likenesses = [
        format!("redirect_uri[]={evil}"),
        format!("redirect_uri%00={evil}"),
        format!("redirect_uri%20={evil}"),
        format!("Redirect_Uri={evil}"),
        format!("redirect-uri={evil}"),
        format!("redirectUri={evil}"),
        format!("return_to={evil}&next={evil}&url={evil}&target={evil}&RelayState={evil}"),
        format!("x={evil};redirect_uri={evil}"),
    ];
    for more in &likenesses {
        let reply = stage.world.get(&format!("{}&prompt=none&{more}", login.url));
        assert!(location(&reply).unwrap().starts_with("https://shop.example/callback?error="), "{more}");
        assert!(!location(&reply).unwrap().contains("evil"), "{more}");
    }
    for more in twice.iter().chain(&likenesses) {
        let only = format!("{}?client_id={}&{more}", at("/authorize"), shop.client_id);
        assert_nowhere(&stage.world.get(&only), more);
    }
}

/// Logs somebody in; their browser and ID token.
fn customer<'a>(stage: &'a Stage, shop: &Shop) -> (Browser<'a>, String) {
    let user = stage.person("花子");
    let mut browser = Browser::of(&stage.world, &user);
    let login = shop.begin("1");
    let back = browser.log_in(shop, &login, Consent::Plain);
    let tokens = crate::support::json_body(&shop.redeem(&stage.world, &login, &shop.code(&login, &back)));
    (browser, text(&tokens, "id_token"))
}

#[test]
fn a_logout_with_a_good_hint_leads_to_no_address_but_a_registered_one() {
    let stage = Stage::new(1);
    let shop = storefront(&stage);
    let (_, hint) = customer(&stage, &shop);
    let mut tried = 0;
    for payload in payloads() {
        let asked: Vec<(&str, &str)> = vec![
            ("id_token_hint", &hint),
            ("post_logout_redirect_uri", &payload),
            ("state", "https://evil.example/"),
        ];
        for reply in
            [stage.world.get(&shop.logout_url(&asked)), stage.world.answer(form(&at("/logout"), &asked))]
        {
            assert_nowhere(&reply, &payload);
        }
        tried += 1;
    }
    assert!(tried >= MANY, "{tried}");
    let good =
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE), ("state", "s \r\nevil: 1")];
    let reply = stage.world.get(&shop.logout_url(&good));
    assert_eq!(location(&reply), Some("https://shop.example/bye?state=s+%0D%0Aevil%3A+1"));
}

#[test]
fn a_confirmed_logout_leads_to_no_address_but_a_registered_one() {
    let stage = Stage::new(1);
    let shop = storefront(&stage);
    let (browser, _) = customer(&stage, &shop);
    let mut tried = 0;
    for payload in payloads() {
        let asked = [("client_id", shop.client_id.as_str()), ("post_logout_redirect_uri", payload.as_str())];
        let page = stage.world.answer(browser.request(&shop.logout_url(&asked)));
        assert_eq!((page.status.as_u16(), location(&page)), (200, None), "{payload:?}");
        assert_harmless(&page, &payload, &["/logout/confirm"]);
        assert_eq!(hidden(&html(&page), "client_id").as_deref(), Some(shop.client_id.as_str()));
        for choice in ["stay", "leave"] {
            let shown = hidden(&html(&page), "confirmation").unwrap();
            let word = [("confirmation", &*shown), ("choice", choice)];
            let fields: Vec<(&str, &str)> = asked.iter().copied().chain(word).collect();
            let reply = stage.world.answer(posted(&browser, &at("/logout/confirm"), &fields));
            assert_eq!(location(&reply), None, "{payload:?}");
            assert!(choice == "stay" || reply.status == 400, "{payload:?}: {}", reply.status);
            assert_harmless(&reply, &payload, &[HOME]);
        }
        tried += 1;
    }
    assert!(tried >= MANY, "{tried}");
}

#[test]
fn a_logout_of_one_client_does_not_lead_to_the_address_of_another() {
    let stage = Stage::new(1);
    let shop = storefront(&stage);
    let bye = "https://other-shop.example/bye";
    let other = stage.client(
        "o",
        &json!({ "post_logout_redirect_uris": [bye], "home_uri": "https://other-shop.example/" }),
    );
    let (browser, hint) = customer(&stage, &shop);
    for asked in [
        vec![("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", bye)],
        vec![("client_id", shop.client_id.as_str()), ("post_logout_redirect_uri", bye)],
        vec![("id_token_hint", &hint), ("client_id", &other.client_id), ("post_logout_redirect_uri", bye)],
        vec![("post_logout_redirect_uri", bye)],
        vec![("client_id", "unknown"), ("post_logout_redirect_uri", bye)],
    ] {
        let with = stage.world.answer(browser.request(&shop.logout_url(&asked)));
        let without = stage.world.get(&shop.logout_url(&asked));
        for reply in [with, without] {
            assert_eq!(location(&reply), None, "{asked:?}");
            assert_harmless(&reply, "-", &[HOME, "http://127.0.0.1:8789/0/", "/logout/confirm"]);
        }
    }
}

#[test]
fn the_retry_button_leads_to_the_login_start_of_a_registered_client_whatever_client_is_named() {
    let stage = Stage::new(1);
    let shop = storefront(&stage);
    let start = format!(
        "{}login?iss={}",
        stage.shop.home_uri,
        form_urlencoded::byte_serialize(ACCOUNT.issuer.as_bytes()).collect::<String>()
    );
    let checked = format!("{}?client_id={}&checked=1", at("/line/retry"), stage.shop.client_id);
    let mut tried = 0;
    for payload in payloads() {
        // What lies at the first client's own site is a page of its, and no payload.
        let is_its_own = payload.starts_with("http://127.0.0.1:8789/");
        let names = ["client_id", "target", "checked", "iss", "target_link_uri", "return_to"];
        for name in names.into_iter().filter(|name| *name != "target" || !is_its_own) {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, &payload).finish();
            let url = format!("{}?{query}", at("/line/retry"));
            let reply = stage.world.get(&url);
            match location(&reply) {
                Some(to) => assert_eq!((reply.status.as_u16(), to), (302, checked.as_str()), "{payload:?}"),
                None => assert_harmless(&reply, &payload, &[&stage.shop.home_uri]),
            }
            let query = format!("{query}{}", if name == "checked" { "" } else { "&checked=1" });
            let mut again = request(Method::GET, &format!("{}?{query}", at("/line/retry")));
            again.headers.insert("cookie", "__Host-enishi-no-auto-login=1".parse().unwrap());
            assert_eq!(location(&stage.world.answer(again)), Some(start.as_str()), "{payload:?} as {name}");
        }
        tried += 1;
    }
    assert!(tried >= MANY, "{tried}");
    let own = stage.world.get(&format!("{}?client_id={}", at("/line/retry"), shop.client_id));
    assert!(location(&own).unwrap().contains(&shop.client_id));
}

#[test]
fn the_callback_leads_nowhere_by_what_stands_in_its_query() {
    let stage = Stage::new(1);
    let world: &World = &stage.world;
    let mut tried = 0;
    // The path itself stands in the log, and is no secret.
    for payload in payloads().into_iter().filter(|payload| !"/line/callback".ends_with(payload)) {
        for name in ["state", "code", "error", "redirect_uri", "error_uri", "iss", "liff.state"] {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, &payload).finish();
            let reply = world.get(&format!("{}?{query}", at("/line/callback")));
            assert_eq!((reply.status.as_u16(), location(&reply)), (400, None), "{payload:?}");
            assert_harmless(&reply, &payload, &[&at("/line/retry")]);
        }
        tried += 1;
    }
    assert!(tried >= MANY, "{tried}");
}

#[test]
fn a_redirect_uri_or_client_that_was_taken_away_is_not_gone_to_by_a_login_under_way() {
    for (method, body) in
        [(Method::PATCH, Some(json!({ "redirect_uris": [WITH_QUERY] }))), (Method::DELETE, None)]
    {
        let stage = Stage::new(1);
        let world = &stage.world;
        let shop = storefront(&stage);
        let mut browser = Browser::of(world, &stage.person("花子"));
        let started = browser.go(&shop.begin("1").url);
        let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
        let path = format!("/v1/clients/{}", shop.client_id);
        let (status, changed) = stage.api(&stage.shop, method, &path, body.as_ref());
        assert!(status < 300, "{changed}");
        for url in [callback.clone(), format!("{}&error=access_denied", callback.replace("code=", "x="))] {
            let reply = world.answer(browser.request(&url));
            assert_eq!(location(&reply), None, "the address was given up, perhaps because it was taken over");
            assert_page(&reply);
        }
    }
}
