//! Erasing a person: the member and the LINE user who is linked, with everything that names either. Order matters: who is told,
//! and whose sessions end, is read from rows that go afterwards.

use serde_json::json;

use super::{
    Statement, Value,
    audience::{ENDS, STANDS},
    audit::{self, Change},
    delivery,
    ending::{Ending, Whose},
    event, link,
    outbox::Events,
    segment, tombstone,
};
use crate::{
    id::{AccountId, LineUserId, MemberId},
    secret::Digest,
    time::{HOUR, UnixMillis},
};

/// How far back rows are looked through that are kept for an hour or two and have no index by person, in milliseconds.
const SHORT_LIVED: i64 = 3 * HOUR;

/// The LINE user `?3`, while linked to the member `?2`.
const USER: &str = "SELECT l.line_user FROM links l JOIN line_users u ON u.id = l.line_user \
    WHERE l.account = ?1 AND l.member_id = ?2 AND u.line_user_id = ?3";

/// Reads who is linked to a member, as `line_user_id`, `sub` and `letters`: dead letters that name them, each with `id` and
/// `body`; and whether anything of the member is there, or was erased before.
#[must_use]
pub fn look(account: &AccountId, member: &MemberId, tombs: &[Digest]) -> Vec<Statement> {
    let linked = Statement::new(
        "SELECT u.line_user_id, u.subject AS sub FROM links l JOIN line_users u ON u.id = l.line_user \
         WHERE l.account = ?1 AND l.member_id = ?2",
    )
    .bind(account)
    .bind(member);
    // Dead letters are few, and have no index by person.
    let letters = Statement::new(
        "SELECT d.id, d.body FROM dead_letters d INDEXED BY dead_letters_by_age \
         WHERE d.at > 0 AND coalesce(d.account, ?1) = ?1 AND instr(d.body, (SELECT u.line_user_id FROM links l \
           JOIN line_users u ON u.id = l.line_user WHERE l.account = ?1 AND l.member_id = ?2))",
    )
    .bind(account)
    .bind(member);
    let known = Statement::new(
        "SELECT EXISTS (SELECT 1 FROM members WHERE account = ?1 AND member_id = ?2) \
           OR EXISTS (SELECT 1 FROM links WHERE account = ?1 AND member_id = ?2) \
           OR EXISTS (SELECT 1 FROM link_history WHERE account = ?1 AND member_id = ?2) \
           OR EXISTS (SELECT 1 FROM link_nonces WHERE account = ?1 AND member_id = ?2) AS is_here, \
           EXISTS (SELECT 1 FROM tombstones WHERE account = ?1 AND digest IN (SELECT value FROM json_each(?3))) AS was_here",
    )
    .bind(account)
    .bind(member)
    .bind_json(tombs);
    vec![linked, letters, known]
}

/// Who is erased.
#[derive(Debug)]
pub struct Person<'a> {
    /// The member.
    pub member: &'a MemberId,
    /// The LINE user who is linked, if one is.
    pub line_user_id: Option<&'a LineUserId>,
    /// Of both, the current key's first.
    pub tombs: &'a [Digest],
    /// Random: the name of what LINE is told, and of the audit log's entry.
    pub name: &'a str,
    /// What becomes of dead letters that name them: their ids, and what is left of each.
    pub letters: &'a [(String, Option<String>)],
}

/// One batch: (1) tombstones, and the audit log's entry; (2) LINE, the shop and clients are owed the news; (3) every row of the
/// LINE user goes, and what deliveries say of them, (4) of the member, and (5) what dead letters say of them. The last statements read the letters that name the
/// LINE user even so, because they came since it was looked; and whether the member is linked still, to somebody who came in
/// between.
#[must_use]
pub fn erase(person: &Person<'_>, ending: &Ending<'_>) -> Vec<Statement> {
    let (account, now) = (ending.account, ending.now);
    // (1)
    let change = Change {
        actor: "api_key",
        action: "member.erase",
        detail: json!({ "tombstone": person.tombs.first(), "with_line_user": person.line_user_id.is_some() }),
    };
    let mut statements = vec![
        tombstone::set(account, person.tombs, now),
        audit::if_changed(account, &change, person.name, now),
    ];
    statements.push(untold(account, person.member));
    if let Some(line_user_id) = person.line_user_id {
        let bound: Vec<Value> = vec![account.into(), person.member.into(), line_user_id.into()];
        statements.extend(news(person, bound.clone(), ending));
        statements.extend(of_line_user(&bound, now));
        statements.push(audiences(account, now));
        statements.extend(delivery::erase(account, line_user_id));
    }
    statements.extend(of_member(account, person.member, now));
    statements.extend(of_letters(person.letters));
    statements.push(letters_of(account, person.line_user_id));
    let still = "SELECT 1 AS linked FROM links WHERE account = ?1 AND member_id = ?2";
    statements.push(Statement::new(still).bind(account).bind(person.member));
    statements
}

