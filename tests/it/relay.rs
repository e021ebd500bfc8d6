//! Relays: tools behind us that get LINE's deliveries as LINE sent them, in sequence, each at its own pace.

use enishi::{
    id::AccountId,
    platform::{Database, Platform as _},
    store::{Disposition, Statement, relay},
    time::{DAY, HOUR, MINUTE, SECOND},
};
use enishi_world::{ACCOUNT, Disturbance, Fault, ShopCall, ShopOutcome, line_simulator::sign};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Stage, for_each_seed};

const ONE: &str = "https://one.example/line";
const TWO: &str = "https://two.example/line";

/// So many consumers that a target which hangs keeps one busy and the others free, as Queues start more.
const MANY: Disturbance = Disturbance { consumers: 4, ..Disturbance::NONE };

fn api(stage: &Stage, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
    stage.api(&stage.shop, method, &format!("/v1/webhooks/relays{path}"), body)
}

/// A tool at this address, and a relay to it; the relay's id.
fn relay_to(stage: &Stage, url: &str, with: &Value) -> String {
    stage.world.shop_server(url);
    let mut body = json!({ "url": url });
    for (name, value) in with.as_object().unwrap() {
        body[name] = value.clone();
    }
    let (status, made) = api(stage, Method::POST, "", Some(&body));
    assert_eq!(status, 201, "{made}");
    stage.world.run_queues();
    made["id"].as_str().unwrap().to_owned()
}

fn shown(stage: &Stage, id: &str) -> Value {
    let (status, relay) = api(stage, Method::GET, &format!("/{id}"), None);
    assert_eq!(status, 200, "{relay}");
    relay
}

fn patch(stage: &Stage, id: &str, with: &Value) -> Value {
    let (status, relay) = api(stage, Method::PATCH, &format!("/{id}"), Some(with));
    assert_eq!(status, 200, "{relay}");
    relay
}

/// A body as LINE sends it; `number` makes it another.
fn body(number: usize) -> String {
    json!({ "destination": ACCOUNT.bot_user_id, "events": [{
        "type": "message", "mode": "active", "timestamp": 1, "webhookEventId": format!("EVENT{number:06}"),
        "message": { "type": "text", "id": number.to_string(), "text": "こんにちは" },
    }] })
    .to_string()
}

/// Writes deliveries into the ledger and wakes relays, in one batch, as the consumer does; says whether it happened.
fn applied(stage: &Stage, numbers: impl IntoIterator<Item = usize>) -> bool {
    let world = &stage.world;
    let account = AccountId::parse(&stage.account_id()).unwrap();
    let now = world.now();
    let insert = |number: usize| {
        let body = body(number);
        Statement::new(
            "INSERT INTO webhook_deliveries (account, seq, received_at, applied_at, verdict, events, signature, body) \
             SELECT ?1, coalesce((SELECT seq FROM webhook_deliveries WHERE account = ?1 AND seq > 0 \
               ORDER BY seq DESC LIMIT 1), 0) + 1, ?2, ?2, 'applied', 1, ?3, ?4",
        )
        .bind(&account)
        .bind(now)
        .bind(sign(ACCOUNT.messaging_secret, body.as_bytes()))
        .bind(body)
    };
    let mut statements: Vec<Statement> = numbers.into_iter().map(insert).collect();
    statements.push(relay::wake(&account, now));
    let ran = world.run(async {
        let outcomes = world.batch(&Database::default(), statements).await?;
        let jobs = relay::woken(&account, &outcomes);
        if !jobs.is_empty() {
            // What the queue refuses, cron finds.
            let _ = world.enqueue(&jobs).await;
        }
        Ok::<_, enishi::platform::PlatformError>(())
    });
    matches!(ran, Some(Ok(())))
}

fn apply(stage: &Stage, numbers: impl IntoIterator<Item = usize>) {
    assert!(applied(stage, numbers));
}

