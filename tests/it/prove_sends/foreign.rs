//! Accounts: no recipient of another one, whatever the rule and whoever is a friend of both.

use enishi_world::OTHER_ACCOUNT;

use super::*;
use crate::support::for_each_seed_of;

/// Ranks that members of both accounts have.
const RANKS: [&str; 3] = ["gold", "silver", "bronze"];

#[test]
fn prove_sends_reach_nobody_of_another_account() {
    for_each_seed_of("sends of two accounts", 300, |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let other = stage.other_shop();
        let accounts = [stage.account_id(), account_of(&stage, OTHER_ACCOUNT.host)];
        let users = stage.many_members_of(&accounts[0], 60, "none");
        stage.many_members_of(&accounts[1], 30, RANKS[world.below(3)]);
        // Some are friends of both, and other members with other attributes there.
        for user in users.iter().take(40) {
            let rank = RANKS[world.below(3)];
            world.execute(&format!(
                "INSERT INTO line_users (account, line_user_id, subject, friend, friend_since, friendship_at, created_at)
                   VALUES ('{account}', '{user}', 'o{user}', 1, 1, 1, 1);
                 INSERT INTO links (account, line_user, member_id, link_id, linked_at)
                   SELECT account, id, 'both-' || id, 'o' || id, 1 FROM line_users
                   WHERE account = '{account}' AND line_user_id = '{user}';
                 INSERT INTO attributes (account, member, name, kind, value, updated_at)
                   SELECT account, id, 'rank', 'text', '{rank}', 1 FROM members ORDER BY id DESC LIMIT 1;",
                account = accounts[1]
            ));
            let rank = RANKS[world.below(3)];
            world.execute(&format!(
                "UPDATE attributes SET value = '{rank}' WHERE account = '{}' AND member = (SELECT l.member FROM links l
                   JOIN line_users u ON u.id = l.line_user WHERE u.account = '{}' AND u.line_user_id = '{user}')",
                accounts[0], accounts[0]
            ));
        }
        let mut wanted = Vec::new();
        for (at, shop) in [&stage.shop, &other].into_iter().enumerate() {
            let rank = RANKS[world.below(3)];
            make(&stage, shop, &to(rank), "1");
            wanted.push((shop.line.messaging_channel, belongs(&stage, &accounts[at], rank)));
        }
        world.disturb_queues(ROUGH);
        world.settle(120_000);
        let line = world.line();
        let mut named = 0;
        for (channel, mut belonging) in wanted {
            let of_channel = line.accepted_calls().iter().filter(|call| call.channel_id.as_str() == channel);
            let mut reached: Vec<UserId> = of_channel
                .flat_map(|call| &call.named)
                .map(|place| line.users()[*place].id.clone())
                .collect();
            reached.sort();
            belonging.sort();
            named += reached.len() as u64;
            assert_eq!(reached, belonging, "seed {seed}: channel {channel}");
        }
        vec![("recipients", named), ("foreign recipients", 0)]
    });
}

fn account_of(stage: &Stage, host: &str) -> String {
    let rows = stage.world.query(&format!("SELECT id FROM accounts WHERE host = '{host}'"));
    rows[0]["id"].as_str().unwrap().to_owned()
}

/// Who has a rank in an account, by a statement of its own.
fn belongs(stage: &Stage, account: &str, rank: &str) -> Vec<UserId> {
    let rows = stage.world.query(&format!(
        "SELECT u.line_user_id AS user FROM attributes a JOIN links l ON l.account = a.account AND l.member = a.member \
           JOIN line_users u ON u.id = l.line_user \
         WHERE a.account = '{account}' AND u.account = '{account}' AND a.name = 'rank' AND a.value = '{rank}' AND u.friend = 1"
    ));
    rows.iter().map(|row| row["user"].as_str().unwrap().into()).collect()
}