/// (2) What waits to be told of the member, or was never taken, is not told any more, whomever else it names; that they are
/// erased is.
fn untold(account: &AccountId, member: &MemberId) -> Statement {
    Statement::new(
        "DELETE FROM outbox INDEXED BY outbox_by_member WHERE account = ?1 AND kind = 'event' \
           AND body ->> '$.data.member_id' = ?2 AND body ->> '$.data.reason' IS NOT 'erased'",
    )
    .bind(account)
    .bind(member)
}

/// (2) Likewise of the LINE user.
fn news(person: &Person<'_>, bound: Vec<Value>, ending: &Ending<'_>) -> Vec<Statement> {
    let with = |sql: String| bound.iter().cloned().fold(Statement::compiled(sql), Statement::bind);
    let mut statements = vec![with(format!(
        "DELETE FROM outbox INDEXED BY outbox_by_line_user WHERE account = ?1 AND line_user IN ({USER})"
    ))];
    let named = bound.iter().cloned().chain([person.name.into()]).collect();
    let held = format!("FROM line_users u WHERE u.id IN ({USER})");
    statements.push(link::owe_deauthorize(&held, "'erased.' || ?4", named, ending.now));
    if ending.takes_events {
        let events = Events {
            kind: "link.ended",
            name: "l.link_id",
            data: "'sub', u.subject, 'member_id', l.member_id, 'reason', 'erased'",
            // Nobody's, so that it is not kept if the shop does not take it.
            line_user: "NULL",
            from: "FROM links l JOIN line_users u ON u.id = l.line_user \
                WHERE l.account = ?1 AND l.member_id = ?2 AND u.line_user_id = ?3",
            at: None,
        };
        statements.push(events.owe(bound.clone(), ending.now));
    }
    let values = bound.into_iter().skip(1).collect();
    statements.extend(ending.of(Whose::LineUsers(USER.to_owned(), values)));
    statements
}

/// (3) Audiences at LINE may have them, and LINE takes nobody out of one: they go, all of them.
fn audiences(account: &AccountId, now: UnixMillis) -> Statement {
    Statement::compiled(format!(
        "UPDATE audiences INDEXED BY audiences_by_time SET {ENDS} WHERE account = ?1 AND created_at > 0 AND {STANDS}"
    ))
    .bind(account)
    .bind(now)
}

/// (3) The row that all others are found by goes last.
fn of_line_user(bound: &[Value], now: UnixMillis) -> Vec<Statement> {
    let with = |sql: String| bound.iter().cloned().fold(Statement::compiled(sql), Statement::bind);
    let sessions = format!(
        "SELECT s.sid FROM sessions s INDEXED BY sessions_by_line_user WHERE s.account = ?1 AND s.line_user IN ({USER})"
    );
    let short = |table: &str, index: &str, column: &str| {
        with(format!(
            "DELETE FROM {table} INDEXED BY {index} WHERE {column} > ?4 AND account = ?1 AND sid IN ({sessions})"
        ))
        .bind(now + -SHORT_LIVED)
    };
    let mut statements = vec![
        with(format!(
            "DELETE FROM email_codes WHERE account = ?1 AND attempt IN (SELECT t.attempt FROM login_attempts t \
               INDEXED BY login_attempts_by_age WHERE t.claimed_at > ?4 AND t.account = ?1 AND t.sid IN ({sessions}))"
        ))
        .bind(now + -SHORT_LIVED),
        short("codes", "codes_by_age", "expires_at"),
        short("login_attempts", "login_attempts_by_age", "claimed_at"),
        with(format!(
            "DELETE FROM email_codes INDEXED BY email_codes_by_address \
             WHERE account = ?1 AND email IN (SELECT email FROM line_users WHERE id IN ({USER}))"
        )),
    ];
    let rows = [
        "receipts",
        "clicks",
        "chat_messages",
        "grants INDEXED BY grants_by_line_user",
        "sessions INDEXED BY sessions_by_line_user",
        "link_history INDEXED BY link_history_by_line_user",
    ];
    statements.extend(
        rows.map(|table| with(format!("DELETE FROM {table} WHERE account = ?1 AND line_user IN ({USER})"))),
    );
    statements.push(with(format!("DELETE FROM line_users WHERE id IN ({USER})")));
    statements
}