/// The calls that reached a tool.
fn calls_at(stage: &Stage, url: &str) -> Vec<ShopCall> {
    stage.world.shop_calls().into_iter().filter(|call| call.url == url).collect()
}

/// The numbers of the deliveries that a tool took, in the order of arrival.
fn taken(stage: &Stage, url: &str) -> Vec<usize> {
    let calls = calls_at(stage, url);
    let taken = calls.iter().filter(|call| call.outcome == ShopOutcome::Status(StatusCode::OK));
    taken.map(number_of).collect()
}

fn number_of(call: &ShopCall) -> usize {
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    body["events"][0]["webhookEventId"].as_str().unwrap().trim_start_matches("EVENT").parse().unwrap()
}

/// Everything arrived in order; says how often something was repeated, which is the one before each time.
fn repeats(numbers: &[usize], of: std::ops::Range<usize>) -> usize {
    let mut distinct = numbers.to_vec();
    distinct.dedup();
    assert_eq!(distinct, of.collect::<Vec<_>>(), "in order, nothing skipped, nothing later once more");
    numbers.len() - distinct.len()
}

fn fails_with(stage: &Stage, url: &str, status: u16) {
    stage.world.answer_shop_calls_at(url, ShopOutcome::Status(StatusCode::from_u16(status).unwrap()));
}

fn recovers(stage: &Stage, url: &str) {
    fails_with(stage, url, 200);
}

#[test]
fn a_tool_gets_each_delivery_as_line_sent_it_from_now_on_or_from_the_start() {
    let stage = Stage::new(1);
    apply(&stage, 1..3);
    let now = relay_to(&stage, ONE, &json!({ "label": "チャットボット" }));
    let start = relay_to(&stage, TWO, &json!({ "from": "start" }));
    assert_eq!((taken(&stage, ONE), taken(&stage, TWO)), (vec![], vec![1, 2]));
    apply(&stage, [3]);
    stage.world.run_queues();
    assert_eq!((taken(&stage, ONE), taken(&stage, TWO)), (vec![3], vec![1, 2, 3]));
    let [call] = <[ShopCall; 1]>::try_from(calls_at(&stage, ONE)).unwrap();
    let header = |name: &str| call.headers[name].to_str().unwrap();
    assert_eq!((&call.method, String::from_utf8(call.body.clone()).unwrap()), (&Method::POST, body(3)));
    assert_eq!(header("x-line-signature"), sign(ACCOUNT.messaging_secret, &call.body));
    assert_eq!(header("content-type"), "application/json; charset=utf-8");
    assert!(header("user-agent").starts_with("LineBotWebhook/2.0 Enishi/"));
    for (id, delivered) in [(now, 1), (start, 3)] {
        let relay = shown(&stage, &id);
        assert_eq!(
            (&relay["delivered"], &relay["lag"]),
            (&json!(delivered), &json!({ "deliveries": 0, "seconds": 0 }))
        );
        assert_eq!(
            (&relay["attempts"], &relay["reason"], &relay["lost"]),
            (&json!(0), &Value::Null, &json!(0))
        );
        assert_eq!(relay["delivered_at"], "2026-01-05T03:00:00.000Z");
    }
}

