//! Logins as browsers really go through them, by seed: whatever happens on the way, nobody is logged in as somebody else,
//! every failure ends on the retry page, and from there the customer arrives, at the page that they were on their way to
//! wherever anything still knew it.

use enishi::{time::SECOND, web::cookie};
use enishi_world::{
    LINE,
    line_simulator::{self, AutoLogin, FaultKind, UserId},
};
use serde_json::json;

use crate::support::{Browser, Consent, Figures, LINE_TOKEN, Login, Page, Shop, Stage, for_each_seed, query};

/// What happens to a customer's browser on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    /// The cookies are gone when LINE calls back.
    CookiesLost,
    /// Two tabs, whose callbacks come in the other order.
    TabsSwapped,
    /// LINE's app hands the callback to another browser: one that knows nothing of it, or where somebody else is logging
    /// in at that moment.
    OtherBrowser,
    /// Back from the shop to LINE's callback.
    BackButton,
    /// Everything is tapped twice at once.
    DoubleClick,
    /// LINE's answer to the exchange never comes.
    SlowLine,
    /// Auto-login fails, with a dead code and a state that is not ours: in the same browser, or in one without cookies.
    PrivateMode,
    /// Scripts are off, and the shop wants the answer posted.
    ScriptsOff,
}

const MODELS: [Model; 8] = [
    Model::CookiesLost,
    Model::TabsSwapped,
    Model::OtherBrowser,
    Model::BackButton,
    Model::DoubleClick,
    Model::SlowLine,
    Model::PrivateMode,
    Model::ScriptsOff,
];

/// Logins of one seed.
const LOGINS: u64 = 10;

#[test]
fn prove_browsers_log_in_who_they_belong_to_or_end_on_the_retry_page_that_does() {
    for_each_seed("browsers", |seed| {
        let stage = Stage::new(seed);
        let other = stage.other_shop();
        let shops = [&stage.shop, &other];
        let people: Vec<Vec<UserId>> = [AutoLogin::On, AutoLogin::Off, AutoLogin::Fails]
            .into_iter()
            .map(|auto_login| {
                (0..2).map(|at| stage.person_with(&format!("{auto_login:?}-{at}"), auto_login)).collect()
            })
            .collect();
        let mut sums = Sums::default();
        for number in 0..LOGINS {
            let place = usize::try_from(seed * LOGINS + number).unwrap();
            let model = MODELS[place % MODELS.len()];
            let kind = match model {
                Model::PrivateMode => 2,
                Model::OtherBrowser => 0,
                _ => stage.world.below(2),
            };
            let one = One {
                stage: &stage,
                shop: shops[stage.world.below(2)],
                model,
                user: &people[kind][place % 2],
                another: &people[kind][(place + 1) % 2],
                astray: stage.world.below(2) == 0,
                by_link: (place / MODELS.len()).is_multiple_of(2),
                what: format!("seed {seed}, login {number}, {model:?}"),
            };
            one.log_in(number, &mut sums);
            stage.world.advance(SECOND);
        }
        sums.logins = LOGINS;
        let answers = stage.world.log_lines();
        let broken = answers.iter().find(|line| line["status"].as_i64().is_some_and(|status| status >= 500));
        assert_eq!(broken, None, "seed {seed}");
        sums.sessions = stage.count("sessions");
        let users = "sessions s JOIN line_users u ON u.id = s.line_user";
        assert_eq!(stage.count(&format!("{users} WHERE u.account <> s.account")), 0, "seed {seed}");
        // Every session was asked for in a browser of its own user's, and no failure left one: two tabs are two.
        assert_eq!(sums.sessions, LOGINS + sums.second_tabs, "seed {seed}");
        let failed = stage
            .world
            .query("SELECT coalesce(sum(count), 0) AS n FROM login_counts WHERE outcome = 'failed'");
        assert_eq!(failed[0]["n"].as_u64().unwrap(), sums.failures, "seed {seed}: each failure counts once");
        sums.figures()
    });
}

/// What a run counted.
#[derive(Default)]
struct Sums {
    logins: u64,
    failures: u64,
    retried: u64,
    at_the_page: u64,
    second_tabs: u64,
    sessions: u64,
}

