//! What became of one recipient of one send, as `receipts.outcome` and `chunks.left_out` have it.

/// LINE accepted it.
pub(super) const ACCEPTED: i64 = 1;
/// Left out: no friend, or blocks the account.
pub(super) const BLOCKED: i64 = 10;
/// Left out: not linked to a member any more.
pub(super) const UNLINKED: i64 = 11;
/// Left out: had as many messages as the frequency cap allows.
pub(super) const CAPPED: i64 = 12;
/// Left out: had a message too recently.
pub(super) const RECENT: i64 = 13;
/// Left out: erased.
pub(super) const ERASED: i64 = 14;
/// Failed: LINE does not know the id in this channel.
pub(super) const UNKNOWN: i64 = 20;
/// Failed: LINE refused the call.
pub(super) const REFUSED: i64 = 21;
/// Failed: the message that is theirs breaks LINE's limits.
pub(super) const UNFIT: i64 = 22;
/// Nobody knows whether LINE accepted it.
pub(super) const UNRESOLVED: i64 = 30;

/// The outcomes by name, in the API and as columns of `chunks`.
pub(super) const NAMES: [(i64, &str); 10] = [
    (ACCEPTED, "accepted"),
    (BLOCKED, "blocked"),
    (UNLINKED, "unlinked"),
    (CAPPED, "capped"),
    (RECENT, "recent"),
    (ERASED, "erased"),
    (UNKNOWN, "unknown"),
    (REFUSED, "refused"),
    (UNFIT, "unfit"),
    (UNRESOLVED, "unresolved"),
];

/// SQL of an outcome's name; `otherwise` is SQL for where there is none.
pub(super) fn named(column: &str, otherwise: &str) -> String {
    let cases: String = NAMES.iter().map(|(code, name)| format!(" WHEN {code} THEN '{name}'")).collect();
    format!("CASE {column}{cases} ELSE {otherwise} END")
}
