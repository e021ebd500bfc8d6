//! Link fixation in both directions: whoever lures another into a link, or takes another's request, ties nothing.

use enishi::{time::MINUTE, web::Reply};
use enishi_world::{ACCOUNT, LINE, World};
use http::Method;
use serde_json::json;

use super::{
    at, error_of,
    html::{hidden, html, ways},
    location, posted, sent,
};
use crate::{
    erase::{erase, found},
    support::{Browser, Consent, LINE_TOKEN, Login, Shop, Stage, json_body, query},
};

/// The shop asks to link this member: its session's half of the login, and where the browser opens it.
pub(super) fn pushed(stage: &Stage, shop: &Shop, mark: &str, member: &str) -> (Login, String) {
    let login = shop.begin(mark);
    let reply = shop.push(&stage.world, &login, &[("member_id", member), ("member_label", "会員の方")]);
    (login, shop.opening(&reply))
}

/// Through LINE to the consent page; its sealed state.
pub(super) fn at_consent(world: &World, browser: &mut Browser<'_>, opening: &str) -> String {
    let started = browser.go(opening);
    let line = started.location.unwrap_or_else(|| panic!("not opened: {}", started.html));
    let asked = browser.request(&browser.at_line(&line, Consent::Plain));
    let page = sent(world, browser, asked);
    assert_eq!(page.status, 200, "{:?}", page.reason);
    hidden(&html(&page), "state").expect("the consent page")
}

/// The browser's word on the consent page.
pub(super) fn word(world: &World, browser: &Browser<'_>, sealed: &str, choice: &str) -> Reply {
    world.answer(posted(browser, &at("/line/consent"), &[("state", sealed), ("choice", choice)]))
}

/// The code with which the page goes on to the shop, if it does.
pub(super) fn code(shop: &Shop, reply: &Reply) -> Option<String> {
    let to = ways(&html(reply)).into_iter().find(|way| way.starts_with(&shop.redirect_uri))?;
    query(&to)("code")
}

#[test]
fn an_attackers_request_that_a_victim_finishes_ties_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (of_attacker, opening) = pushed(&stage, shop, "attacker", "m-attacker");
    let mut victim = Browser::of(world, &stage.person("花子"));
    let sealed = at_consent(world, &mut victim, &opening);
    let page = word(world, &victim, &sealed, "allow");
    let code = code(shop, &page).expect("she was deceived");
    // The shop's session in her browser knows neither this state nor the verifier: all it could do is this.
    let of_victim = shop.begin("victim");
    assert_ne!((&of_victim.state, &of_victim.verifier), (&of_attacker.state, &of_attacker.verifier));
    assert_eq!(error_of(&shop.redeem(world, &of_victim, &code)), (400, "invalid_grant".to_owned()));
    assert_eq!(error_of(&world.answer(shop.token_request(&code, ""))), (400, "invalid_grant".to_owned()));
    assert_eq!(stage.count("links"), 0);
    // The attacker's session could, but has no code; once it is over, nobody can.
    world.advance(MINUTE);
    assert_eq!(shop.redeem(world, &of_attacker, &code).status, 400);
    assert_eq!(stage.count("links") + stage.count("grants"), 0);
}

#[test]
fn a_victims_request_that_is_open_is_finished_by_nobody_else() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (login, opening) = pushed(&stage, shop, "victim", "m-victim");
    let mut victim = Browser::of(world, &stage.person("花子"));
    let attacker_id = stage.person("太郎");
    let mut attacker = Browser::of(world, &attacker_id);
    let line = victim.go(&opening).location.unwrap();
    for url in [opening.clone(), format!("{opening}&prompt=none"), format!("{opening}&member_id=m-1")] {
        let shown = attacker.go(&url);
        assert_eq!((shown.status, shown.location), (400, None), "opened by another browser");
    }
    // The attacker goes to LINE by the victim's own address, and comes back to his own browser.
    let callback = attacker.at_line(&line, Consent::Plain);
    assert_eq!(attacker.go(&callback).status, 400);
    let sealed = query(&line)("state").unwrap();
    for choice in ["allow", "deny"] {
        assert_eq!(word(world, &attacker, &sealed, choice).status, 400);
    }
    assert_eq!(stage.answers_of(LINE_TOKEN), []);
    assert_eq!(stage.count("links") + stage.count("sessions"), 0);
    // The victim goes on as if nothing had been.
    let sealed = at_consent(world, &mut victim, &opening);
    let code = code(shop, &word(world, &victim, &sealed, "allow")).expect("her code");
    shop.claims(world, &login, &code);
    let linked = world
        .query("SELECT l.member_id, u.line_user_id FROM links l JOIN line_users u ON u.id = l.line_user");
    assert_eq!(linked.len(), 1);
    assert_eq!(linked[0]["member_id"], "m-victim");
    assert_ne!(linked[0]["line_user_id"], json!(attacker_id));
}

