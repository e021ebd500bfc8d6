//! `/v1/webhooks/deliveries`: what LINE sent and what became of it. Lists say nothing of
//! persons; what a delivery says is shown one by one.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    config::Account,
    platform::{Context, Platform, PlatformError},
    store::{MAX_INTEGER, Statement, delivery_shown},
    time::UnixMillis,
    web::{ApiError, Reply, Request, form::Form, keyset, object},
};

/// What may have become of a delivery, and whether somebody is still to see to it.
const VERDICTS: [(&str, bool); 5] =
    [("waiting", true), ("applied", false), ("duplicate", false), ("unreadable", true), ("failed", true)];

#[derive(Deserialize)]
struct Delivery {
    seq: i64,
    received_at: UnixMillis,
    applied_at: Option<UnixMillis>,
    verdict: String,
    events: i64,
    duplicates: i64,
    altered: i64,
    size: i64,
    /// With the body, where one delivery is asked for.
    signature: Option<String>,
    body: Option<String>,
}

impl Delivery {
    fn shown(&self) -> Value {
        object([
            ("id", self.seq.into()),
            ("received_at", self.received_at.rfc3339().into()),
            ("applied_at", self.applied_at.map(UnixMillis::rfc3339).into()),
            ("lag_ms", self.applied_at.map(|applied| applied - self.received_at).into()),
            ("verdict", self.verdict.as_str().into()),
            ("events", self.events.into()),
            ("duplicates", self.duplicates.into()),
            ("size", self.size.into()),
            ("altered", (self.altered != 0).into()),
        ])
    }
}

/// `GET /v1/webhooks/deliveries`: the newest first; `before` is what `next` said, `verdict` one of five.
pub async fn deliveries<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = Form::of_query(request)?;
    let limit = form.limit(keyset::LIMIT.0, keyset::LIMIT.1)?;
    let before = form.value("before").map(|text| {
        place(text).ok_or_else(|| ApiError::invalid_request("before is what next said on the page before"))
    });
    let before = before.transpose()?;
    let (rows, next) = match form.value("verdict") {
        None => page(cx, account, delivery_shown::page(&account.id, before, limit), limit).await?,
        Some(wanted) => match VERDICTS.iter().find(|(verdict, _)| *verdict == wanted) {
            Some((verdict, true)) => {
                let open = delivery_shown::page_of_open(&account.id, before, limit, verdict);
                page(cx, account, open, limit).await?
            }
            Some((verdict, false)) => {
                page_of_done(
                    cx,
                    account,
                    delivery_shown::page_of_done(&account.id, before, limit, verdict),
                    limit,
                )
                .await?
            }
            None => {
                let known: Vec<&str> = VERDICTS.iter().map(|(verdict, _)| *verdict).collect();
                let sentence = format!("verdict is one of {}", known.join(", "));
                return Err(ApiError::invalid_request(sentence));
            }
        },
    };
    let deliveries: Vec<Value> = rows.iter().map(Delivery::shown).collect();
    let page = object([("deliveries", deliveries.into()), ("next", next.into())]);
    Ok(Reply::json(StatusCode::OK, &page))
}

/// A page, and what comes next.
async fn page<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    read: Statement,
    limit: i64,
) -> Result<(Vec<Delivery>, Option<i64>), ApiError> {
    let rows: Vec<Delivery> = cx.platform.rows(&account.database, read).await?;
    let next = rows.last().filter(|_| is_full(rows.len(), limit)).map(|row| row.seq);
    Ok((rows, next))
}

/// A page of those deliveries that one call looks at, and what comes next: also where it is not full.
async fn page_of_done<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    read: [Statement; 2],
    limit: i64,
) -> Result<(Vec<Delivery>, Option<i64>), ApiError> {
    #[derive(Deserialize)]
    struct Reach {
        looked: i64,
        last: Option<i64>,
    }
    let outcomes = cx.platform.batch(&account.database, read.into()).await?;
    let [page, reach] = outcomes.as_slice() else {
        return Err(PlatformError::Database("an outcome is missing".to_owned()).into());
    };
    let rows: Vec<Delivery> = page.rows()?;
    let next = match (is_full(rows.len(), limit), reach.first()?) {
        (true, _) => rows.last().map(|row| row.seq),
        (false, Some(Reach { looked: delivery_shown::LOOKED_AT, last })) => last,
        (false, _) => None,
    };
    Ok((rows, next))
}

/// `GET /v1/webhooks/deliveries/{id}`: with the raw body, and LINE's signature where it was kept.
pub async fn delivery<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    id: &str,
) -> Result<Reply, ApiError> {
    let seq = place(id).ok_or_else(|| ApiError::not_found("the delivery"))?;
    let row: Option<Delivery> =
        cx.platform.one(&account.database, delivery_shown::one(&account.id, seq)).await?.first()?;
    let row = row.ok_or_else(|| ApiError::not_found("the delivery"))?;
    let mut shown = row.shown();
    if let Some(fields) = shown.as_object_mut() {
        let signature = row.signature.filter(|signature| !signature.is_empty());
        fields.insert("signature".to_owned(), signature.into());
        fields.insert("body".to_owned(), row.body.into());
    }
    Ok(Reply::json(StatusCode::OK, &shown))
}

/// A delivery's place in the ledger.
fn place(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|seq| is_number && *seq <= MAX_INTEGER)
}

fn is_full(length: usize, limit: i64) -> bool {
    i64::try_from(length).is_ok_and(|length| length == limit)
}
