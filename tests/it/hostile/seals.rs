//! What the browser carries for us: sessions, login attempts, states and names of pushed requests, altered by a bit or
//! used for what they are not.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use enishi::{time::MINUTE, web::cookie};
use enishi_world::ACCOUNT;
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use super::{
    altered, at, cookies, html::assert_harmless, is_nobody, location, session_cookie, text, with_cookies,
};
use crate::support::{Browser, Consent, LINE_TOKEN, Stage, json_body, query};

/// A sealed value with one bit changed, at places all over it.
fn with_bits_flipped(sealed: &str) -> Vec<String> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed.strip_prefix("v1.").unwrap()).unwrap();
    let step = (bytes.len() / 24).max(1);
    let places = (0..bytes.len()).step_by(step).chain([bytes.len() - 1]);
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        format!("v1.{}", URL_SAFE_NO_PAD.encode(bytes))
    };
    places.map(flipped).collect()
}

/// A state with one character changed, at places all over it.
fn with_characters_changed(sealed: &str) -> Vec<String> {
    let changed = |at: usize| {
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        String::from_utf8(bytes).unwrap()
    };
    (0..sealed.len()).step_by(sealed.len() / 24).chain([sealed.len() - 1]).map(changed).collect()
}

#[test]
fn a_session_cookie_that_was_altered_or_is_another_secret_is_nobodys() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (browser, _, tokens) = stage.logged_in(shop, "openid offline_access");
    let session = session_cookie(&browser);
    let mut forged: Vec<(String, String)> =
        altered(&session).into_iter().map(|(how, one)| (how.to_owned(), one)).collect();
    for name in ["access_token", "refresh_token", "id_token"] {
        forged.push((name.to_owned(), text(&tokens, name)));
    }
    let sid = text(&crate::support::claims_of(&text(&tokens, "id_token")), "sid");
    forged.push(("its sid".to_owned(), sid));
    for (name, value) in cookies(&browser).into_iter().filter(|(name, _)| name != cookie::SESSION) {
        forged.push((name, value));
    }
    let rows = world.query("SELECT token_digest FROM sessions");
    forged.push(("its digest as stored".to_owned(), text(&rows[0], "token_digest")));
    forged.push(("its digest quoted".to_owned(), format!("\"{session}\"")));
    assert!(forged.len() >= 24, "{}", forged.len());
    for (how, value) in &forged {
        let value: String = value.chars().filter(|c| !c.is_control()).collect();
        if value != session {
            assert!(is_nobody(world, shop, &format!("{}={value}", cookie::SESSION)), "{how}");
        }
    }
    for name in
        ["enishi-session", "__Secure-enishi-session", "__host-enishi-session", "__Host-Enishi-Session", " "]
    {
        assert!(is_nobody(world, shop, &format!("{name}={session}")), "{name}");
    }
    assert!(!is_nobody(world, shop, &format!("{}={session}", cookie::SESSION)));
}

#[test]
fn an_attempt_cookie_that_was_altered_completes_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let started = browser.go(&shop.begin("1").url);
    let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
    let (name, value) = cookies(&browser).into_iter().next().expect("an attempt");
    let mut forged: Vec<String> = with_bits_flipped(&value);
    forged.extend(altered(&value).into_iter().map(|(_, one)| one));
    forged.push(value.replacen("v1.", "v2.", 1));
    forged.push(value.replacen("v1.", "", 1));
    forged.push(format!("\"{value}\""));
    // Seals of this deployment for other purposes.
    let config = world.query("SELECT config ->> '$.login.credential.sealed' AS sealed FROM accounts");
    forged.push(text(&config[0], "sealed"));
    assert!(forged.len() >= 45, "{}", forged.len());
    for forged in &forged {
        let forged: String = forged.chars().filter(|c| !c.is_control()).collect();
        if forged == value {
            continue;
        }
        let reply = world.answer(with_cookies(browser.request(&callback), &format!("{name}={forged}")));
        assert_eq!((reply.status.as_u16(), location(&reply)), (400, None), "{forged}");
        assert_harmless(
            &reply,
            &forged,
            &[&at("/line/retry"), &format!("{}?client_id={}", at("/line/retry"), shop.client_id)],
        );
        assert!(reply.headers.get("set-cookie").is_none());
    }
    for other in [name.to_uppercase(), name[..name.len() - 1].to_owned(), format!("{name}x"), "x".to_owned()]
    {
        let reply = world.answer(with_cookies(browser.request(&callback), &format!("{other}={value}")));
        assert_eq!((reply.status.as_u16(), location(&reply)), (400, None), "{other}");
    }
    assert_eq!(stage.answers_of(LINE_TOKEN), [], "LINE's code was presented for nobody");
    // What was counted left its mark, which is no claim.
    assert_eq!(stage.count("login_attempts WHERE attempt NOT LIKE '~%'") + stage.count("sessions"), 0);
    assert_eq!(world.answer(browser.request(&callback)).status, 302, "none of that has spent it");
}

