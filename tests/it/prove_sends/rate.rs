//! LINE's rate: never over it in any second, and nearly all of it used.

use enishi::time::{SECOND, japanese_month};
use enishi_world::line_simulator::{self, FaultKind};

use super::*;
use crate::support::{MULTICAST, is_full};

/// LINE's limit for multicast in a second.
const LIMIT: usize = 200;

/// Makes of a send that was expanded as many chunks of one recipient each as there are members, none of them released.
fn split(stage: &Stage, id: &str) {
    stage.world.execute(&format!(
        "DELETE FROM chunks;
         INSERT INTO chunks (account, send, chunk, state, line_users, last_line_user, targeted, due_at)
           SELECT s.account, s.id, row_number() OVER (ORDER BY u.id) - 1, 'open', json_array(u.id), u.id, 1, 0
           FROM sends s JOIN line_users u ON u.account = s.account WHERE s.id = '{id}';
         UPDATE sends SET state = 'sending', started_at = {now}, due_at = {now}, month = {month}, released = 0,
           chunks = (SELECT count(*) FROM chunks), granted = (SELECT count(*) FROM chunks),
           targeted = (SELECT count(*) FROM chunks), settled = 0 WHERE id = '{id}';",
        now = stage.world.now().0,
        month = japanese_month(stage.world.now()),
    ));
}

#[test]
fn prove_sends_use_lines_rate_and_never_exceed_it() {
    let chunks = if is_full() { 6_000 } else { 600 };
    let latencies: &[(u64, u64)] =
        if is_full() { &[(1, 0), (2, 20), (3, 120), (4, 400)] } else { &[(1, 20), (2, 200)] };
    for (seed, latency) in latencies.iter().copied() {
        let stage = Stage::new(seed);
        let world = &stage.world;
        stage.many_members(chunks, "gold");
        let mut draft = to("gold");
        draft["draft"] = json!(true);
        let id = make(&stage, &stage.shop, &draft, "1");
        split(&stage, &id);
        let (path, kind) = (MULTICAST.to_owned(), FaultKind::Latency);
        let slow = line_simulator::Fault { path, times: u32::MAX, kind, status: None, ms: Some(latency) };
        world.line().add_fault(slow);
        world.disturb_queues(Disturbance { consumers: 60, late: 50, shuffle: true, duplicates: 0.02 });
        world.tick();
        world.settle(i64::try_from(chunks / LIMIT).unwrap() * 2 * SECOND);
        let send = shown(&stage, &stage.shop, &id);
        assert_eq!((&send["state"], &send["accepted"]), (&json!("done"), &json!(chunks)), "{send}");
        let line = world.line();
        let mut times: Vec<i64> =
            line.calls().iter().filter(|call| call.path == MULTICAST).map(|call| call.at).collect();
        assert!(line.calls().iter().all(|call| call.status != Some(429)));
        times.sort_unstable();
        assert_eq!(times.len(), chunks, "each once");
        let densest = times.windows(LIMIT + 1).map(|some| some[LIMIT] - some[0]).min().unwrap();
        assert!(densest >= SECOND, "seed {seed}: {} calls in {densest} ms", LIMIT + 1);
        let took = times[chunks - 1] - times[0];
        // In thousandths of the limit.
        let used = i64::try_from((chunks - 1) * 1_000_000 / LIMIT).unwrap() / took;
        println!(
            "rate: {chunks} calls answered in {latency} ms each, {used} ‰ of LINE's limit, {} in the densest second",
            densest_second(&times)
        );
        assert!(used >= 950, "seed {seed}: {used} ‰ of the rate");
    }
}

/// The most calls in any second.
fn densest_second(times: &[i64]) -> usize {
    let ends = times.iter().enumerate();
    ends.map(|(at, time)| at + 1 - times.partition_point(|earlier| *earlier <= time - SECOND))
        .max()
        .unwrap_or(0)
}
