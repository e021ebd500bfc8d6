//! Who logged in by which auto-login link: what rules call clicked.

use super::Statement;
use crate::{
    id::{AccountId, AutoLoginLinkId, LineUserId},
    secret::SecretText,
    time::UnixMillis,
};

/// A login of this LINE user, whom we know, that began at the link.
#[must_use]
pub fn insert(
    account: &AccountId,
    line_user_id: &LineUserId,
    link: &AutoLoginLinkId,
    now: UnixMillis,
) -> Statement {
    Statement::new(
        "INSERT INTO clicks (account, line_user, at, link) \
         SELECT ?1, u.id, ?3, ?4 FROM line_users u WHERE u.account = ?1 AND u.line_user_id = ?2 ON CONFLICT DO NOTHING",
    )
    .bind(account)
    .bind(line_user_id)
    .bind(now)
    .bind(link)
}

/// The same of a session that answered with this code, if the batch made it.
#[must_use]
pub fn by_code(account: &AccountId, code: &SecretText, link: &AutoLoginLinkId, now: UnixMillis) -> Statement {
    Statement::new(
        "INSERT INTO clicks (account, line_user, at, link) \
         SELECT ?1, s.line_user, ?3, ?4 FROM codes c JOIN sessions s ON s.account = ?1 AND s.sid = c.sid \
         WHERE c.account = ?1 AND c.digest = ?2 ON CONFLICT DO NOTHING",
    )
    .bind(account)
    .bind(&code.digest())
    .bind(now)
    .bind(link)
}