impl Sums {
    fn figures(&self) -> Figures {
        vec![
            ("logins", self.logins),
            ("at once", self.logins - self.failures),
            ("on the retry page", self.failures),
            ("logged in from there", self.retried),
            ("of them at their page", self.at_the_page),
            ("sessions", self.sessions),
            ("of the wrong user", 0),
            ("across accounts", 0),
            ("answers of 5xx", 0),
        ]
    }
}

/// One customer's login.
#[derive(Clone)]
struct One<'a> {
    stage: &'a Stage,
    shop: &'a Shop,
    model: Model,
    user: &'a UserId,
    /// Somebody else in the same world.
    another: &'a UserId,
    /// Whether the callback arrives where it is worst.
    astray: bool,
    by_link: bool,
    what: String,
}

impl<'a> One<'a> {
    fn log_in(&self, number: u64, sums: &mut Sums) {
        let mut browser = Browser::of(&self.stage.world, self.user);
        let (login, page) = self.begin(&mut browser, number);
        let failed = match self.model {
            Model::TabsSwapped => {
                sums.second_tabs += 1;
                self.swapped(&mut browser, &login, number);
                None
            }
            _ => self.way(&mut browser, &login),
        };
        if let Some((failed, mut there)) = failed {
            sums.failures += 1;
            let is_elsewhere = self.model == Model::OtherBrowser && self.astray;
            let user = if is_elsewhere { self.another } else { self.user };
            // A state that is not ours, where nothing is known: the shop's first page is all there is.
            let is_lost = self.model == Model::PrivateMode && self.astray;
            let known = page.as_deref().filter(|_| !is_lost);
            One { user, ..self.clone() }.retry(&mut there, &failed, known, number, sums);
        }
    }

    /// From a link, or from the shop's button: the login that the shop begins, and the page that it is to end at.
    fn begin(&self, browser: &mut Browser<'_>, number: u64) -> (Login, Option<String>) {
        let (login, page) = if self.by_link {
            let page = format!("{}tea/{number}?size=100", self.shop.home_uri);
            let kind = if number.is_multiple_of(2) { "sealed" } else { "stored" };
            let link =
                self.stage.auto_login_link(self.shop, &page, &json!({ "type": kind, "label": "新茶" }));
            let opened = browser.go(link["url"].as_str().unwrap());
            let (login, target) =
                self.shop.started(&opened.location.expect("the shop"), &format!("{number}"));
            assert_eq!(target.as_deref(), Some(&*page), "{}", self.what);
            (login, target)
        } else {
            (self.shop.begin(&format!("{number}")), None)
        };
        let mode = (self.model == Model::ScriptsOff).then_some("form_post");
        (login.but("response_mode", mode), page)
    }

    /// The way of one tab: `None` if the customer is logged in, or else the page where it ended and the browser there.
    fn way(&self, browser: &mut Browser<'a>, login: &Login) -> Option<(Page, Browser<'a>)> {
        let world = &self.stage.world;
        let started = browser.go(&login.url).location.expect("LINE");
        assert!(started.starts_with(LINE), "{}: {started}", self.what);
        if self.model == Model::DoubleClick {
            browser.go(&login.url);
        }
        let callback = browser.at_line(&started, Consent::WithFriend);
        match self.model {
            Model::CookiesLost => browser.forget_cookies(),
            Model::OtherBrowser => {
                let mut there = Browser::of(world, if self.astray { self.another } else { self.user });
                if self.astray {
                    there.go(&self.shop.begin("of another").url);
                }
                return Some((self.failed(there.go(&callback)), there));
            }
            Model::PrivateMode if self.astray => browser.forget_cookies(),
            Model::SlowLine => {
                let path = LINE_TOKEN.to_owned();
                let kind = FaultKind::AcceptThenTimeout;
                world.line().add_fault(line_simulator::Fault {
                    path,
                    times: 1,
                    kind,
                    status: None,
                    ms: None,
                });
            }
            Model::DoubleClick => {
                let replies = world.together((0..3).map(|_| world.serve(browser.request(&callback))));
                for reply in replies.into_iter().flatten() {
                    assert_eq!(reply.status, 302, "{}: {:?}", self.what, reply.reason);
                    browser.keep(self.shop.line.host, &reply);
                    self.is_mine(login, reply.headers["location"].to_str().unwrap());
                }
                return None;
            }
            _ => {}
        }
        let arrived = browser.go(&callback);
        let failed = self.arrived(login, arrived);
        if failed.is_none() && self.model == Model::BackButton {
            assert!(self.arrived(login, browser.go(&callback)).is_none(), "{}", self.what);
        }
        let moved = std::mem::replace(browser, Browser::of(world, self.user));
        failed.map(|page| (page, moved))
    }

