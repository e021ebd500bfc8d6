//! `GET /v1/sends` and `GET /v1/sends/{id}`: where a send stands, summed over its chunks.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::SHOWN_STATE;
use crate::{
    config::Account,
    id::SendId,
    platform::{Context, Platform},
    store::{
        MAX_INTEGER, Statement, insight,
        shown::{stored, time},
    },
    time::UnixMillis,
    web::{ApiError, Reply, Request, form::Form, keyset},
};

/// The states that are stored (`sends.state`).
const STATES: [&str; 8] =
    ["draft", "scheduled", "expanding", "sending", "cancelling", "done", "partly_failed", "cancelled"];

/// What a list and a single send show alike.
const COMMON: &str = concat!(
    "s.number, s.id, s.name, s.paused AS reason, json_object('created_at', ",
    time!("s.created_at"),
    ", 'scheduled_at', ",
    time!("s.scheduled_at"),
    ", 'started_at', ",
    time!("s.started_at"),
    ", 'ended_at', ",
    time!("s.ended_at"),
    ", 'audience', ",
    stored!("s.audience"),
    ", 'budget_messages', s.budget, 'custom_aggregation_unit', s.unit) AS details"
);

#[derive(Deserialize)]
struct Row {
    number: i64,
    id: SendId,
    name: String,
    state: String,
    reason: Option<String>,
    details: String,
    /// LINE's figures of its unit, where they were asked for.
    #[serde(default)]
    insight: Option<String>,
    #[serde(flatten)]
    counts: Option<Counts>,
}

/// Of all chunks.
#[derive(Deserialize)]
struct Counts {
    targeted: i64,
    accepted: i64,
    blocked: i64,
    unlinked: i64,
    capped: i64,
    recent: i64,
    erased: i64,
    unknown: i64,
    refused: i64,
    unfit: i64,
    unresolved: i64,
    expected: i64,
    started_at: Option<UnixMillis>,
    settled_at: Option<UnixMillis>,
    refusals: String,
}

/// `GET /v1/sends/{id}`. Every recipient that was targeted is accepted, excluded, failed or unresolved, or waits;
/// "accepted" is accepted by LINE, which is all that anyone can know.
pub async fn show<P: Platform>(cx: Context<'_, P>, account: &Account, id: &str) -> Result<Reply, ApiError> {
    let id = SendId::parse(id)?;
    let sums: String = super::outcome::NAMES
        .iter()
        .map(|(_, name)| format!("coalesce(sum(c.{name}), 0) AS {name}, "))
        .collect();
    let statement = Statement::compiled(format!(
        "SELECT s.*, coalesce(sum(c.targeted), 0) AS targeted, {sums} \
           json_group_array(DISTINCT c.reason) FILTER (WHERE c.state = 'failed' AND c.reason IS NOT NULL) AS refusals \
         FROM (SELECT s.account, {COMMON}, {SHOWN_STATE}, s.started_at, s.settled_at, \
             CASE WHEN s.state = 'expanding' THEN max(s.granted, s.targeted) ELSE s.targeted END AS expected, {} AS insight \
           FROM sends s WHERE s.account = ?1 AND s.id = ?2) s \
         LEFT JOIN chunks c ON c.account = s.account AND c.send = s.id AND c.chunk >= 0 GROUP BY s.number",
        insight::OF_SEND
    ))
    .bind(&account.id)
    .bind(&id);
    let row: Option<Row> = cx.platform.one(&account.database, statement).await?.first()?;
    let row = row.ok_or_else(|| ApiError::not_found("the send"))?;
    Ok(Reply::json(StatusCode::OK, &shown(row, account)))
}

