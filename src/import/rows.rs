//! The statements of a part of members or events, all of them one batch under the part's claim.

use http::StatusCode;

use super::{
    Kind,
    line::Reason,
    statements::Attempt,
    table::{Rows, Said},
};
use crate::{
    secret::Digest,
    store::{
        Statement,
        applying::{Applying, Part},
        event::{self, Events},
        tombstone::Tombs,
        word::{self, Words},
    },
    web::ApiError,
};

/// The lines of a part as one parameter, in bytes: D1 takes 2,000,000.
const MAX_JSON: usize = 1_950_000;

/// (1) The claim; (2) the lines that are new are applied, and what becomes of each is kept: of events it is said before they are
/// put in, of members after; (3) how things stand. `gone` are lines whose members were erased: they count if the member is here
/// again.
pub(super) fn statements(
    attempt: &Attempt<'_>,
    digest: &Digest,
    rows: &Rows,
    gone: &[u32],
    tombs: &Tombs<'_>,
    seed: [u8; 32],
) -> Result<Vec<Statement>, ApiError> {
    let part = Part { import: attempt.import, number: attempt.part, claim: &attempt.claim };
    let applying = Applying { account: &attempt.account.id, now: attempt.now, part: Some(part) };
    let digests: Vec<Vec<Digest>> = rows
        .members()
        .into_iter()
        .map(
            |(number, member)| {
                if gone.binary_search(&number).is_ok() { tombs.of_member(member) } else { Vec::new() }
            },
        )
        .collect();
    let mut statements = vec![attempt.claim(digest)];
    match &rows.said {
        Said::Events(events) => {
            let lines: Vec<event::Line<'_>> = events
                .iter()
                .zip(&digests)
                .map(|((number, event), tombs)| event::Line { number: *number as usize, event, tombs })
                .collect();
            let events = Events::new(applying, &lines);
            let (sql, json) = events.judged();
            statements.push(settle(&applying, Kind::Events, &sql, json, &rows.refused)?);
            statements.extend(events.put());
        }
        Said::Words(words) => {
            let lines: Vec<word::Line<'_>> = words
                .iter()
                .zip(&digests)
                .map(|((number, word), tombs)| word::Line {
                    number: *number as usize,
                    word,
                    tombs,
                    user_tombs: &[],
                })
                .collect();
            let words = Words::new(applying, &lines, seed);
            statements.extend(words.apply());
            let (sql, json) = words.judged();
            statements.push(settle(&applying, Kind::Members, &sql, json, &rows.refused)?);
        }
    }
    statements.extend([attempt.import_known(), attempt.part_known()]);
    Ok(statements)
}

/// Keeps how many lines came to what, and which were refused.
fn settle(
    applying: &Applying<'_>,
    kind: Kind,
    judged: &str,
    lines: &str,
    refused: &[(u32, Reason)],
) -> Result<Statement, ApiError> {
    if lines.len() > MAX_JSON {
        let description =
            "the lines of this part are too long together; cut the file at line ends into more parts";
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", description));
    }
    let good: Vec<String> = kind.good().iter().map(|verdict| format!("'{verdict}'")).collect();
    let sql = format!(
        "WITH judged (line, verdict) AS MATERIALIZED ( \
           SELECT line, verdict FROM ({judged}) UNION ALL SELECT e.value ->> 0, e.value ->> 1 FROM json_each(?7) e) \
         UPDATE import_parts SET \
           counts = (SELECT json_group_object(verdict, n) FROM \
             (SELECT verdict, count(*) AS n FROM judged GROUP BY verdict)), \
           refused = (SELECT json_group_array(json_array(line, verdict)) FROM judged WHERE verdict NOT IN ({})) \
         WHERE ?2 AND account = ?1 AND import = ?4 AND part = ?5 AND claimed_by = ?6",
        good.join(", ")
    );
    Ok(applying.statement(sql, lines).bind_json(refused))
}
