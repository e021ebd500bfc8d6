//! What happens to a relay in the midst of a run.

use enishi_world::request;
use http::HeaderValue;

use super::*;

/// The jobs that wait are worked on, and so many milliseconds after they began this happens.
fn meanwhile(stage: &Stage, millis: i64, happens: impl Future<Output = ()>) {
    let world = &stage.world;
    let bodies = world.queued();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let memory = world.isolate();
    let working = async { drop(enishi::app::work(world.context(&memory), &bodies).await) };
    let at = world.now() + millis;
    let happening = async {
        world.sleep_until(at).await;
        happens.await;
    };
    let both: [std::pin::Pin<Box<dyn Future<Output = ()> + '_>>; 2] =
        [Box::pin(happening), Box::pin(working)];
    world.together(both);
}

/// `PATCH /v1/webhooks/relays/{id}`, beside others.
async fn patched(stage: &Stage, id: &str, with: Value) {
    let mut request = request(Method::PATCH, &format!("{}/v1/webhooks/relays/{id}", ACCOUNT.issuer));
    let bearer = HeaderValue::from_str(&format!("Bearer {}", stage.shop.api_key)).unwrap();
    request.headers.insert("authorization", bearer);
    request.body = Some(with.to_string().into_bytes());
    assert_eq!(stage.world.serve(request).await.status, 200);
}

#[test]
fn a_pause_ends_a_run_after_the_delivery_under_way_without_repeating_it() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    apply(&stage, 1..4);
    world.answer_shop_calls_at(ONE, ShopOutcome::Late(StatusCode::OK, 3_000));
    meanwhile(&stage, SECOND, patched(&stage, &id, json!({ "paused": true })));
    assert_eq!(calls_at(&stage, ONE).len(), 1);
    recovers(&stage, ONE);
    patch(&stage, &id, &json!({ "paused": false }));
    world.settle(MINUTE);
    let numbers: Vec<usize> = calls_at(&stage, ONE).iter().map(number_of).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn another_address_counts_from_the_next_delivery_on_and_calls_no_second_run() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    world.shop_server(TWO);
    apply(&stage, 1..4);
    world.answer_shop_calls_at(ONE, ShopOutcome::Late(StatusCode::OK, 3_000));
    let queued = world.queued().len();
    meanwhile(&stage, SECOND, async {
        patched(&stage, &id, json!({ "url": TWO })).await;
        assert_eq!(world.queued().len(), queued);
    });
    world.settle(MINUTE);
    let numbers = |url| calls_at(&stage, url).iter().map(number_of).collect::<Vec<_>>();
    assert_eq!((numbers(ONE), numbers(TWO)), (vec![1], vec![2, 3]));
}

#[test]
fn a_relay_that_is_removed_leaves_nothing_behind() {
    for status in [StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR] {
        let stage = Stage::new(1);
        let world = &stage.world;
        let id = relay_to(&stage, ONE, &json!({}));
        apply(&stage, 1..4);
        world.answer_shop_calls_at(ONE, ShopOutcome::Late(status, 3_000));
        meanwhile(&stage, SECOND, async {
            world.execute(&format!("DELETE FROM relays WHERE id = '{id}'"));
        });
        world.settle(5 * MINUTE);
        assert_eq!(calls_at(&stage, ONE).len(), 1);
        assert_eq!(stage.count("relays") + stage.count("relay_dead_letters"), 0);
    }
}

/// The row of the only relay, when another run took it over, and some time later.
fn taken_over(stage: &Stage, at: i64) -> [Vec<Value>; 2] {
    let world = &stage.world;
    let row = || {
        let mut rows = world.query("SELECT * FROM relays");
        rows.extend(world.query("SELECT * FROM relay_dead_letters"));
        rows
    };
    let mut then = Vec::new();
    meanwhile(stage, at, async {
        let until = (world.now() + MINUTE).0;
        world.execute(&format!("UPDATE relays SET lease = 'another run', due_at = {until}, cursor_at = 7"));
        then = row();
    });
    [then, row()]
}

#[test]
fn a_run_whose_relay_another_took_over_changes_nothing_any_more() {
    // In front of a move, of a delay, of the end of its time, of a burial.
    for (outcome, at, since) in [
        (ShopOutcome::Late(StatusCode::OK, 3_000), SECOND, None),
        (ShopOutcome::Late(StatusCode::INTERNAL_SERVER_ERROR, 3_000), SECOND, None),
        (ShopOutcome::Late(StatusCode::OK, 8_000), 12 * SECOND, None),
        (ShopOutcome::Late(StatusCode::INTERNAL_SERVER_ERROR, 3_000), SECOND, Some(1)),
    ] {
        let stage = Stage::new(1);
        relay_to(&stage, ONE, &json!({}));
        apply(&stage, 1..5);
        if let Some(since) = since {
            stage.world.execute(&format!("UPDATE relays SET attempts = 9, failing_since = {since}"));
        }
        stage.world.answer_shop_calls_at(ONE, outcome);
        let [then, now] = taken_over(&stage, at);
        assert_eq!(now, then, "{outcome:?}");
        assert_eq!(calls_at(&stage, ONE).len(), if at > 8 * SECOND { 2 } else { 1 });
    }
}

#[test]
fn nor_does_it_settle_a_dead_letter_that_the_other_run_has_now() {
    for status in [StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR] {
        let stage = Stage::new(1);
        let id = relay_to(&stage, ONE, &json!({}));
        apply(&stage, 1..2);
        stage.world.run_queues();
        stage.world.execute(&format!(
            "INSERT INTO relay_dead_letters (account, relay, seq, reason, at) VALUES ('{}', '{id}', 1, 'http_400', 1)",
            stage.account_id()
        ));
        let replay = format!("/{id}/dead-letters/replay");
        assert_eq!(api(&stage, Method::POST, &replay, Some(&json!({}))).1["replayed"], 1);
        stage.world.answer_shop_calls_at(ONE, ShopOutcome::Late(status, 3_000));
        let [then, now] = taken_over(&stage, SECOND);
        assert_eq!(now, then, "{status}");
        assert_eq!(then[1]["again"], 1);
    }
}
