//! Auto-login links, tickets and the retry page in hostile hands: nobody is led off the shop's site, nobody is logged in
//! as the link's first owner, and no forged word is believed.

use enishi::{
    id::AccountId,
    secret::{Keys, Purpose},
    web::{Reply, cookie},
};
use enishi_world::{ACCOUNT, LINE, MASTER_KEY, line_simulator::AutoLogin, request};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{
    altered, at, cookies,
    corpus::CORPUS,
    html::{assert_harmless, assert_page},
    location,
    payloads::{CALLBACK, HOME, payloads},
    with_cookies,
};
use crate::support::{Browser, Consent, LINE_TOKEN, Shop, Stage, form, json_body, query};

/// A storefront at https that is opened at the page itself.
fn storefront(stage: &Stage) -> Shop {
    let mut shop = stage.client("r", &json!({ "redirect_uris": [CALLBACK], "home_uri": HOME }));
    (shop.redirect_uri, shop.home_uri) = (CALLBACK.to_owned(), HOME.to_owned());
    shop
}

/// Whether a browser that is sent there arrives at the shop's site, and reads it as we do.
fn is_at_the_shop(address: &str) -> bool {
    let is_read_alike =
        address.is_ascii() && !address.contains('\\') && !address.chars().any(char::is_whitespace);
    let url = Url::parse(address).unwrap();
    let has_user = !url.username().is_empty() || url.password().is_some();
    is_read_alike && !has_user && url.origin().ascii_serialization() == "https://shop.example"
}

fn opened(stage: &Stage, link: &Value) -> Reply {
    stage.world.get(link["url"].as_str().unwrap())
}

#[test]
fn no_link_leads_off_the_shops_site_by_its_page_or_its_context() {
    let stage = Stage::new(1);
    let shop = storefront(&stage);
    let (mut refused, mut made) = (0, 0);
    for payload in payloads() {
        for kind in ["stored", "sealed"] {
            for (target, context) in [(payload.as_str(), json!({})), (HOME, json!({ "to": payload }))] {
                let body = json!({ "client_id": shop.client_id, "target": target, "context": context, "type": kind });
                let (status, link) =
                    stage.api(&stage.shop, Method::POST, "/v1/auto-login-links", Some(&body));
                if status == 400 {
                    refused += 1;
                    continue;
                }
                assert_eq!(status, 201, "{payload:?}: {link}");
                let reply = opened(&stage, &link);
                assert_eq!(reply.status, 302, "{payload:?}");
                let to = location(&reply).unwrap();
                assert!(is_at_the_shop(to), "{payload:?} leads to {to}");
                made += 1;
            }
        }
    }
    assert!(refused >= 800 && made >= 400, "{refused} refused, {made} made");
}

#[test]
fn no_page_that_is_not_the_shops_comes_through_a_request_to_the_retry_button() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let shop = storefront(&stage);
    let user = stage.person_with("花子", AutoLogin::Fails);
    let (mut dropped, mut kept) = (0, 0);
    for payload in payloads() {
        let asked = shop.begin("1").with("target_link_uri", &payload);
        let mut browser = Browser::of(world, &user);
        let failed = browser.arrive(&asked.url, Consent::Plain);
        let Some(target) = query(&failed.button().unwrap())("target") else {
            dropped += 1;
            continue;
        };
        assert_eq!(target, payload);
        let on = browser.press_retry(&failed).unwrap();
        assert!(on == payload && is_at_the_shop(&on), "{payload:?} leads to {on}");
        kept += 1;
    }
    assert!(dropped >= 200 && kept >= 20, "{dropped} dropped, {kept} kept");
}

#[test]
fn the_retry_buttons_own_address_leads_to_no_page_that_is_not_the_shops() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let shop = storefront(&stage);
    let mut tried = 0;
    for payload in payloads() {
        let fields = [("client_id", shop.client_id.as_str()), ("target", &payload), ("checked", "1")];
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut pressed = request(Method::GET, &format!("{}?{query}", at("/line/retry")));
        pressed.headers.insert(header::COOKIE, HeaderValue::from_static("__Host-enishi-no-auto-login=1"));
        let reply = world.answer(pressed);
        let to = location(&reply).unwrap();
        assert!(is_at_the_shop(to), "{payload:?} leads to {to}");
        assert!(to == payload || to == HOME, "{payload:?} leads to {to}");
        tried += 1;
    }
    assert!(tried >= 500, "{tried}");
}

