//! Audiences and narrowcasts that are made, deleted and erased at random while stores and LINE fail: at the end LINE has the audiences
//! that are ready and no others, and nobody got a narrowcast twice.

use enishi::time::MINUTE;
use enishi_world::Disturbance;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Figures, Stage, for_each_seed_of};

/// What the shop does in one seed.
const STEPS: usize = 8;

struct Scene {
    stage: Stage,
    members: Vec<String>,
    audiences: Vec<String>,
}

impl Scene {
    fn post(&self, path: &str, body: &Value) -> Option<String> {
        let (_, answer) = self.stage.api(&self.stage.shop, Method::POST, path, Some(body));
        Some(answer["id"].as_str()?.to_owned())
    }

    fn delete(&self, path: &str) {
        self.stage.api(&self.stage.shop, Method::DELETE, path, None);
    }

    /// One of the audiences, if there is any.
    fn audience(&self) -> Option<&String> {
        self.audiences.get(self.stage.world.below(self.audiences.len().max(1)))
    }

    fn narrowcast(&self, to: &Value) {
        let mut body = json!({ "name": "秋", "messages": [{ "type": "text", "text": "新茶" }] });
        body.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
        self.post("/v1/narrowcasts", &body);
    }

    /// Whatever fails, fails.
    fn step(&mut self) {
        let gold = json!({ "attribute": "rank", "equals": "gold" });
        match self.stage.world.below(7) {
            0 | 1 => {
                let keep = self.stage.world.below(2) == 0;
                let made = self.post("/v1/audiences", &json!({ "name": "金", "rule": gold, "keep": keep }));
                self.audiences.extend(made);
            }
            2 => self.narrowcast(&json!({ "rule": gold })),
            3 => self.audience().into_iter().for_each(|id| self.narrowcast(&json!({ "audience": id }))),
            4 => self.audience().into_iter().for_each(|id| self.delete(&format!("/v1/audiences/{id}"))),
            5 if self.members.len() > 2 => {
                let member = self.members.swap_remove(0);
                self.delete(&format!("/v1/members/{member}"));
            }
            _ => {}
        }
        self.stage.world.settle([0, 1, 2, 7][self.stage.world.below(4)] * MINUTE);
    }

    fn count(&self, from: &str) -> u64 {
        self.stage.count(from)
    }
}

#[test]
fn prove_audiences_leave_nothing_at_line_and_send_nothing_twice() {
    for_each_seed_of("audiences", 120, |seed| -> Figures {
        let stage = Stage::new(seed);
        // An audience may be deleted as a narrowcast to it goes out.
        stage.forgive("InvalidAudience");
        let users = stage.many_members(4, "gold");
        let members = stage.world.query("SELECT member_id FROM members ORDER BY id");
        let members = members.iter().map(|row| row["member_id"].as_str().unwrap().to_owned()).collect();
        let mut scene = Scene { stage, members, audiences: Vec::new() };
        scene.stage.world.disturb_queues(Disturbance { consumers: 3, duplicates: 0.2, ..Disturbance::NONE });
        scene.stage.world.fail_by_seed(0.04);
        for _ in 0..STEPS {
            scene.step();
        }
        scene.stage.world.settle(20 * MINUTE);
        scene.stage.world.end_faults();
        scene.stage.world.settle(120 * MINUTE);
        let (stage, done) = (&scene.stage, scene.count("narrowcasts WHERE state = 'done'"));
        let open = scene.count("audiences WHERE state NOT IN ('ready', 'failed', 'deleted')")
            + scene.count("narrowcasts WHERE state NOT IN ('done', 'failed', 'unresolved')");
        assert_eq!(open, 0, "seed {seed}: everything comes to an end");
        let ready = scene.count("audiences WHERE state = 'ready'");
        let at_line = stage.line_json("/v2/bot/audienceGroup/list?page=1")["totalCount"].clone();
        assert_eq!(at_line, json!(ready), "seed {seed}");
        for user in &users {
            assert!(stage.received(user) as u64 <= done, "seed {seed}: one of each at most");
        }
        let sums = "SELECT (SELECT coalesce(sum(accepted), 0) FROM usage) AS used, \
            (SELECT coalesce(sum(success), 0) FROM narrowcasts WHERE state = 'done') AS sent";
        let sums = &stage.world.query(sums)[0];
        assert_eq!(sums["used"], sums["sent"], "seed {seed}: what was sent is counted once");
        vec![
            ("audiences", scene.count("audiences")),
            ("ready", ready),
            ("narrowcasts", done),
            ("left over", 0),
        ]
    });
}
