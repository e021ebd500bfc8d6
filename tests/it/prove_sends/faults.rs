//! The fault matrix: consumers that are killed, calls whose answers are lost, queues that repeat, members who leave, people who
//! pause, resume and cancel, all at once; and a day of silence in the middle.

use enishi::time::{HOUR, MINUTE, SECOND};
use enishi_world::{
    Trouble,
    line_simulator::{self, FaultKind},
};

use super::*;
use crate::support::{Figures, MULTICAST, PUSH, for_each_seed_of, is_full};

/// How LINE fails: 5 % answers of 500, 2 % accepted and never answered.
const TROUBLE: Trouble = Trouble { server_errors: 0.05, accepted_without_answer: 0.02 };

/// Every call of ours to a store, a queue or LINE fails so often, in one of five ways, two of which kill the consumer.
const FAULTS: f64 = 0.01;

/// Members of rank gold, where queues, LINE and every store fail.
fn rough(seed: u64, members: usize, trouble: Trouble, faults: f64) -> (Stage, Vec<UserId>) {
    let stage = Stage::new(seed);
    let users = stage.many_members(members, "gold");
    stage.world.disturb_queues(ROUGH);
    stage.world.disturb_line(trouble);
    stage.world.fail_by_seed(faults);
    (stage, users)
}

/// One of the things that happen meanwhile; LINE refuses some calls of a path.
fn something_happens(stage: &Stage, id: &str, users: &[UserId], path: &str) {
    let world = &stage.world;
    let some = |number: usize| (0..number).map(|_| users[world.below(users.len())].clone());
    let refuse = |status: u16| {
        let (path, kind) = (path.to_owned(), FaultKind::Status);
        world.line().add_fault(line_simulator::Fault {
            path,
            times: 2,
            kind,
            status: Some(status),
            ms: None,
        });
    };
    match world.below(8) {
        0 => _ = act(stage, id, "pause"),
        1 | 2 => _ = act(stage, id, "resume"),
        3 => {
            for user in some(5) {
                let now = world.now().0;
                _ = world.line().unfollow(now, &user);
                world.advance(1);
            }
            while !world.deliver_webhooks().is_empty() {}
        }
        4 => {
            for user in some(2) {
                _ = stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/s{user}"), None);
            }
        }
        5 => refuse(429),
        6 => refuse(401),
        _ => world.evict_isolate(),
    }
}

/// Whatever was paused goes on, nothing fails any more, and everything ends.
fn comes_to_its_end(stage: &Stage, id: &str) -> Value {
    let world = &stage.world;
    world.end_faults();
    world.disturb_line(Trouble::default());
    for _ in 0..12 {
        world.settle(15 * MINUTE);
        let send = shown(stage, &stage.shop, id);
        if ["done", "partly_failed", "cancelled"].contains(&send["state"].as_str().unwrap()) {
            return send;
        }
        act(stage, id, "resume");
    }
    panic!("it does not end: {}", shown(stage, &stage.shop, id));
}

/// Everybody is in exactly one accepted call or in none for a recorded reason, and what LINE accepted is what we say it did.
fn assert_once(stage: &Stage, id: &str, users: &[UserId], shown: &Value, seed: u64) {
    let times = accepted(&stage.world.line());
    let receipts = receipts(stage);
    let cancelled = shown["state"] == "cancelled";
    for user in users {
        let named = times.get(user).copied().unwrap_or_default();
        assert!(named <= 1, "seed {seed}: {user} is in {named} accepted calls");
        match receipts.get(user).map(Vec::as_slice) {
            Some([1]) => assert_eq!(named, 1, "seed {seed}: {user} is accepted, and LINE knows of nothing"),
            Some([30]) => {}
            Some([_]) => assert_eq!(named, 0, "seed {seed}: {user} has a reason, and LINE accepted it"),
            None => {
                assert_eq!(named, 0, "seed {seed}: {user} is in an accepted call that we know nothing of");
                let reason = cancelled || left_before(stage, id, user);
                assert!(reason, "seed {seed}: {user} was left out without a reason");
            }
            Some(more) => panic!("seed {seed}: {user} has {more:?}"),
        }
    }
    let ours = receipts.values().filter(|outcomes| **outcomes == [1]).count();
    assert_eq!(shown["accepted"].as_u64().unwrap(), ours as u64, "seed {seed}: {shown}");
}

