//! Randomised journeys: storms of faults by seed, and what must hold after each. `ENISHI_SEEDS` says how many.

use enishi::time::{HOUR, MINUTE, SECOND};
use enishi_world::{
    ACCOUNT, Disturbance, Trouble,
    line_simulator::{Friendship, UserId, WebhookBehaviour},
};
use http::Method;
use serde_json::json;

use crate::support::{Browser, Consent, LINE_TOKEN, MULTICAST, Stage, for_each_seed, is_full, json_body};

/// Queues at their worst.
const STORM: Disturbance = Disturbance { duplicates: 0.2, late: 20_000, shuffle: true, consumers: 3 };

#[test]
fn prove_webhooks_are_never_lost_and_never_applied_twice() {
    for_each_seed("webhooks", |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let behaviour = WebhookBehaviour { redelivery: true, duplicate: seed % 2 == 0, shuffle: true };
        world.line().set_webhook_behaviour(behaviour);
        world.disturb_queues(STORM);
        world.fail_by_seed(0.12);
        let users: Vec<UserId> = (0..12).map(|at| stage.person(&format!("客{at}"))).collect();
        for _ in 0..25 {
            for _ in 0..8 {
                let now = world.now().0;
                something_happens(&stage, &users[world.below(users.len())], now);
                world.advance(1);
            }
            world.deliver_webhooks();
            world.evict_isolate();
            world.run_queues();
            world.advance(SECOND);
        }
        while !world.deliver_webhooks().is_empty() {}
        world.settle(10 * MINUTE);
        world.end_faults();
        while !world.deliver_webhooks().is_empty() {}
        // What waits in the ledger and lost its job is given another within the hour.
        world.settle(2 * HOUR);
        assert_eq!(world.queued(), Vec::<String>::new(), "seed {seed}");
        assert_eq!(
            stage.count("webhook_deliveries WHERE verdict = 'waiting'") + stage.count("dead_letters"),
            0,
            "seed {seed}"
        );
        for user in &users {
            assert_user(&stage, user, seed);
        }
        vec![
            ("events", stage.count("webhook_events")),
            ("faults", world.faults_struck()),
            ("lost", 0),
            ("applied twice", 0),
        ]
    });
}

fn something_happens(stage: &Stage, user: &UserId, now: i64) {
    let mut line = stage.world.line();
    match stage.world.below(3) {
        0 => _ = line.follow(now, user).unwrap(),
        1 => _ = line.unfollow(now, user).unwrap(),
        _ => _ = line.send_message(now, user, "hi").unwrap(),
    }
}

/// What we know of a user is what LINE knows.
fn assert_user(stage: &Stage, user: &UserId, seed: u64) {
    let line = stage.world.line();
    let friendship = line.user(user).unwrap().friendship(ACCOUNT.messaging_channel);
    let said = line.user(user).unwrap().said.len();
    drop(line);
    let of_user = format!("FROM line_users u WHERE u.line_user_id = '{user}'");
    let rows = stage.world.query(&format!("SELECT u.friend {of_user}"));
    let known = rows.first().and_then(|row| row["friend"].as_i64());
    let expected = match friendship {
        Friendship::Friend => Some(1),
        Friendship::Blocked => Some(0),
        Friendship::Stranger => None,
    };
    assert_eq!(known, expected, "seed {seed}: {user}");
    let kept = stage.count(&format!("chat_messages m WHERE m.line_user IN (SELECT u.id {of_user})"));
    assert_eq!(usize::try_from(kept).unwrap(), said, "seed {seed}: {user}");
}

