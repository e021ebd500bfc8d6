//! Markup in every parameter and name that a page may repeat: it stands there as text, under a policy that would not let
//! it run.

use enishi::web::Reply;
use enishi_world::{ACCOUNT, Fault, Point, line_simulator::NewUser, request};
use http::{HeaderValue, Method, header};
use serde_json::json;
use url::form_urlencoded;

use super::{
    at,
    corpus::{CORPUS, ENDPOINTS},
    html::{assert_harmless, assert_page, hidden, html, is_page, ways},
    leaving, location, posted, sent, with_cookies,
};
use crate::support::{Browser, Consent, Shop, Stage, form, json_body};

/// The ways on that our own pages have.
fn own_ways(shop: &Shop) -> Vec<String> {
    vec![
        shop.home_uri.clone(),
        "/logout/confirm".to_owned(),
        at("/line/retry"),
        format!("{}?client_id={}", at("/line/retry"), shop.client_id),
    ]
}

/// A page says nothing as markup; what is no page is not taken for one, and leads nowhere but to us or the shop.
fn assert_reply(reply: &Reply, word: &str, ways: &[String]) {
    if is_page(reply) {
        let ways: Vec<&str> = ways.iter().map(String::as_str).collect();
        return assert_harmless(reply, word, &ways);
    }
    if let Some(to) = location(reply) {
        let known = [&at("/authorize?"), &at("/line/retry?"), &at("/logout?"), "http://127.0.0.1:8789/0/"];
        assert!(known.iter().any(|start| to.starts_with(start)), "{word:?} leads to {to}");
        assert!(reply.body.is_empty());
    } else {
        assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json", "{word:?}");
    }
}

