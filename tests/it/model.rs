//! The ID link against a reference: random operations on a shop's whole API, and what must be true after each.
//!
//! The reference is the plain meaning of `docs/API.md`: maps in memory. Every answer is foretold, and what is stored is
//! compared as a whole again and again.

use std::collections::{BTreeMap, BTreeSet};

use enishi::time::SECOND;
use enishi_world::line_simulator::UserId;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Browser, Consent, Figures, Stage, for_each_seed, json_body};

/// Operations of one seed.
const OPERATIONS: u64 = 1_500;

/// People with LINE, and members of the shop: few, so that they meet.
const PEOPLE: usize = 6;

/// How often everything is compared, in operations.
const COMPARE_EVERY: u64 = 50;

/// What should be.
#[derive(Default)]
struct Reference {
    /// Whom we know: LINE user → subject.
    known: BTreeMap<String, String>,
    /// The links: LINE user → member.
    links: BTreeMap<String, String>,
    /// Links that ended: LINE user, member, how.
    history: Vec<(String, String, &'static str)>,
    /// Members of whom the shop said something, or who were linked.
    members: BTreeSet<String>,
    /// Members and LINE users who were erased: no import brings them back, even if they came themselves.
    erased: BTreeSet<String>,
    /// Live sessions, by LINE user.
    sessions: BTreeMap<String, u64>,
}

impl Reference {
    fn line_user_of(&self, member: &str) -> Option<String> {
        self.links.iter().find(|(_, of)| *of == member).map(|(user, _)| user.clone())
    }

    /// The link of a LINE user goes to the history, and the sessions end.
    fn end(&mut self, user: &str, how: &'static str) {
        if let Some(member) = self.links.remove(user) {
            self.history.push((user.to_owned(), member, how));
            self.sessions.remove(user);
        }
    }

    /// A link makes the member, if the shop has not told of them.
    fn tie(&mut self, user: &str, member: &str) {
        self.members.insert(member.to_owned());
        self.links.insert(user.to_owned(), member.to_owned());
    }

    /// `PUT /v1/links/{sub}`: the status.
    fn link(&mut self, user: Option<&str>, member: &str, replace: bool) -> u16 {
        let Some(user) = user else { return 404 };
        if self.links.get(user).is_some_and(|of| of == member) {
            return 200;
        }
        let rival = self.line_user_of(member);
        if !replace && (self.links.contains_key(user) || rival.is_some()) {
            return 409;
        }
        self.end(user, "replaced");
        if let Some(rival) = rival {
            self.end(&rival, "replaced");
        }
        self.tie(user, member);
        201
    }

    /// `DELETE /v1/members/{member_id}`: the status.
    fn erase(&mut self, member: &str) -> u16 {
        let user = self.line_user_of(member);
        let was_here = self.members.remove(member)
            || user.is_some()
            || self.history.iter().any(|(_, of, _)| of == member);
        if !was_here {
            return if self.erased.contains(member) { 204 } else { 404 };
        }
        self.erased.insert(member.to_owned());
        self.erased.extend(user.clone());
        self.history.retain(|(of_user, of_member, _)| of_member != member && Some(of_user) != user.as_ref());
        if let Some(user) = user {
            self.links.remove(&user);
            self.known.remove(&user);
            self.sessions.remove(&user);
        }
        204
    }
}

/// One seed's run.
struct Run<'a> {
    stage: &'a Stage,
    seed: u64,
    people: Vec<UserId>,
    should: Reference,
    /// Subjects of people who were erased since.
    gone: Vec<String>,
    done: BTreeMap<&'static str, u64>,
}

impl<'a> Run<'a> {
    fn new(stage: &'a Stage, seed: u64) -> Self {
        let people = (0..PEOPLE).map(|at| stage.person(&format!("客{at}"))).collect();
        Self { stage, seed, people, should: Reference::default(), gone: Vec::new(), done: BTreeMap::new() }
    }

    fn someone(&self) -> String {
        self.people[self.stage.world.below(PEOPLE)].to_string()
    }

    fn member(&self) -> String {
        format!("m-{}", self.stage.world.below(PEOPLE))
    }

    fn api(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let headers = [("cache-control", "no-cache")];
        self.stage.api_with(&self.stage.shop, method, path, body, &headers)
    }

    fn step(&mut self) {
        let name = match self.stage.world.below(100) {
            0..4 => self.log_in(),
            4..8 => self.follow(),
            8..34 => self.link(),
            34..50 => self.unlink(),
            50..54 => self.chat_flow(),
            54..60 => self.erase(),
            60..66 => self.put_member(),
            66..72 => self.import(),
            _ => self.look_up(),
        };
        *self.done.entry(name).or_default() += 1;
        self.stage.world.advance(SECOND);
    }

    /// The subject of somebody, or of nobody any more.
    fn subject(&self, user: &str) -> (Option<String>, String) {
        match self.should.known.get(user) {
            Some(sub) => (Some(user.to_owned()), sub.clone()),
            None => (None, self.gone.last().cloned().unwrap_or_else(|| "nobody".to_owned())),
        }
    }