#[test]
fn a_request_that_an_attacker_opened_first_is_closed_to_the_victim_and_names_him_on_the_page() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, opening) = pushed(&stage, shop, "victim", "m-victim");
    let mut attacker = Browser::of(world, &stage.person("太郎"));
    let line = attacker.go(&opening).location.unwrap();
    let mut victim = Browser::of(world, &stage.person("花子"));
    let shown = victim.go(&opening);
    assert_eq!((shown.status, shown.location), (400, None));
    assert_eq!(victim.cookies(ACCOUNT.host), Vec::<&str>::new());
    // Nor can the victim be sent to LINE in the attacker's name, or home with his answer.
    let callback = victim.at_line(&line, Consent::Plain);
    assert_eq!(victim.go(&callback).status, 400);
    let callback = attacker.at_line(&line, Consent::Plain);
    assert_eq!(victim.go(&callback).status, 400);
    let page = attacker.go(&callback);
    assert!(page.html.contains("太郎") && page.html.contains("会員の方"), "{}", page.html);
    assert_eq!(stage.count("links"), 0);
}

#[test]
fn a_live_session_does_not_answer_a_request_to_link() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (mut browser, _, _) = stage.logged_in(shop, "openid");
    let (_, opening) = pushed(&stage, shop, "1", "m-1");
    assert!(browser.go(&opening).location.unwrap().starts_with(LINE), "always by way of LINE and the page");
    let login = shop.begin("2").with("prompt", "none");
    let reply = shop.push(world, &login, &[("member_id", "m-1")]);
    let back = browser.go(&shop.opening(&reply)).location.unwrap();
    assert_eq!(shop.answer(&login, &back)("error").as_deref(), Some("login_required"));
    assert_eq!(stage.count("links") + stage.count("codes WHERE link IS NOT NULL"), 0);
}

#[test]
fn a_member_is_named_only_by_a_confidential_client_that_pushes_with_pkce() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let public = stage.client("p", &json!({ "token_endpoint_auth_method": "none" }));
    let lax = stage.client("lax", &json!({ "require_pkce": false }));
    let (browser, _, _) = stage.logged_in(shop, "openid");
    for login in [
        shop.begin("1").with("member_id", "m-1"),
        shop.begin("1").with("member_id", "m-1").with("prompt", "none"),
        shop.begin("1").with("member_id", "m-1").with("member_label", "x"),
    ] {
        for reply in [world.get(&login.url), world.answer(browser.request(&login.url))] {
            let back = shop.answer(&login, location(&reply).unwrap());
            assert_eq!((back("error").as_deref(), back("code")), (Some("invalid_request"), None));
        }
    }
    let member = [("member_id", "m-1")];
    assert_eq!(
        error_of(&public.push(world, &public.begin("1"), &member)),
        (400, "invalid_request".to_owned())
    );
    let bare = lax.begin("1").but("code_challenge", None).but("code_challenge_method", None);
    assert_eq!(error_of(&lax.push(world, &bare, &member)), (400, "invalid_request".to_owned()));
    assert_eq!(lax.push(world, &bare, &[]).status, 201);
    let long = "x".repeat(256);
    for wrong in ["a\nb", "a\0b", "\u{7f}", &long] {
        let reply = shop.push(world, &shop.begin("1"), &[("member_id", wrong)]);
        assert_eq!(error_of(&reply), (400, "invalid_request".to_owned()), "{wrong:?}");
    }
    let long = "x".repeat(101);
    for wrong in ["a\nb", "\u{9b}31m", &long] {
        let reply = shop.push(world, &shop.begin("1"), &[("member_id", "m-1"), ("member_label", wrong)]);
        assert_eq!(error_of(&reply), (400, "invalid_request".to_owned()), "{wrong:?}");
    }
    let twice = [("member_id", "m-1"), ("member_id", "m-2")];
    assert_eq!(error_of(&shop.push(world, &shop.begin("1"), &twice)), (400, "invalid_request".to_owned()));
    // Beside a request_uri it does not count.
    let reply = shop.push(world, &shop.begin("2"), &[]);
    let opening = format!("{}&member_id=m-1&member_label=x", shop.opening(&reply));
    let reply = world.answer(browser.request(&opening));
    assert!(location(&reply).unwrap().starts_with(&shop.redirect_uri));
    assert_eq!(stage.count("codes WHERE link IS NOT NULL"), 0);
}