#[test]
fn the_page_of_another_client_is_not_this_ones() {
    let stage = Stage::new(1);
    let shop = storefront(&stage);
    let own = &stage.shop.home_uri;
    for (client, target) in [(&shop, own.as_str()), (&stage.shop, HOME)] {
        let body = json!({ "client_id": client.client_id, "target": target });
        assert_eq!(
            stage.api(&stage.shop, Method::POST, "/v1/auto-login-links", Some(&body)).0,
            400,
            "{target}"
        );
    }
}

#[test]
fn an_altered_or_foreign_link_leads_nowhere() {
    let stage = Stage::new(1);
    let shop = storefront(&stage);
    let other = stage.other_shop();
    let link = stage.auto_login_link(&shop, HOME, &json!({ "type": "sealed" }));
    let seal = link["url"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
    let foreign = stage.auto_login_link(&other, &other.home_uri, &json!({ "type": "sealed" }));
    let start = stage.world.get(&stage.shop.begin("1").url);
    let of_login = query(location(&start).unwrap())("state").unwrap();
    let mut forged: Vec<String> = altered(&seal).into_iter().map(|(_, one)| one).collect();
    forged.push(foreign["url"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned());
    forged.push(of_login.clone());
    forged.push(format!("v1.{of_login}"));
    forged.push(sealed(&stage, Purpose::Ticket, &shop));
    forged.push(sealed(&stage, Purpose::Configuration, &shop));
    forged.extend(CORPUS.iter().map(|word| (*word).to_owned()));
    for forged in forged {
        let path: String = form_urlencoded::byte_serialize(forged.as_bytes()).collect();
        let reply = stage.world.get(&at(&format!("/go/{}", path.replace('+', "%20"))));
        assert_eq!((reply.status.as_u16(), location(&reply)), (404, None), "{forged}");
        if super::html::is_page(&reply) {
            assert_harmless(&reply, &forged, &[&stage.shop.home_uri]);
        }
        assert!(reply.headers.get(header::SET_COOKIE).is_none(), "{forged}");
    }
    assert_eq!(opened(&stage, &link).status, 302);
}

/// What a link or a ticket says, sealed with this deployment's keys for some purpose.
fn sealed(stage: &Stage, purpose: Purpose, shop: &Shop) -> String {
    let keys = Keys::parse(MASTER_KEY, None).unwrap();
    let account = AccountId::parse(&stage.account_id()).unwrap();
    let plain = json!({
        "a": account, "c": shop.client_id, "t": "https://evil.example/", "u": stage.world.now().0 + 600_000, "n": "x",
    });
    keys.seal_text(purpose, &plain.to_string(), [7; 32])
}

#[test]
fn a_forged_ticket_says_nothing_by_hint_by_cookie_or_at_the_retry_button() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let page = format!("{}tea", shop.home_uri);
    let other = stage.other_shop();
    let link = stage.auto_login_link(shop, &page, &json!({}));
    let good = query(location(&opened(&stage, &link)).unwrap())("login_hint").unwrap();
    let foreign = stage.auto_login_link(&other, &other.home_uri, &json!({}));
    let foreign = query(location(&opened(&stage, &foreign)).unwrap())("login_hint").unwrap();
    let user = stage.person_with("花子", AutoLogin::Fails);
    let mut forged: Vec<String> = altered(&good).into_iter().map(|(_, one)| one).collect();
    forged.extend([
        foreign,
        good.replacen("v1.", "v2.", 1),
        "v1.".to_owned(),
        format!("v1.{}", "A".repeat(3_990)),
    ]);
    for purpose in [Purpose::AutoLoginLink, Purpose::Attempt, Purpose::State, Purpose::Configuration] {
        forged.push(sealed(&stage, purpose, shop));
    }
    // Even one that our own key sealed leads nowhere but to the client's pages.
    forged.push(sealed(&stage, Purpose::Ticket, shop));
    for forged in &forged {
        let mut browser = Browser::of(world, &user);
        let failed = browser.arrive(&shop.begin("1").with("login_hint", forged).url, Consent::Plain);
        let button = query(&failed.button().unwrap());
        assert_eq!((button("target"), button("client_id")), (None, Some(shop.client_id.clone())), "{forged}");
        let text: String = forged.chars().filter(char::is_ascii_graphic).collect();
        let carried = format!("{}={text}", cookie::TICKET);
        let started = world.answer(with_cookies(request(Method::GET, &shop.begin("2").url), &carried));
        assert!(location(&started).unwrap().starts_with(LINE), "{forged}");
        let lost =
            world.answer(with_cookies(request(Method::GET, &at("/line/callback?code=x&state=y")), &carried));
        assert_eq!((lost.status.as_u16(), location(&lost)), (400, None), "{forged}");
        let hint = form_urlencoded::byte_serialize(forged.as_bytes()).collect::<String>();
        let pressed = world.get(&format!("{}?client_id={}&ticket={hint}", at("/line/retry"), shop.client_id));
        let expected = format!("{}?client_id={}&checked=1", at("/line/retry"), shop.client_id);
        assert_eq!(location(&pressed), Some(expected.as_str()), "{forged}");
    }
    assert_eq!(stage.count("login_counts WHERE link <> ''"), 0, "no link is counted on anybody's word");
    let mut browser = Browser::of(world, &user);
    let failed = browser.arrive(&shop.begin("1").with("login_hint", &good).url, Consent::Plain);
    assert_eq!(query(&failed.button().unwrap())("target"), Some(page));
    assert_eq!(stage.count("login_counts WHERE link <> ''"), 1);
}

#[test]
fn a_ticket_or_anothers_cookies_complete_no_login() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let link = stage.auto_login_link(shop, &shop.home_uri, &json!({ "type": "sealed" }));
    let begun = |name: &str| {
        let user = stage.person_with(name, AutoLogin::On);
        let mut browser = Browser::of(world, &user);
        let start = browser.go(link["url"].as_str().unwrap()).location.unwrap();
        let (login, _) = shop.started(&start, name);
        let started = browser.go(&login.url).location.unwrap();
        let callback = browser.at_line(&started, Consent::Plain);
        (browser, callback)
    };
    let ((hanako, of_hanako), (taro, of_taro)) = (begun("花子"), begun("太郎"));
    let jar = |browser: &Browser<'_>, with: &dyn Fn(&str) -> bool| -> String {
        let pairs = cookies(browser).into_iter().filter(|(name, _)| with(name));
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    };
    let is_ticket = |name: &str| name == cookie::TICKET;
    for (callback, jar) in [
        (&of_hanako, jar(&taro, &|_| true)),
        (&of_taro, jar(&hanako, &|_| true)),
        (&of_hanako, jar(&hanako, &is_ticket)),
        (&of_hanako, String::new()),
    ] {
        let reply = world.answer(with_cookies(request(Method::GET, callback), &jar));
        assert_eq!((reply.status.as_u16(), location(&reply)), (400, None), "{jar}");
        assert_page(&reply);
        assert!(reply.headers.get(header::SET_COOKIE).is_none());
    }
    assert_eq!(stage.answers_of(LINE_TOKEN), []);
    assert_eq!(stage.count("sessions"), 0);
}

