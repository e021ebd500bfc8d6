//! The statements of a part, each for all of its lines at once. All of them are one batch; what writes is guarded by the
//! part's claim, so that of two at once, and of a repeat, only one does anything.
//!
//! `?1` is the account, `?2` the import, `?3` the part, `?4` the claim's random name.

use serde::Serialize;

use super::{
    line::{Line, Reason},
    show::PART,
};
use crate::{
    batch::groups,
    config::Account,
    id::{ImportId, Subject},
    secret::{Digest, hmac_sha256},
    store::{Statement, brought, tombstone::nobody_after},
    time::UnixMillis,
};

/// The JSON of one parameter, in bytes: D1 takes 2,000,000 in a value.
const MAX_JSON: usize = 1_900_000;

/// This very attempt holds the part.
const CLAIMED: &str = "EXISTS (SELECT 1 FROM import_parts p \
    WHERE p.account = ?1 AND p.import = ?2 AND p.part = ?3 AND p.claimed_by = ?4)";

/// One attempt at a part.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    /// Where.
    pub(super) account: &'a Account,
    /// Of which import.
    pub(super) import: &'a ImportId,
    /// The part's number.
    pub(super) part: i64,
    /// The attempt's own random name.
    pub(super) claim: String,
    /// The time of the newest tombstone that was seen.
    pub(super) newest: UnixMillis,
    /// When.
    pub(super) now: UnixMillis,
}

impl Attempt<'_> {
    /// All of them, in their order: (1) the claim; (2) LINE users whom we do not know; (3) links; (4) of the new LINE users
    /// those who came to no link are gone again; (5) what became of each line; (6), (7) how things stand.
    pub(super) fn statements(
        &self,
        digest: &Digest,
        lines: &[Line],
        refused: &[(u32, Reason)],
        seed: [u8; 32],
    ) -> Vec<Statement> {
        let people = People::of(lines, seed);
        let asked = Asked::of(lines);
        let mut statements = vec![self.claim(digest)];
        statements.extend(people.groups().into_iter().map(|group| self.see(group)));
        statements.push(self.link(&asked));
        statements.extend(people.contested(lines).map(|subjects| self.forget(&subjects)));
        statements.extend([self.settle(&asked, refused), self.import_known(), self.part_known()]);
        statements
    }

    /// Takes the part's number, while the import is open, and if nobody was erased since it was looked.
    pub(super) fn claim(&self, digest: &Digest) -> Statement {
        self.bound(Statement::compiled(format!(
            "INSERT INTO import_parts (account, import, part, claimed_by, digest, place, received_at) \
             SELECT ?1, ?2, ?3, ?4, ?5, \
               1 + (SELECT count(*) FROM import_parts WHERE account = ?1 AND import = ?2), ?6 \
             FROM imports WHERE account = ?1 AND id = ?2 AND state = 'open' AND {} ON CONFLICT DO NOTHING",
            nobody_after("?7")
        )))
        .bind(digest)
        .bind(self.now)
        .bind(self.newest)
    }

    /// (2) Makes the rows of LINE users, where they are not there and the member is free.
    fn see(&self, people: &[Person<'_>]) -> Statement {
        let from = format!("FROM json_each(?5) e WHERE {CLAIMED}");
        let sql = brought::see("e.value ->> 0", "e.value ->> 1", "e.value ->> 2", "?6", &from);
        self.bound(Statement::compiled(sql)).bind_json(people).bind(self.now)
    }

    /// (3) Makes the links in the order of the lines. A line whose member or LINE user is taken, be it by a line before it,
    /// makes none. The link's id says which line made it.
    fn link(&self, asked: &Asked) -> Statement {
        let link = brought::Link {
            number: "e.value ->> 0",
            member: "e.value ->> 1",
            user: "e.value ->> 2",
            link_id: "?6 || (e.value ->> 0)",
            consent: "(SELECT i.consent FROM imports i WHERE i.account = ?1 AND i.id = ?2)",
            now: "?7",
        };
        self.bound(Statement::compiled(link.make("json_each(?5) e", CLAIMED)))
            .bind(asked.0.as_str())
            .bind(self.link_prefix())
            .bind(self.now)
    }

    /// (4) These subjects were drawn for this very batch: who has one of them and no link is not wanted.
    fn forget(&self, subjects: &[&Subject]) -> Statement {
        Statement::new(
            "DELETE FROM line_users WHERE id IN (SELECT u.id FROM json_each(?2) e \
               CROSS JOIN line_users u ON u.account = ?1 AND u.subject = e.value \
               WHERE NOT EXISTS (SELECT 1 FROM links l WHERE l.account = ?1 AND l.line_user = u.id))",
        )
        .bind(&self.account.id)
        .bind_json(subjects)
    }

    /// (5) Says of each line what became of it, by the links that are there now, after all of them, and keeps the counts and
    /// what was refused. A line whose LINE user has no link even so found its member taken.
    fn settle(&self, asked: &Asked, refused: &[(u32, Reason)]) -> Statement {
        self.bound(Statement::new(
            "WITH judged (line, verdict) AS MATERIALIZED ( \
               SELECT e.value ->> 0, CASE \
                 WHEN l.member_id IS NULL THEN 'member_is_linked' \
                 WHEN l.member_id <> e.value ->> 1 THEN 'subject_is_linked' \
                 WHEN l.link_id = ?6 || (e.value ->> 0) THEN 'linked' \
                 WHEN substr(l.link_id, 1, length(?2) + 1) = ?2 || '_' THEN 'repeated' \
                 ELSE 'already_linked' END \
               FROM json_each(?5) e \
               LEFT JOIN line_users u ON u.account = ?1 AND u.line_user_id = e.value ->> 2 \
               LEFT JOIN links l ON l.account = ?1 AND l.line_user = u.id \
               UNION ALL SELECT e.value ->> 0, e.value ->> 1 FROM json_each(?7) e) \
             UPDATE import_parts SET \
               counts = (SELECT json_group_object(verdict, n) FROM \
                 (SELECT verdict, count(*) AS n FROM judged GROUP BY verdict)), \
               refused = (SELECT json_group_array(json_array(line, verdict)) FROM judged \
                 WHERE verdict NOT IN ('linked', 'already_linked')) \
             WHERE account = ?1 AND import = ?2 AND part = ?3 AND claimed_by = ?4",
        ))
        .bind(asked.0.as_str())
        .bind(self.link_prefix())
        .bind_json(refused)
    }

    /// (6) Whether there is such an import.
    pub(super) fn import_known(&self) -> Statement {
        Statement::new("SELECT state = 'open' AS is_open FROM imports WHERE account = ?1 AND id = ?2")
            .bind(&self.account.id)
            .bind(self.import)
    }

    /// (7) The part as it stands, whoever wrote it.
    pub(super) fn part_known(&self) -> Statement {
        Statement::compiled(format!(
            "SELECT digest, {PART} FROM import_parts WHERE account = ?1 AND import = ?2 AND part = ?3"
        ))
        .bind(&self.account.id)
        .bind(self.import)
        .bind(self.part)
    }

    fn link_prefix(&self) -> String {
        format!("{}_{}_", self.import, self.part)
    }

    fn bound(&self, statement: Statement) -> Statement {
        statement.bind(&self.account.id).bind(self.import).bind(self.part).bind(self.claim.as_str())
    }
}