#[test]
fn relays_are_made_shown_changed_and_removed_and_the_audit_log_says_so() {
    let stage = Stage::new(1);
    let id = relay_to(&stage, "https://one.example/line?key=tools-own", &json!({ "label": "a" }));
    let made = shown(&stage, &id);
    assert_eq!(
        (&made["label"], &made["url"], &made["paused"], &made["created_at"]),
        (
            &json!("a"),
            &json!("https://one.example/line?key=tools-own"),
            &json!(false),
            &json!("2026-01-05T03:00:00.000Z")
        )
    );
    let changed = patch(&stage, &id, &json!({ "label": "b", "paused": true }));
    assert_eq!(
        (&changed["label"], &changed["paused"], &changed["url"]),
        (&json!("b"), &json!(true), &made["url"])
    );
    let (status, list) = api(&stage, Method::GET, "", None);
    assert_eq!((status, &list["relays"][0]), (200, &changed));
    stage.world.shop_server(TWO);
    patch(&stage, &id, &json!({ "url": TWO }));
    assert_eq!(api(&stage, Method::DELETE, &format!("/{id}"), None).0, 204);
    for (method, path, body) in [
        (Method::GET, "", None),
        (Method::PATCH, "", Some(json!({ "paused": true }))),
        (Method::DELETE, "", None),
        (Method::GET, "/dead-letters", None),
        (Method::POST, "/dead-letters/replay", Some(json!({}))),
    ] {
        assert_eq!(api(&stage, method, &format!("/{id}{path}"), body.as_ref()).0, 404, "{path}");
    }
    assert_eq!(api(&stage, Method::GET, "", None).1, json!({ "relays": [] }));
    let log = stage
        .world
        .query("SELECT action, detail FROM audit_log WHERE action LIKE 'relay.%' ORDER BY at, rowid");
    let actions: Vec<&str> = log.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["relay.post", "relay.patch", "relay.patch", "relay.delete"]);
    for row in &log {
        let detail = row["detail"].as_str().unwrap();
        assert!(detail.contains(&id) && !detail.contains("tools-own"), "{detail}");
    }
}

#[test]
fn what_is_no_relay_is_refused_with_a_word_why() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    for wrong in [
        json!({}),
        json!({ "url": "ftp://one.example/" }),
        json!({ "url": "one.example" }),
        json!({ "url": "http://one.example/" }),
        json!({ "url": "https://user:secret@one.example/" }),
        json!({ "url": "https://one.example/#part" }),
        json!({ "url": ONE, "label": "x".repeat(101) }),
        json!({ "url": ONE, "label": "a\nb" }),
        json!({ "url": ONE, "from": "yesterday" }),
        json!({ "url": ONE, "cursor": 7 }),
    ] {
        let (status, body) = api(&stage, Method::POST, "", Some(&wrong));
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{wrong}: {body}");
    }
    let id = relay_to(&stage, ONE, &json!({}));
    for wrong in [json!({}), json!({ "url": "http://one.example/" }), json!({ "paused": "yes" })] {
        assert_eq!(api(&stage, Method::PATCH, &format!("/{id}"), Some(&wrong)).0, 400, "{wrong}");
    }
    for path in ["dead-letters?limit=0", "dead-letters?after=x", "dead-letters?after=-1"] {
        assert_eq!(api(&stage, Method::GET, &format!("/{id}/{path}"), None).0, 400, "{path}");
    }
    let many = json!({ "ids": (0..1_001).collect::<Vec<i32>>() });
    assert_eq!(api(&stage, Method::POST, &format!("/{id}/dead-letters/replay"), Some(&many)).0, 400);
    // Of another account there is nothing to be seen, nor to be changed.
    let path = format!("/v1/webhooks/relays/{id}");
    assert_eq!(stage.api(&other, Method::GET, &path, None).0, 404);
    assert_eq!(stage.api(&other, Method::PATCH, &path, Some(&json!({ "paused": true }))).0, 404);
    assert_eq!(stage.api(&other, Method::DELETE, &path, None).0, 404);
    assert_eq!(shown(&stage, &id)["paused"], false);
    for _ in 1..10 {
        relay_to(&stage, ONE, &json!({}));
    }
    let (status, body) = api(&stage, Method::POST, "", Some(&json!({ "url": ONE })));
    assert_eq!((status, &body["error"]), (409, &json!("too_many_relays")));
    assert_eq!(stage.count("relays"), 10);
}