#[test]
fn a_code_that_carries_a_link_makes_it_for_its_own_client_only_and_against_no_other_link() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let other = stage.client("2", &json!({ "redirect_uris": [shop.redirect_uri] }));
    let agreed = |mark: &str, member: &str, name: &str| {
        let (login, opening) = pushed(&stage, shop, mark, member);
        let mut browser = Browser::of(world, &stage.person(name));
        let sealed = at_consent(world, &mut browser, &opening);
        let code = code(shop, &word(world, &browser, &sealed, "allow")).expect("a code");
        (login, code)
    };
    let (login, first) = agreed("1", "m-1", "花子");
    let stolen = world.answer(other.token_request_with(
        &other.client_secret,
        &shop.redirect_uri,
        &first,
        &login.verifier,
    ));
    assert_eq!(error_of(&stolen), (400, "invalid_grant".to_owned()));
    assert_eq!(stage.count("links"), 0);
    // Meanwhile another LINE user agreed to be the same member: who comes second ties nothing.
    let (second_login, second) = agreed("2", "m-1", "太郎");
    shop.claims(world, &login, &first);
    assert_eq!(error_of(&shop.redeem(world, &second_login, &second)), (400, "invalid_grant".to_owned()));
    assert_eq!(stage.count("links"), 1);
    let spent = json_body(&shop.redeem(world, &login, &first));
    assert_eq!(spent["error"], "invalid_grant");
    assert_eq!(stage.count("links"), 1, "a second use ends what it gave, and does not tie or untie");
}

#[test]
fn a_pushed_request_that_was_open_when_its_member_was_erased_ties_nobody() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let put = json!({ "attributes": { "rank": "gold" } });
    assert_eq!(stage.api(shop, Method::PUT, "/v1/members/member-canary-7", Some(&put)).0, 200);
    let (login, opening) = pushed(&stage, shop, "1", "member-canary-7");
    let mut browser = Browser::of(world, &stage.person("花子"));
    let sealed = at_consent(world, &mut browser, &opening);
    assert_eq!(erase(&stage, "member-canary-7"), 204);
    let answer = word(world, &browser, &sealed, "allow");
    if let Some(code) = code(shop, &answer) {
        shop.redeem(world, &login, &code);
    }
    assert_eq!(stage.count("links"), 0);
    assert_eq!(found(&stage, &["member-canary-7"]), []);
    assert_eq!(answer.status, 400, "she starts again at the shop");
}

#[test]
fn a_code_that_was_out_when_its_member_was_erased_ties_nobody() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let member = "/v1/members/member-canary-7";
    assert_eq!(stage.api(shop, Method::PUT, member, Some(&json!({ "attributes": { "a": 1 } }))).0, 200);
    let (login, opening) = pushed(&stage, shop, "1", "member-canary-7");
    let mut browser = Browser::of(world, &stage.person("花子"));
    let sealed = at_consent(world, &mut browser, &opening);
    let code = code(shop, &word(world, &browser, &sealed, "allow")).unwrap();
    assert_eq!(erase(&stage, "member-canary-7"), 204);
    assert_eq!(error_of(&shop.redeem(world, &login, &code)), (400, "invalid_grant".to_owned()));
    assert_eq!((stage.count("links"), found(&stage, &["member-canary-7"])), (0, vec![]));
}
