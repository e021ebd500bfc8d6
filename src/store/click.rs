//! Who logged in by which auto-login link: what rules call clicked.

use super::Statement;
use crate::{
    id::{AccountId, AutoLoginLinkId, LineUserId},
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