#[test]
fn a_target_that_fails_is_tried_with_growing_delays_in_sequence_and_says_how_far_behind_it_is() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    fails_with(&stage, ONE, 500);
    apply(&stage, 1..4);
    world.settle(2 * HOUR);
    let calls = calls_at(&stage, ONE);
    assert!(calls.iter().all(|call| number_of(call) == 1), "the first alone is tried");
    let gaps: Vec<i64> =
        calls.windows(2).map(|pair| (pair[1].at - pair[0].at + SECOND / 2) / SECOND).collect();
    assert!(gaps.starts_with(&[6, 11, 21, 41, 81, 161, 321]), "{gaps:?}");
    assert!(gaps.iter().skip(7).all(|gap| (600..=605).contains(gap)), "{gaps:?}");
    let relay = shown(&stage, &id);
    assert_eq!(relay["lag"], json!({ "deliveries": 3, "seconds": 7_200 }));
    assert_eq!((&relay["reason"], &relay["attempts"]), (&json!("http_500"), &json!(calls.len())));
    assert_eq!(relay["failing_since"], "2026-01-05T03:00:00.000Z");
    assert!(relay["next_attempt_at"].as_str().unwrap() > "2026-01-05T05:00:00");
    world.answer_shop_calls_at(ONE, ShopOutcome::Silence);
    world.settle(11 * MINUTE);
    assert_eq!(shown(&stage, &id)["reason"], "no_answer");
    recovers(&stage, ONE);
    world.settle(11 * MINUTE);
    assert_eq!(taken(&stage, ONE), [1, 2, 3]);
    let relay = shown(&stage, &id);
    assert_eq!(
        (&relay["failing_since"], &relay["reason"], &relay["attempts"]),
        (&Value::Null, &Value::Null, &json!(0))
    );
    assert_eq!(relay["lag"], json!({ "deliveries": 0, "seconds": 0 }));
}

#[test]
fn a_redirect_is_not_followed_and_counts_as_a_failure() {
    let stage = Stage::new(1);
    let id = relay_to(&stage, ONE, &json!({}));
    fails_with(&stage, ONE, 302);
    apply(&stage, [1]);
    stage.world.run_queues();
    assert_eq!(stage.world.shop_calls().len(), 1);
    assert_eq!(shown(&stage, &id)["reason"], "http_302");
}

#[test]
fn what_failed_for_a_day_is_kept_as_dead_passed_and_sent_beside_the_sequence_when_somebody_asks() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    fails_with(&stage, ONE, 400);
    apply(&stage, 1..3);
    world.settle(DAY + 11 * MINUTE);
    let letters = |after: &str| {
        let (status, page) = api(&stage, Method::GET, &format!("/{id}/dead-letters{after}"), None);
        assert_eq!(status, 200, "{page}");
        page
    };
    let page = letters("");
    assert_eq!(page["next"], Value::Null);
    let letter = page["dead_letters"][0].clone();
    assert_eq!(
        (&letter["id"], &letter["reason"], &letter["again"], &letter["received_at"]),
        (&json!(1), &json!("http_400"), &json!(false), &json!("2026-01-05T03:00:00.000Z"))
    );
    assert_eq!(page["dead_letters"].as_array().unwrap().len(), 1, "the second has its own day");
    world.settle(DAY + 11 * MINUTE);
    assert_eq!(shown(&stage, &id)["dead_letters"], 2);
    let first = letters("?limit=1");
    assert_eq!((&first["dead_letters"][0]["id"], &first["next"]), (&json!(1), &json!("1")));
    assert_eq!(letters("?limit=1&after=1")["dead_letters"][0]["id"], 2);

    recovers(&stage, ONE);
    world.settle(HOUR);
    assert_eq!(taken(&stage, ONE), Vec::<usize>::new(), "nobody asked for them");
    let replay = |body: Value| api(&stage, Method::POST, &format!("/{id}/dead-letters/replay"), Some(&body));
    assert_eq!(replay(json!({ "ids": [2, 99] })), (202, json!({ "replayed": 1 })));
    apply(&stage, [3]);
    world.run_queues();
    assert_eq!(taken(&stage, ONE), [2, 3]);
    fails_with(&stage, ONE, 503);
    assert_eq!(replay(json!({})), (202, json!({ "replayed": 1 })));
    assert_eq!(letters("")["dead_letters"][0]["again"], true);
    world.run_queues();
    let letter = letters("")["dead_letters"][0].clone();
    assert_eq!((&letter["reason"], &letter["again"]), (&json!("http_503"), &json!(false)));
    recovers(&stage, ONE);
    assert_eq!(replay(json!({})), (202, json!({ "replayed": 1 })));
    world.run_queues();
    assert_eq!(taken(&stage, ONE), [2, 3, 1]);
    assert_eq!(
        (letters("")["dead_letters"].clone(), replay(json!({})).1["replayed"].clone()),
        (json!([]), json!(0))
    );
    world.run_queues();
    assert_eq!((taken(&stage, ONE).len(), shown(&stage, &id)["delivered"].clone()), (3, json!(3)));
}

