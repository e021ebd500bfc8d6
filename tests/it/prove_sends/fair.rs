//! Ten accounts at once: a large one is in nobody's way.

use enishi::{store::Queue, time::SECOND};
use enishi_world::{
    ACCOUNT, LineAccount,
    line_simulator::{self, Config, FaultKind, MessagingChannel},
};

use super::*;
use crate::support::{MULTICAST, is_full, json_body};

/// How long LINE takes for a call, in milliseconds.
const LATENCY: u64 = 100;

/// An account beside the world's own.
fn account(stage: &Stage, number: usize) -> Shop {
    let text = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let line = LineAccount {
        host: text(format!("shop-{number}.localhost")),
        issuer: text(format!("http://shop-{number}.localhost:8787")),
        name: "店",
        login_channel: text(format!("30000000{number:02}")),
        login_secret: text(format!("{number:02}eeddccbbaa99887766554433221100")),
        messaging_channel: text(format!("40000000{number:02}")),
        messaging_secret: text(format!("{number:02}112233445566778899aabbccddeeff")),
        bot_user_id: text(format!("U00000000000000000000000000001{number:03}")),
        email_permission: false,
    };
    let channel = MessagingChannel {
        channel_id: line.messaging_channel.into(),
        channel_secret: line.messaging_secret.to_owned(),
        bot_user_id: line.bot_user_id.into(),
        basic_id: "@shop".to_owned(),
        display_name: line.name.to_owned(),
        webhook_endpoint: None,
        webhook_active: false,
        quota: None,
        certified: false,
    };
    let channels = Config { messaging_channels: vec![channel], ..Config::default() };
    stage.world.line().upsert_channels(channels);
    let shop = Shop::of(line, text(format!("fair-{number}")));
    let reply = stage.put_account(line.host, &shop.account_body());
    assert_eq!(reply.status, 201, "{}", json_body(&reply));
    shop
}

/// Sends of one large account, if it takes part, and of small ones; how long each of the small ones took, in milliseconds.
fn times(large: Option<usize>, small: &[usize]) -> Vec<i64> {
    let stage = Stage::new(1);
    let world = &stage.world;
    let shops: Vec<Shop> = small.iter().map(|number| account(&stage, *number)).collect();
    let recipients = if is_full() { 5_000 } else { 3_000 };
    for shop in &shops {
        let rows = world.query(&format!("SELECT id FROM accounts WHERE host = '{}'", shop.line.host));
        stage.many_members_of(rows[0]["id"].as_str().unwrap(), recipients, "gold");
    }
    let (path, kind) = (MULTICAST.to_owned(), FaultKind::Latency);
    let slow = line_simulator::Fault { path, times: u32::MAX, kind, status: None, ms: Some(LATENCY) };
    world.line().add_fault(slow);
    world.disturb_queues(Disturbance { consumers: 50, shuffle: false, ..Disturbance::NONE });
    if let Some(large) = large {
        stage.many_members(large, "gold");
        make(&stage, &stage.shop, &to("gold"), "1");
        // Two seconds' worth of its chunks are on the queue before anybody else comes.
        assert!(world.deliver_batch(Queue::Steps));
        assert!(world.queued().len() >= 200);
    }
    let began = world.now().0;
    let sends: Vec<String> = shops.iter().map(|shop| make(&stage, shop, &to("gold"), "1")).collect();
    world.settle(30 * SECOND);
    for (shop, id) in shops.iter().zip(&sends) {
        let send = shown(&stage, shop, id);
        assert_eq!((&send["state"], &send["accepted"]), (&json!("done"), &json!(recipients)), "{send}");
    }
    let line = world.line();
    let last = |channel: &str| {
        let of = line.accepted_calls().iter().filter(|call| call.channel_id.as_str() == channel);
        of.map(|call| call.at).max().unwrap() - began
    };
    let times: Vec<i64> = shops.iter().map(|shop| last(shop.line.messaging_channel)).collect();
    if large.is_some() {
        let end = last(ACCOUNT.messaging_channel);
        assert!(times.iter().all(|time| *time < end), "the large one was under way until {end}: {times:?}");
    }
    times
}

#[test]
fn prove_sends_of_small_accounts_wait_for_no_large_one() {
    let large = if is_full() { 1_000_000 } else { 200_000 };
    let small: Vec<usize> = (1..10).collect();
    let alone: Vec<i64> = small.iter().map(|number| times(None, &[*number])[0]).collect();
    let together = times(Some(large), &small);
    println!("fairness: beside {large} recipients {together:?} ms, alone {alone:?} ms");
    for (together, alone) in together.iter().zip(&alone) {
        assert!(together * 2 <= alone * 3, "{together} ms, alone {alone} ms");
    }
}
