//! A hundred thousand deliveries, repeated, late and redelivered, while the consumer crashes.

use enishi::time::HOUR;
use enishi_world::{Disturbance, Fault, Point, World};

use super::{
    AT_ONCE, Customers, Original, ROUGH,
    compare::{compare, ledger},
};
use crate::support::{Figures, Stage, for_each_seed_of, is_full, webhook};

/// Deliveries of one seed.
const DELIVERIES: (usize, usize) = (4_000, 100_000);

/// Of a hundred deliveries, so many are repeated as they were, are late, and are LINE's redeliveries.
const DUPLICATES: usize = 20;
const LATE: usize = 10;
const REDELIVERED: usize = 5;

/// How far what is late or comes again is behind its place, in deliveries.
const BEHIND: usize = 400;

/// After how many deliveries the consumer meets a fault.
const FAULT_EVERY: usize = 500;

/// In which order deliveries come: each by its number, and whether it is LINE's redelivery.
fn arrivals(world: &World, number: usize) -> Vec<(usize, bool)> {
    let originals = number * 100 / (100 + DUPLICATES + REDELIVERED);
    let behind = || 1 + world.below(BEHIND);
    let mut arrivals: Vec<(usize, usize, bool)> = Vec::with_capacity(number);
    for original in 0..originals {
        let late = if world.below(100) < LATE { behind() } else { 0 };
        arrivals.push((original + late, original, false));
        if arrivals.len() + originals - original < number {
            let lot = world.below(originals);
            if lot * 100 < originals * DUPLICATES {
                arrivals.push((original + behind(), original, false));
            } else if lot * 100 < originals * (DUPLICATES + REDELIVERED) {
                arrivals.push((original + behind(), original, true));
            }
        }
    }
    // The rest, so that it is as many as it should be.
    while arrivals.len() < number {
        let original = world.below(originals);
        arrivals.push((original + behind(), original, false));
    }
    arrivals.sort_by_key(|(place, ..)| *place);
    arrivals.into_iter().map(|(_, original, again)| (original, again)).collect()
}

/// What happens to the consumer, or at the door, every now and then.
fn mishap(world: &World) {
    let fault = Fault::ALL[world.below(Fault::ALL.len())];
    match world.below(4) {
        0 => world.fail_next(Point::Queue, fault, 1 + world.below(3)),
        1 => world.fail_at(1 + world.below(AT_ONCE + 20) as u64, fault),
        _ => {}
    }
    // The consumer's next call, or one after it: what it does first is read its configuration.
    if world.below(4) == 0 {
        world.evict_isolate();
    }
    world.fail_next(Point::Database, fault, 1 + world.below(2));
}

/// Delivers everything, until LINE was told 200 of each; how many were told something else before.
fn deliver(stage: &Stage, originals: &[Original], arrivals: &[(usize, bool)]) -> u64 {
    let world = &stage.world;
    let (mut refused, mut again) = (0, Vec::new());
    for (moment, some) in arrivals.chunks(AT_ONCE).enumerate() {
        let come: Vec<(usize, bool)> =
            std::mem::take(&mut again).into_iter().chain(some.iter().copied()).collect();
        for (number, is_again) in come {
            let status = world.answer(webhook(&originals[number].body(is_again))).status.as_u16();
            if status != 200 {
                assert!((500..600).contains(&status), "{status}");
                refused += 1;
                again.push((number, true));
            }
        }
        world.advance(500);
        world.run_queues();
        if moment % (FAULT_EVERY / AT_ONCE) == 0 {
            mishap(world);
        }
        if moment % 60 == 0 {
            world.tick();
        }
    }
    world.end_faults();
    for (number, _) in again {
        assert_eq!(world.answer(webhook(&originals[number].body(true))).status, 200);
    }
    world.disturb_queues(Disturbance::NONE);
    // What waits in the ledger and lost its job is given another within the hour.
    world.settle(2 * HOUR);
    refused
}

#[test]
fn prove_deliveries_are_applied_once_each_through_repeats_disorder_and_crashes() {
    let number = if is_full() { DELIVERIES.1 } else { DELIVERIES.0 };
    for_each_seed_of("deliveries", 20, |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let arrivals = arrivals(world, number);
        let last = arrivals.iter().map(|(original, _)| *original).max().unwrap();
        let mut customers = Customers::new(world);
        let originals: Vec<Original> = (0..=last).map(|_| customers.original()).collect();
        let model = customers.model;
        world.disturb_queues(ROUGH);
        let refused = deliver(&stage, &originals, &arrivals);
        compare(&stage, &model, seed);
        let figures = ledger(&stage, &model, &originals, seed);
        let mut all: Figures = vec![
            ("deliveries", number as u64),
            ("events", model.claims.len() as u64),
            ("faults", world.faults_struck()),
        ];
        all.push(("not taken at first", refused));
        all.extend(figures);
        all.extend([("lost", 0), ("applied twice", 0)]);
        all
    });
}