#[test]
fn many_dead_letters_are_replayed_in_turn_with_what_comes_meanwhile() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    apply(&stage, 1..31);
    world.run_queues();
    let before = taken(&stage, ONE).len();
    let account = stage.account_id();
    world.execute(&format!(
        "INSERT INTO relay_dead_letters (account, relay, seq, reason, at) \
         SELECT account, '{id}', seq, 'http_500', received_at FROM webhook_deliveries WHERE account = '{account}'"
    ));
    // One of them is poison still.
    world.execute("UPDATE webhook_deliveries SET altered = 1, body = '{\"destination\":\"U\",\"events\":[]}' WHERE seq = 7");
    world.execute("DELETE FROM webhook_deliveries WHERE seq = 9");
    let (_, answer) = api(&stage, Method::POST, &format!("/{id}/dead-letters/replay"), Some(&json!({})));
    assert_eq!(answer["replayed"], 30);
    apply(&stage, [31]);
    world.run_queues();
    let mut numbers = taken(&stage, ONE).split_off(before);
    assert!(
        numbers.iter().position(|number| *number == 31).unwrap() <= 5,
        "it does not wait for all: {numbers:?}"
    );
    numbers.retain(|number| *number != 31);
    assert_eq!(numbers, (1..31).filter(|number| ![7, 9].contains(number)).collect::<Vec<_>>());
    let (_, page) = api(&stage, Method::GET, &format!("/{id}/dead-letters"), None);
    let letter = &page["dead_letters"][0];
    assert_eq!(
        (&letter["id"], &letter["reason"], &letter["received_at"]),
        (&json!(9), &json!("not_kept"), &Value::Null)
    );
}

#[test]
fn what_is_paused_is_not_tried_and_the_end_of_the_pause_or_another_address_tries_at_once() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    patch(&stage, &id, &json!({ "paused": true }));
    apply(&stage, 1..3);
    world.settle(HOUR);
    assert_eq!(calls_at(&stage, ONE).len(), 0);
    assert_eq!(shown(&stage, &id)["lag"], json!({ "deliveries": 2, "seconds": 3_600 }));
    patch(&stage, &id, &json!({ "paused": false }));
    world.run_queues();
    assert_eq!(taken(&stage, ONE), [1, 2]);

    fails_with(&stage, ONE, 500);
    apply(&stage, [3]);
    world.settle(HOUR);
    let tried = calls_at(&stage, ONE).len();
    assert!(shown(&stage, &id)["attempts"].as_i64().unwrap() > 5);
    world.shop_server(TWO);
    patch(&stage, &id, &json!({ "url": TWO }));
    world.run_queues();
    assert_eq!((taken(&stage, TWO), calls_at(&stage, ONE).len()), (vec![3], tried));
    let relay = shown(&stage, &id);
    assert_eq!((&relay["attempts"], &relay["failing_since"]), (&json!(0), &Value::Null));

    // A pause of days does not count towards the day after which a delivery is dead.
    fails_with(&stage, TWO, 500);
    apply(&stage, [4]);
    world.settle(MINUTE);
    patch(&stage, &id, &json!({ "paused": true }));
    world.settle(2 * DAY);
    patch(&stage, &id, &json!({ "paused": false }));
    world.settle(MINUTE);
    assert_eq!(shown(&stage, &id)["dead_letters"], 0);
    recovers(&stage, TWO);
    world.settle(MINUTE);
    assert_eq!(taken(&stage, TWO), [3, 4]);
}

