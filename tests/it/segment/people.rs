//! Made-up people of an account, in memory and in the database alike.

use enishi::time::DAY;
use enishi_world::{World, line_simulator::NewUser};
use serde_json::{Map, Value, json};

/// A customer whom the shop knows.
#[derive(Debug, Default, Clone)]
pub(super) struct Member {
    pub(super) number: i64,
    pub(super) member_id: String,
    pub(super) attributes: Map<String, Value>,
    pub(super) tags: Vec<String>,
    pub(super) events: Vec<Event>,
}

#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) at: i64,
    pub(super) properties: Map<String, Value>,
}

/// Somebody at LINE.
#[derive(Debug, Default, Clone)]
pub(super) struct User {
    pub(super) id: i64,
    /// As LINE knows them.
    pub(super) line_user_id: String,
    pub(super) sub: String,
    pub(super) friend: Option<bool>,
    pub(super) said_by_event: bool,
    pub(super) friend_since: Option<i64>,
    pub(super) added_mode: Option<String>,
    pub(super) added_client: Option<String>,
    pub(super) link: Option<Link>,
    /// When, the place of the send, and the outcome.
    pub(super) receipts: Vec<(i64, usize, i64)>,
    /// When, and which link.
    pub(super) clicks: Vec<(i64, String)>,
}

#[derive(Debug, Clone)]
pub(super) struct Link {
    /// The place among the members.
    pub(super) member: usize,
    pub(super) at: i64,
    pub(super) way: Option<String>,
}

/// An account's people.
#[derive(Debug)]
pub(super) struct People {
    pub(super) account: String,
    pub(super) members: Vec<Member>,
    pub(super) users: Vec<User>,
    pub(super) sends: Vec<String>,
}

pub(super) fn pick<'a, T>(world: &World, from: &'a [T]) -> &'a T {
    &from[world.below(from.len())]
}

/// A time in the last 400 days, often exactly so many days ago, sometimes a moment ahead.
pub(super) fn moment(world: &World) -> i64 {
    let now = world.now().0;
    match world.below(8) {
        0 => now - *pick(world, &[1, 7, 30, 90]) * DAY,
        1 => now - *pick(world, &[1, 7, 30, 90]) * DAY - 1,
        2 => now + i64::try_from(world.below(100_000)).unwrap(),
        _ => {
            now - i64::try_from(world.below(400)).unwrap() * DAY
                - i64::try_from(world.below(86_400_000)).unwrap()
        }
    }
}

impl People {
    /// Draws people; those of an account have numbers with this remainder, so that accounts lie among each other.
    pub(super) fn draw(world: &World, account: &str, remainder: i64, number: usize) -> Self {
        let numbered = |at: usize| 1_000 + 2 * i64::try_from(at).unwrap() + remainder;
        let members: Vec<Member> = (0..number).map(|at| member(world, numbered(at), at)).collect();
        let mut free: Vec<usize> = (0..number).collect();
        let mut users: Vec<User> = (0..number).map(|at| user(world, numbered(at), remainder)).collect();
        for user in &mut users {
            if world.below(4) > 0 {
                let member = free.swap_remove(world.below(free.len()));
                let way = pick(
                    world,
                    &[None, Some("shop"), Some("import"), Some("account_link"), Some("member_request")],
                );
                user.link = Some(Link { member, at: moment(world), way: way.map(str::to_owned) });
            }
        }
        let sends = (0..2).map(|at| format!("00000000-0000-4000-8000-00000000{remainder}00{at}")).collect();
        Self { account: account.to_owned(), members, users, sends }
    }

