//! Who was erased: neither side of such a line may come back by an import.

use std::collections::HashSet;

use serde::Deserialize;

use crate::{
    config::Account,
    platform::{Context, Platform, PlatformError},
    secret::Digest,
    store::tombstone::{self, Tombs},
    time::UnixMillis,
};

/// Digests that are asked for at once: as JSON well below the 2 MB of a value.
const AT_ONCE: usize = 20_000;

/// Which of these lines name a member or a LINE user who was erased, by their numbers in ascending order. `newest` is the time of
/// the account's newest tombstone: one that has erased nobody is not asked, one that has a few questions.
///
/// Who is erased after this look is caught by the claim of the part, which asks for tombstones after the newest that was seen.
pub(super) async fn erased<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    newest: Option<UnixMillis>,
    named: impl FnOnce(&Tombs<'_>) -> Vec<(u32, Digest)>,
) -> Result<Vec<u32>, PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        digest: Digest,
    }
    if newest.is_none() {
        return Ok(Vec::new());
    }
    let named = named(&Tombs::new(&cx.settings.keys, &account.id));
    let mut known = HashSet::new();
    for some in named.chunks(AT_ONCE) {
        let digests: Vec<Digest> = some.iter().map(|(_, digest)| digest.clone()).collect();
        let rows: Vec<Row> =
            cx.platform.rows(&account.database, tombstone::known(&account.id, &digests)).await?;
        known.extend(rows.into_iter().map(|row| row.digest));
    }
    let gone = named.into_iter().filter(|(_, digest)| known.contains(digest));
    let mut lines: Vec<u32> = gone.map(|(number, _)| number).collect();
    lines.dedup();
    Ok(lines)
}