#[test]
fn a_title_is_no_markup_in_the_preview() {
    let stage = Stage::new(1);
    let mut made = 0;
    for word in CORPUS {
        let body = json!({ "client_id": stage.shop.client_id, "target": stage.shop.home_uri, "label": word });
        let (status, link) = stage.api(&stage.shop, Method::POST, "/v1/auto-login-links", Some(&body));
        if status == 400 {
            assert!(word.chars().any(char::is_control), "{word}: {link}");
            continue;
        }
        let mut asked = request(Method::GET, link["url"].as_str().unwrap());
        asked
            .headers
            .insert(header::USER_AGENT, HeaderValue::from_static("facebookexternalhit/1.1;line-poker/1.0"));
        assert_harmless(&stage.world.answer(asked), word, &[]);
        made += 1;
    }
    assert!(made >= 40, "{made}");
}

#[test]
fn links_and_reports_are_their_own_accounts_and_need_its_key() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let link = stage.auto_login_link(&stage.shop, &stage.shop.home_uri, &json!({}));
    let id = link["id"].as_str().unwrap();
    let paths = [
        "/v1/auto-login-links".to_owned(),
        format!("/v1/auto-login-links/{id}"),
        "/v1/reports/auto-login".to_owned(),
        "/v1/reports/friend-add".to_owned(),
    ];
    for path in &paths {
        assert_eq!(stage.world.get(&at(path)).status, 401, "{path}");
        let mut asked = request(Method::GET, &at(path));
        let key = format!("Bearer {}", other.api_key);
        asked.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&key).unwrap());
        assert_eq!(stage.world.answer(asked).status, 401, "{path}");
    }
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let (status, error) = stage.api(&other, method, &paths[1], Some(&json!({})));
        assert_eq!((status, &error["error"]), (404, &json!("not_found")));
    }
    assert_eq!(stage.api(&other, Method::GET, &paths[0], None).1["links"], json!([]));
    assert_eq!(opened(&stage, &link).status, 302);
    let posted = form(link["url"].as_str().unwrap(), &[("x", "y")]);
    assert_eq!(stage.world.answer(posted).status, 405);
    assert_eq!(
        json_body(&stage.world.get(&at("/go/"))),
        json!({
            "error": "not_found", "error_description": "there is nothing at this path",
        })
    );
    assert_eq!(ACCOUNT.issuer, at(""));
}

