//! Everything at once: what may happen once happens once, whoever comes first.

use enishi::web::{Reply, Request};
use http::header;
use serde_json::json;

use super::{
    at,
    linking::{at_consent, code, pushed, word},
    location, logged_in, posted, text,
};
use crate::support::{Browser, Consent, Stage, json_body};

/// Serves all of them side by side, in an order of the seed's.
fn at_once(stage: &Stage, requests: impl IntoIterator<Item = Request>) -> Vec<Reply> {
    let futures = requests.into_iter().map(|request| stage.world.serve(request));
    stage.world.together(futures).into_iter().map(Option::unwrap).collect()
}

/// How many of the replies have this status; none may be a failure of ours.
fn statuses(replies: &[Reply], status: u16) -> usize {
    assert!(replies.iter().all(|reply| reply.status.as_u16() < 500));
    replies.iter().filter(|reply| reply.status.as_u16() == status).count()
}

#[test]
fn of_many_browsers_that_open_a_pushed_request_at_once_one_goes_on() {
    for seed in 1..6 {
        let stage = Stage::new(seed);
        let (_, opening) = pushed(&stage, &stage.shop, "1", "m-1");
        let requests =
            (0..12).map(|at| Browser::of(&stage.world, &format!("browser-number-{at}")).request(&opening));
        let replies = at_once(&stage, requests);
        assert_eq!((statuses(&replies, 302), statuses(&replies, 400)), (1, 11), "seed {seed}");
    }
}

#[test]
fn a_yes_and_a_no_at_once_tie_once_or_never() {
    for seed in 1..9 {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, &stage.shop);
        let (login, opening) = pushed(&stage, shop, "1", "m-1");
        let mut browser = Browser::of(world, &stage.person("花子"));
        let sealed = at_consent(world, &mut browser, &opening);
        let said =
            |choice: &str| posted(&browser, &at("/line/consent"), &[("state", &sealed), ("choice", choice)]);
        let replies = at_once(&stage, ["allow", "deny", "allow", "deny", "allow"].map(said));
        let codes: Vec<String> = replies.iter().filter_map(|reply| code(shop, reply)).collect();
        let redeemed = at_once(&stage, codes.iter().map(|code| shop.token_request(code, &login.verifier)));
        assert_eq!(statuses(&redeemed, 200) > 0, stage.count("links") == 1, "seed {seed}");
        assert!(stage.count("links") <= 1, "seed {seed}");
    }
}

#[test]
fn of_two_people_who_agree_to_be_one_member_at_once_one_is() {
    for seed in 1..6 {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, &stage.shop);
        let requests: Vec<Request> = ["花子", "太郎", "次郎"]
            .map(|name| {
                let (login, opening) = pushed(&stage, shop, name, "m-1");
                let mut browser = Browser::of(world, &stage.person(name));
                let sealed = at_consent(world, &mut browser, &opening);
                let code = code(shop, &word(world, &browser, &sealed, "allow")).unwrap();
                shop.token_request(&code, &login.verifier)
            })
            .into();
        let replies = at_once(&stage, requests);
        assert_eq!((statuses(&replies, 200), statuses(&replies, 400)), (1, 2), "seed {seed}");
        assert_eq!((stage.count("links"), stage.count("grants")), (1, 1), "seed {seed}");
    }
}

#[test]
fn of_two_members_whom_one_person_agrees_to_be_at_once_one_is_tied() {
    for seed in 1..6 {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, &stage.shop);
        let mut browser = Browser::of(world, &stage.person("花子"));
        let agreed = ["m-1", "m-2", "m-3"].map(|member| {
            let (login, opening) = pushed(&stage, shop, member, member);
            let sealed = at_consent(world, &mut browser, &opening);
            (login, code(shop, &word(world, &browser, &sealed, "allow")).unwrap())
        });
        let replies =
            at_once(&stage, agreed.iter().map(|(login, code)| shop.token_request(code, &login.verifier)));
        assert_eq!((statuses(&replies, 200), statuses(&replies, 400)), (1, 2), "seed {seed}");
        assert_eq!((stage.count("links"), stage.count("grants")), (1, 1), "seed {seed}");
    }
}

