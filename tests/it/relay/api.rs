//! `/v1/webhooks/relays`, and what became of what nobody took.

use super::*;

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
    stage.world.advance(SECOND);
    let changed = patch(&stage, &id, &json!({ "label": "b", "paused": true }));
    assert_eq!(
        (&changed["label"], &changed["paused"], &changed["url"]),
        (&json!("b"), &json!(true), &made["url"])
    );
    let (status, list) = api(&stage, Method::GET, "", None);
    assert_eq!((status, &list["relays"][0]), (200, &changed));
    stage.world.shop_server(TWO);
    stage.world.advance(SECOND);
    patch(&stage, &id, &json!({ "url": TWO }));
    stage.world.advance(SECOND);
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
    let log =
        stage.world.query("SELECT action, detail FROM audit_log WHERE action LIKE 'relay.%' ORDER BY at");
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