#[test]
fn a_pause_in_the_midst_of_a_run_ends_it_after_the_delivery_under_way_without_repeating_it() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    apply(&stage, 1..4);
    world.answer_shop_calls_at(ONE, ShopOutcome::Late(StatusCode::OK, 3_000));
    let pausing = async {
        world.sleep_until(world.now() + SECOND).await;
        world.execute("UPDATE relays SET paused = 1");
    };
    let bodies = world.queued();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let memory = world.isolate();
    let working = async { drop(enishi::app::work(world.context(&memory), &bodies).await) };
    let both: [std::pin::Pin<Box<dyn Future<Output = ()>>>; 2] = [Box::pin(pausing), Box::pin(working)];
    world.together(both);
    assert_eq!(calls_at(&stage, ONE).len(), 1);
    recovers(&stage, ONE);
    patch(&stage, &id, &json!({ "paused": false }));
    world.settle(MINUTE);
    let numbers: Vec<usize> = calls_at(&stage, ONE).iter().map(number_of).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn a_body_that_was_altered_is_signed_anew_and_one_without_events_is_passed() {
    let stage = Stage::new(1);
    let id = relay_to(&stage, ONE, &json!({}));
    patch(&stage, &id, &json!({ "paused": true }));
    apply(&stage, 1..4);
    let left = body(7);
    stage.world.execute(&format!(
        "UPDATE webhook_deliveries SET altered = 1, body = '{left}' WHERE seq = 1;
         UPDATE webhook_deliveries SET altered = 1, body = '{{\"destination\":\"U\",\"events\":[]}}' WHERE seq = 2;
         UPDATE webhook_deliveries SET signature = '' WHERE seq = 3;"
    ));
    patch(&stage, &id, &json!({ "paused": false }));
    stage.world.run_queues();
    let calls = calls_at(&stage, ONE);
    let sent: Vec<(String, &str)> = calls
        .iter()
        .map(|call| {
            (
                String::from_utf8(call.body.clone()).unwrap(),
                call.headers["x-line-signature"].to_str().unwrap(),
            )
        })
        .collect();
    let signed = |body: &str| sign(ACCOUNT.messaging_secret, body.as_bytes());
    assert_eq!(sent, [(left.clone(), &*signed(&left)), (body(3), &*signed(&body(3)))]);
    assert_eq!(shown(&stage, &id)["delivered"], 2);
    assert_eq!(shown(&stage, &id)["lag"]["deliveries"], 0);
}

#[test]
fn a_delivery_that_is_not_applied_yet_holds_the_sequence_back_for_ten_minutes_at_most() {
    for applied_after in [Some(30 * SECOND), None] {
        let stage = Stage::new(1);
        let world = &stage.world;
        relay_to(&stage, ONE, &json!({}));
        apply(&stage, 1..3);
        world.execute("UPDATE webhook_deliveries SET verdict = 'waiting', applied_at = NULL WHERE seq = 1");
        world.settle(applied_after.unwrap_or(9 * MINUTE));
        assert_eq!(calls_at(&stage, ONE).len(), 0);
        if applied_after.is_some() {
            world.execute("UPDATE webhook_deliveries SET verdict = 'applied' WHERE seq = 1");
            world.settle(5 * SECOND);
        } else {
            world.settle(MINUTE + 5 * SECOND);
        }
        assert_eq!(taken(&stage, ONE), [1, 2], "{applied_after:?}");
    }
}

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
    assert_eq!(calls_at(&stage, ONE).len(), 25, "a run ends in time");
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

