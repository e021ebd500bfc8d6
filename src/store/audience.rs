//! Audiences at LINE that are to be deleted there: by the shop, after their narrowcast, by an erasure.

/// SQL over `?2`, now: what is set of such an audience. While it is uploaded a page may be on its way: the minute is longer than a
/// call takes, or LINE would make it after it was looked for in vain.
pub const ENDS: &str = "state = 'deleting', due_at = CASE state WHEN 'uploading' THEN ?2 + 60000 ELSE ?2 END";

/// SQL: that there is something to delete.
pub const STANDS: &str = "state IN ('uploading', 'waiting', 'ready')";