/// Whether somebody had left before the expansion came to them: then they are in no chunk.
fn left_before(stage: &Stage, id: &str, user: &str) -> bool {
    let chunked = stage.count(&format!(
        "chunks c, json_each(c.line_users) j JOIN line_users u ON u.id = j.value \
         WHERE c.send = '{id}' AND u.line_user_id = '{user}'"
    ));
    chunked == 0
}

#[test]
fn prove_sends_survive_the_fault_matrix() {
    let number = if is_full() { 100_000 } else { 3_000 };
    let mut repeated = (0, 0);
    let repeats = std::cell::RefCell::new(&mut repeated);
    for_each_seed_of("sends through faults", 200, |seed| {
        let (stage, users) = rough(seed, number, TROUBLE, FAULTS);
        let world = &stage.world;
        let id = make(&stage, &stage.shop, &to("gold"), "1");
        for _ in 0..20 {
            let pause = i64::try_from(world.below(400)).unwrap();
            world.settle(if is_full() { pause } else { pause / 10 });
            something_happens(&stage, &id, &users, MULTICAST);
        }
        if seed % 4 == 0 {
            act(&stage, &id, "cancel");
        }
        world.settle(2 * MINUTE);
        let send = comes_to_its_end(&stage, &id);
        assert_eq!(send["unresolved"], 0, "seed {seed}: {send}");
        assert_once(&stage, &id, &users, &send, seed);
        let (calls, ideal) = (calls(&stage), world.line().accepted_calls().len() as u64);
        let mut repeats = repeats.borrow_mut();
        (repeats.0, repeats.1) = (repeats.0 + calls, repeats.1 + ideal);
        figures(&stage, &send, calls)
    });
    println!("sends through faults: {} calls for {} that had to be", repeated.0, repeated.1);
    if is_full() {
        assert!(repeated.0 * 100 <= repeated.1 * 115, "{repeated:?}");
    }
}

#[test]
fn prove_sends_of_ones_own_messages_survive_the_fault_matrix() {
    let number = if is_full() { 1_000 } else { 300 };
    for_each_seed_of("sends of one's own messages through faults", 200, |seed| {
        let (stage, users) = rough(seed, number, TROUBLE, FAULTS);
        let world = &stage.world;
        let mut body = to("gold");
        body["messages"][0]["text"] = "{{rank}}".into();
        let id = make(&stage, &stage.shop, &body, "1");
        for _ in 0..20 {
            world.settle(i64::try_from(world.below(400)).unwrap());
            something_happens(&stage, &id, &users, PUSH);
        }
        if seed % 4 == 0 {
            act(&stage, &id, "cancel");
        }
        // In some of them nothing works for a day.
        let day = seed % 3 == 0;
        world.advance(if day { 25 * HOUR } else { 0 });
        world.settle(2 * MINUTE);
        let send = comes_to_its_end(&stage, &id);
        assert!(day || send["unresolved"] == 0, "seed {seed}: {send}");
        assert_once(&stage, &id, &users, &send, seed);
        figures(&stage, &send, stage.answers_of(PUSH).len() as u64)
    });
}

fn calls(stage: &Stage) -> u64 {
    stage.answers_of(MULTICAST).len() as u64
}

fn figures(stage: &Stage, send: &Value, calls: u64) -> Figures {
    let of = |name: &str| send[name].as_u64().unwrap();
    vec![
        ("recipients", of("targeted")),
        ("accepted", of("accepted")),
        ("left out", of("excluded")),
        ("calls", calls),
        ("faults", stage.world.faults_struck()),
        ("messaged twice", 0),
        ("missed without a reason", 0),
    ]
}

#[test]
fn prove_sends_resumed_after_25_hours_send_nothing_twice() {
    let number = if is_full() { 10_000 } else { 2_000 };
    for_each_seed_of("sends after a day", 200, |seed| {
        let trouble = Trouble { server_errors: 0.2, accepted_without_answer: 0.2 };
        let (stage, users) = rough(seed, number, trouble, 0.03);
        let world = &stage.world;
        let id = make(&stage, &stage.shop, &to("gold"), "1");
        world.settle(i64::try_from(world.below(3_000)).unwrap());
        act(&stage, &id, "pause");
        // Nothing works for a day: neither cron nor queues.
        world.advance(25 * HOUR);
        act(&stage, &id, "resume");
        world.settle(10 * SECOND);
        let send = comes_to_its_end(&stage, &id);
        assert_once(&stage, &id, &users, &send, seed);
        let mut figures = figures(&stage, &send, calls(&stage));
        figures.push(("unresolved", send["unresolved"].as_u64().unwrap()));
        figures
    });
}