#[test]
fn prove_sends_reach_each_recipient_exactly_once() {
    for_each_seed("sends", |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let users = stage.many_members(1_100, "gold");
        let others = stage.many_members(20, "silver");
        world.disturb_queues(STORM);
        world.fail_by_seed(0.05);
        world.disturb_line(Trouble { server_errors: 0.05, accepted_without_answer: 0.05 });
        let sends: Vec<String> = (0..SENDS).map(|at| send_until_accepted(&stage, &format!("{at}"))).collect();
        world.settle(30 * MINUTE);
        world.end_faults();
        world.disturb_line(Trouble::default());
        world.settle(30 * MINUTE);
        for id in sends {
            let (_, send) = stage.api(&stage.shop, Method::GET, &format!("/v1/sends/{id}"), None);
            assert_eq!(
                (&send["state"], &send["accepted"]),
                (&json!("done"), &json!(1_100)),
                "seed {seed}: {send}"
            );
        }
        assert_eq!(stage.count("sends"), SENDS, "seed {seed}");
        assert_eq!(stage.count("receipts"), SENDS * 1_100, "seed {seed}");
        for user in &users {
            assert_eq!(
                texts(&stage, user),
                (0..SENDS).map(|at| at.to_string()).collect::<Vec<_>>(),
                "seed {seed}"
            );
        }
        assert!(others.iter().all(|user| stage.received(user) == 0), "seed {seed}");
        vec![
            ("recipients", SENDS * 1_100),
            ("calls to LINE", stage.answers_of(MULTICAST).len() as u64),
            ("faults", world.faults_struck()),
            ("missed", 0),
            ("messaged twice", 0),
        ]
    });
}

/// Sends that are under way at once.
const SENDS: u64 = 4;

/// What stands in somebody's chat, sorted.
fn texts(stage: &Stage, user: &UserId) -> Vec<String> {
    let line = stage.world.line();
    let mut texts: Vec<String> =
        line.chat(user).iter().filter_map(|one| one.message["text"].as_str().map(str::to_owned)).collect();
    texts.sort();
    texts
}

/// The shop repeats its call until it is accepted.
fn send_until_accepted(stage: &Stage, text: &str) -> String {
    let body = json!({
        "rule": { "attribute": "rank", "equals": "gold" },
        "messages": [{ "type": "text", "text": text }],
    });
    loop {
        let headers = [("idempotency-key", text)];
        let (status, made) = stage.api_with(&stage.shop, Method::POST, "/v1/sends", Some(&body), &headers);
        match status {
            202 => return made["id"].as_str().unwrap().to_owned(),
            500 | 503 => stage.world.advance(SECOND),
            _ => panic!("{status}: {made}"),
        }
    }
}

/// The full figure crosses the border between two pages of an expansion, which lies at 100,000 recipients.
#[test]
fn prove_pages_of_a_large_send_skip_and_double_nobody() {
    let number = if is_full() { 100_600 } else { 1_600 };
    let stage = Stage::new(1);
    let users = stage.many_members(number, "gold");
    stage.world.disturb_queues(Disturbance { duplicates: 0.5, ..STORM });
    let id = send_until_accepted(&stage, "1");
    stage.world.settle(10 * MINUTE);
    let (_, send) = stage.api(&stage.shop, Method::GET, &format!("/v1/sends/{id}"), None);
    assert_eq!((&send["state"], &send["accepted"]), (&json!("done"), &json!(number)), "{send}");
    assert!(users.iter().all(|user| stage.received(user) == 1));
    println!("pages: {number} recipients, 0 skipped, 0 doubled");
}

#[test]
fn prove_logins_end_at_the_shop_or_on_a_page_and_never_in_two_sessions() {
    for_each_seed("logins", |seed| {
        let rounds = (0..10).map(|round| log_in_through_a_storm(seed * 1_000 + round));
        let (arrivals, faults) = rounds.fold((0, 0), |sum, round| (sum.0 + round.0, sum.1 + round.1));
        vec![("logins", 10), ("arrivals", arrivals), ("faults", faults), ("second sessions", 0)]
    });
}

/// One login whose callback arrives several times while everything fails; how often it arrived and how much failed.
fn log_in_through_a_storm(seed: u64) -> (u64, u64) {
    let stage = Stage::new(seed);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let login = shop.begin("1");
    let started = browser.go(&login.url);
    let callback = browser.at_line(&started.location.unwrap(), Consent::WithFriend);
    world.fail_by_seed(0.1);
    let arrivals = 2 + world.below(5);
    let replies = world.together((0..arrivals).map(|_| world.serve(browser.request(&callback))));
    world.end_faults();
    for reply in replies.into_iter().flatten() {
        assert!([302, 400, 503].contains(&reply.status.as_u16()), "seed {seed}: {reply:?}");
        browser.keep(ACCOUNT.host, &reply);
        if reply.status == 302 {
            shop.code(&login, reply.headers["location"].to_str().unwrap());
        }
    }
    let reloaded = browser.go(&callback);
    match reloaded.location {
        Some(location) => _ = shop.claims(world, &login, &shop.code(&login, &location)),
        None => assert!(reloaded.button().is_some(), "seed {seed}: {}", reloaded.html),
    }
    assert!(stage.count("sessions") <= 1, "seed {seed}");
    assert!(stage.answers_of(LINE_TOKEN).len() <= 1, "seed {seed}");
    (arrivals as u64, world.faults_struck())
}