    fn log_in(&mut self) -> &'static str {
        let (world, shop, user) = (&self.stage.world, &self.stage.shop, self.someone());
        let login = shop.begin("1");
        let location = Browser::of(world, &user).log_in(shop, &login, Consent::Plain);
        let reply = shop.redeem(world, &login, &shop.code(&login, &location));
        let claims = crate::support::claims_of(json_body(&reply)["id_token"].as_str().unwrap());
        self.meets(&user, claims["sub"].as_str().unwrap());
        let member = claims.get("member_id").and_then(Value::as_str);
        assert_eq!(member, self.should.links.get(&user).map(String::as_str), "seed {}", self.seed);
        *self.should.sessions.entry(user).or_default() += 1;
        "logins"
    }

    /// A LINE user is known under one subject until erased, and under none of before afterwards.
    fn meets(&mut self, user: &str, sub: &str) {
        assert!(!self.gone.iter().any(|gone| gone == sub), "seed {}: {sub} was erased", self.seed);
        let known = self.should.known.entry(user.to_owned()).or_insert_with(|| sub.to_owned());
        assert_eq!(known, sub, "seed {}", self.seed);
    }

    fn follow(&mut self) -> &'static str {
        let user = self.someone();
        let now = self.stage.world.now().0;
        if self.stage.world.line().follow(now, &user).unwrap().is_some() {
            self.stage.deliver();
            let sub = self.stage.subject(&user);
            self.meets(&user, &sub);
        }
        "follows"
    }

    fn link(&mut self) -> &'static str {
        let (user, sub) = self.subject(&self.someone());
        let (member, replace) = (self.member(), self.stage.world.below(2) == 0);
        let body = json!({ "member_id": member, "replace": replace });
        let expected = self.should.link(user.as_deref(), &member, replace);
        let (status, answer) = self.api(Method::PUT, &format!("/v1/links/{sub}"), Some(&body));
        assert_eq!(status, expected, "seed {}: {answer}", self.seed);
        if replace { "links with replace" } else { "links" }
    }

    fn unlink(&mut self) -> &'static str {
        let (user, sub) = self.subject(&self.someone());
        let linked = user.filter(|user| self.should.links.contains_key(user));
        let (status, _) = self.api(Method::DELETE, &format!("/v1/links/{sub}"), None);
        assert_eq!(status, if linked.is_some() { 204 } else { 404 }, "seed {}", self.seed);
        if let Some(user) = linked {
            self.should.end(&user, "unlinked");
        }
        "unlinks"
    }

    /// The flow from the chat, as LINE's word ends it.
    fn chat_flow(&mut self) -> &'static str {
        let (user, member) = (self.someone(), self.member());
        let body = json!({ "link_token": "t", "member_id": member });
        let (status, answer) = self.api(Method::POST, "/v1/account-links", Some(&body));
        let is_taken = self.should.line_user_of(&member).is_some();
        assert_eq!(status, if is_taken { 409 } else { 201 }, "seed {}: {answer}", self.seed);
        if is_taken {
            return "flows from the chat";
        }
        let nonce = crate::support::query(answer["url"].as_str().unwrap())("nonce").unwrap();
        let event = json!({
            "destination": enishi_world::ACCOUNT.bot_user_id,
            "events": [{
                "type": "accountLink", "mode": "active", "timestamp": self.stage.world.now().0 + 1,
                "webhookEventId": nonce, "replyToken": "r", "source": { "type": "user", "userId": user },
                "deliveryContext": { "isRedelivery": false }, "link": { "result": "ok", "nonce": nonce },
            }],
        });
        assert_eq!(self.stage.world.answer(crate::support::webhook(&event.to_string())).status, 200);
        self.stage.world.run_queues();
        let sub = self.stage.subject(&user);
        self.meets(&user, &sub);
        if !self.should.links.contains_key(&user) {
            self.should.tie(&user, &member);
        }
        "flows from the chat"
    }

    fn erase(&mut self) -> &'static str {
        let member = self.member();
        let user = self.should.line_user_of(&member);
        self.gone.extend(user.and_then(|user| self.should.known.get(&user).cloned()));
        let expected = self.should.erase(&member);
        let (status, answer) = self.api(Method::DELETE, &format!("/v1/members/{member}"), None);
        assert_eq!(status, expected, "seed {}: {answer}", self.seed);
        "erasures"
    }

    fn put_member(&mut self) -> &'static str {
        let member = self.member();
        let body = json!({ "attributes": { "rank": "gold" } });
        assert_eq!(self.api(Method::PUT, &format!("/v1/members/{member}"), Some(&body)).0, 200);
        self.should.members.insert(member);
        "members"
    }

    /// A file of a few lines, some of which contradict others.
    fn import(&mut self) -> &'static str {
        let lines: Vec<(String, String)> =
            (0..=self.stage.world.below(5)).map(|_| (self.member(), self.someone())).collect();
        let csv: String = lines.iter().map(|(member, user)| format!("{member},{user}\n")).collect();
        let (status, import) = self.api(Method::POST, "/v1/imports", Some(&json!({})));
        assert_eq!(status, 201, "seed {}: {import}", self.seed);
        let path = format!("/v1/imports/{}/parts/1", import["id"].as_str().unwrap());
        let mut part = self.stage.shop.api_request(Method::PUT, &path, None);
        part.headers.insert("content-type", http::HeaderValue::from_static("text/csv"));
        part.body = Some(csv.into_bytes());
        let answer = json_body(&self.stage.world.answer(part));
        let mut made = Vec::new();
        let mut erased = 0;
        for (member, user) in lines {
            if self.should.erased.contains(&member) || self.should.erased.contains(&user) {
                erased += 1;
            } else if !self.should.links.contains_key(&user) && self.should.line_user_of(&member).is_none() {
                self.should.tie(&user, &member);
                made.push(user);
            }
        }
        assert_eq!(answer["linked"], json!(made.len()), "seed {}: {answer}", self.seed);
        assert_eq!(
            answer["reasons"]["erased"].as_u64().unwrap_or_default(),
            erased,
            "seed {}: {answer}",
            self.seed
        );
        for user in made {
            let sub = self.stage.subject(&user);
            self.meets(&user, &sub);
        }
        "imports"
    }

    fn look_up(&mut self) -> &'static str {
        let member = self.member();
        let (status, link) = self.api(Method::GET, &format!("/v1/links?member_id={member}"), None);
        let expected = self.should.line_user_of(&member);
        assert_eq!(status, if expected.is_some() { 200 } else { 404 }, "seed {}", self.seed);
        if let Some(user) = expected {
            assert_eq!(link["line_user_id"], json!(user), "seed {}", self.seed);
            assert_eq!(link["sub"], json!(self.should.known[&user]), "seed {}", self.seed);
        }
        "look-ups"
    }

    /// Everything that is stored is what should be.
    fn compare(&self) {
        let seed = self.seed;
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let rows = self.stage.world.query("SELECT line_user_id AS u, subject AS s FROM line_users");
        let known: BTreeMap<_, _> = rows.iter().map(|row| (text(row, "u"), text(row, "s"))).collect();
        assert_eq!(known, self.should.known, "seed {seed}");
        let rows = self.stage.world.query(
            "SELECT u.line_user_id AS u, l.member_id AS m FROM links l JOIN line_users u ON u.id = l.line_user",
        );
        let links: BTreeMap<_, _> = rows.iter().map(|row| (text(row, "u"), text(row, "m"))).collect();
        assert_eq!((links.len(), links), (rows.len(), self.should.links.clone()), "seed {seed}");
        let rows = self.stage.world.query(
            "SELECT u.line_user_id AS u, h.member_id AS m, h.ended_by AS b FROM link_history h \
             JOIN line_users u ON u.id = h.line_user",
        );
        let mut history: Vec<_> =
            rows.iter().map(|row| (text(row, "u"), text(row, "m"), text(row, "b"))).collect();
        let mut expected: Vec<_> =
            self.should.history.iter().map(|(u, m, b)| (u.clone(), m.clone(), (*b).to_owned())).collect();
        history.sort();
        expected.sort();
        assert_eq!(
            (history.len() as u64, history),
            (self.stage.count("link_history"), expected),
            "seed {seed}"
        );
        let rows = self.stage.world.query("SELECT member_id AS m FROM members");
        let members: BTreeSet<_> = rows.iter().map(|row| text(row, "m")).collect();
        assert_eq!(members, self.should.members, "seed {seed}");
        let now = self.stage.world.now().0;
        let rows = self.stage.world.query(&format!(
            "SELECT u.line_user_id AS u, count(*) AS n FROM sessions s JOIN line_users u ON u.id = s.line_user \
             WHERE s.ended_at IS NULL AND s.expires_at > {now} GROUP BY u.line_user_id"
        ));
        let sessions: BTreeMap<_, _> =
            rows.iter().map(|row| (text(row, "u"), row["n"].as_u64().unwrap())).collect();
        assert_eq!(sessions, self.should.sessions, "seed {seed}");
    }
}

#[test]
fn prove_model_of_links_diverges_from_its_reference_nowhere() {
    for_each_seed("model", |seed| {
        let stage = Stage::new(seed);
        let mut run = Run::new(&stage, seed);
        for operation in 1..=OPERATIONS {
            run.step();
            if operation % COMPARE_EVERY == 0 {
                run.compare();
            }
        }
        stage.world.run_queues();
        let mut figures: Figures = run.done.iter().map(|(name, number)| (*name, *number)).collect();
        figures.insert(0, ("operations", OPERATIONS));
        figures.push(("divergences", 0));
        figures
    });
}
