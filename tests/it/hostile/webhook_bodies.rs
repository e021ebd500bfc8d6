//! Bodies that LINE signed and that parsers read in different ways: what counts once counts once, and what must go goes.

use enishi::time::{HOUR, MINUTE};
use enishi_world::ACCOUNT;
use serde_json::{Value, json};

use super::{
    super::{
        erase::{erase, found},
        support::{
            Stage,
            delivery::{delivery, event, message},
            webhook,
        },
    },
    webhooks::{bodies, deliver, in_group, unsend},
};

fn take(stage: &Stage, body: &str) {
    assert_eq!(stage.world.answer(webhook(body)).status, 200, "{body}");
    stage.world.run_queues();
}

/// A delivery of events that are no JSON of `serde_json`.
fn of(events: &[String]) -> String {
    format!(r#"{{"destination":"{}","events":[{}]}}"#, ACCOUNT.bot_user_id, events.join(","))
}

fn friend_at(stage: &Stage, user: &str) -> Vec<Value> {
    stage
        .world
        .query(&format!("SELECT friend, friendship_at AS at FROM line_users WHERE line_user_id = '{user}'"))
}

#[test]
fn a_timestamp_that_is_no_time_makes_nobody_a_friend_for_ever() {
    let stage = Stage::new(1);
    stage.takes_events();
    let user = stage.person("花子");
    let follow = event("follow", &user, "E1", 7_777_777).to_string();
    for (number, at) in [
        "9223372036854775807",
        "-9223372036854775808",
        "9007199254740993",
        "-1",
        "1e300",
        "1.5",
        "\"1\"",
        "null",
        "true",
        "99999999999999999999",
    ]
    .into_iter()
    .enumerate()
    {
        let odd = follow.replace("7777777", at).replace("E1", &format!("ODD{number}"));
        take(&stage, &of(&[odd]));
    }
    assert_eq!(stage.count("webhook_deliveries WHERE verdict = 'unreadable'"), 10);
    deliver(&stage, &json!([event("unfollow", &user, "E2", 8_000_000)]));
    assert_eq!(friend_at(&stage, &user), [json!({ "friend": 0, "at": 8_000_000 })]);
}

#[test]
fn nul_and_other_escapes_in_ids_and_texts_neither_hide_nor_double_anything() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    for (number, escape) in
        [r"\u0000", r"\u0000x", r#"\""#, r"\\", r"\/", r"\n", r"\ud83d\ude00", "'", "%", "é"]
            .into_iter()
            .enumerate()
    {
        let ids = [format!("E{number}{escape}z"), format!("9{number}{escape}1")];
        let secret = format!("secret-{number}");
        let raw =
            |event: Value| event.to_string().replace("EVENTMESSAGE", &ids[0]).replace("MESSAGE", &ids[1]);
        let one = raw(message(&user, "MESSAGE", &secret, 1)).replace(&secret, &format!("{escape}{secret}"));
        for _ in 0..2 {
            take(&stage, &of(std::slice::from_ref(&one)));
        }
        assert_eq!(
            stage.count("chat_messages WHERE unsent = 0"),
            u64::from(!escape.contains('/')),
            "{escape}"
        );
        take(&stage, &of(&[raw(unsend(&user, "MESSAGE", &format!("U{number}"), 2))]));
        assert!(escape.contains('/') || !bodies(&stage).contains(&secret), "{escape}: {}", bodies(&stage));
        assert_eq!(stage.count("chat_messages WHERE unsent = 0"), 0, "{escape}");
    }
    assert_eq!(stage.world.queued(), Vec::<String>::new());
}

#[test]
fn keys_that_stand_twice_marks_and_depth_hide_nobody_who_is_erased() {
    let words = "words of the canary";
    let deep = format!("{}1{}", r#"{"a":"#.repeat(1_500), "}".repeat(1_500));
    let wrap: [fn(String) -> String; 6] = [
        |one| of(&[one]),
        |one| format!("\u{feff}{}", of(&[one])),
        |one| of(&["{}".to_owned()]).replace("\"events\"", &format!("\"events\":[{one}],\"events\"")),
        |one| of(&[one.clone(), one.replace("\"message\":{", "\"message\":{\"id\":\"0\",")]),
        |one| of(&["1".to_owned()]).replace("\"events\"", &format!("\"extra\":[{one}],\"events\"")),
        |one| of(&[one]).replace(']', "],"),
    ];
    for (number, wrap) in wrap.into_iter().enumerate() {
        for depth in [false, true] {
            let stage = Stage::new(1);
            let canary = stage.member("m1", "gold");
            let mut one = message(&canary, "1", words, stage.world.now().0);
            one["extra"] = "DEEP".into();
            let one = one.to_string().replace("\"DEEP\"", if depth { &deep } else { "1" });
            take(&stage, &wrap(one));
            stage.world.settle(MINUTE);
            assert_eq!(erase(&stage, "m1"), 204);
            assert_eq!(found(&stage, &[&canary, words]), [], "{number} {depth}");
        }
    }
}

#[test]
fn what_was_unsent_before_its_message_could_not_be_applied_is_not_kept_with_what_failed() {
    for wrap in [|event: Value, _: &str| event, in_group] {
        for kind in ["poison", "neighbour"] {
            let stage = Stage::new(1);
            let (world, user) = (&stage.world, stage.person("花子"));
            world.execute(
                "CREATE TRIGGER poison BEFORE INSERT ON chat_messages WHEN new.message_id = '2' AND new.unsent = 0 \
                 BEGIN SELECT raise(ABORT, 'poison'); END",
            );
            let [one, two] = ["1", "2"].map(|id| wrap(message(&user, id, &format!("secret {id}"), 1), &user));
            assert_eq!(world.answer(webhook(&delivery(&json!([one, two])))).status, 200);
            world.settle(5 * MINUTE);
            let (gone, words) = if kind == "poison" { ("2", "secret 2") } else { ("1", "secret 1") };
            deliver(&stage, &json!([wrap(unsend(&user, gone, "U", 2), &user)]));
            world.settle(3 * HOUR);
            assert_eq!(stage.count("webhook_deliveries WHERE verdict = 'failed'"), 1);
            assert!(!bodies(&stage).contains(words), "{kind}: {}", bodies(&stage));
        }
    }
}

#[test]
fn an_event_that_names_thousands_is_applied_and_finds_each() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    let mut many = event("memberJoined", &user, "E1", 1);
    let members: Vec<Value> = (0..20_000).map(|at| json!({ "userId": format!("U{at:032x}") })).collect();
    many["joined"] = json!({ "members": members });
    take(&stage, &delivery(&json!([many])));
    stage.world.settle(3 * HOUR);
    assert_eq!(stage.count("webhook_deliveries WHERE verdict = 'waiting'"), 0);
    assert_eq!(
        stage.world.query("SELECT verdict FROM webhook_deliveries"),
        [json!({ "verdict": "applied" })]
    );
}
