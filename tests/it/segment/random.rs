//! Rules at random, of every kind of condition, about what the made-up people have.

use enishi::time::{DAY, UnixMillis};
use enishi_world::World;
use serde_json::{Map, Value, json};

use super::people::{People, moment, pick};

/// A rule; some of them are true of everyone, or of nobody, and refused.
pub(super) fn rule(world: &World, people: &People, depth: usize) -> Value {
    match world.below(if depth == 0 { 1 } else { 6 }) {
        0..=2 => leaf(world, people),
        3 => json!({ "not": rule(world, people, depth - 1) }),
        four => {
            let inner: Vec<Value> = (0..=world.below(4)).map(|_| rule(world, people, depth - 1)).collect();
            if four == 4 { json!({ "all": inner }) } else { json!({ "any": inner }) }
        }
    }
}

fn leaf(world: &World, people: &People) -> Value {
    match world.below(20) {
        0..=5 => attribute(world),
        6 => json!({ "tag": pick(world, &["vip", "新規", "O'Brien", "none"]) }),
        7..=12 => json!({ "event": event(world) }),
        13 | 14 => link(world),
        15 => friendship(world),
        16 => received(world, people),
        17 => {
            let mut clicked = Map::new();
            clicked.insert("within_days".to_owned(), days(world));
            if world.below(2) == 0 {
                clicked.insert("link".to_owned(), json!(pick(world, &["spring", "summer", "none"])));
            }
            json!({ "clicked": clicked })
        }
        18 => {
            let ids: std::collections::BTreeSet<String> =
                (0..=world.below(12)).map(|_| format!("m-{}", world.below(40))).collect();
            json!({ "members": ids })
        }
        _ if world.below(2) == 0 => json!({ "everyone": true, "unlinked": world.below(2) == 0 }),
        _ => json!({ "everyone": true }),
    }
}

fn days(world: &World) -> Value {
    json!(pick(world, &[1, 7, 30, 90]))
}

/// One or two bounds of time, of any kind.
fn times(world: &World) -> Map<String, Value> {
    let mut times = Map::new();
    match world.below(6) {
        0 | 1 => _ = times.insert("within_days".to_owned(), days(world)),
        2 => _ = times.insert("older_than_days".to_owned(), days(world)),
        3 => {
            times.insert("within_days".to_owned(), json!(pick(world, &[60, 90, 200])));
            times.insert("older_than_days".to_owned(), json!(pick(world, &[1, 7, 30])));
        }
        4 => {
            let after = moment(world);
            times.insert("after".to_owned(), json!(UnixMillis(after).rfc3339()));
            if world.below(2) == 0 {
                times.insert("before".to_owned(), json!(UnixMillis(after + 60 * DAY).rfc3339()));
            }
        }
        _ => {
            let day = enishi::time::Day::of(UnixMillis(moment(world)));
            times.insert("before".to_owned(), json!(day.to_string()));
        }
    }
    times
}

fn number(world: &World) -> Value {
    pick(world, &[json!(0), json!(10), json!(99.5), json!(100), json!(500), json!(1_000), json!(-3)]).clone()
}

fn date(world: &World) -> Value {
    match world.below(2) {
        0 => json!(enishi::time::Day::of(UnixMillis(moment(world))).to_string()),
        _ => json!(pick(world, &["2026-01-05", "2026-01-01", "1985-12-31"])),
    }
}

fn range(world: &World, bound: &dyn Fn() -> Value) -> Map<String, Value> {
    let mut range = Map::new();
    let low = pick(world, &["gt", "gte"]);
    let high = pick(world, &["lt", "lte"]);
    let which = world.below(3);
    if which != 1 {
        range.insert((*low).to_owned(), bound());
    }
    if which != 0 {
        range.insert((*high).to_owned(), bound());
    }
    range
}

fn anniversary(world: &World) -> Map<String, Value> {
    let from = *pick(world, &[-183, -30, -1, 0, 0, 1]);
    let to = (from + *pick(world, &[0, 1, 30, 366])).min(183);
    let days = json!({ "from": from, "to": to });
    [("anniversary".to_owned(), days)].into_iter().collect()
}

/// A test of a value.
fn test(world: &World) -> Map<String, Value> {
    let values = [
        json!("gold"),
        json!("1"),
        json!(1),
        json!(true),
        json!(false),
        json!("2026-01-01"),
        json!("shoes"),
        json!(1_000),
        json!("1000"),
        json!("M"),
        json!(27),
        json!(0),
    ];
    let one = |name: &str, value: Value| [(name.to_owned(), value)].into_iter().collect();
    match world.below(8) {
        0 | 1 => one("equals", pick(world, &values).clone()),
        2 => {
            let texts = world.below(2) == 0;
            let fitting: Vec<Value> = values
                .iter()
                .filter(|v| if texts { v.is_string() } else { v.is_number() })
                .cloned()
                .collect();
            let list: Vec<Value> = (0..=world.below(3)).map(|_| pick(world, &fitting).clone()).collect();
            one("in", json!(list))
        }
        3 => range(world, &|| number(world)),
        4 => range(world, &|| date(world)),
        5 => one("present", json!(world.below(2) == 0)),
        6 => anniversary(world),
        _ => one(
            "contains",
            pick(world, &[json!("M"), json!(27), json!("27"), json!("red"), json!(1)]).clone(),
        ),
    }
}