    /// Writes them into the database.
    pub(super) fn store(&self, world: &World) {
        let (account, now) = (&self.account, world.now().0);
        let each = |rows: Vec<Value>| Value::Array(rows).to_string().replace('\'', "''");
        let members = each(self.members.iter().map(|m| json!([m.number, m.member_id])).collect());
        let users = each(
            self.users
                .iter()
                .map(|u| {
                    json!([
                        u.id,
                        u.sub,
                        u.friend,
                        u.friend_since,
                        u.said_by_event,
                        u.added_mode,
                        u.added_client,
                        u.line_user_id
                    ])
                })
                .collect(),
        );
        let link = |u: &User| {
            u.link.as_ref().map(|l| {
                let consent = l.way.as_ref().map(|way| json!({ "way": way }).to_string());
                json!([u.id, self.members[l.member].member_id, l.at, consent])
            })
        };
        let links = each(self.users.iter().filter_map(link).collect());
        let of_members =
            |rows: &dyn Fn(&Member) -> Vec<Value>| each(self.members.iter().flat_map(rows).collect());
        let attributes = of_members(&|m| {
            m.attributes
                .iter()
                .map(|(name, value)| json!([m.number, name, kind(value), stored(value)]))
                .collect()
        });
        let items = of_members(&|m| {
            let lists = m.attributes.iter().filter_map(|(name, value)| Some((name, value.as_array()?)));
            lists
                .flat_map(|(name, list)| list.iter().map(move |item| json!([m.number, name, item])))
                .collect()
        });
        let tags = of_members(&|m| m.tags.iter().map(|tag| json!([m.number, tag])).collect());
        let events = of_members(&|m| {
            m.events
                .iter()
                .map(|e| json!([m.number, e.kind, e.at, Value::Object(e.properties.clone()).to_string()]))
                .collect()
        });
        let receipts = each(
            self.users
                .iter()
                .flat_map(|u| {
                    u.receipts.iter().map(|(at, send, outcome)| json!([u.id, at, self.sends[*send], outcome]))
                })
                .collect(),
        );
        let clicks = each(
            self.users
                .iter()
                .flat_map(|u| u.clicks.iter().map(|(at, link)| json!([u.id, at, link])))
                .collect(),
        );
        let sends: String = self
            .sends
            .iter()
            .map(|id| format!("{}('{account}', '{id}', 'd', '{{}}', '[]', 'done', {now})", ", "))
            .collect();
        let sends = sends.trim_start_matches(", ").to_owned();
        world.execute(&format!(
            "INSERT INTO members (id, account, member_id, created_at, updated_at)
               SELECT value ->> 0, '{account}', value ->> 1, 1, 1 FROM json_each('{members}');
             INSERT INTO line_users (id, account, line_user_id, subject, friend, friend_since, friendship_event, added_mode,
                 added_client, created_at)
               SELECT value ->> 0, '{account}', value ->> 7, value ->> 1, value ->> 2, value ->> 3,
                 CASE WHEN value ->> 4 THEN 'e' ELSE '' END, value ->> 5, value ->> 6, 1 FROM json_each('{users}');
             INSERT INTO links (account, line_user, member_id, link_id, linked_at, consent)
               SELECT '{account}', value ->> 0, value ->> 1, 'l' || (value ->> 0), value ->> 2, value ->> 3
               FROM json_each('{links}');
             INSERT INTO attributes (account, member, name, kind, value, updated_at)
               SELECT '{account}', value ->> 0, value ->> 1, value ->> 2, value ->> 3, 1 FROM json_each('{attributes}');
             INSERT OR IGNORE INTO attribute_items (account, name, value, member)
               SELECT '{account}', value ->> 1, value ->> 2, value ->> 0 FROM json_each('{items}');
             INSERT INTO tags (account, tag, member, tagged_at)
               SELECT '{account}', value ->> 1, value ->> 0, 1 FROM json_each('{tags}');
             INSERT INTO events (account, id, member, type, occurred_at, received_at, properties)
               SELECT '{account}', 'e' || key, value ->> 0, value ->> 1, value ->> 2, 1, value ->> 3 FROM json_each('{events}');
             INSERT INTO event_days (account, type, day, events)
               SELECT account, type, occurred_at / 86400000, count(*) * {} FROM events WHERE account = '{account}' GROUP BY 1, 2, 3;
             INSERT INTO sends (account, id, request_digest, audience, messages, state, created_at) VALUES {sends};
             INSERT INTO receipts (account, line_user, at, send, outcome)
               SELECT '{account}', value ->> 0, value ->> 1,
                 (SELECT number FROM sends WHERE account = '{account}' AND id = value ->> 2), value ->> 3
               FROM json_each('{receipts}') WHERE true ON CONFLICT DO NOTHING;
             INSERT INTO clicks (account, line_user, at, link)
               SELECT '{account}', value ->> 0, value ->> 1, value ->> 2 FROM json_each('{clicks}')
               WHERE true ON CONFLICT DO NOTHING;",
            // Sets or members one by one: the estimate decides, and the meaning must not depend on it.
            pick(world, &[0, 1, 1_000]),
        ));
    }
}

/// The kind of a value, as members have it.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(text) if is_date(text) => "date",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        _ => panic!("no value of an attribute: {value}"),
    }
}

fn stored(value: &Value) -> Value {
    if value.is_array() { Value::String(value.to_string()) } else { value.clone() }
}

/// A day of the calendar.
pub(super) fn is_date(text: &str) -> bool {
    text.len() == 10
        && chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok_and(|date| date.to_string() == text)
}

