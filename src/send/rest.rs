//! When nothing begins: in quiet hours, and as a month ends.

use crate::{
    config::Quiet,
    time::{SECOND, UnixMillis, end_of_japanese_month, japanese_month},
};

/// How long before a month ends nothing begins, in milliseconds: a call counts for the month in which LINE takes it.
const MONTH_ENDS: i64 = 15 * SECOND;

/// The month of which messages may begin now; none as one ends.
pub(super) fn month_to_begin_in(now: UnixMillis) -> Option<i64> {
    let month = japanese_month(now);
    (japanese_month(now + MONTH_ENDS) == month).then_some(month)
}

/// Until when nothing may begin: the end of quiet hours, or of a month.
pub(super) fn rests_until(quiet: Option<Quiet>, now: UnixMillis) -> Option<UnixMillis> {
    let quiet = quiet.and_then(|quiet| quiet.ends_after(now).or_else(|| quiet.ends_after(now + 2 * SECOND)));
    let month = month_to_begin_in(now).is_none().then(|| end_of_japanese_month(now));
    quiet.or(month)
}

/// Whether a send `s` has quiet hours in one of the minutes `?{a}` and `?{b}`.
pub(super) fn quiet(a: usize, b: usize) -> String {
    let within = |minute: usize| {
        format!(
            "CASE WHEN s.quiet_from < s.quiet_to THEN ?{minute} >= s.quiet_from AND ?{minute} < s.quiet_to \
             ELSE ?{minute} >= s.quiet_from OR ?{minute} < s.quiet_to END"
        )
    };
    format!("(s.quiet_from IS NOT NULL AND ({} OR {}))", within(a), within(b))
}