#[test]
fn a_relay_that_is_removed_in_the_midst_of_a_run_leaves_nothing_behind() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    apply(&stage, 1..4);
    world.answer_shop_calls_at(ONE, ShopOutcome::Late(StatusCode::INTERNAL_SERVER_ERROR, 3_000));
    let removing = async {
        world.sleep_until(world.now() + SECOND).await;
        world.execute(&format!("DELETE FROM relays WHERE id = '{id}'"));
    };
    let bodies = world.queued();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let memory = world.isolate();
    let working = async { drop(enishi::app::work(world.context(&memory), &bodies).await) };
    let both: [std::pin::Pin<Box<dyn Future<Output = ()>>>; 2] = [Box::pin(removing), Box::pin(working)];
    world.together(both);
    world.settle(5 * MINUTE);
    assert_eq!(calls_at(&stage, ONE).len(), 1);
    assert_eq!(stage.count("relays") + stage.count("relay_dead_letters"), 0);
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

/// When each delivery arrived at a tool, while the other one does this with every call for a minute.
fn arrivals(stage: &Stage, trouble: Option<ShopOutcome>) -> Vec<(usize, i64)> {
    let world = &stage.world;
    world.disturb_queues(MANY);
    relay_to(stage, ONE, &json!({}));
    if let Some(trouble) = trouble {
        relay_to(stage, TWO, &json!({}));
        world.answer_shop_calls_at(TWO, trouble);
    }
    let began = world.now();
    for number in 0..60 {
        apply(stage, [number]);
        world.settle(SECOND);
    }
    if trouble.is_some() {
        assert_eq!(taken(stage, TWO), Vec::<usize>::new());
        recovers(stage, TWO);
        world.settle(2 * MINUTE);
        let numbers = taken(stage, TWO);
        assert_eq!(numbers, (0..60).collect::<Vec<_>>(), "everything, in order, once it recovers");
    }
    calls_at(stage, ONE).iter().map(|call| (number_of(call), call.at - began)).collect()
}

#[test]
fn a_target_that_fails_hangs_or_is_slow_delays_nobody_else() {
    let alone = arrivals(&Stage::new(1), None);
    assert_eq!(
        alone,
        (0..60).map(|number| (number, i64::try_from(number).unwrap() * SECOND)).collect::<Vec<_>>()
    );
    let error = ShopOutcome::Status(StatusCode::INTERNAL_SERVER_ERROR);
    for trouble in [error, ShopOutcome::Silence, ShopOutcome::Late(StatusCode::OK, 60_000)] {
        assert_eq!(arrivals(&Stage::new(1), Some(trouble)), alone, "{trouble:?}");
    }
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
    // The claim, and a batch for each delivery that moves the cursor and reads the next.
    assert_eq!((world.calls().batches, world.calls().fetches), (22, 21));
}

#[test]
fn deliveries_that_the_ledger_dropped_before_their_turn_count_as_lost_and_places_left_out_do_not() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    apply(&stage, 1..4);
    world.run_queues();
    world.execute("UPDATE webhook_deliveries SET seq = 7 WHERE seq = 3; UPDATE relays SET cursor = 7");
    apply(&stage, [4]);
    world.execute("UPDATE webhook_deliveries SET seq = 20 WHERE seq = 8");
    world.run_queues();
    assert_eq!((taken(&stage, ONE), shown(&stage, &id)["lost"].clone()), (vec![1, 2, 3, 4], json!(0)));
    fails_with(&stage, ONE, 500);
    patch(&stage, &id, &json!({ "paused": true }));
    apply(&stage, 5..9);
    world.settle(MINUTE);
    world.advance(15 * DAY);
    world.execute("DELETE FROM webhook_deliveries WHERE seq < 23");
    recovers(&stage, ONE);
    patch(&stage, &id, &json!({ "paused": false }));
    world.settle(MINUTE);
    assert_eq!((taken(&stage, ONE), shown(&stage, &id)["lost"].clone()), (vec![1, 2, 3, 4, 7, 8], json!(2)));
}

