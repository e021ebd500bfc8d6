//! Runs: at most one at a time, each taken up again, none for nothing.

use super::*;

#[test]
fn jobs_that_come_twice_late_or_for_nothing_send_nothing_twice() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    apply(&stage, 1..41);
    let bodies = world.queued();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    assert_eq!(bodies.len(), 1);
    world.answer_shop_calls_at(ONE, ShopOutcome::Late(StatusCode::OK, 100));
    let memory = world.isolate();
    let work = || enishi::app::work(world.context(&memory), &bodies);
    let ends = world.together((0..5).map(|_| work()));
    let again = ends.iter().flatten().filter(|end| !matches!(end[..], [Disposition::Done])).count();
    assert_eq!(again, 4, "whoever finds it claimed comes back");
    assert_eq!(calls_at(&stage, ONE).len(), 10, "a run ends in time");
    world.settle(MINUTE);
    let numbers: Vec<usize> = calls_at(&stage, ONE).iter().map(number_of).collect();
    assert_eq!(numbers, (1..41).collect::<Vec<_>>());
    // Late, with nothing to do.
    world.run(work()).unwrap();
    assert_eq!(calls_at(&stage, ONE).len(), 40);
    // Later still, for a relay that is gone.
    assert_eq!(api(&stage, Method::DELETE, &format!("/{id}"), None).0, 204);
    apply(&stage, [41]);
    assert_eq!(world.run(work()).unwrap(), [Disposition::Done]);
    world.settle(5 * MINUTE);
    assert_eq!((calls_at(&stage, ONE).len(), world.queued()), (40, Vec::<String>::new()));
}

/// Every call of a run, and every way in which it may go wrong.
#[test]
fn whatever_fails_at_whichever_call_everything_arrives_in_order_and_one_delivery_at_most_comes_again() {
    let mut struck = 0;
    for fault in Fault::ALL {
        for at in 1..=12 {
            let stage = Stage::new(at);
            let world = &stage.world;
            relay_to(&stage, ONE, &json!({}));
            apply(&stage, 1..4);
            world.fail_at(at, fault);
            world.run_queues();
            world.settle(5 * MINUTE);
            struck += u64::from(!world.end_faults());
            let repeated = repeats(&taken(&stage, ONE), 1..4);
            assert!(repeated <= 1, "{fault:?} at call {at}: {repeated}");
            assert_eq!(world.queued(), Vec::<String>::new(), "{fault:?} at call {at}");
            assert_eq!(stage.count("relays WHERE due_at IS NULL AND lease IS NULL"), 1, "{fault:?} at {at}");
        }
    }
    assert!(struck >= 40, "{struck}");
}

#[test]
fn a_run_that_crashed_is_taken_up_again_when_its_lease_ends_and_a_job_that_was_lost_by_cron() {
    let stage = Stage::new(1);
    let world = &stage.world;
    relay_to(&stage, ONE, &json!({}));
    world.fail_next_call(ONE, Fault::CrashBefore);
    apply(&stage, [1]);
    world.settle(40 * SECOND);
    assert_eq!(taken(&stage, ONE), [1]);
    world.fail_next(enishi_world::Point::Queue, Fault::Refused, 1);
    apply(&stage, [2]);
    assert_eq!(world.queued(), Vec::<String>::new());
    world.settle(3 * MINUTE);
    assert_eq!(taken(&stage, ONE), [1, 2]);
}

#[test]
fn a_relay_that_is_at_work_waits_or_is_paused_costs_no_job_and_an_account_without_relays_one_look() {
    let stage = Stage::new(1);
    let world = &stage.world;
    apply(&stage, [1]);
    assert_eq!(world.queued(), Vec::<String>::new());
    let id = relay_to(&stage, ONE, &json!({}));
    for number in 2..12 {
        apply(&stage, [number]);
    }
    assert_eq!(world.queued().len(), 1, "the job on its way does for all");
    fails_with(&stage, ONE, 500);
    world.run_queues();
    for number in 12..22 {
        apply(&stage, [number]);
    }
    assert_eq!(world.queued().len(), 1, "the job that tries again does, too");
    patch(&stage, &id, &json!({ "paused": true }));
    world.settle(MINUTE);
    assert_eq!(world.queued(), Vec::<String>::new());
    apply(&stage, [22]);
    assert_eq!(world.queued(), Vec::<String>::new());
    recovers(&stage, ONE);
    patch(&stage, &id, &json!({ "paused": false }));
    world.reset_calls();
    world.run_queues();
    assert_eq!(taken(&stage, ONE), (2..23).collect::<Vec<_>>());
    // For each of three runs the claim, and for each delivery one that moves the cursor and reads the next.
    assert_eq!((world.calls().batches, world.calls().fetches), (3 + 21, 21));
}

#[test]
fn an_account_that_does_not_open_keeps_no_other_relay_from_its_turn_and_one_that_is_gone_takes_its_relays_along()
 {
    let stage = Stage::new(1);
    let world = &stage.world;
    let other = stage.other_shop();
    let id = relay_to(&stage, ONE, &json!({}));
    let theirs = stage.api(&other, Method::POST, "/v1/webhooks/relays", Some(&json!({ "url": ONE })));
    assert_eq!(theirs.0, 201);
    let mine = stage.account_id();
    world.execute(&format!("UPDATE accounts SET config = '{{}}' WHERE id <> '{mine}'"));
    world.evict_isolate();
    world.settle(HOUR);
    let batches = world.calls().batches;
    world.settle(10 * MINUTE);
    assert!(world.calls().batches - batches < 100, "{}", world.calls().batches - batches);
    apply(&stage, [1]);
    world.run_queues();
    assert_eq!(taken(&stage, ONE), [1]);
    world.execute(&format!("DELETE FROM accounts WHERE id <> '{mine}'"));
    world.evict_isolate();
    world.settle(HOUR);
    assert_eq!(stage.count("relays"), 1);
    assert_eq!(shown(&stage, &id)["delivered"], 1);
}

#[test]
fn a_run_stays_within_the_statements_of_the_free_plan_and_ends_after_a_slow_quarter_of_a_minute() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    apply(&stage, 1..11);
    world.run_queues();
    let account = stage.account_id();
    world.execute(&format!(
        "INSERT INTO relay_dead_letters (account, relay, seq, reason, at) \
         SELECT account, '{id}', seq, 'http_500', 1 FROM webhook_deliveries WHERE account = '{account}'"
    ));
    apply(&stage, 11..41);
    assert_eq!(
        api(&stage, Method::POST, &format!("/{id}/dead-letters/replay"), Some(&json!({}))).1["replayed"],
        10
    );
    let (mut runs, mut most) = (0, 0);
    world.evict_isolate();
    while !world.queued().is_empty() {
        world.reset_calls();
        world.deliver_batch(Queue::Relays);
        (runs, most) = (runs + 1, most.max(world.calls().statements));
        world.evict_isolate();
        assert!(runs < 50);
    }
    assert!((45..=50).contains(&most), "{most}");
    assert_eq!(calls_at(&stage, ONE).len(), 10 + 10 + 30);

    apply(&stage, 41..51);
    world.answer_shop_calls_at(ONE, ShopOutcome::Late(StatusCode::OK, 9_000));
    let began = world.now();
    world.deliver_batch(Queue::Relays);
    assert_eq!((calls_at(&stage, ONE).len(), world.now() - began), (52, 18_000));
    world.settle(3 * MINUTE);
    let numbers: Vec<usize> = calls_at(&stage, ONE).iter().skip(50).map(number_of).collect();
    assert_eq!(numbers, (41..51).collect::<Vec<_>>(), "nothing twice");
}