#[test]
fn a_ticket_of_one_link_poisons_neither_the_page_nor_the_count_of_a_login_that_names_another_page() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let [lured, own] = ["lured", "own"].map(|page| format!("{}{page}", shop.home_uri));
    let link = stage.auto_login_link(shop, &lured, &json!({}));
    let mut browser = Browser::of(world, &stage.person_with("花子", AutoLogin::Fails));
    browser.go(link["url"].as_str().unwrap());
    assert!(browser.cookies(ACCOUNT.host).contains(&cookie::TICKET));
    let failed = browser.arrive(&shop.begin("1").with("target_link_uri", &own).url, Consent::Plain);
    let button = query(&failed.button().unwrap());
    assert_eq!((button("target"), button("ticket")), (Some(own), None));
    assert_eq!((stage.count("login_counts WHERE link <> ''"), stage.count("login_counts")), (0, 1));
}

#[test]
fn a_ticket_of_another_client_counts_nothing_at_the_retry_button() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let other = stage.client("b", &json!({ "initiate_login_uri": "http://127.0.0.1:8789/b/login" }));
    let link = stage.auto_login_link(&other, &other.home_uri, &json!({}));
    let ticket = query(location(&opened(&stage, &link)).unwrap())("login_hint").unwrap();
    let ticket: String = form_urlencoded::byte_serialize(ticket.as_bytes()).collect();
    let press = |client: &str| {
        let url = format!("{}?client_id={client}&ticket={ticket}&checked=1", at("/line/retry"));
        let jar = format!("{}=1", cookie::NO_AUTO_LOGIN);
        assert_eq!(world.answer(with_cookies(request(Method::GET, &url), &jar)).status, 302);
    };
    press(&shop.client_id);
    assert_eq!((stage.count("login_counts WHERE link <> ''"), stage.count("login_counts")), (0, 1));
    press(&other.client_id);
    assert_eq!(
        stage.count(&format!("login_counts WHERE link <> '' AND client_id = '{}'", other.client_id)),
        1
    );
}

#[test]
fn the_way_back_of_a_client_that_is_gone_is_the_accounts_first() {
    let stage = Stage::new(1);
    let gone = stage.client("gone", &json!({}));
    let mut browser = Browser::of(&stage.world, &stage.person("花子"));
    assert_eq!(browser.go(&gone.begin("1").url).status, 302);
    let path = format!("/v1/clients/{}", gone.client_id);
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &path, None).0, 204);
    let failed = browser.go(&at("/line/callback?code=x&state=y"));
    assert_eq!(query(&failed.button().unwrap())("client_id"), None);
    assert_eq!(
        browser.press_retry(&failed).unwrap().split('?').next().unwrap(),
        format!("{}login", stage.shop.home_uri)
    );
}

