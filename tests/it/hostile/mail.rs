//! Mailed codes in the hands of who does not read the mail: six digits are few, so that guesses must be few.

use enishi::web::{Reply, Request};

use super::{
    at,
    html::{hidden, html},
    posted, sent, text,
};
use crate::support::{Browser, Consent, Shop, Stage, form};

/// Logs in to the page that asks for the code; its sealed state, if it does.
fn asked(stage: &Stage, shop: &Shop, browser: &mut Browser<'_>) -> Option<String> {
    let login = shop.begin("1").but("scope", Some("openid email")).with("prompt", "login");
    let started = browser.go(&login.url);
    let callback = browser.at_line(&started.location.unwrap(), Consent::Plain);
    let request = browser.request(&callback);
    let page = sent(&stage.world, browser, request);
    hidden(&html(&page), "state")
}

fn said(browser: &Browser<'_>, sealed: &str, choice: &str, code: &str) -> Request {
    posted(browser, &at("/line/email"), &[("state", sealed), ("choice", choice), ("code", code)])
}

#[test]
fn a_mailed_code_is_guessed_five_times_however_many_guess_at_once() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let shop = stage.proving("m");
    let mut browser = Browser::of(world, &stage.person_at("花子", "president@shop.example"));
    let sealed = asked(&stage, &shop, &mut browser).expect("the page");
    world.run_queues();
    let told: serde_json::Value = serde_json::from_slice(&world.shop_calls()[0].body).unwrap();
    let right = text(&told["data"], "code");
    let wrong = (0..60).map(|at| format!("{at:06}")).filter(|code| *code != right);
    let guesses = wrong.map(|code| world.serve(said(&browser, &sealed, "verify", &code)));
    let replies: Vec<Reply> = world.together(guesses).into_iter().map(Option::unwrap).collect();
    assert!(replies.len() >= 59 && replies.iter().all(|reply| reply.status == 200));
    assert_eq!(stage.count("email_codes WHERE tries > 5"), 0);
    let reply = world.answer(said(&browser, &sealed, "verify", &right));
    assert!(hidden(&html(&reply), "state").is_some(), "the right one comes too late");
    assert_eq!(stage.count("line_users WHERE email_verified_at IS NOT NULL"), 0);
    for _ in 0..5 {
        assert_eq!(world.answer(said(&browser, &sealed, "resend", "")).status, 200);
    }
    world.run_queues();
    assert_eq!(world.shop_calls().len(), 3, "one mail and two more");
    assert_eq!(world.answer(form(&at("/line/email"), &[("state", &sealed), ("choice", "skip")])).status, 400);
}

#[test]
fn a_code_of_one_login_is_worth_nothing_in_another_or_for_another_person() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let shop = stage.proving("m");
    let user = stage.person_at("花子", "president@shop.example");
    let (mut one, mut two) = (Browser::of(world, &user), Browser::of(world, &user));
    let mut other = Browser::of(world, &stage.person_at("太郎", "president@shop.example"));
    let sealed = asked(&stage, &shop, &mut one).expect("the page");
    world.run_queues();
    let told: serde_json::Value = serde_json::from_slice(&world.shop_calls()[0].body).unwrap();
    let code = text(&told["data"], "code");
    for (browser, sealed) in [(&two, &sealed), (&other, &sealed)] {
        assert_eq!(world.answer(said(browser, sealed, "verify", &code)).status, 400, "not their login");
    }
    for browser in [&mut two, &mut other] {
        let own = asked(&stage, &shop, browser).expect("the page");
        let reply = world.answer(said(browser, &own, "verify", &code));
        assert!(hidden(&html(&reply), "state").is_some(), "another login's code");
    }
    assert_eq!(stage.count("line_users WHERE email_verified_at IS NOT NULL"), 0);
    let proven = world.answer(said(&one, &sealed, "verify", &code));
    assert_eq!((proven.status.as_u16(), hidden(&html(&proven), "state")), (200, None));
    assert_eq!(stage.count("line_users WHERE email_verified_at IS NOT NULL"), 1, "only hers");
}

#[test]
fn nobody_has_codes_mailed_without_end_or_guesses_without_end_by_logging_in_again() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let shop = stage.proving("m");
    let mut browser = Browser::of(world, &stage.person_at("花子", "president@shop.example"));
    for _ in 0..30 {
        let Some(sealed) = asked(&stage, &shop, &mut browser) else { continue };
        for choice in ["resend", "resend", "resend"] {
            assert!(world.answer(said(&browser, &sealed, choice, "")).status.as_u16() < 500);
        }
    }
    world.run_queues();
    let mails = world.shop_calls().len();
    assert!(mails <= 20, "{mails} mails in no time to one address, and five guesses at each");
}
