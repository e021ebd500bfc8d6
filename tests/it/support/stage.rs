//! One deployment with the first shop's account, ready for a journey.

use std::cell::RefCell;

use enishi::{
    time::HOUR,
    web::{Reply, Request},
};
use enishi_world::{
    ACCOUNT, OTHER_ACCOUNT, ShopOutcome, World,
    line_simulator::{AutoLogin, NewUser, UserId, sign},
    request,
};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use super::{Browser, Consent, Login, Shop};

/// Where the first shop takes our events.
pub(crate) const HOOKS: &str = "http://127.0.0.1:8789/hooks";

/// What the shop's server does with an event that it takes.
const TAKEN: ShopOutcome = ShopOutcome::Status(http::StatusCode::OK);

/// A world with its first shop. Dropping it looks whether rules were broken.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) shop: Shop,
    forgiven: RefCell<Vec<&'static str>>,
}

impl Stage {
    pub(crate) fn new(seed: u64) -> Self {
        let stage = Self::bare(seed);
        let reply = stage.put_account(ACCOUNT.host, &stage.shop.account_body());
        assert_eq!(reply.status, 201, "{}", json_body(&reply));
        stage
    }

    /// The same with a Login channel that has an assertion key and no secret.
    pub(crate) fn with_assertion_key(seed: u64) -> Self {
        let stage = Self::bare(seed);
        assert_eq!(stage.put_credential(&stage.world.give_assertion_key(&ACCOUNT)).status, 201);
        stage
    }

    fn bare(seed: u64) -> Self {
        Self { world: World::new(seed), shop: Shop::of(ACCOUNT, "0"), forgiven: RefCell::default() }
    }

    /// `PUT /v1/accounts/{host}` of the first account with this credential of its Login channel.
    pub(crate) fn put_credential(&self, credential: &Value) -> Reply {
        let mut body = self.shop.account_body();
        body["login_channel"]["credential"] = credential.clone();
        self.put_account(ACCOUNT.host, &body)
    }

    /// Makes the second account, of another shop.
    pub(crate) fn other_shop(&self) -> Shop {
        let shop = Shop::of(OTHER_ACCOUNT, "1");
        let reply = self.put_account(OTHER_ACCOUNT.host, &shop.account_body());
        assert_eq!(reply.status, 201, "{}", json_body(&reply));
        shop
    }

    /// `PUT /v1/accounts/{host}` as the operator.
    pub(crate) fn put_account(&self, host: &str, body: &Value) -> Reply {
        self.world.answer(self.account_request(host, body))
    }

    /// The request of `PUT /v1/accounts/{host}`.
    pub(crate) fn account_request(&self, host: &str, body: &Value) -> Request {
        let key = self.world.settings().keys.operator_key();
        let url = format!("{}/v1/accounts/{host}", ACCOUNT.issuer);
        keyed(Method::PUT, &url, key.expose(), Some(body), &[])
    }

    /// `POST /v1/clients`: another client of the first shop, at a redirect URI of its own.
    pub(crate) fn client(&self, mark: &str, with: &Value) -> Shop {
        let mut shop = Shop::of(ACCOUNT, mark);
        let mut body = json!({
            "client_id": shop.client_id, "name": format!("店{mark}"), "redirect_uris": [shop.redirect_uri],
            "home_uri": shop.home_uri, "post_logout_redirect_uris": [shop.home_uri],
        });
        for (name, value) in with.as_object().unwrap() {
            body[name] = value.clone();
        }
        let (status, made) = self.api(&self.shop, Method::POST, "/v1/clients", Some(&body));
        assert_eq!(status, 201, "{made}");
        made["client_secret"].as_str().unwrap_or_default().clone_into(&mut shop.client_secret);
        shop
    }

    /// The first shop's endpoint for our events, at [`HOOKS`]; its secret.
    pub(crate) fn takes_events(&self) -> String {
        self.world.shop_server(HOOKS);
        let endpoint = json!({ "url": HOOKS });
        let (status, body) = self.api(&self.shop, Method::PUT, "/v1/webhook-endpoint", Some(&endpoint));
        assert_eq!(status, 200, "{body}");
        body["secret"].as_str().unwrap().to_owned()
    }