#[test]
fn fifty_refreshes_of_one_token_at_once_make_one_lineage() {
    for seed in 1..4 {
        let stage = Stage::new(seed);
        let shop = &stage.shop;
        let (_, _, tokens) = stage.logged_in(shop, "openid offline_access");
        let token = text(&tokens, "refresh_token");
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        let replies = at_once(&stage, (0..50).map(|_| shop.request("/token", &fields)));
        assert_eq!(statuses(&replies, 200), 50, "seed {seed}");
        let mut successors: Vec<String> =
            replies.iter().map(|reply| text(&json_body(reply), "refresh_token")).collect();
        successors.dedup();
        assert_eq!(successors.len(), 1, "seed {seed}");
        assert_eq!(stage.count("refresh_tokens"), 2);
    }
}

#[test]
fn whatever_ends_a_grant_at_once_with_its_renewal_ends_it() {
    for seed in 1..9 {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, &stage.shop);
        let (browser, _, tokens) = stage.logged_in(shop, "openid offline_access");
        let token = text(&tokens, "refresh_token");
        let hint = text(&tokens, "id_token");
        let renewal = shop.request("/token", &[("grant_type", "refresh_token"), ("refresh_token", &token)]);
        let end = match seed % 2 {
            0 => shop.request("/revoke", &[("token", &token)]),
            _ => browser.request(&shop.logout_url(&[("id_token_hint", &hint)])),
        };
        let replies = at_once(&stage, [renewal.clone(), end, renewal]);
        for reply in replies.iter().filter(|reply| json_body(reply).get("access_token").is_some()) {
            let renewed = json_body(reply);
            assert_eq!(shop.userinfo(world, &text(&renewed, "access_token")).status, 401, "seed {seed}");
            assert_eq!(shop.refresh(world, &text(&renewed, "refresh_token")).status, 400, "seed {seed}");
        }
        assert_eq!(stage.count("grants WHERE ended_at IS NULL"), 0, "seed {seed}");
    }
}

#[test]
fn a_code_that_owner_and_thieves_present_at_once_is_its_owners_or_nobodys() {
    for seed in 1..6 {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, &stage.shop);
        let thief = stage.client("2", &json!({ "redirect_uris": [shop.redirect_uri] }));
        let (login, code) = logged_in(&stage, shop, "1");
        let wrong = "x".repeat(43);
        let mut requests = vec![shop.token_request(&code, &login.verifier)];
        for _ in 0..5 {
            requests.push(thief.token_request_with(
                &thief.client_secret,
                &shop.redirect_uri,
                &code,
                &login.verifier,
            ));
            requests.push(shop.token_request(&code, &wrong));
            requests.push(shop.token_request(&code, ""));
        }
        let replies = at_once(&stage, requests);
        assert_eq!(statuses(&replies, 200), 1, "seed {seed}");
        let tokens = json_body(&replies[0]);
        let subject = shop.verified(world, &login, &tokens);
        assert!(subject["sub"].is_string(), "seed {seed}");
    }
}

#[test]
fn a_callback_that_two_browsers_open_at_once_is_the_one_that_started_it() {
    for seed in 1..6 {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, &stage.shop);
        let mut victim = Browser::of(world, &stage.person("花子"));
        let mut attacker = Browser::of(world, &stage.person("太郎"));
        let login = shop.begin("1");
        let started = victim.go(&login.url);
        attacker.go(&shop.begin("2").url);
        let callback = victim.at_line(&started.location.unwrap(), Consent::Plain);
        let requests = [&attacker, &victim, &attacker, &victim].map(|browser| browser.request(&callback));
        let replies = at_once(&stage, requests);
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        assert_eq!(statuses, [400, 302, 400, 302], "seed {seed}");
        assert!(replies[0].headers.get(header::SET_COOKIE).is_none());
        shop.claims(world, &login, &shop.code(&login, location(&replies[1]).unwrap()));
        assert_eq!(stage.count("sessions"), 1);
    }
}
