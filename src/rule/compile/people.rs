//! The link, the friendship, messages and links opened. The last two are looked for from subject to subject: their tables
//! begin with the subject, in the order in which everybody is gone through.

use super::{Compiler, frame::Frame};
use crate::{
    rule::{
        CLICKS_KEPT, RECEIPTS_KEPT,
        condition::{Condition, Times},
    },
    time::DAY,
};

/// The outcome of a message that LINE accepted.
const ACCEPTED: &str = "1";

impl Compiler {
    /// Whatever may be NULL of those who are linked to nobody stands in `ifnull`, through which `SQLite` does not see: else it
    /// would take the join for another one and begin with the links.
    pub(super) fn link(&mut self, since: &Times, route: Option<&'static str>) -> String {
        let mut sql = format!("l.line_user > 0{}", self.within(since, "l.linked_at"));
        if let Some(route) = route {
            sql = format!("{sql} AND l.consent ->> '$.way' = {}", self.bind(route));
        }
        format!("ifnull({sql}, 0)")
    }

    pub(super) fn friendship(&mut self, since: &Times, mode: Option<&str>, client: Option<&str>) -> String {
        // Who is linked to nobody is nobody at LINE. A mere 0 would make `SQLite` drop all other conditions, and the index.
        if self.frame == Frame::Unlinked {
            return "(m.id < 0)".to_owned();
        }
        let mut sql = format!("u.id > 0{}", self.within(since, "u.friend_since"));
        for (column, wanted) in [("u.added_mode", mode), ("u.added_client", client)] {
            if let Some(wanted) = wanted {
                sql = format!("{sql} AND {column} = {}", self.bind(wanted));
            }
        }
        format!("ifnull({sql}, 0)")
    }

    /// What is older than it is kept may be swept or not: it does not count.
    pub(super) fn received(&mut self, within_days: Option<i64>, send: Option<&str>) -> String {
        let since = self.bind(self.now + -within_days.unwrap_or(RECEIPTS_KEPT) * DAY);
        let mut sql = format!(
            "SELECT 1 FROM receipts r WHERE r.account = ?1 AND r.line_user = {} AND r.at >= {since} AND r.outcome = {ACCEPTED}",
            self.frame.subject()
        );
        if let Some(send) = send {
            let send = self.bind(send);
            sql = format!(
                "{sql} AND r.send = (SELECT s.number FROM sends s WHERE s.account = ?1 AND s.id = {send})"
            );
        }
        format!("EXISTS ({sql})")
    }

    /// ` AND …`: nobody at all belongs once it is not known any more who received a send that is named. To go on would reach
    /// those who did, where the rule is about those who did not.
    pub(super) fn sends_are_known(&mut self, condition: &Condition) -> String {
        let mut named = Vec::new();
        condition.sends(&mut named);
        if named.is_empty() {
            return String::new();
        }
        let (named, oldest) = (self.bind_list(&named), self.bind(self.now + -RECEIPTS_KEPT * DAY));
        format!(
            " AND NOT EXISTS (SELECT 1 FROM sends s WHERE s.account = ?1 AND s.id IN (SELECT value FROM json_each({named})) \
             AND coalesce(s.started_at, s.created_at) < {oldest})"
        )
    }

    pub(super) fn clicked(&mut self, within_days: Option<i64>, link: Option<&str>) -> String {
        let since = self.bind(self.now + -within_days.unwrap_or(CLICKS_KEPT) * DAY);
        let mut sql = format!(
            "SELECT 1 FROM clicks c WHERE c.account = ?1 AND c.line_user = {} AND c.at >= {since}",
            self.frame.subject()
        );
        if let Some(link) = link {
            sql = format!("{sql} AND c.link = {}", self.bind(link));
        }
        format!("EXISTS ({sql})")
    }

    /// ` AND …` for each bound.
    fn within(&mut self, times: &Times, column: &str) -> String {
        let (from, to) = times.bounds(self.now);
        let mut sql = String::new();
        for (bound, sign) in [(from, ">="), (to, "<")] {
            if let Some(bound) = bound {
                sql = format!("{sql} AND {column} {sign} {}", self.bind(bound));
            }
        }
        sql
    }
}
