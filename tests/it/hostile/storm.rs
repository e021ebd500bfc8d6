//! Links under a storm: some people and their browsers do at random whatever can be done with each other's requests,
//! LINE's addresses, answers, pages and codes. Whatever comes to be tied was asked for by the member's own shop session,
//! agreed to in the one browser that opened the request, and is the LINE user who answered for it there.

use enishi::time::SECOND;
use enishi_world::{
    LINE,
    line_simulator::{UserId, ViolationKind},
};
use serde_json::json;

use super::{
    at,
    html::{hidden, html},
    linking::{code, pushed, word},
    location, posted, sent,
};
use crate::support::{Browser, Consent, Login, Stage, for_each_seed};

/// A request that the shop pushed for a member.
struct Asked {
    member: String,
    login: Login,
    opening: String,
    opener: Option<usize>,
    declined: bool,
}

/// A login attempt: of which request, in which browser, where it went at LINE, and who answered there first.
struct Attempt {
    asked: usize,
    browser: usize,
    line: String,
    answered_by: Option<usize>,
}

/// Everything that somebody has seen, and could show to anybody.
#[derive(Default)]
struct Seen {
    asked: Vec<Asked>,
    attempts: Vec<Attempt>,
    /// LINE's answers: to which attempt, by whom.
    callbacks: Vec<(String, usize, usize)>,
    /// Consent pages: the sealed state, and of which attempt.
    pages: Vec<(String, usize)>,
    codes: Vec<(String, usize)>,
    agreed: Vec<(String, usize)>,
    refused: u64,
}

/// The storm's stage.
struct Storm<'a> {
    stage: &'a Stage,
    people: Vec<UserId>,
    browsers: Vec<Browser<'a>>,
    seen: Seen,
}

