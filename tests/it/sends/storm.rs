//! Everything at once: sends of both kinds, LINE in every mood, people who leave and are erased, and operators who press every
//! button at any moment.

use std::collections::HashMap;

use enishi::time::{HOUR, MINUTE, SECOND, end_of_japanese_month};
use enishi_world::{Disturbance, Trouble, line_simulator::FaultKind};
use http::Method;
use serde_json::json;

use super::*;
use crate::support::{CHANNEL_TOKEN, Figures, for_each_seed_of};

/// Queues that are late, in disorder, and deliver some things twice.
const ROUGH: Disturbance = Disturbance { duplicates: 0.1, late: 3_000, shuffle: true, consumers: 4 };

const ACTIONS: [&str; 7] = ["start", "pause", "resume", "resume", "cancel", "retry", "retry"];

/// Somebody presses a button, twice at once.
fn press(stage: &Stage, id: &str, action: &str) {
    let mut request =
        enishi_world::request(Method::POST, &format!("{}/v1/sends/{id}/{action}", stage.shop.line.issuer));
    let bearer = format!("Bearer {}", stage.shop.api_key);
    request.headers.insert(http::header::AUTHORIZATION, bearer.parse().unwrap());
    let twice = [request.clone(), request].map(|request| stage.world.serve(request));
    for reply in stage.world.together(twice).into_iter().flatten() {
        assert!([202, 409, 500, 503].contains(&reply.status.as_u16()), "{action}: {}", reply.status);
    }
}

/// One of the things that happen meanwhile; says whether somebody blocked the account.
fn something_happens(stage: &Stage, sends: &[String], users: &[UserId]) -> bool {
    let world = &stage.world;
    let some = || users[world.below(users.len())].clone();
    let what = world.below(11);
    match what {
        0..=2 => {
            let (id, action) = (&sends[world.below(sends.len())], ACTIONS[world.below(ACTIONS.len())]);
            press(stage, id, action);
        }
        3 => {
            let now = world.now().0;
            _ = world.line().unfollow(now, &some());
            while !world.deliver_webhooks().is_empty() {}
        }
        4 => _ = stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/s{}", some()), None),
        5 => _ = stage.api(&stage.shop, Method::DELETE, &format!("/v1/members/gold-{}", some()), None),
        6 => {
            let path = [MULTICAST, PUSH, CHANNEL_TOKEN][world.below(3)];
            let status = [400, 401, 403, 404, 429, 500][world.below(6)];
            fault(stage, path, FaultKind::Status, Some(status), 2);
        }
        7 => {
            let words = [
                "You have reached your monthly limit.",
                "The property, to[0], in the request body is invalid (line: -, column: -)",
                "not JSON",
            ];
            let (place, path) = (world.below(3), [MULTICAST, PUSH][world.below(2)]);
            let status = [429, 400, 302][place];
            let body =
                if place == 2 { words[2].to_owned() } else { json!({ "message": words[place] }).to_string() };
            world.answer_next_call(path, http::StatusCode::from_u16(status).unwrap(), &body);
        }
        8 => world.set_quota([None, Some(0), Some(700), Some(1_400)][world.below(4)]),
        9 => {
            let hour =
                |ahead: usize| format!("{:02}:{:02}", (12 + world.below(2) + ahead) % 24, world.below(60));
            let quiet = json!({ "from": hour(0), "to": hour(2) });
            let cap = json!({ "messages": 1 + world.below(2), "days": 1 });
            let some = [json!({}), json!({ "quiet_hours": quiet }), json!({ "frequency_cap": cap })];
            _ = stage.api(&stage.shop, Method::PUT, "/v1/send-settings", Some(&some[world.below(3)]));
        }
        _ => world.evict_isolate(),
    }
    what == 3
}

/// How often each user has the message of each send, whose text is its name.
fn told(stage: &Stage, users: &[UserId]) -> HashMap<(UserId, String), usize> {
    let mut told = HashMap::new();
    for user in users {
        for one in stage.world.line().chat(user) {
            let text = one.message["text"].as_str().unwrap_or_default().to_owned();
            *told.entry((user.clone(), text)).or_default() += 1;
        }
    }
    told
}

#[test]
fn whatever_anybody_does_at_any_moment_nobody_gets_two_and_everybody_is_counted() {
    for_each_seed_of("sends in a storm", 100, |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let users = stage.many_members(650, "gold");
        let is_capped = seed % 2 == 0;
        let names = ["first", "second", "third"];
        let sends: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(number, name)| {
                let text = if number == 1 { format!("{{{{rank}}}} {name}") } else { (*name).to_owned() };
                let cap = if is_capped { json!({ "messages": 2, "days": 90 }) } else { json!(null) };
                let messages = json!([{ "type": "text", "text": text }]);
                make(&stage, &gold(&json!({ "messages": messages, "frequency_cap": cap })))
            })
            .collect();
        world.disturb_queues(ROUGH);
        world.disturb_line(Trouble { server_errors: 0.05, accepted_without_answer: 0.05 });
        world.fail_by_seed(0.01);
        let mut left = 0;
        for _ in 0..40 {
            world.settle(i64::try_from(world.below(3_000)).unwrap());
            left += u64::from(something_happens(&stage, &sends, &users));
            match world.below(120) {
                0 | 1 => world.advance(25 * HOUR),
                // Four seconds before a month begins in Tokyo.
                2 => world.advance(end_of_japanese_month(world.now()) - world.now() - 4 * SECOND),
                _ => {}
            }
        }
        world.end_faults();
        world.disturb_line(Trouble::default());
        world.set_quota(None);
        world.settle(20 * SECOND);
        for _ in 0..20 {
            world.settle(30 * MINUTE);
            for id in &sends {
                act(&stage, id, "resume");
            }
        }
        world.advance(24 * HOUR);
        world.settle(30 * MINUTE);
        let told = told(&stage, &users);
        if let Some(twice) = told.iter().find(|(_, times)| **times > 1) {
            panic!("{twice:?}");
        }
        for user in users.iter().filter(|_| is_capped) {
            let all = told.keys().filter(|(one, _)| one == user).count();
            assert!(all <= 2, "{user} has {all}, and the cap is 2");
        }
        let mut sums = [0; 3];
        for (id, name) in sends.iter().zip(["first", "gold second", "third"]) {
            let send = show(&stage, id);
            let of = |name: &str| send[name].as_u64().unwrap();
            let ended = ["done", "partly_failed", "cancelled"].contains(&send["state"].as_str().unwrap());
            assert!(ended, "{send}");
            let counted = of("accepted") + of("excluded") + of("failed") + of("unresolved");
            assert!(
                counted + of("waiting") == of("targeted")
                    && (of("waiting") == 0 || send["state"] == "cancelled"),
                "{send}"
            );
            let times = told.keys().filter(|(_, text)| text == name).count() as u64;
            // LINE passes over whoever blocked a moment ago, without a word.
            let accepted = of("accepted")..=of("accepted") + of("unresolved");
            assert!(times + left >= *accepted.start() && times <= *accepted.end(), "{times}: {send}");
            sums = [sums[0] + of("accepted"), sums[1] + of("unresolved"), sums[2] + of("failed")];
        }
        assert_eq!(stage.count("sends WHERE granted <> settled"), 0);
        let used = world.query("SELECT coalesce(sum(accepted), 0) AS n FROM usage")[0]["n"].as_u64().unwrap();
        assert_eq!(used, sums[0] + sums[1], "what was used is what was accepted, or may have been");
        Figures::from([("accepted", sums[0]), ("unresolved", sums[1]), ("failed", sums[2])])
    });
}