#[test]
fn no_parameter_of_any_page_is_repeated_as_markup() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let (browser, _, _) = stage.logged_in(&stage.shop, "openid");
    let cookies = browser.request(&at("/")).headers[header::COOKIE].to_str().unwrap().to_owned();
    let ways = own_ways(&stage.shop);
    let mut tried = 0;
    for (method, paths, parameters) in ENDPOINTS {
        for path in paths {
            for (parameter, word) in parameters.iter().flat_map(|one| CORPUS.map(|word| (*one, word))) {
                let valued = match parameter {
                    "request_uri" => vec![
                        (parameter, word.to_owned()),
                        (parameter, format!("urn:ietf:params:oauth:request_uri:{word}")),
                    ],
                    "checked" => vec![("client_id", word.to_owned()), ("checked", "1".to_owned())],
                    _ => vec![(parameter, word.to_owned()), (word, "value".to_owned())],
                };
                for fields in [
                    vec![valued[0].clone()],
                    vec![valued[1].clone()],
                    vec![valued[0].clone(), valued[0].clone()],
                ] {
                    let fields: Vec<(&str, &str)> =
                        fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                    let query =
                        form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
                    let mut asked = if method == "GET" {
                        request(Method::GET, &format!("{}?{query}", at(path)))
                    } else {
                        form(&at(path), &fields)
                    };
                    asked.headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
                    for asked in [with_cookies(asked.clone(), &cookies), asked] {
                        assert_reply(&world.answer(asked), word, &ways);
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(tried >= 15_000, "{tried}");
}

#[test]
fn neither_path_nor_header_is_repeated_as_markup() {
    let stage = Stage::new(1);
    let world = &stage.world;
    for word in CORPUS {
        let encoded: String = form_urlencoded::byte_serialize(word.as_bytes()).collect();
        for path in [format!("/{encoded}"), format!("/authorize/{encoded}"), format!("/v1/{encoded}")] {
            let mut asked = request(Method::GET, &at(&path));
            asked.headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
            assert_reply(&world.answer(asked.clone()), word, &own_ways(&stage.shop));
            // As no URL parser would have left it.
            asked.path = format!("/{word}");
            assert_reply(&world.answer(asked), word, &own_ways(&stage.shop));
        }
        for name in [
            "accept",
            "accept-language",
            "authorization",
            "content-type",
            "cookie",
            "origin",
            "if-none-match",
            "user-agent",
            "referer",
            "x-forwarded-host",
            "cf-connecting-ip",
        ] {
            let Ok(value) = HeaderValue::from_bytes(format!("text/html, {word}").as_bytes()) else {
                continue;
            };
            for path in ["/authorize", "/logout", "/line/callback", "/line/retry?checked=1", "/nothing"] {
                let mut asked = request(Method::GET, &at(path));
                asked.headers.insert(name, value.clone());
                assert_reply(&world.answer(asked), word, &own_ways(&stage.shop));
            }
        }
    }
}

#[test]
fn the_name_of_an_unknown_host_is_not_repeated() {
    let stage = Stage::new(1);
    for word in CORPUS {
        let mut elsewhere = request(Method::GET, &at("/authorize"));
        elsewhere.headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
        elsewhere.authority = format!("{word}.localhost:8787");
        let reply = stage.world.answer(elsewhere);
        assert_eq!(reply.status, 421, "{word}");
        assert_reply(&reply, word, &[]);
    }
}

#[test]
fn a_state_that_a_form_posts_is_a_value_and_comes_back_unchanged() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (browser, _, _) = stage.logged_in(shop, "openid");
    for word in CORPUS {
        let asked = shop.begin("1").with("response_mode", "form_post").but("state", Some(word));
        for login in [
            asked.clone(),
            asked.clone().with("prompt", "none"),
            asked.clone().but("response_type", Some(word)),
            asked.clone().but("scope", Some(word)),
            asked.clone().with("max_age", word),
            asked.clone().with("id_token_hint", word),
        ] {
            for reply in [world.answer(browser.request(&login.url)), world.get(&login.url)] {
                if location(&reply).is_some_and(|to| to.starts_with(enishi_world::LINE)) {
                    continue;
                }
                assert_eq!(reply.status, 200, "{word}");
                assert_harmless(&reply, word, &[&shop.redirect_uri]);
                assert_eq!(hidden(&html(&reply), "state").as_deref(), Some(word));
                assert_eq!(hidden(&html(&reply), "iss").as_deref(), Some(ACCOUNT.issuer));
            }
        }
    }
}

/// The consent page that this person sees for this label in this language.
fn consent_page(stage: &Stage, name: &str, label: &str, language: &str) -> Reply {
    let (world, shop) = (&stage.world, &stage.shop);
    let user = world.line().add_user(NewUser { name: name.to_owned(), ..NewUser::default() });
    let mut browser = Browser::of(world, &user);
    let login = shop.begin("1").with("ui_locales", language);
    let pushed =
        shop.push(world, &login, &[("member_id", &format!("member {label}")), ("member_label", label)]);
    let started = browser.go(&shop.opening(&pushed));
    let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
    let asked = browser.request(&callback);
    sent(world, &mut browser, asked)
}

#[test]
fn the_consent_page_names_member_person_and_shop_as_text() {
    for word in CORPUS.iter().filter(|word| !word.chars().any(char::is_control)) {
        let stage = Stage::new(1);
        let mut body = stage.shop.account_body();
        body["name"] = json!(format!("店{word}"));
        assert_eq!(stage.put_account(ACCOUNT.host, &body).status, 200);
        for language in ["ja", "en"] {
            let page = consent_page(&stage, &format!("花子{word}"), &format!("会員{word}"), language);
            assert_eq!(page.status, 200, "{word}");
            assert_harmless(&page, word, &["/line/consent"]);
            let text = html(&page).replace("&#39;", "'").replace("&quot;", "\"");
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            // The mark that turns text around is not shown: it would turn the sentence around as well.
            let word = word.replace('\u{202e}', "");
            for named in [format!("店{word}"), format!("花子{word}"), format!("会員{word}")] {
                assert!(text.contains(&named), "{named} is not named: {text}");
            }
        }
    }
}

#[test]
fn the_page_that_asks_for_a_mailed_code_shows_the_address_as_text() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let shop = stage.proving("m");
    for word in CORPUS {
        let user = stage.person_at("花子", &format!("{word}@shop.example"));
        let mut browser = Browser::of(world, &user);
        let login = shop.begin("1").but("scope", Some("openid email"));
        let started = browser.go(&login.url);
        let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
        let asked = browser.request(&callback);
        let page = sent(world, &mut browser, asked);
        assert_eq!(page.status, 200, "{word}: {:?}", page.reason);
        assert_harmless(&page, word, &["/line/email"]);
        let sealed = hidden(&html(&page), "state").expect("a state");
        for (choice, code) in [("verify", word), ("resend", word), ("verify", "000000")] {
            let fields = [("state", sealed.as_str()), ("choice", choice), ("code", code)];
            let again = world.answer(posted(&browser, &at("/line/email"), &fields));
            assert_eq!(again.status, 200, "{word}");
            assert_harmless(&again, word, &["/line/email"]);
        }
    }
}

#[test]
fn a_page_that_goes_on_by_itself_goes_to_the_shop_whatever_state_it_carries() {
    for word in CORPUS {
        let stage = Stage::new(1);
        let world = &stage.world;
        let bye = "http://127.0.0.1:8789/w/bye?x='1'&y=%22";
        let shop = stage.client("w", &json!({ "post_logout_redirect_uris": [bye] }));
        let mut browser = Browser::of(world, &stage.person("花子"));
        let login = shop.begin("1").but("state", Some(word));
        let pushed = shop.push(world, &login, &[("member_id", "m-1")]);
        let page = browser.arrive(&shop.opening(&pushed), Consent::Plain);
        let sealed = hidden(&page.html, "state").unwrap();
        let fields = [("state", sealed.as_str()), ("choice", "allow")];
        let onward = world.answer(posted(&browser, &at("/line/consent"), &fields));
        let fields = [("state", word), ("client_id", &shop.client_id), ("post_logout_redirect_uri", bye)];
        let out = world.answer(leaving(world, &browser, &fields));
        for (page, start) in
            [(onward, &*shop.redirect_uri), (out, "http://127.0.0.1:8789/w/bye?x=%271%27&y=%22&state=")]
        {
            assert_page(&page);
            let ways = ways(&html(&page));
            assert_eq!(ways.len(), 2, "{ways:?}");
            assert!(ways.iter().all(|way| way.starts_with(start)), "{ways:?}");
            let read = crate::support::query(&ways[0]);
            assert_eq!(read("state").as_deref(), Some(word), "{ways:?}");
        }
    }
}

#[test]
fn pages_of_failures_are_pages_of_ours_too() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (browser, _, _) = stage.logged_in(shop, "openid");
    for path in ["/authorize?prompt=none", "/logout", "/userinfo", "/line/callback"] {
        world.evict_isolate();
        world.fail_next(Point::Database, Fault::Refused, 1);
        let reply = world.answer(browser.request(&at(path)));
        assert_eq!(reply.status, 503, "{path}");
        assert_page(&reply);
        assert!(!html(&reply).contains("database failed"), "{path}");
        world.end_faults();
    }
    let api = world.answer(super::with_bearer(Method::GET, &at("/v1/nothing"), &shop.api_key));
    assert_eq!((api.status.as_u16(), &json_body(&api)["error"]), (404, &json!("not_found")));
}
