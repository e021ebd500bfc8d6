//! The redemption of a code (RFC 6749 section 4.1.3), with the link that it may carry.

use super::{ACCESS_LIFETIME, Fresh, REFRESH_LIFETIME, access_token, is_offline, read, refresh_token};
use crate::{
    id::{AccountId, ClientId},
    secret::Digest,
    store::{Statement, link},
    time::UnixMillis,
};

/// A code that a client presents.
#[derive(Debug)]
pub struct Redemption<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The client that proved itself.
    pub client: &'a ClientId,
    /// The digest of the code.
    pub code: Digest,
    /// The redirect URI that it repeats.
    pub redirect_uri: &'a str,
    /// The challenge of the verifier that it presents.
    pub challenge: Option<String>,
    /// Whether it receives refresh tokens without asking.
    pub always_refresh: bool,
    /// Whether the shop takes events.
    pub takes_events: bool,
    /// Fresh tokens and ids.
    pub fresh: &'a Fresh,
}

impl Redemption<'_> {
    /// One batch: (1) the code is spent by this very request if everything it is bound to is repeated, its session lives,
    /// and the link that it asks for stands against no other; (2) only then the grant exists, (3) with its access token,
    /// (4) its refresh token, (5) its link, of which the shop is told. (6) The grant is read.
    #[must_use]
    pub fn statements(&self, now: UnixMillis) -> Vec<Statement> {
        let grant = self.fresh.grant.as_str();
        // (1)
        let spend = Statement::new(
            "UPDATE codes SET spent_by = ?3 WHERE account = ?1 AND digest = ?2 AND spent_by IS NULL AND expires_at > ?4 \
               AND client_id = ?5 AND redirect_uri = ?6 AND code_challenge IS ?7 \
               AND EXISTS (SELECT 1 FROM sessions s WHERE s.account = ?1 AND s.sid = codes.sid \
                           AND s.ended_at IS NULL AND s.expires_at > ?4) \
               AND (link IS NULL OR NOT EXISTS ( \
                 SELECT 1 FROM sessions s JOIN links l ON l.account = ?1 AND l.line_user = s.line_user \
                 WHERE s.account = ?1 AND s.sid = codes.sid AND l.member_id <> codes.link ->> 'member_id' \
                 UNION ALL \
                 SELECT 1 FROM links l JOIN sessions s ON s.account = ?1 AND s.sid = codes.sid \
                 WHERE l.account = ?1 AND l.member_id = codes.link ->> 'member_id' AND l.line_user <> s.line_user))",
        )
        .bind(self.account)
        .bind(&self.code)
        .bind(grant)
        .bind(now)
        .bind(self.client)
        .bind(self.redirect_uri)
        .bind(self.challenge.clone());
        // (2)
        let make = Statement::compiled(format!(
            "INSERT INTO grants (account, id, client_id, line_user, sid, scope, auth_time, amr, created_at, expires_at) \
             SELECT ?1, ?3, c.client_id, s.line_user, c.sid, c.scope, s.auth_time, s.amr, ?4, \
               CASE WHEN {} THEN ?6 ELSE ?7 END \
             FROM codes c JOIN sessions s ON s.account = ?1 AND s.sid = c.sid \
             WHERE c.account = ?1 AND c.digest = ?2 AND c.spent_by = ?3",
            is_offline("c.scope", "?5")
        ))
        .bind(self.account)
        .bind(&self.code)
        .bind(grant)
        .bind(now)
        .bind(self.always_refresh)
        .bind(now + REFRESH_LIFETIME)
        .bind(now + ACCESS_LIFETIME);
        // (5)
        let tie = Statement::new(
            "INSERT INTO links (account, line_user, member_id, link_id, linked_at, consent) \
             SELECT ?1, g.line_user, c.link ->> 'member_id', ?4, ?5, c.link ->> 'consent' \
             FROM codes c JOIN grants g ON g.account = ?1 AND g.id = c.spent_by \
             WHERE c.account = ?1 AND c.digest = ?2 AND c.spent_by = ?3 AND c.link IS NOT NULL \
             ON CONFLICT (account, line_user) DO UPDATE SET consent = excluded.consent",
        )
        .bind(self.account)
        .bind(&self.code)
        .bind(grant)
        .bind(self.fresh.link.as_str())
        .bind(now);
        let mut statements = vec![
            spend,
            make,
            access_token(self.account, self.fresh, now),
            refresh_token(self.account, self.fresh, self.always_refresh, now),
            tie,
        ];
        if self.takes_events {
            let from = "FROM codes c JOIN links l ON l.account = ?1 AND l.member_id = c.link ->> 'member_id' \
                JOIN line_users u ON u.id = l.line_user \
                WHERE c.account = ?1 AND c.digest = ?2 AND l.link_id = ?3";
            let bound = vec![self.account.into(), (&self.code).into(), self.fresh.link.as_str().into()];
            statements.push(link::made_of(from, bound, now));
        }
        // (6)
        let nonce = "(SELECT nonce FROM codes WHERE account = ?1 AND digest = ?3)";
        statements.push(read(self.account, grant, nonce).bind(&self.code));
        statements
    }

    /// A code that was presented in vain, because somebody else had spent it, ends what that somebody received: it leaked
    /// (RFC 6749 section 4.1.2).
    #[must_use]
    pub fn reuse(&self, now: UnixMillis) -> Statement {
        Statement::new(
            "UPDATE grants SET ended_at = ?4 WHERE account = ?1 AND ended_at IS NULL AND id = \
               (SELECT spent_by FROM codes WHERE account = ?1 AND digest = ?2 AND client_id = ?5 AND spent_by <> ?3)",
        )
        .bind(self.account)
        .bind(&self.code)
        .bind(self.fresh.grant.as_str())
        .bind(now)
        .bind(self.client)
    }
}