/// `[[line, member, LINE user], …]`. It fits into one value: of a line, JSON adds at most a backslash before each character of
/// the member id, which has at most 255 characters, and its number and punctuation.
struct Asked(String);

impl Asked {
    fn of(lines: &[Line]) -> Self {
        let rows: Vec<_> =
            lines.iter().map(|line| (line.number, line.member.as_str(), line.user.as_str())).collect();
        Self(serde_json::to_string(&rows).unwrap_or_default())
    }
}

/// A member and a LINE user, with the subject that becomes the latter's if they are seen for the first time.
#[derive(Debug, Serialize)]
struct Person<'a>(&'a str, &'a str, Subject);

struct People<'a>(Vec<Person<'a>>);

impl<'a> People<'a> {
    /// Subjects are drawn from a seed that is forgotten: one call for randomness instead of thousands, and one subject for a
    /// LINE user however often they are named.
    fn of(lines: &'a [Line], seed: [u8; 32]) -> Self {
        let person = |line: &'a Line| {
            let subject = Subject::from_random(hmac_sha256(&seed, line.user.as_str().as_bytes()));
            Person(line.member.as_str(), line.user.as_str(), subject)
        };
        Self(lines.iter().map(person).collect())
    }

    fn groups(&self) -> Vec<&[Person<'a>]> {
        groups(&self.0, usize::MAX, MAX_JSON, |Person(member, ..)| 2 * member.len() + 80)
    }

    /// The subjects of those whose member several lines name: some of them will come to no link.
    fn contested(&self, lines: &[Line]) -> Option<Vec<&Subject>> {
        let mut order: Vec<_> = lines.iter().zip(&self.0).collect();
        order.sort_unstable_by(|(a, _), (b, _)| a.member.cmp(&b.member));
        let subjects: Vec<&Subject> = order
            .chunk_by(|(a, _), (b, _)| a.member == b.member)
            .filter(|same| same.len() > 1)
            .flat_map(|same| same.iter().map(|(_, Person(.., subject))| subject))
            .collect();
        (!subjects.is_empty()).then_some(subjects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{LineUserId, MemberId};

    #[test]
    fn the_worst_part_fits_into_one_value() {
        let user = LineUserId::parse("U0123456789abcdef0123456789abcdef").unwrap();
        for member in ["\\".repeat(255), "\\".to_owned(), "あ".repeat(255)] {
            let length = member.len() + 35;
            let member = MemberId::parse(&member).unwrap();
            let lines: Vec<Line> = (1..=super::super::MAX_BYTES.div_ceil(length))
                .map(|number| Line {
                    number: number.try_into().unwrap(),
                    member: member.clone(),
                    user: user.clone(),
                })
                .collect();
            assert!(Asked::of(&lines).0.len() <= 2_000_000);
            let people = People::of(&lines, [7; 32]);
            assert!(
                people.groups().iter().all(|group| serde_json::to_string(group).unwrap().len() < 2_000_000)
            );
        }
    }

    #[test]
    fn a_line_user_who_is_named_twice_has_one_subject_and_another_part_draws_another() {
        let line = |number, member: &str| Line {
            number,
            member: MemberId::parse(member).unwrap(),
            user: LineUserId::parse("U0123456789abcdef0123456789abcdef").unwrap(),
        };
        let lines = [line(1, "a"), line(2, "b")];
        let (one, other) = (People::of(&lines, [7; 32]), People::of(&lines, [8; 32]));
        assert_eq!(one.0[0].2, one.0[1].2);
        assert_ne!(one.0[0].2, other.0[0].2);
        assert_eq!(one.0[0].2.as_str().len(), 32);
    }
}