/// `GET /v1/sends`: the newest first, with `state` only those of one.
pub async fn list<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = Form::of_query(request)?;
    let limit = form.limit(keyset::LIMIT.0, keyset::LIMIT.1)?;
    let before = form.value("after").map_or(Some(MAX_INTEGER), |text| text.parse().ok());
    let before = before
        .filter(|number| (0..=MAX_INTEGER).contains(number))
        .ok_or_else(|| ApiError::invalid_request("after is what next said on the page before"))?;
    let state = form.value("state");
    if state.is_some_and(|state| !STATES.contains(&state)) {
        let description =
            format!("state is one of {}; a paused send keeps the state in which it was", STATES.join(", "));
        return Err(ApiError::invalid_request(description));
    }
    let statement = Statement::compiled(format!(
        "SELECT {COMMON}, {SHOWN_STATE} FROM sends s INDEXED BY sends_by_account \
         WHERE s.account = ?1 AND s.number < ?2 AND (?4 IS NULL OR s.state = ?4) ORDER BY s.number DESC LIMIT ?3"
    ))
    .bind(&account.id)
    .bind(before)
    .bind(limit)
    .bind(state);
    let rows: Vec<Row> = cx.platform.rows(&account.database, statement).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|length| length == limit);
    let next = rows.last().filter(|_| is_full).map(|row| row.number.to_string());
    let sends: Vec<Value> = rows.into_iter().map(|row| shown(row, account)).collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "sends": sends, "next": next })))
}

fn shown(row: Row, account: &Account) -> Value {
    let mut shown: Map<String, Value> = Map::new();
    shown.insert("id".to_owned(), json!(row.id));
    shown.insert("name".to_owned(), json!(row.name));
    shown.insert("state".to_owned(), json!(row.state));
    if let Some(reason) = row.reason {
        shown.insert("reason".to_owned(), json!(reason));
    }
    if let Ok(Value::Object(details)) = serde_json::from_str(&row.details) {
        shown.extend(details);
    }
    if let Some(insight) = row.insight {
        let insight: Value = serde_json::from_str(&insight).unwrap_or_default();
        shown.insert("insight".to_owned(), insight);
    }
    if let Some(counts) = row.counts {
        counts.show(account, &mut shown);
    }
    Value::Object(shown)
}

impl Counts {
    fn show(self, account: &Account, shown: &mut Map<String, Value>) {
        let excluded = self.blocked + self.unlinked + self.capped + self.recent + self.erased;
        let failed = self.unknown + self.refused + self.unfit;
        let settled = self.accepted + excluded + failed + self.unresolved;
        let by_reason = |reasons: &[(&str, i64)]| {
            let some = reasons.iter().filter(|(_, number)| *number > 0);
            some.map(|(name, number)| ((*name).to_owned(), json!(number))).collect::<Map<_, _>>()
        };
        let is_cancelled = shown.get("state").is_some_and(|state| state == "cancelled");
        let mut set = |name: &str, value: Value| _ = shown.insert(name.to_owned(), value);
        set("targeted", json!(self.targeted));
        set("accepted", json!(self.accepted));
        set("excluded", json!(excluded));
        set(
            "excluded_by",
            Value::Object(by_reason(&[
                ("blocked", self.blocked),
                ("unlinked", self.unlinked),
                ("frequency_cap", self.capped),
                ("recently_messaged", self.recent),
                ("erased", self.erased),
            ])),
        );
        set("failed", json!(failed));
        let failed_by =
            by_reason(&[("unknown_to_line", self.unknown), ("refused", self.refused), ("unfit", self.unfit)]);
        set("failed_by", Value::Object(failed_by));
        let refusals: Value = serde_json::from_str(&self.refusals).unwrap_or_default();
        if refusals.as_array().is_some_and(|refusals| !refusals.is_empty()) {
            set("refusals", refusals);
        }
        set("unresolved", json!(self.unresolved));
        set("waiting", json!((self.expected - settled).max(0)));
        let took = self.started_at.zip(self.settled_at).map_or(0, |(from, to)| to - from);
        #[expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^53")]
        let rate = (took > 0 && settled > 0).then(|| settled as f64 * 1_000.0 / took as f64);
        set("rate_per_second", json!(rate.map(f64::round)));
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let left = rate
            .filter(|_| !is_cancelled)
            .map(|rate| ((self.expected - settled).max(0) as f64 / rate).ceil());
        set("seconds_left", json!(left));
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let cost = account.sending.price_per_message.map(|price| price * self.accepted as f64);
        set("cost", json!(cost));
    }
}
