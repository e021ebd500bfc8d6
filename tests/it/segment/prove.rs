//! Count, list and send agree, for rules at random on people at random, with what the rule means when everybody is gone
//! through one by one; and nobody of another account is ever among them.

use std::collections::BTreeSet;

use enishi::time::UnixMillis;
use enishi_world::{ACCOUNT, OTHER_ACCOUNT};
use http::Method;
use serde_json::{Value, json};

use super::{
    evaluate::{Meant, evaluate},
    people::People,
    random,
};
use crate::support::{Shop, Stage, for_each_seed_of};

/// People of each account.
const PEOPLE: usize = 40;

/// Rules of a seed, of which some are refused.
const RULES: usize = 60;

/// When rules are asked: around midnight in Japan, where months and years end, and 29 February is a day or is none.
const TIMES: [&str; 7] = [
    "2026-01-05T03:00:00Z",
    "2026-02-27T14:50:00Z",
    "2026-02-28T15:00:00Z",
    "2027-12-31T14:50:00Z",
    "2027-12-31T15:00:00Z",
    "2028-02-28T14:50:00Z",
    "2028-02-28T15:00:00Z",
];

/// Two shops whose people have the same member ids, attributes, tags and events, and lie among each other.
struct Scene {
    stage: Stage,
    shops: [(Shop, People); 2],
}

impl Scene {
    fn new(seed: u64) -> Self {
        let stage = Stage::new(seed);
        let other = stage.other_shop();
        let now = UnixMillis::parse_rfc3339(TIMES[stage.world.below(TIMES.len())]).unwrap();
        stage.world.advance(now - stage.world.now());
        let account = |host: &str| {
            let rows = stage.world.query(&format!("SELECT id FROM accounts WHERE host = '{host}'"));
            rows[0]["id"].as_str().unwrap().to_owned()
        };
        let draw = |host, remainder| {
            let people = People::draw(&stage.world, &account(host), remainder, PEOPLE);
            people.store(&stage.world);
            people
        };
        let ours = Shop::of(ACCOUNT, "0");
        let shops = [(ours, draw(ACCOUNT.host, 0)), (other, draw(OTHER_ACCOUNT.host, 1))];
        Self { stage, shops }
    }

    fn call(&self, shop: usize, path: &str, body: &Value) -> (u16, Value) {
        let shop = if shop == 0 { &self.stage.shop } else { &self.shops[1].0 };
        self.stage.api(shop, Method::POST, path, Some(body))
    }

    /// What the product says a rule means, by its count; none if it refuses the rule.
    fn counted(&self, shop: usize, rule: &Value) -> Option<(i64, Meant)> {
        let (status, answer) = self.call(shop, "/v1/segments/count", &json!({ "rule": rule }));
        if status == 400 {
            assert_eq!(answer["error"], "invalid_rule", "{rule}: {answer}");
            return None;
        }
        assert_eq!(status, 200, "{rule}: {answer}");
        let number = |value: &Value| value.as_i64().unwrap();
        let excluded = &answer["excluded"];
        let meant = Meant {
            reached: self.listed(shop, rule),
            blocked: number(&excluded["blocked"]),
            not_friends: number(&excluded["not_friends"]),
            not_linked: number(&excluded["not_linked"]),
        };
        assert_eq!(
            number(&answer["count"]),
            number(&answer["reachable"]) + meant.blocked + meant.not_friends + meant.not_linked
        );
        Some((number(&answer["reachable"]), meant))
    }

    /// Whom the product lists, page by page.
    fn listed(&self, shop: usize, rule: &Value) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut after = Value::Null;
        loop {
            let mut body = json!({ "rule": rule, "limit": 7 });
            if !after.is_null() {
                body["after"] = after;
            }
            let (status, page) = self.call(shop, "/v1/segments/members", &body);
            assert_eq!(status, 200, "{page}");
            for member in page["members"].as_array().unwrap() {
                let sub = member["sub"].as_str().unwrap();
                assert!(all.insert(sub.to_owned()), "{sub} stands on two pages: {rule}");
                let user =
                    self.shops[shop].1.users.iter().find(|user| user.sub == sub).expect("one of the account");
                let id =
                    user.link.as_ref().map(|link| self.shops[shop].1.members[link.member].member_id.clone());
                assert_eq!(member["member_id"], json!(id), "{rule}");
            }
            after = page["next"].clone();
            if after.is_null() {
                return all;
            }
        }
    }

    /// Whom a send takes for its recipients; nothing of it stays.
    fn sent_to(&self, shop: usize, rule: &Value) -> BTreeSet<String> {
        let messages = json!([{ "type": "text", "text": "こんにちは" }]);
        let body = json!({ "rule": rule, "messages": messages, "quiet_hours": null });
        let (status, send) = self.call(shop, "/v1/sends", &body);
        assert_eq!(status, 202, "{rule}: {send}");
        self.stage.world.run_queues();
        let id = send["id"].as_str().unwrap();
        let rows = self.stage.world.query(&format!(
            "SELECT u.subject, u.account FROM chunks c, json_each(c.line_users) j JOIN line_users u ON u.id = j.value
             WHERE c.send = '{id}'"
        ));
        self.stage.world.execute(&format!(
            "DELETE FROM receipts WHERE send = (SELECT number FROM sends WHERE id = '{id}');
             DELETE FROM chunks WHERE send = '{id}'; DELETE FROM sends WHERE id = '{id}';"
        ));
        let account = &self.shops[shop].1.account;
        rows.iter()
            .map(|row| {
                assert_eq!(row["account"], json!(account), "{rule}");
                row["subject"].as_str().unwrap().to_owned()
            })
            .collect()
    }
}

#[test]
fn prove_segments_count_list_and_send_mean_the_same_and_no_foreigner() {
    for_each_seed_of("segments", 40, |seed| {
        let scene = Scene::new(seed);
        let (mut agreed, mut refused, mut reached, mut sends) = (0, 0, 0, 0);
        for place in 0..RULES {
            let shop = place % 2;
            let world = &scene.stage.world;
            let people = &scene.shops[shop].1;
            let rule = random::rule(world, people, 3);
            let Some((reachable, said)) = scene.counted(shop, &rule) else {
                refused += 1;
                continue;
            };
            let meant = evaluate(people, &rule, world.now().0);
            assert_eq!(said, meant, "seed {seed}: {rule}");
            assert_eq!(usize::try_from(reachable).unwrap(), meant.reached.len(), "seed {seed}: {rule}");
            // A send is much work; the clause is the same.
            if place % 5 == 0 {
                assert_eq!(scene.sent_to(shop, &rule), meant.reached, "seed {seed}: {rule}");
                sends += 1;
            }
            agreed += 1;
            reached += meant.reached.len() as u64;
        }
        assert!(agreed > RULES as u64 / 2, "seed {seed}: most rules are taken");
        vec![
            ("rules agreed", agreed),
            ("refused", refused),
            ("reached", reached),
            ("sends", sends),
            ("foreigners", 0),
        ]
    });
}