#[test]
fn the_retry_button_leads_to_a_client_that_this_isolate_does_not_know_yet() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let of_before = world.isolate();
    world.evict_isolate();
    let fresh = stage.client("fresh", &json!({ "initiate_login_uri": "http://127.0.0.1:8789/fresh/login" }));
    world.advance(6_000);
    let pressed = request(Method::GET, &format!("{}?client_id={}", at("/line/retry"), fresh.client_id));
    let reply = world.run(enishi::app::serve(world.context(&of_before), pressed)).unwrap();
    assert!(location(&reply).unwrap().contains(&fresh.client_id), "{:?}", location(&reply));
}

#[test]
fn neither_a_robot_nor_a_stray_visit_at_the_callback_counts_for_anything() {
    let stage = Stage::new(1);
    let visit = |query: &str, agent: &'static str| {
        let mut asked = request(Method::GET, &at(&format!("/line/callback{query}")));
        asked.headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        assert_eq!(stage.world.answer(asked).status, 400);
        stage.count("login_counts") + stage.count("login_attempts")
    };
    assert_eq!(visit("?code=x&state=y", "facebookexternalhit/1.1;line-poker/1.0"), 0);
    assert_eq!(visit("", "Mozilla/5.0"), 0, "nothing of a login");
    assert_eq!(visit("?state=y", "Mozilla/5.0"), 0);
    assert_eq!(
        visit("?code=x&state=y", "Mozilla/5.0"),
        3,
        "a failed one, of which the page is lost, and its mark"
    );
}

#[test]
fn two_changes_of_a_link_at_once_lose_neither_and_none_comes_after_its_end() {
    for seed in 1..20 {
        let stage = Stage::new(seed);
        let link = stage.auto_login_link(&stage.shop, &stage.shop.home_uri, &json!({}));
        let path = format!("/v1/auto-login-links/{}", link["id"].as_str().unwrap());
        let change = |body: Value| stage.shop.api_request(Method::PATCH, &path, Some(&body));
        let both = [json!({ "label": "秋" }), json!({ "campaign": "c" })].map(change);
        let served = both.map(|request| stage.world.serve(request));
        let statuses: Vec<u16> =
            stage.world.together(served).into_iter().map(|reply| reply.unwrap().status.as_u16()).collect();
        let (_, shown) = stage.api(&stage.shop, Method::GET, &path, None);
        let (label, campaign) = (shown["label"] == "秋", shown["campaign"] == "c");
        assert_eq!(
            statuses,
            [label, campaign].map(|made| if made { 200 } else { 409 }),
            "seed {seed}: {shown}"
        );
        let end = stage.shop.api_request(Method::DELETE, &path, None);
        let served =
            [end, change(json!({ "label": "冬", "expires_in": 9 }))].map(|one| stage.world.serve(one));
        stage.world.together(served);
        let (_, shown) = stage.api(&stage.shop, Method::GET, &path, None);
        assert!(!shown["revoked_at"].is_null(), "seed {seed}");
        assert_eq!(opened(&stage, &shown).status, 410, "seed {seed}");
    }
}

#[test]
fn a_revoked_link_stays_revoked_however_often_it_is_opened() {
    let stage = Stage::new(1);
    stage.world.set_cache_staleness(0);
    let link = stage.auto_login_link(&stage.shop, &stage.shop.home_uri, &json!({}));
    let path = format!("/v1/auto-login-links/{}", link["id"].as_str().unwrap());
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &path, None).0, 204);
    for _ in 0..3 {
        assert_eq!(opened(&stage, &link).status, 410);
    }
}

#[test]
fn a_robot_at_the_retry_button_counts_for_nothing() {
    let stage = Stage::new(1);
    for checked in ["", "&checked=1"] {
        let url = format!("{}?client_id={}{checked}", at("/line/retry"), stage.shop.client_id);
        let mut asked = request(Method::GET, &url);
        asked.headers.insert(header::USER_AGENT, HeaderValue::from_static("Slackbot-LinkExpanding 1.0"));
        assert!(stage.world.answer(asked).status.as_u16() < 500);
    }
    assert_eq!(stage.count("login_counts"), 0);
}
