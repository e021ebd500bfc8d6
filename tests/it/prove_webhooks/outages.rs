//! Stores that are down for a minute.

use std::cell::{Cell, RefCell};

use enishi::{
    platform::Platform as _,
    time::{MINUTE, SECOND, UnixMillis},
};
use enishi_world::{Fault, Point};

use super::{
    Customers, Original, ROUGH,
    compare::{compare, ledger},
};
use crate::support::{Figures, Stage, for_each_seed_of, is_full, webhook};

/// Which stores are down.
const OUTAGES: [&[Point]; 3] = [&[Point::Database], &[Point::Queue], &[Point::Database, Point::Queue]];

#[test]
fn prove_outages_of_a_minute_lose_nothing_and_double_nothing() {
    for_each_seed_of("outages", 20, |seed| {
        let mut sums = Figures::new();
        for (points, fault) in
            OUTAGES.into_iter().flat_map(|of| [(of, Fault::Refused), (of, Fault::AnswerLost)])
        {
            for (name, number) in outage(seed, points, fault) {
                match sums.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum += number,
                    None => sums.push((name, number)),
                }
            }
        }
        sums.extend([("lost", 0), ("applied twice", 0)]);
        sums
    });
}

/// Deliveries come for three minutes; in the second one these stores fail with each call.
fn outage(seed: u64, points: &[Point], fault: Fault) -> Figures {
    let stage = Stage::new(seed);
    let world = &stage.world;
    let mut customers = Customers::new(world);
    let each_second = if is_full() { 5 } else { 1 };
    let originals: Vec<Original> = (0..180 * each_second).map(|_| customers.original()).collect();
    let model = customers.model;
    world.disturb_queues(ROUGH);
    // LINE redelivers what was not taken, later and later.
    let again = RefCell::new(Vec::new());
    let (refused, durable) = (Cell::new(0), Cell::new(0));
    let come = async |number: usize, is_again: bool, tries: i64| {
        let status = world.serve(webhook(&originals[number].body(is_again))).await.status.as_u16();
        if status == 200 {
            durable.set(durable.get() + 1);
        } else {
            assert_eq!(status, 503, "seed {seed}: {points:?}");
            refused.set(refused.get() + 1);
            again.borrow_mut().push((world.now() + (10 + 20 * tries) * SECOND, number, tries + 1));
        }
    };
    let begin = world.now();
    world.settle_beside(20 * MINUTE, async {
        for second in 0..900_i64 {
            world.sleep_until(begin + second * SECOND).await;
            match second {
                60 => points.iter().for_each(|point| world.fail_always(*point, fault)),
                120 => _ = world.end_faults(),
                // Isolates come and go, in the outage too.
                30 | 90 | 150 => world.evict_isolate(),
                _ => {}
            }
            let due = |(at, ..): &mut (UnixMillis, usize, i64)| *at <= world.now();
            let redelivered: Vec<_> = again.borrow_mut().extract_if(.., due).collect();
            for (_, number, tries) in redelivered {
                come(number, true, tries).await;
            }
            let first = usize::try_from(second).unwrap() * each_second;
            for number in (first..originals.len()).take(each_second) {
                come(number, false, 0).await;
            }
        }
    });
    assert_eq!((again.into_inner().len(), durable.get()), (0, originals.len()), "seed {seed}: {points:?}");
    compare(&stage, &model, seed);
    ledger(&stage, &model, &originals, seed);
    vec![
        ("deliveries", originals.len() as u64),
        ("answered 503", refused.get()),
        ("faults", world.faults_struck()),
    ]
}