#[test]
fn prove_codes_are_redeemed_once_by_whoever_is_first() {
    for_each_seed("codes", |seed| {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, &stage.shop);
        let login = shop.begin("1").but("scope", Some("openid offline_access"));
        let location = Browser::of(world, &stage.person("花子")).log_in(shop, &login, Consent::Plain);
        let request = shop.token_request(&shop.code(&login, &location), &login.verifier);
        let stormy = seed % 2 == 0;
        if stormy {
            world.fail_by_seed(0.1);
        }
        let replies = world.together((0..100).map(|_| world.serve(request.clone())));
        world.end_faults();
        let won: Vec<_> = replies.iter().flatten().filter(|reply| reply.status == 200).collect();
        assert!(won.len() == 1 || (stormy && won.is_empty()), "seed {seed}: {} succeeded", won.len());
        let refused = replies.iter().flatten().filter(|reply| reply.status == 400).count();
        assert!(stormy || refused == 99, "seed {seed}: {refused} were refused");
        assert_eq!(stage.count("grants"), 1, "seed {seed}");
        // Who came later came with a code that was spent: what the first received is worth nothing any more.
        assert_eq!(stage.count("grants WHERE ended_at IS NULL"), 0, "seed {seed}");
        for reply in &won {
            let token = json_body(reply)["access_token"].as_str().unwrap().to_owned();
            assert_eq!(shop.userinfo(world, &token).status, 401, "seed {seed}");
        }
        let won = u64::try_from(won.len()).unwrap();
        vec![
            ("exchanges", 100),
            ("successes", won),
            ("faults", world.faults_struck()),
            ("second successes", 0),
        ]
    });
}

#[test]
fn prove_refreshes_keep_one_lineage() {
    for_each_seed("refreshes", |seed| {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, &stage.shop);
        let (_, _, tokens) = stage.logged_in(shop, "openid offline_access");
        let mut present = tokens["refresh_token"].as_str().unwrap().to_owned();
        let (mut asked, mut answered) = (0, 0);
        for round in 1..=5 {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", present.as_str())];
            let request = shop.request("/token", &fields);
            let stormy = seed % 2 == 0;
            if stormy {
                world.fail_by_seed(0.1);
            }
            let replies = world.together((0..50).map(|_| world.serve(request.clone())));
            world.end_faults();
            // Where every answer was lost, the client asks again with what it has.
            let last = shop.refresh(world, &present);
            let given = replies.iter().flatten().chain([&last]).filter(|reply| reply.status == 200);
            let mut next: Vec<String> =
                given.map(|reply| json_body(reply)["refresh_token"].as_str().unwrap().to_owned()).collect();
            assert!(stormy || next.len() == 51, "seed {seed}: {} of 51", next.len());
            (asked, answered) = (asked + 51, answered + u64::try_from(next.len()).unwrap());
            next.dedup();
            assert!(next.len() <= 1, "seed {seed}: {} lineages", next.len());
            assert_eq!(stage.count("refresh_tokens"), round + 1, "seed {seed}");
            assert_eq!(stage.count("refresh_tokens WHERE used_at IS NULL"), 1, "seed {seed}");
            // A repeat that the storm held back beyond the grace is a reuse, and ends the family as a whole.
            if last.status == 400 {
                assert!(stormy && stage.count("grants WHERE ended_at IS NULL") == 0, "seed {seed}");
                break;
            }
            present.clone_from(&next[0]);
            world.advance(31 * SECOND);
        }
        vec![("refreshes", asked), ("answers", answered), ("faults", world.faults_struck()), ("forks", 0)]
    });
}