fn member(world: &World, number: i64, at: usize) -> Member {
    let mut attributes = Map::new();
    let mut attribute = |name: &str, values: &[Value]| {
        if world.below(4) > 0 {
            attributes.insert(name.to_owned(), pick(world, values).clone());
        }
    };
    attribute("rank", &[json!("gold"), json!("silver"), json!("bronze")]);
    attribute("points", &[json!(0), json!(10), json!(99.5), json!(100), json!(-3), json!(5_000)]);
    attribute(
        "mixed",
        &[json!("1"), json!(1), json!(true), json!(false), json!("2026-01-01"), json!(["1", 1])],
    );
    attribute(
        "誕生日",
        &[
            json!("1990-02-29"),
            json!("2000-02-29"),
            json!("1985-12-31"),
            json!("1985-01-01"),
            json!("1970-01-08"),
        ],
    );
    if world.below(2) == 0 {
        let day = enishi::time::Day::of(enishi::time::UnixMillis(moment(world)));
        attributes.insert("renewal".to_owned(), json!(day.to_string()));
    }
    if world.below(2) == 0 {
        let sizes: Vec<Value> = (0..world.below(4))
            .map(|_| pick(world, &[json!("S"), json!("M"), json!(27), json!("27")]).clone())
            .collect();
        attributes.insert("sizes".to_owned(), json!(sizes));
    }
    let tags =
        ["vip", "新規", "O'Brien"].into_iter().filter(|_| world.below(3) == 0).map(str::to_owned).collect();
    let events = (0..world.below(9)).map(|_| event(world)).collect();
    Member { number, member_id: format!("m-{at}"), attributes, tags, events }
}

fn event(world: &World) -> Event {
    let kind = (*pick(world, &["purchase", "purchase", "product_viewed", "visit.shop"])).to_owned();
    let mut properties = Map::new();
    let mut property = |name: &str, values: &[Value]| {
        if world.below(5) > 0 {
            properties.insert(name.to_owned(), pick(world, values).clone());
        }
    };
    property(
        "amount",
        &[
            json!(100),
            json!(100.0),
            json!(500),
            json!(1_000),
            json!(-100),
            json!(0.5),
            json!("1000"),
            json!(null),
            json!(true),
        ],
    );
    property("category", &[json!("shoes"), json!("hats"), json!(1), json!(null), json!(["shoes"])]);
    property("$.a['b'][0]", &[json!("shoes"), json!(1), json!(1_000.0), json!({ "b": ["shoes"] })]);
    property("gift", &[json!(true), json!(false), json!(1)]);
    property(
        "on",
        &[json!("2026-01-05"), json!("2026-12-31"), json!("2026-02-30"), json!("soon"), json!(20_260_105)],
    );
    property("色", &[json!(["red", "blue", 1]), json!([]), json!("red"), json!({ "a": "red" })]);
    let item = |_| match world.below(8) {
        0 => pick(world, &[json!("shoes"), json!(null), json!(1), json!([1]), json!("{")]).clone(),
        _ => json!({
            "product_id": pick(world, &[json!("shoes"), json!("gold"), json!(1), json!(null)]),
            "quantity": pick(world, &[json!(1), json!(27), json!(1_000)]),
            "sizes": pick(world, &[json!(["M", 27]), json!("M"), json!([])]),
        }),
    };
    properties.insert("items".to_owned(), (0..world.below(4)).map(item).collect());
    Event { kind, at: moment(world), properties }
}

fn user(world: &World, id: i64, remainder: i64) -> User {
    let friend = *pick(world, &[Some(true), Some(true), Some(true), Some(false), None]);
    let added = world.below(3) == 0;
    let links = ["spring", "summer"];
    User {
        id,
        line_user_id: world
            .line()
            .add_user(NewUser { friend: friend == Some(true), ..NewUser::default() })
            .to_string(),
        sub: format!("sub-{remainder}-{id}"),
        friend,
        said_by_event: friend == Some(false) && world.below(2) == 0,
        friend_since: (friend == Some(true) && world.below(5) > 0).then(|| moment(world)),
        added_mode: added.then(|| (*pick(world, &["normal", "aggressive"])).to_owned()),
        added_client: added.then(|| (*pick(world, &["web", "app"])).to_owned()),
        link: None,
        receipts: (0..world.below(3))
            .map(|_| (moment(world), world.below(2), *pick(world, &[1, 1, 10])))
            .collect(),
        clicks: (0..world.below(3)).map(|_| (moment(world), (*pick(world, &links)).to_owned())).collect(),
    }
}