    /// Two tabs of one browser, for the same customer; the second callback comes first, then the first.
    fn swapped(&self, browser: &mut Browser<'a>, login: &Login, number: u64) {
        let second = self.shop.begin(&format!("{number} in the second tab"));
        let mut at_line = |login: &Login| {
            let started = browser.go(&login.url).location.expect("LINE");
            browser.at_line(&started, Consent::Plain)
        };
        let (callback, of_second) = (at_line(login), at_line(&second));
        assert!(self.arrived(&second, browser.go(&of_second)).is_none(), "{}", self.what);
        assert!(self.arrived(login, browser.go(&callback)).is_none(), "{}", self.what);
    }

    /// `None` if the shop has its code, of this customer; else the retry page.
    fn arrived(&self, login: &Login, page: Page) -> Option<Page> {
        match (&page.location, page.status) {
            (Some(location), 302) => self.is_mine(login, location),
            // The answer is posted by a page with a button, where scripts are off.
            (None, 200) => {
                assert!(page.html.contains("<noscript><button>"), "{}", self.what);
                let (action, fields) = page.form();
                let query =
                    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
                self.is_mine(login, &format!("{action}?{query}"));
            }
            _ => return Some(self.failed(page)),
        }
        None
    }

    /// Whoever the code is of, it is the customer whose browser it is, in the account of this shop.
    fn is_mine(&self, login: &Login, location: &str) {
        let claims = self.shop.claims(&self.stage.world, login, &self.shop.code(login, location));
        let rows = self.stage.world.query(&format!(
            "SELECT u.subject FROM line_users u JOIN accounts a ON a.id = u.account \
             WHERE u.line_user_id = '{}' AND a.host = '{}'",
            self.user, self.shop.line.host
        ));
        assert_eq!(claims["sub"], rows[0]["subject"], "{}: somebody else", self.what);
    }

    /// The retry page: nothing of LINE's or ours in its button, no redirect, no session.
    fn failed(&self, page: Page) -> Page {
        assert_eq!((page.status, page.location.as_deref()), (400, None), "{}: {}", self.what, page.html);
        assert!(!page.html.contains("code="), "{}", self.what);
        let set = page.headers.get_all(http::header::SET_COOKIE);
        assert!(set.iter().all(|one| !one.to_str().unwrap().starts_with(cookie::SESSION)), "{}", self.what);
        page
    }

    /// From the retry page's button, without auto-login, to the shop and the page that was known.
    fn retry(
        &self,
        browser: &mut Browser<'_>,
        failed: &Page,
        page: Option<&str>,
        number: u64,
        sums: &mut Sums,
    ) {
        let start = browser.press_retry(failed).unwrap_or_else(|| panic!("{}: no way on", self.what));
        let known = query(&failed.button().unwrap())("target");
        let (login, target) = self.shop.started(&start, &format!("{number} again"));
        assert_eq!(target, known, "{}", self.what);
        assert_eq!(target.as_deref(), page, "{}: the page is lost", self.what);
        let mode = (self.model == Model::ScriptsOff).then_some("form_post");
        let login = login.but("response_mode", mode);
        let started = browser.go(&login.url).location.expect("LINE");
        assert_eq!(query(&started)("disable_auto_login").as_deref(), Some("true"), "{}", self.what);
        let callback = browser.at_line(&started, Consent::Plain);
        assert!(self.arrived(&login, browser.go(&callback)).is_none(), "{}", self.what);
        sums.retried += 1;
        sums.at_the_page += u64::from(page.is_some());
    }
}
