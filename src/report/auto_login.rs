//! `GET /v1/reports/auto-login`: how often LINE logged customers in by itself, by kind of browser, reason and link.
//!
//! `success_rate` is `auto_login / (auto_login + failed)`: of the logins that auto-login took up, how many it completed.
//! Where LINE asked, nothing was tried; what became of a login after auto-login was turned off is counted beside it.

use http::StatusCode;
use serde_json::{Map, Value};

use super::Period;
use crate::{
    config::Account,
    platform::{Context, Outcome, Platform, PlatformError},
    store::{Statement, tally},
    web::{ApiError, Reply, Request, form::Form, object},
};

/// Links that a report lists: those with the most logins.
const MAX_LINKS: i64 = 1_000;

/// Every outcome.
const OUTCOMES: [tally::Outcome; 8] = [
    tally::Outcome::AutoLogin,
    tally::Outcome::Asked,
    tally::Outcome::Failed,
    tally::Outcome::Cancelled,
    tally::Outcome::RetryPressed,
    tally::Outcome::RetriedOk,
    tally::Outcome::RetryFailed,
    tally::Outcome::TargetLost,
];

/// Which rows are meant: `?1` to `?5`.
const MEANT: &str = "c.account = ?1 AND c.day >= ?2 AND c.day <= ?3 AND c.client_id = coalesce(?4, c.client_id) \
    AND c.link = coalesce(?5, c.link)";

/// Answers the report of a period, of one client or one link where they are named: one batch.
pub async fn auto_login<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = Form::of_query(request)?;
    let period = Period::read(&form, cx.platform.now())?;
    let sums = [totals(), browsers(), reasons(), links()];
    let sums = sums.into_iter().map(|sql| bound(sql, account, period, &form)).collect();
    let outcomes = cx.platform.batch(&account.database, sums).await?;
    let [totals, browsers, reasons, links] = outcomes.as_slice() else {
        return Err(PlatformError::Database("a statement has no outcome".to_owned()).into());
    };
    let report = object([
        ("from", period.from.to_string().into()),
        ("to", period.to.to_string().into()),
        ("totals", shown(totals)?.pop().unwrap_or_default()),
        ("browsers", shown(browsers)?.into()),
        ("reasons", reasons.rows::<Value>()?.into()),
        ("links", shown(links)?.into()),
    ]);
    Ok(Reply::json(StatusCode::OK, &report))
}

fn totals() -> String {
    format!(
        "SELECT json_group_object(s.outcome, s.n) AS counts \
         FROM (SELECT c.outcome, sum(c.count) AS n FROM login_counts c WHERE {MEANT} GROUP BY c.outcome) s"
    )
}

fn browsers() -> String {
    format!(
        "SELECT s.browser, json_group_object(s.outcome, s.n) AS counts \
         FROM (SELECT c.browser, c.outcome, sum(c.count) AS n FROM login_counts c WHERE {MEANT} \
           GROUP BY c.browser, c.outcome) s \
         GROUP BY s.browser ORDER BY s.browser"
    )
}

fn reasons() -> String {
    format!(
        "SELECT c.outcome, c.reason, sum(c.count) AS count FROM login_counts c WHERE {MEANT} AND c.reason <> '' \
         GROUP BY c.outcome, c.reason ORDER BY c.outcome, c.reason"
    )
}

fn links() -> String {
    format!(
        "SELECT s.link, l.label, l.campaign, l.client_id, json_group_object(s.outcome, s.n) AS counts \
         FROM (SELECT c.link, c.outcome, sum(c.count) AS n FROM login_counts c WHERE {MEANT} AND c.link <> '' \
           GROUP BY c.link, c.outcome) s \
         LEFT JOIN auto_login_links l ON l.account = ?1 AND l.id = s.link \
         GROUP BY s.link ORDER BY sum(s.n) DESC, s.link LIMIT {MAX_LINKS}"
    )
}

fn bound(sql: String, account: &Account, period: Period, form: &Form) -> Statement {
    Statement::compiled(sql)
        .bind(&account.id)
        .bind(period.from.to_string())
        .bind(period.to.to_string())
        .bind(form.value("client_id").map(str::to_owned))
        .bind(form.value("link").map(str::to_owned))
}

/// The rows, each with its `counts` spread out: every outcome, and the rate.
fn shown(outcome: &Outcome) -> Result<Vec<Value>, PlatformError> {
    let mut rows: Vec<Value> = outcome.rows()?;
    for fields in rows.iter_mut().filter_map(Value::as_object_mut) {
        let counts = fields.remove("counts");
        let counts = counts.as_ref().and_then(Value::as_str).and_then(|json| serde_json::from_str(json).ok());
        spread(fields, &counts.unwrap_or_default());
    }
    Ok(rows)
}

fn spread(fields: &mut Map<String, Value>, counts: &Value) {
    let of =
        |outcome: tally::Outcome| counts.get(outcome.label()).and_then(Value::as_u64).unwrap_or_default();
    for outcome in OUTCOMES {
        fields.insert(outcome.label().to_owned(), of(outcome).into());
    }
    let (ok, tried) =
        (of(tally::Outcome::AutoLogin), of(tally::Outcome::AutoLogin) + of(tally::Outcome::Failed));
    let rate = if tried == 0 { Value::Null } else { (number(ok) / number(tried)).into() };
    fields.insert("success_rate".to_owned(), rate);
}

/// A count as a number with a fraction; counts are far below 2^32.
fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