#[test]
fn a_delivery_of_two_megabytes_is_sent_on_whole() {
    let stage = Stage::new(1);
    relay_to(&stage, ONE, &json!({}));
    let text = "x".repeat(1_900_000);
    apply(&stage, [1]);
    stage
        .world
        .execute(&format!("UPDATE webhook_deliveries SET body = replace(body, 'こんにちは', '{text}')"));
    stage.world.run_queues();
    assert_eq!(calls_at(&stage, ONE)[0].body.len(), body(1).replace("こんにちは", &text).len());
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
fn dead_letters_are_kept_for_ninety_days() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    let now = world.now().0;
    world.execute(&format!(
        "INSERT INTO relay_dead_letters (account, relay, seq, reason, at) VALUES ('{}', '{id}', 1, 'http_500', {now})",
        stage.account_id()
    ));
    world.advance(90 * DAY);
    world.tick();
    assert_eq!(stage.count("relay_dead_letters"), 1);
    world.advance(SECOND);
    world.tick();
    assert_eq!(stage.count("relay_dead_letters"), 0);
}

#[test]
fn prove_relays_send_everything_in_order_through_faults_and_troubled_targets() {
    for_each_seed("relays", |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        relay_to(&stage, ONE, &json!({}));
        relay_to(&stage, TWO, &json!({}));
        let storm = Disturbance { duplicates: 0.2, late: 5_000, shuffle: true, consumers: 4 };
        world.disturb_queues(storm);
        let troubles = [
            ShopOutcome::Status(StatusCode::INTERNAL_SERVER_ERROR),
            ShopOutcome::Silence,
            ShopOutcome::Late(StatusCode::OK, 60_000),
            ShopOutcome::Late(StatusCode::OK, 4_000),
        ];
        world.fail_by_seed(0.05);
        let mut number = 0;
        while number < 120 {
            let url = [ONE, TWO][world.below(2)];
            let is_well = world.below(2) == 0;
            let trouble =
                if is_well { ShopOutcome::Status(StatusCode::OK) } else { troubles[world.below(4)] };
            world.answer_shop_calls_at(url, trouble);
            let some = 1 + world.below(8);
            // As the consumer: what did not happen is done again, and what happened without an answer not.
            while stage.count("webhook_deliveries") < (number + some) as u64 {
                applied(&stage, number..number + some);
            }
            number += some;
            world.settle(i64::try_from(world.below(20)).unwrap() * SECOND);
            world.evict_isolate();
        }
        world.end_faults();
        recovers(&stage, ONE);
        recovers(&stage, TWO);
        world.settle(25 * MINUTE);
        assert_eq!(world.queued(), Vec::<String>::new(), "seed {seed}");
        assert_eq!(stage.count("relays WHERE due_at IS NULL AND lease IS NULL"), 2, "seed {seed}");
        assert_eq!(stage.count("relay_dead_letters"), 0, "seed {seed}");
        let mut repeated = 0;
        for url in [ONE, TWO] {
            // A call that was answered late may have been given up, and is sent again; all of them are in sequence.
            let numbers: Vec<usize> = calls_at(&stage, url).iter().map(number_of).collect();
            repeats(&numbers, 0..number);
            repeated += repeats(&taken(&stage, url), 0..number) as u64;
        }
        assert!(repeated <= world.faults_struck(), "seed {seed}: {repeated}");
        vec![
            ("deliveries to two tools", 2 * number as u64),
            ("faults", world.faults_struck()),
            ("repeated", repeated),
            ("skipped", 0),
            ("out of order", 0),
        ]
    });
}
