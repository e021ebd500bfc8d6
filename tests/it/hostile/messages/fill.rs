//! Whatever attributes hold, what is filled in is JSON of the same shape that LINE takes, or an error of that person.

use enishi::message::{Messages, Values};
use enishi_world::{
    World,
    line_simulator::{Answer, Config, Simulator},
};
use serde_json::{Value, json};

use super::good;
use crate::support::for_each_seed_of;

#[path = "../../../../fuzz/checks/message.rs"]
mod checks;

/// What holds of everything that is read, see the file; the fuzzers hold it against any bytes.
use checks::check;

const NASTY: [&str; 22] = [
    "花子",
    "",
    " ",
    "\"",
    "\\",
    "\"}],\"to\":[\"",
    "{{name}}",
    "{{",
    "}}",
    "{",
    "\u{0}",
    "\r\n",
    "../..",
    "..",
    ".",
    "@evil.example/",
    "#?&=+%00",
    "javascript:alert(1)",
    "👨‍👩‍👧",
    "$",
    "か\u{3099}",
    "2026-12-24",
];

fn value(world: &World) -> Value {
    match world.below(8) {
        0 => json!(world.below(10_000)),
        1 => json!(-1.5),
        2 => json!(world.below(2) == 0),
        3 => json!([text(world), 3, text(world)]),
        4 => json!(NASTY[world.below(NASTY.len())].repeat(1 + world.below(400))),
        5 => Value::Null,
        _ => json!(text(world)),
    }
}

fn text(world: &World) -> &'static str {
    NASTY[world.below(NASTY.len())]
}

/// The places of texts and addresses in a message.
fn places(value: &Value, pointer: &str, found: &mut Vec<String>) {
    let of_v2 = value.get("type") == Some(&json!("textV2"));
    let Value::Object(fields) = value else {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            places(item, &format!("{pointer}/{index}"), found);
        }
        return;
    };
    for (name, value) in fields {
        let there = format!("{pointer}/{name}");
        let takes = [
            "text",
            "altText",
            "title",
            "address",
            "label",
            "data",
            "displayText",
            "clipboardText",
            "name",
            "uri",
            "url",
            "linkUri",
        ];
        if of_v2 && matches!(name.as_str(), "text" | "substitution") {
            continue;
        }
        if value.is_string() && (takes.contains(&name.as_str()) || name.ends_with("Url")) {
            found.push(there);
        } else {
            places(value, &there, found);
        }
    }
}

/// A good message with placeholders in some places.
fn template(world: &World) -> Value {
    let good = good::all();
    let mut message = good[world.below(good.len())].1.clone();
    let mut all = Vec::new();
    places(&message, "", &mut all);
    for _ in 0..=world.below(3) {
        if all.is_empty() {
            break;
        }
        let there = &all[world.below(all.len())];
        let place = message.pointer_mut(there).unwrap();
        let before = place.as_str().unwrap().to_owned();
        let name = ["name", "points", "day"][world.below(3)];
        let placeholder = match world.below(3) {
            0 => format!("{{{{{name}}}}}"),
            1 => format!("{{{{ {name} |客}}}}"),
            _ => format!("{{{{{name}|}}}}"),
        };
        let is_address = before.starts_with("https://");
        *place = json!(match world.below(3) {
            0 if !is_address => format!("{placeholder}{before}"),
            1 if !is_address => placeholder,
            _ => format!("{before}{placeholder}"),
        });
    }
    json!([message])
}

/// LINE, asked apart from everything else whether it would take messages.
struct Judge {
    line: Simulator,
    token: String,
}

const NOW: i64 = 1_767_225_600_000;

impl Judge {
    fn new() -> Self {
        let channel = json!({ "channel_id": "1", "channel_secret": "s", "bot_user_id": format!("U{}", "0".repeat(32)) });
        let config: Config = serde_json::from_value(json!({ "messaging_channels": [channel] })).unwrap();
        let mut judge = Self { line: Simulator::new(config, 1), token: String::new() };
        let form = "grant_type=client_credentials&client_id=1&client_secret=s";
        let reply = judge.posted("/oauth2/v3/token", "application/x-www-form-urlencoded", form.to_owned());
        let token: Value = serde_json::from_slice(&reply.1).unwrap();
        token["access_token"].as_str().unwrap().clone_into(&mut judge.token);
        judge
    }

    fn posted(&mut self, path: &str, kind: &str, body: String) -> (u16, Vec<u8>) {
        let request = http::Request::post(format!("https://api.line.me{path}"))
            .header("content-type", kind)
            .header("authorization", format!("Bearer {}", self.token))
            .body(body.into_bytes())
            .unwrap();
        let Answer::Reply(reply) = self.line.handle(NOW, request) else { panic!("no answer") };
        (reply.status().as_u16(), reply.into_body())
    }

    fn takes(&mut self, messages: &str) {
        let path = "/v2/bot/message/validate/push";
        let (status, answer) = self.posted(path, "application/json", format!("{{\"messages\":{messages}}}"));
        assert_eq!(status, 200, "{} {messages}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn what_is_filled_in_breaks_neither_json_nor_a_limit_of_lines() {
    for_each_seed_of("filled messages", 1_000, |seed| {
        let world = World::new(seed);
        let mut judge = Judge::new();
        let (mut read, mut good) = (0, 0);
        for _ in 0..300 {
            let given = template(&world);
            let values: Values =
                ["name", "points", "day"].into_iter().map(|name| (name.to_owned(), value(&world))).collect();
            check(json!({ "messages": given, "values": values }).to_string().as_bytes());
            let Ok(messages) = Messages::parse(given) else { continue };
            read += 1;
            judge.takes(&messages.sample().to_string());
            if let Ok(filled) = messages.fill(&values) {
                good += 1;
                judge.takes(&filled);
            }
        }
        assert!(read > 100 && good > 50, "{read} {good}");
        vec![("read", read), ("filled", good)]
    });
}
