//! A target in trouble delays nobody else, and gets everything once it recovers.

use std::collections::BTreeSet;

use super::*;
use crate::support::webhook;

/// Deliveries of one run.
const NUMBER: usize = 80;

/// So many consumers that a target which hangs keeps one busy and the others free, as Queues start more.
const MANY: Disturbance = Disturbance { shuffle: true, consumers: 4, ..Disturbance::NONE };

/// When the deliveries of a seed are applied, within a minute, in milliseconds.
fn schedule(seed: u64) -> Vec<i64> {
    let at = |number: u64| i64::try_from((seed * 7_919 + number * number * 104_729) % 60_000).unwrap();
    let mut times: Vec<i64> = (0..NUMBER as u64).map(at).collect();
    times.sort_unstable();
    times
}

/// When each delivery arrived at a tool, while the other one does this with every call for a minute.
fn arrivals(seed: u64, trouble: Option<ShopOutcome>) -> Vec<(usize, i64)> {
    let stage = Stage::new(seed);
    let world = &stage.world;
    world.disturb_queues(MANY);
    relay_to(&stage, ONE, &json!({}));
    if let Some(trouble) = trouble {
        relay_to(&stage, TWO, &json!({}));
        world.answer_shop_calls_at(TWO, trouble);
    }
    let began = world.now();
    world.settle_beside(MINUTE, async {
        for (number, at) in schedule(seed).into_iter().enumerate() {
            world.sleep_until(began + at).await;
            write(&stage, [number]).await.unwrap();
        }
    });
    if trouble.is_some() {
        assert_eq!(taken(&stage, TWO), Vec::<usize>::new());
        recovers(&stage, TWO);
        world.settle(3 * MINUTE);
        let numbers = taken(&stage, TWO);
        assert_eq!(numbers, (0..NUMBER).collect::<Vec<_>>(), "everything, in order, once it recovers");
    }
    calls_at(&stage, ONE).iter().map(|call| (number_of(call), call.at - began)).collect()
}

#[test]
fn prove_relays_to_a_target_that_fails_hangs_or_is_slow_delay_nobody_else() {
    let error = ShopOutcome::Status(StatusCode::INTERNAL_SERVER_ERROR);
    let troubles = [error, ShopOutcome::Silence, ShopOutcome::Late(StatusCode::OK, 60_000)];
    for_each_seed("a target in trouble", |seed| {
        let alone = arrivals(seed, None);
        let at_once: Vec<(usize, i64)> = schedule(seed).into_iter().enumerate().collect();
        assert_eq!(alone, at_once, "seed {seed}");
        for trouble in troubles {
            assert_eq!(arrivals(seed, Some(trouble)), alone, "seed {seed}: {trouble:?}");
        }
        vec![("deliveries", (troubles.len() * NUMBER) as u64), ("delayed at the other target", 0)]
    });
}

/// Those of `numbers` that stand at more than one place.
fn scattered(numbers: &[usize]) -> BTreeSet<usize> {
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for run in numbers.chunk_by(|a, b| a == b) {
        twice.extend(run.first().filter(|number| !seen.insert(**number)));
    }
    twice
}

/// Each of `numbers` where it stands first, without `some`.
fn firsts(numbers: &[usize], some: &BTreeSet<usize>) -> Vec<usize> {
    let mut seen = some.clone();
    numbers.iter().copied().filter(|number| seen.insert(*number)).collect()
}

#[test]
fn prove_relays_send_everything_in_order_through_faults_and_troubled_targets() {
    for_each_seed("relays", |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        relay_to(&stage, ONE, &json!({}));
        relay_to(&stage, TWO, &json!({}));
        let storm = Disturbance { duplicates: 0.2, late: 5_000, shuffle: true, consumers: 4 };
        world.disturb_queues(storm);
        let troubles = [
            ShopOutcome::Status(StatusCode::INTERNAL_SERVER_ERROR),
            ShopOutcome::Silence,
            ShopOutcome::Late(StatusCode::OK, 60_000),
            ShopOutcome::Late(StatusCode::OK, 4_000),
        ];
        world.fail_by_seed(0.05);
        let mut number = 0;
        while number < 120 {
            let url = [ONE, TWO][world.below(2)];
            let is_well = world.below(2) == 0;
            let trouble =
                if is_well { ShopOutcome::Status(StatusCode::OK) } else { troubles[world.below(4)] };
            world.answer_shop_calls_at(url, trouble);
            for _ in 0..=world.below(8) {
                // LINE delivers again what was not acknowledged, and now and then what was.
                while world.answer(webhook(&body(number))).status != 200 {}
                if world.below(5) == 0 {
                    let _ = world.answer(webhook(&body(number)));
                }
                number += 1;
            }
            world.settle(i64::try_from(world.below(20)).unwrap() * SECOND);
            world.evict_isolate();
        }
        world.end_faults();
        recovers(&stage, ONE);
        recovers(&stage, TWO);
        world.settle(25 * MINUTE);
        // The queue shuffles; the ledger has an order, which is every tool's. What the door put down itself and LINE delivered
        // again may have gone to a tool before it was known to repeat.
        let ledger = world.query(
            "SELECT CAST(substr(body ->> '$.events[0].webhookEventId', 6) AS INTEGER) AS number \
             FROM webhook_deliveries WHERE verdict <> 'duplicate' ORDER BY seq",
        );
        let number_in = |row: &Value| usize::try_from(row["number"].as_u64().unwrap()).unwrap();
        let ledger: Vec<usize> = ledger.iter().map(number_in).collect();
        assert!(ledger.len() >= number, "seed {seed}: nothing is lost at the door");
        assert_eq!(world.queued(), Vec::<String>::new(), "seed {seed}");
        assert_eq!(stage.count("relays WHERE due_at IS NULL AND lease IS NULL"), 2, "seed {seed}");
        assert_eq!(stage.count("relay_dead_letters"), 0, "seed {seed}");
        // Whatever a tool answered: it may have taken what it answered too late.
        for url in [ONE, TWO] {
            let sent: Vec<usize> = calls_at(&stage, url).iter().map(number_of).collect();
            let twice = &scattered(&sent) | &scattered(&ledger);
            assert!(twice.len() as u64 <= world.faults_struck(), "seed {seed}: {twice:?}");
            let in_order = firsts(&sent, &twice) == firsts(&ledger, &twice);
            assert!(in_order, "seed {seed}: in order: {sent:?}, {ledger:?}");
            let all = |numbers: &[usize]| numbers.iter().copied().collect::<BTreeSet<_>>();
            assert_eq!(all(&sent), all(&ledger), "seed {seed}: nothing skipped");
        }
        let is_taken = |call: &&ShopCall| match call.outcome {
            ShopOutcome::Status(status) => status.is_success(),
            ShopOutcome::Late(_, millis) => millis < 10_000,
            ShopOutcome::Silence => false,
        };
        let calls = world.shop_calls();
        let repeated = calls.iter().filter(is_taken).count() as u64 - 2 * ledger.len() as u64;
        assert!(repeated <= world.faults_struck(), "seed {seed}: {repeated}");
        vec![
            ("deliveries to two tools", 2 * ledger.len() as u64),
            ("faults", world.faults_struck()),
            ("repeated", repeated),
            ("skipped", 0),
            ("out of order", 0),
        ]
    });
}