    /// The events that the shop received, oldest first: their types and data.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        self.world.run_queues();
        let calls = self.world.shop_calls();
        let taken = calls.iter().filter(|call| call.url == HOOKS && call.outcome == TAKEN);
        let bodies = taken.map(|call| serde_json::from_slice::<Value>(&call.body).unwrap());
        bodies.map(|body| (body["type"].as_str().unwrap().to_owned(), body["data"].clone())).collect()
    }

    /// Another client of the first shop, which mails codes for it: its customers prove their addresses.
    pub(crate) fn proving(&self, mark: &str) -> Shop {
        self.takes_events();
        self.client(mark, &json!({ "email_verification": "code" }))
    }

    /// Somebody logs in at a shop with these scopes; the browser, the login, and the tokens that the shop received.
    pub(crate) fn logged_in(&self, shop: &Shop, scope: &str) -> (Browser<'_>, Login, Value) {
        let user = self.person("花子");
        let mut browser = Browser::of(&self.world, &user);
        let login = shop.begin("1").but("scope", Some(scope));
        let location = browser.log_in(shop, &login, Consent::Plain);
        let reply = shop.redeem(&self.world, &login, &shop.code(&login, &location));
        let tokens = json_body(&reply);
        assert_eq!(reply.status, 200, "{tokens}");
        (browser, login, tokens)
    }

    /// A call of a shop's backend.
    pub(crate) fn api(&self, shop: &Shop, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.api_with(shop, method, path, body, &[])
    }

    /// A call of a shop's backend with more headers.
    pub(crate) fn api_with(
        &self,
        shop: &Shop,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&'static str, &str)],
    ) -> (u16, Value) {
        let url = format!("{}{path}", shop.line.issuer);
        let reply = self.world.answer(keyed(method, &url, &shop.api_key, body, headers));
        (reply.status.as_u16(), json_body(&reply))
    }

    /// Makes an auto-login link of a shop's; its answer.
    pub(crate) fn auto_login_link(&self, shop: &Shop, target: &str, with: &Value) -> Value {
        let mut body = json!({ "client_id": shop.client_id, "target": target });
        for (name, value) in with.as_object().unwrap() {
            body[name] = value.clone();
        }
        let holder = if shop.line == self.shop.line { &self.shop } else { shop };
        let (status, made) = self.api(holder, Method::POST, "/v1/auto-login-links", Some(&body));
        assert_eq!(status, 201, "{made}");
        made
    }

    /// Somebody on whose phone auto-login does this.
    pub(crate) fn person_with(&self, name: &str, auto_login: AutoLogin) -> UserId {
        self.world.line().add_user(NewUser { name: name.to_owned(), auto_login, ..NewUser::default() })
    }

    /// Somebody with LINE on the phone.
    pub(crate) fn person(&self, name: &str) -> UserId {
        self.world.line().add_user(NewUser { name: name.to_owned(), ..NewUser::default() })
    }

    /// Somebody whose address LINE knows.
    pub(crate) fn person_at(&self, name: &str, email: &str) -> UserId {
        let email = Some(email.to_owned());
        self.world.line().add_user(NewUser { name: name.to_owned(), email, ..NewUser::default() })
    }

    /// Somebody who adds the first account as a friend, as its webhook tells us.
    pub(crate) fn friend(&self, name: &str) -> UserId {
        let user = self.person(name);
        let now = self.world.now().0;
        self.world.line().follow(now, &user).unwrap();
        self.deliver();
        user
    }

    /// Hours in which cron and queues work once an hour.
    pub(crate) fn hours(&self, hours: i64) {
        for _ in 0..hours {
            self.world.advance(HOUR);
            self.world.tick();
            self.world.run_queues();
        }
    }

    /// Carries LINE's webhooks to us and applies them.
    pub(crate) fn deliver(&self) {
        for status in self.world.deliver_webhooks() {
            assert_eq!(status, 200);
        }
        self.world.run_queues();
    }

    /// A friend who is linked to a member with this rank.
    pub(crate) fn member(&self, member_id: &str, rank: &str) -> UserId {
        let user = self.friend(member_id);
        let sub = self.subject(&user);
        let linked = self.link(&sub, &json!({ "member_id": member_id }));
        assert_eq!(linked.0, 201, "{}", linked.1);
        let attributes = json!({ "attributes": { "rank": rank } });
        let (status, body) =
            self.api(&self.shop, Method::PUT, &format!("/v1/members/{member_id}"), Some(&attributes));
        assert_eq!(status, 200, "{body}");
        user
    }

    /// Many friends linked to members with this rank, by the shortest way.
    pub(crate) fn many_members(&self, number: usize, rank: &str) -> Vec<UserId> {
        self.many_members_of(&self.account_id(), number, rank)
    }

    /// The same of another account.
    pub(crate) fn many_members_of(&self, account: &str, number: usize, rank: &str) -> Vec<UserId> {
        let mut line = self.world.line();
        let new = |at: usize| NewUser { name: format!("会員{at}"), friend: true, ..NewUser::default() };
        let users: Vec<UserId> = (0..number).map(|at| line.add_user(new(at))).collect();
        drop(line);
        for some in users.chunks(2_000) {
            let ids = json!(some);
            self.world.execute(&format!(
                "CREATE TEMP TABLE fresh AS SELECT value AS u, '{rank}-' || value AS m FROM json_each('{ids}');
                 INSERT INTO line_users (account, line_user_id, subject, friend, friend_since, friendship_at, created_at)
                   SELECT '{account}', u, 's' || u, 1, 1, 1, 1 FROM fresh;
                 INSERT INTO links (account, line_user, member_id, link_id, linked_at)
                   SELECT '{account}', l.id, f.m, f.m, 1 FROM fresh f
                   JOIN line_users l ON l.account = '{account}' AND l.line_user_id = f.u;
                 INSERT INTO attributes (account, member, name, kind, value, updated_at)
                   SELECT '{account}', m.id, 'rank', 'text', '{rank}', 1 FROM fresh f
                   JOIN members m ON m.account = '{account}' AND m.member_id = f.m;
                 DROP TABLE fresh;"
            ));
        }
        users
    }

    /// The first account's id.
    pub(crate) fn account_id(&self) -> String {
        let rows = self.world.query(&format!("SELECT id FROM accounts WHERE host = '{}'", ACCOUNT.host));
        rows[0]["id"].as_str().unwrap().to_owned()
    }

    /// The subject of a LINE user whom we know.
    pub(crate) fn subject(&self, user: &str) -> String {
        let (status, friend) = self.api(&self.shop, Method::GET, &format!("/v1/friends/{user}"), None);
        assert_eq!(status, 200, "{friend}");
        friend["sub"].as_str().unwrap().to_owned()
    }

    /// `PUT /v1/links/{sub}`.
    pub(crate) fn link(&self, sub: &str, body: &Value) -> (u16, Value) {
        self.api(&self.shop, Method::PUT, &format!("/v1/links/{sub}"), Some(body))
    }

    /// How many messages of the first account stand in somebody's chat.
    pub(crate) fn received(&self, user: &str) -> usize {
        self.world.line().chat(user).len()
    }

    /// What the calls to one path at LINE were answered; `None` where the answer was kept back.
    pub(crate) fn answers_of(&self, path: &str) -> Vec<Option<u16>> {
        self.world.line().calls().iter().filter(|call| call.path == path).map(|call| call.status).collect()
    }

    /// Says that this kind of violation belongs to the journey.
    pub(crate) fn forgive(&self, kind: &'static str) {
        self.forgiven.borrow_mut().push(kind);
    }

    /// What is nobody's business: names, members' ids, and what people wrote. Of many, some.
    fn private(&self) -> Vec<String> {
        let people: Vec<String> =
            self.world.line().users().iter().take(300).map(|user| user.name.clone()).collect();
        let stored = self.world.query(
            "SELECT * FROM (SELECT member_id AS word FROM links LIMIT 300) \
             UNION SELECT * FROM (SELECT member_id FROM members LIMIT 300) \
             UNION SELECT * FROM (SELECT member_id FROM link_history LIMIT 300) \
             UNION SELECT * FROM (SELECT text FROM chat_messages WHERE text IS NOT NULL LIMIT 300) \
             UNION SELECT name FROM line_users WHERE name IS NOT NULL",
        );
        let stored = stored.iter().filter_map(|row| row["word"].as_str()).map(str::to_owned);
        people.into_iter().chain(stored).collect()
    }

    /// A number that a query counts.
    pub(crate) fn count(&self, from: &str) -> u64 {
        self.world.query(&format!("SELECT count(*) AS n FROM {from}"))[0]["n"].as_u64().unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in self.world.log_lines() {
                println!("log: {line}");
            }
            return;
        }
        let line = self.world.line();
        let forgiven = self.forgiven.borrow();
        let unforgiven =
            line.violations().iter().find(|one| !forgiven.contains(&&*format!("{:?}", one.kind)));
        assert_eq!(unforgiven, None, "LINE's rules");
        drop(line);
        assert_eq!(self.world.breaches(), Vec::<String>::new(), "the platform's rules");
        assert_eq!(
            self.world.indiscreet_lines(&self.private()),
            Vec::<String>::new(),
            "the log's discretion"
        );
        assert_eq!(self.world.lost_messages(), 0, "dead letters that nobody kept");
    }
}

/// A request with a key, and a body of JSON where there is one.
pub(super) fn keyed(
    method: Method,
    url: &str,
    key: &str,
    body: Option<&Value>,
    headers: &[(&'static str, &str)],
) -> Request {
    let mut request = request(method, url);
    let bearer = format!("Bearer {key}");
    let json = body.map(|_| ("content-type", "application/json"));
    let all = [("authorization", bearer.as_str())].into_iter().chain(json).chain(headers.iter().copied());
    for (name, value) in all {
        request.headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    request.body = Some(body.map(Value::to_string).unwrap_or_default().into_bytes());
    request
}

/// A webhook with this body, signed by LINE.
pub(crate) fn webhook(body: &str) -> Request {
    let mut webhook = request(Method::POST, &format!("{}/line/webhook", ACCOUNT.issuer));
    let signature = sign(ACCOUNT.messaging_secret, body.as_bytes());
    webhook.headers.insert("x-line-signature", HeaderValue::from_str(&signature).unwrap());
    webhook.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    webhook.body = Some(body.as_bytes().to_vec());
    webhook
}

/// A reply's body as JSON, or null.
pub(crate) fn json_body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_default()
}