/// (4) With the link to a LINE user who is no more.
fn of_member(account: &AccountId, member: &MemberId, now: UnixMillis) -> Vec<Statement> {
    let with = |sql: &'static str| Statement::new(sql).bind(account).bind(member);
    let short = |sql: &'static str| with(sql).bind(now + -SHORT_LIVED);
    let of_number = |from: &str| {
        let number = "(SELECT id FROM members WHERE account = ?1 AND member_id = ?2)";
        Statement::compiled(format!("DELETE FROM {from} account = ?1 AND member = {number}"))
            .bind(account)
            .bind(member)
    };
    let mut statements = vec![
        with(
            "DELETE FROM links WHERE account = ?1 AND member_id = ?2 \
               AND NOT EXISTS (SELECT 1 FROM line_users u WHERE u.id = links.line_user)",
        ),
        short(
            "DELETE FROM codes INDEXED BY codes_by_age WHERE expires_at > ?3 AND account = ?1 AND link ->> 'member_id' = ?2",
        ),
        short(
            "DELETE FROM pushed_requests INDEXED BY pushed_requests_by_age WHERE created_at > ?3 AND account = ?1 \
               AND request ->> '$.link.member_id' = ?2",
        ),
        with(
            "DELETE FROM link_nonces INDEXED BY link_nonces_by_member WHERE account = ?1 AND member_id = ?2",
        ),
        with(
            "DELETE FROM link_history INDEXED BY link_history_by_member WHERE account = ?1 AND member_id = ?2",
        ),
        of_number("attributes WHERE"),
        of_number("attribute_items INDEXED BY attribute_items_by_member WHERE"),
        of_number("tags INDEXED BY tags_by_member WHERE"),
        of_number("tag_removals WHERE"),
    ];
    statements.extend(event::erase(account, member));
    statements.extend(segment::erase(account, member));
    statements.push(with("DELETE FROM members WHERE account = ?1 AND member_id = ?2"));
    statements
}

/// Reads the dead letters that name a LINE user; nobody is named by none.
fn letters_of(account: &AccountId, line_user_id: Option<&LineUserId>) -> Statement {
    Statement::new(
        "SELECT d.id, d.body FROM dead_letters d INDEXED BY dead_letters_by_age \
         WHERE d.at > 0 AND coalesce(d.account, ?1) = ?1 AND instr(d.body, ?2)",
    )
    .bind(account)
    .bind(line_user_id.map(|id| id.as_str().to_owned()))
}

/// (5) What is left of each letter, or nothing.
#[must_use]
pub fn of_letters(letters: &[(String, Option<String>)]) -> Vec<Statement> {
    if letters.is_empty() {
        return Vec::new();
    }
    let left = Statement::new(
        "UPDATE dead_letters SET body = \
           (SELECT j.value ->> 1 FROM json_each(?1) j WHERE j.value ->> 0 = dead_letters.id) \
         WHERE id IN (SELECT value ->> 0 FROM json_each(?1) WHERE value ->> 1 IS NOT NULL)",
    );
    let gone = Statement::new(
        "DELETE FROM dead_letters WHERE id IN (SELECT value ->> 0 FROM json_each(?1) WHERE value ->> 1 IS NULL)",
    );
    vec![left.bind_json(letters), gone.bind_json(letters)]
}
