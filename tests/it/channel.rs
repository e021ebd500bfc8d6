//! The Login channel as LINE knows it: its own access token, and what that opens.

use std::rc::Rc;

use enishi::{
    channel, config,
    config::Account,
    line::login,
    secret::SecretText,
    time::MINUTE,
    web::{Answer, Call},
};
use enishi_world::{ACCOUNT, World};
use serde_json::Value;

use crate::support::{Browser, Consent, Stage};

const V3: &str = "/oauth2/v3/token";

/// The account as a job finds it.
fn account(world: &World) -> Rc<Account> {
    let memory = world.isolate();
    let found = world.run(config::account_by_host(world.context(&memory), ACCOUNT.host));
    found.unwrap().unwrap().expect("the account")
}

fn login_token(world: &World) -> SecretText {
    let (memory, account) = (world.isolate(), account(world));
    world.run(channel::login_token(world.context(&memory), &account)).unwrap().unwrap()
}

fn asked(world: &World, call: Call) -> Answer {
    use enishi::platform::Platform as _;
    world.run(world.fetch(call)).unwrap().unwrap()
}

/// The tokens that LINE gave in exchange for the last code.
fn line_tokens(world: &World) -> Value {
    let line = world.line();
    let exchange =
        line.calls().iter().rev().find(|call| call.path == "/oauth2/v2.1/token").expect("an exchange");
    serde_json::from_str(&exchange.answer).unwrap()
}

#[test]
fn the_login_channels_token_is_remembered_and_is_not_the_messaging_channels() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let first = login_token(world);
    assert_eq!(login_token(world), first);
    let (memory, known) = (world.isolate(), account(world));
    let messaging = world.run(channel::token(world.context(&memory), &known)).unwrap().unwrap();
    assert_ne!(messaging, first);
    assert_eq!(stage.answers_of(V3).len(), 2, "one for each channel");
    world.advance(10 * MINUTE + 1);
    assert_ne!(login_token(world), first, "it is not used to its end");
    assert_eq!(stage.answers_of(V3).len(), 3);
}

#[test]
fn a_customers_authorization_is_renewed_and_then_ended_at_line_by_either_credential() {
    for stage in [Stage::new(1), Stage::with_assertion_key(1)] {
        renewed_and_ended(&stage);
    }
}

fn renewed_and_ended(stage: &Stage) {
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.person("花子");
    Browser::of(world, &user).log_in(shop, &shop.begin("1"), Consent::Plain);
    let given = line_tokens(world);
    let refresh_token = SecretText::new(given["refresh_token"].as_str().unwrap().to_owned());
    let (memory, known) = (world.isolate(), account(world));
    let (bases, cx) = (&world.settings().line, world.context(&memory));
    let proof = world.run(channel::login_proof(cx, &known)).unwrap().unwrap();
    let refresh = || asked(world, login::refresh(bases, &known.login, &proof, &refresh_token));
    let renewed: login::Refreshed = refresh().json().expect("an access token");
    assert_eq!(renewed.expires_in, Some(2_592_000));
    let token = login_token(world);
    let end = || asked(world, login::deauthorize(bases, &token, &renewed.access_token)).status.as_u16();
    assert_eq!(end(), 204);
    assert_eq!(end(), 400, "the authorization is over");
    assert_eq!(refresh().status.as_u16(), 400);
}
