//! Jobs that nobody could read, kept with their body where they can be seen.

use super::Statement;
use crate::{secret::Digest, time::UnixMillis};

/// Keeps one dead letter. Its id is the digest of what it says, so that burying twice keeps one.
#[must_use]
pub fn write(source: &str, reason: &str, body: &str, now: UnixMillis) -> Statement {
    let id = Digest::of(format!("{source}\n{reason}\n{body}").as_bytes());
    Statement::new(
        "INSERT INTO dead_letters (id, source, reason, body, at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&id)
    .bind(source)
    .bind(reason)
    .bind(body)
    .bind(now)
}
