//! What a tool gets, when, and what is shown of it.

use super::*;

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
fn what_is_paused_is_not_tried_and_the_end_of_the_pause_or_another_address_tries_at_once() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    patch(&stage, &id, &json!({ "paused": true }));
    apply(&stage, 1..3);
    assert_eq!(world.queued(), Vec::<String>::new());
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
fn a_tool_that_has_the_new_channel_secret_alone_takes_what_was_signed_with_the_old_one() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    fails_with(&stage, ONE, 401);
    apply(&stage, [1]);
    let new_secret = "0123456789abcdef0123456789abcdef";
    let mut account = stage.shop.account_body();
    account["messaging_channel"]["secret"] = new_secret.into();
    account["messaging_channel"]["previous_secret"] = ACCOUNT.messaging_secret.into();
    assert_eq!(stage.put_account(ACCOUNT.host, &account).status, 200);
    world.evict_isolate();
    world.settle(30 * SECOND);
    let signatures = || -> Vec<String> {
        let calls = calls_at(&stage, ONE);
        calls.iter().map(|call| call.headers["x-line-signature"].to_str().unwrap().to_owned()).collect()
    };
    let by = |secret| sign(secret, body(1).as_bytes());
    let [old, new] = [by(ACCOUNT.messaging_secret), by(new_secret)];
    assert_eq!(signatures(), [old.clone(), new.clone(), old]);
    world.execute(&format!(
        "UPDATE relays SET cursor = 1, due_at = NULL, lease = NULL; \
         INSERT INTO relay_dead_letters (account, relay, seq, reason, at) VALUES ('{}', '{id}', 1, 'http_401', 1)",
        stage.account_id()
    ));
    let replay = format!("/{id}/dead-letters/replay");
    assert_eq!(api(&stage, Method::POST, &replay, Some(&json!({}))).1["replayed"], 1);
    world.run_queues();
    assert_eq!(signatures().last(), Some(&new));
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
fn deliveries_that_the_ledger_dropped_before_their_turn_count_as_lost_and_places_left_out_do_not() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let id = relay_to(&stage, ONE, &json!({}));
    apply(&stage, 1..4);
    world.run_queues();
    world.execute("UPDATE webhook_deliveries SET seq = 7 WHERE seq = 3; UPDATE relays SET cursor = 7");
    world.advance(20 * DAY);
    apply(&stage, [4]);
    world.execute("UPDATE webhook_deliveries SET seq = 20 WHERE seq = 8");
    world.advance(HOUR);
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
    stage.world.execute(
        "UPDATE webhook_deliveries SET body = replace(body, 'こんにちは', replace(printf('%1900000s', ''), ' ', 'x'))",
    );
    stage.world.run_queues();
    assert_eq!(calls_at(&stage, ONE)[0].body.len(), body(1).replace("こんにちは", &text).len());
}