#[test]
fn an_altered_state_completes_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let started = browser.go(&shop.begin("1").url);
    let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
    let read = query(&callback);
    let (sealed, code) = (read("state").unwrap(), read("code").unwrap());
    let mut forged = with_characters_changed(&sealed);
    forged.extend(altered(&sealed).into_iter().map(|(_, one)| one));
    let attempt = cookies(&browser).remove(0);
    forged.push(attempt.1.clone());
    forged.push(attempt.0.trim_start_matches(cookie::ATTEMPT_PREFIX).to_owned());
    assert!(forged.len() >= 42, "{}", forged.len());
    for forged in forged.iter().filter(|forged| **forged != sealed) {
        let encoded: String = byte_serialize(forged.as_bytes()).collect();
        for path in ["/line/callback", "/line/consent", "/line/email"] {
            let reply = if path == "/line/callback" {
                world.answer(browser.request(&format!("{}?code={code}&state={encoded}", at(path))))
            } else {
                let fields = [("state", forged.as_str()), ("choice", "allow"), ("code", "123456")];
                world.answer(super::posted(&browser, &at(path), &fields))
            };
            assert_eq!((reply.status.as_u16(), location(&reply)), (400, None), "{forged} at {path}");
            assert!(reply.headers.get("set-cookie").is_none());
        }
    }
    for twice in [format!("{callback}&state={sealed}"), format!("{callback}&code={code}")] {
        assert_eq!(world.answer(browser.request(&twice)).status, 400, "what comes twice is not believed");
    }
    assert_eq!(stage.answers_of(LINE_TOKEN), []);
    assert_eq!(world.answer(browser.request(&callback)).status, 302);
}

#[test]
fn a_state_is_worthless_with_the_cookie_of_another_attempt_in_the_same_browser() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let begin = |browser: &mut Browser<'_>, mark: &str| {
        let started = browser.go(&shop.begin(mark).url);
        browser.at_line(&started.location.unwrap(), Consent::Plain)
    };
    let first = begin(&mut browser, "1");
    let kept = cookies(&browser).remove(0);
    let second = begin(&mut browser, "2");
    let new = cookies(&browser).into_iter().find(|(name, _)| *name != kept.0).unwrap();
    for (callback, pairs) in [
        (&first, vec![format!("{}={}", new.0, new.1)]),
        (&second, vec![format!("{}={}", kept.0, kept.1)]),
        // The value of one under the name of the other.
        (&first, vec![format!("{}={}", kept.0, new.1)]),
        (&second, vec![format!("{}={}", new.0, kept.1)]),
        (&first, vec![format!("{}={}", kept.0, new.1), format!("{}={}", new.0, kept.1)]),
    ] {
        let reply = world.answer(with_cookies(browser.request(callback), &pairs.join("; ")));
        assert_eq!((reply.status.as_u16(), location(&reply)), (400, None), "{pairs:?}");
    }
    assert_eq!(stage.answers_of(LINE_TOKEN), []);
    // A code of LINE's from one attempt under the state of the other fails at LINE, by PKCE, and makes nothing.
    let crossed = format!(
        "{}?code={}&state={}",
        at("/line/callback"),
        query(&first)("code").unwrap(),
        query(&second)("state").unwrap()
    );
    let reply = world.answer(browser.request(&crossed));
    assert_eq!((reply.status.as_u16(), location(&reply)), (400, None));
    assert_eq!(stage.count("sessions"), 0);
}

#[test]
fn a_request_uri_that_was_altered_is_over_or_is_another_clients_opens_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let second = stage.client("2", &json!({}));
    let pushed = || text(&json_body(&shop.push(world, &shop.begin("1"), &[])), "request_uri");
    let uri = pushed();
    let (prefix, name) = uri.rsplit_once(':').unwrap();
    let mut forged: Vec<String> =
        altered(name).into_iter().map(|(_, name)| format!("{prefix}:{name}")).collect();
    forged.extend(["", ":", "%", "null", "../x"].map(|name| format!("{prefix}:{name}")));
    forged.push(format!("{prefix}::{name}"));
    forged.push(format!("{uri}#"));
    forged.push(format!("{uri}?x=1"));
    forged.push(format!("{uri} "));
    assert!(forged.len() >= 28, "{}", forged.len());
    let opened = |client: &str, uri: &str| {
        let encoded: String = byte_serialize(uri.as_bytes()).collect();
        world.get(&format!("{}?client_id={client}&request_uri={encoded}", at("/authorize")))
    };
    for forged in &forged {
        let reply = opened(&shop.client_id, forged);
        assert_eq!((reply.status.as_u16(), location(&reply)), (400, None), "{forged}");
        assert_harmless(&reply, forged, &[&shop.home_uri]);
    }
    for client in [second.client_id.as_str(), "", "unknown", "STOREFRONT-0", "storefront-0 "] {
        let client: String = byte_serialize(client.as_bytes()).collect();
        assert_eq!(opened(&client, &uri).status, 400, "{client}");
    }
    let nameless: String = byte_serialize(uri.as_bytes()).collect();
    assert_eq!(world.get(&format!("{}?request_uri={nameless}", at("/authorize"))).status, 400);
    // Names of another making are none of ours; beside a proven redirect URI the shop is told.
    for foreign in
        ["https://evil.example/request.jwt", "URN:IETF:params:oauth:request_uri:x", "data:,x", name]
    {
        let encoded: String = byte_serialize(foreign.as_bytes()).collect();
        let reply = world.get(&format!("{}&request_uri={encoded}", shop.begin("1").url));
        assert!(location(&reply).unwrap().contains("error=request_uri_not_supported"), "{foreign}");
    }
    assert_eq!(world.calls().fetches, 0, "nobody is asked for a request");
    assert_eq!(opened(&shop.client_id, &uri).status, 302, "none of that has opened it");
    let late = pushed();
    world.advance(MINUTE);
    assert_eq!(opened(&shop.client_id, &late).status, 400, "a minute is over");
    assert_eq!(ACCOUNT.issuer, shop.line.issuer);
}