fn attribute(world: &World) -> Value {
    let mut rule = match world.below(7) {
        0 => [("equals".to_owned(), json!(pick(world, &["gold", "silver"])))].into_iter().collect(),
        1 => anniversary(world),
        2 => range(world, &|| number(world)),
        _ => test(world),
    };
    let name = match rule.keys().next().map(String::as_str) {
        Some("anniversary") => *pick(world, &["誕生日", "renewal", "mixed"]),
        Some("contains") => *pick(world, &["sizes", "mixed"]),
        _ => *pick(world, &["rank", "points", "mixed", "誕生日", "renewal", "sizes", "none"]),
    };
    rule.insert("attribute".to_owned(), json!(name));
    Value::Object(rule)
}

fn event(world: &World) -> Value {
    let mut event = Map::new();
    event
        .insert("type".to_owned(), json!(pick(world, &["purchase", "product_viewed", "visit.shop", "none"])));
    if world.below(3) == 0 {
        let names = ["amount", "category", "gift", "on", "色", "$.a['b'][0]"];
        let mut tests: Map<String, Value> = (0..=world.below(2))
            .map(|_| ((*pick(world, &names)).to_owned(), Value::Object(test(world))))
            .collect();
        if world.below(2) == 0 {
            let any: Map<String, Value> = (0..=world.below(2))
                .map(|_| {
                    (
                        (*pick(world, &["product_id", "quantity", "sizes"])).to_owned(),
                        Value::Object(test(world)),
                    )
                })
                .collect();
            tests.insert((*pick(world, &["items", "items", "色"])).to_owned(), json!({ "any": any }));
        }
        event.insert("properties".to_owned(), Value::Object(tests));
    }
    let measure = world.below(7);
    if measure < 5 && world.below(2) == 0 {
        event.extend(times(world));
    }
    match measure {
        0 => {}
        1 | 2 => _ = event.insert("count".to_owned(), Value::Object(count(world))),
        3 => {
            let mut sum = if world.below(4) == 0 {
                [("equals".to_owned(), number(world))].into_iter().collect()
            } else {
                range(world, &|| number(world))
            };
            sum.insert("property".to_owned(), json!(pick(world, &["amount", "gift", "none"])));
            event.insert("sum".to_owned(), Value::Object(sum));
        }
        4 => {
            let mut distinct = count(world);
            distinct.insert(
                "property".to_owned(),
                json!(pick(world, &["amount", "category", "色", "$.a['b'][0]", "none"])),
            );
            event.insert("distinct".to_owned(), Value::Object(distinct));
        }
        5 => _ = event.insert("first".to_owned(), Value::Object(times(world))),
        _ => _ = event.insert("last".to_owned(), Value::Object(times(world))),
    }
    Value::Object(event)
}

fn count(world: &World) -> Map<String, Value> {
    if world.below(4) == 0 {
        return [("equals".to_owned(), json!(world.below(3)))].into_iter().collect();
    }
    range(world, &|| json!(world.below(5)))
}

fn link(world: &World) -> Value {
    let mut link = Map::new();
    match world.below(4) {
        0 => _ = link.insert("linked".to_owned(), json!(false)),
        1 => _ = link.insert("linked".to_owned(), json!(true)),
        2 => _ = link.insert("since".to_owned(), Value::Object(times(world))),
        _ => {
            link.insert(
                "route".to_owned(),
                json!(pick(world, &["shop", "import", "account_link", "member_request"])),
            );
            if world.below(2) == 0 {
                link.insert("since".to_owned(), Value::Object(times(world)));
            }
        }
    }
    json!({ "link": link })
}

fn friendship(world: &World) -> Value {
    let mut friendship = Map::new();
    let which = world.below(3);
    if which != 1 {
        friendship.insert("since".to_owned(), Value::Object(times(world)));
    }
    if which != 0 {
        friendship.insert("mode".to_owned(), json!(pick(world, &["normal", "aggressive"])));
    }
    if world.below(2) == 0 {
        friendship.insert("client_id".to_owned(), json!(pick(world, &["web", "app", "none"])));
    }
    json!({ "friendship": friendship })
}

fn received(world: &World, people: &People) -> Value {
    let mut received = Map::new();
    let which = world.below(3);
    if which != 1 {
        received.insert("within_days".to_owned(), days(world));
    }
    if which != 0 {
        received.insert("send".to_owned(), json!(pick(world, &people.sends)));
    }
    json!({ "received": received })
}