impl Storm<'_> {
    fn pick(&self, number: usize) -> Option<usize> {
        (number > 0).then(|| self.stage.world.below(number))
    }

    fn push(&mut self) {
        let number = self.seen.asked.len();
        let member = format!("m-{}", self.stage.world.below(4));
        let (login, opening) = pushed(self.stage, &self.stage.shop, &number.to_string(), &member);
        self.seen.asked.push(Asked { member, login, opening, opener: None, declined: false });
    }

    fn open(&mut self, by: usize) {
        let Some(at) = self.pick(self.seen.asked.len()) else { return };
        let asked = &mut self.seen.asked[at];
        let shown = self.browsers[by].go(&asked.opening);
        let Some(line) = shown.location else {
            self.seen.refused += 1;
            return assert_eq!(shown.status, 400);
        };
        assert!(line.starts_with(LINE), "a session never answers: {line}");
        assert!(asked.opener.is_none_or(|opener| opener == by), "opened by two browsers");
        assert!(!asked.declined, "opened after a no");
        asked.opener = Some(by);
        self.seen.attempts.push(Attempt { asked: at, browser: by, line, answered_by: None });
    }

    fn go_to_line(&mut self, by: usize) {
        let Some(attempt) = self.pick(self.seen.attempts.len()) else { return };
        let callback = self.browsers[by].at_line(&self.seen.attempts[attempt].line, Consent::Plain);
        self.seen.callbacks.push((callback, attempt, by));
    }

    fn come_back(&mut self, by: usize) {
        let Some(at) = self.pick(self.seen.callbacks.len()) else { return };
        let (callback, number, who) = self.seen.callbacks[at].clone();
        let request = self.browsers[by].request(&callback);
        let reply = sent(&self.stage.world, &mut self.browsers[by], request);
        if reply.status == 400 {
            self.seen.refused += 1;
            return;
        }
        let attempt = &mut self.seen.attempts[number];
        assert_eq!(by, attempt.browser, "completed in another browser");
        attempt.answered_by.get_or_insert(who);
        if let Some(sealed) = hidden(&html(&reply), "state") {
            self.seen.pages.push((sealed, number));
        } else {
            let login = &self.seen.asked[attempt.asked].login;
            let back = self.stage.shop.answer(login, location(&reply).expect("back to the shop"));
            assert_eq!(back("error").as_deref(), Some("access_denied"), "linked to others");
        }
    }

    fn say(&mut self, by: usize) {
        let Some(at) = self.pick(self.seen.pages.len()) else { return };
        let (sealed, number) = self.seen.pages[at].clone();
        let choice = ["allow", "allow", "deny"][self.stage.world.below(3)];
        let reply = word(&self.stage.world, &self.browsers[by], &sealed, choice);
        if reply.status == 400 {
            self.seen.refused += 1;
            return;
        }
        let attempt = &self.seen.attempts[number];
        assert_eq!(by, attempt.browser, "said in another browser");
        let asked = &mut self.seen.asked[attempt.asked];
        if let Some(code) = code(&self.stage.shop, &reply) {
            assert!(choice == "allow" && !asked.declined, "a code after a no");
            self.seen.agreed.push((asked.member.clone(), attempt.answered_by.expect("somebody answered")));
            self.seen.codes.push((code, attempt.asked));
        } else if choice == "deny" && !self.seen.codes.iter().any(|(_, of)| *of == attempt.asked) {
            asked.declined = true;
        }
    }

    fn redeem(&mut self) {
        let (Some(at), Some(other)) = (self.pick(self.seen.codes.len()), self.pick(self.seen.asked.len()))
        else {
            return;
        };
        let (code, of) = &self.seen.codes[at];
        let of_whom = if self.stage.world.below(2) == 0 { *of } else { other };
        let reply = self.stage.shop.redeem(&self.stage.world, &self.seen.asked[of_whom].login, code);
        assert!(matches!(reply.status.as_u16(), 200 | 400));
        assert!(reply.status == 400 || of_whom == *of, "with another session's proof");
    }

    fn leave(&mut self, by: usize) {
        let request = posted(&self.browsers[by], &at("/logout/confirm"), &[("choice", "leave")]);
        sent(&self.stage.world, &mut self.browsers[by], request);
    }

    /// Whatever is tied was agreed to by the one who answered at LINE for it.
    fn assert_links(&self) {
        let links = "SELECT l.member_id, u.line_user_id FROM links l JOIN line_users u ON u.id = l.line_user";
        for link in self.stage.world.query(links) {
            let who = self.people.iter().position(|user| link["line_user_id"] == json!(user)).unwrap();
            let agreed =
                self.seen.agreed.iter().any(|(member, by)| link["member_id"] == **member && *by == who);
            assert!(agreed, "{link} was agreed to by nobody");
        }
    }
}

#[test]
fn prove_links_tie_nobody_who_did_not_agree_in_the_browser_that_opened_the_request() {
    for_each_seed("hostile links", |seed| {
        let stage = Stage::new(seed);
        let people: Vec<UserId> = ["花子", "太郎", "次郎"].map(|name| stage.person(name)).into();
        let browsers = people.iter().map(|user| Browser::of(&stage.world, user)).collect();
        let mut storm = Storm { stage: &stage, people: people.clone(), browsers, seen: Seen::default() };
        for _ in 0..400 {
            let by = stage.world.below(3);
            match stage.world.below(16) {
                0 => storm.push(),
                1..=3 => storm.open(by),
                4..=6 => storm.go_to_line(by),
                7..=9 => storm.come_back(by),
                10..=12 => storm.say(by),
                13 | 14 => storm.redeem(),
                _ if stage.world.below(4) == 0 => storm.leave(by),
                _ => stage.world.advance(SECOND),
            }
            storm.assert_links();
        }
        let seen = &storm.seen;
        assert!(stage.world.line().violations().iter().all(|one| one.kind != ViolationKind::CodeReused));
        vec![
            ("attempts", seen.attempts.len() as u64),
            ("refused", seen.refused),
            ("agreed", seen.agreed.len() as u64),
            ("linked", stage.count("links")),
        ]
    });
}
