//! The month's quota: never exceeded, not even asked for in vain.

use enishi::time::MINUTE;
use enishi_world::Trouble;

use super::*;
use crate::support::{MULTICAST, for_each_seed_of};

#[test]
fn prove_sends_never_exceed_the_quota() {
    for_each_seed_of("sends and quota", 500, |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let ranks: Vec<(String, usize)> =
            (0..4).map(|at| (format!("rank-{at}"), 20 + world.below(900))).collect();
        for (rank, number) in &ranks {
            stage.many_members(*number, rank);
        }
        let all: usize = ranks.iter().map(|(_, number)| number).sum();
        let quota = world.below(all + all / 4) as u64;
        world.set_quota(Some(quota));
        world.disturb_queues(ROUGH);
        world.disturb_line(Trouble { server_errors: 0.05, accepted_without_answer: 0.05 });
        world.fail_by_seed(0.02);
        let sends: Vec<String> =
            ranks.iter().map(|(rank, _)| make(&stage, &stage.shop, &to(rank), rank)).collect();
        world.settle(5 * MINUTE);
        for id in &sends {
            act(&stage, id, "resume");
        }
        world.settle(10 * MINUTE);
        world.end_faults();
        world.disturb_line(Trouble::default());
        world.settle(15 * MINUTE);
        let line = world.line();
        let messages: usize = line.accepted_calls().iter().map(|call| call.named.len()).sum();
        assert!(messages as u64 <= quota, "seed {seed}: {messages} of {quota}");
        let asked_in_vain =
            line.calls().iter().any(|call| call.path == MULTICAST && call.answer.contains("monthly limit"));
        assert!(!asked_in_vain, "seed {seed}: LINE had to refuse");
        drop(line);
        let mut done = 0;
        for id in &sends {
            let send = shown(&stage, &stage.shop, id);
            match (send["state"].as_str().unwrap(), send["reason"].as_str()) {
                ("done", _) => done += 1,
                ("paused", Some("quota")) => {
                    assert_eq!(send["accepted"], 0, "seed {seed}: it paused before its first call: {send}");
                }
                _ => panic!("seed {seed}: {send}"),
            }
        }
        vec![("sends", 4), ("done", done), ("messages", messages as u64), ("over the quota", 0)]
    });
}
