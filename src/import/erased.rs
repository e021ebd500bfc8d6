//! Who was erased: neither side of such a line may come back by an import.

use std::collections::HashSet;

use serde::Deserialize;

use super::line::Line;
use crate::{
    config::Account,
    platform::{Context, Platform, PlatformError},
    secret::Digest,
    store::tombstone::{self, Tombs},
    time::UnixMillis,
};

/// Digests that are asked for at once: as JSON well below the 2 MB of a value.
const AT_ONCE: usize = 20_000;

/// What a look at the tombstones found.
#[derive(Debug, Default)]
pub(super) struct Erased {
    /// The lines that name somebody who was erased, in ascending order.
    pub(super) lines: Vec<u32>,
    /// The time of the newest tombstone; 0 where there is none.
    pub(super) newest: UnixMillis,
}

/// Which of these lines name a member or a LINE user who was erased, by their numbers. They are refused as `erased`, without a
/// word on which side it is. An account that has erased nobody is asked one question, one that has erased somebody a few.
///
/// Who is erased after this look is caught by the claim of the part, which asks for tombstones after the newest that was seen.
pub(super) async fn erased<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    lines: &[Line],
) -> Result<Erased, PlatformError> {
    #[derive(Deserialize)]
    struct Newest {
        newest: Option<UnixMillis>,
    }
    #[derive(Deserialize)]
    struct Row {
        digest: Digest,
    }
    let look = cx.platform.one(&account.database, tombstone::newest(&account.id)).await?;
    let Some(newest) = look.first::<Newest>()?.and_then(|row| row.newest) else {
        return Ok(Erased::default());
    };
    let tombs = Tombs::new(&cx.settings.keys, &account.id);
    let named: Vec<(u32, Digest)> = lines
        .iter()
        .flat_map(|line| {
            let digests = tombs.of_member(&line.member).into_iter().chain(tombs.of_line_user(&line.user));
            digests.map(|digest| (line.number, digest))
        })
        .collect();
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
    Ok(Erased { lines, newest })
}
