//! `GET /v1/reports/auto-login`: how often LINE logged customers in by itself, by kind of browser, reason and link.
//!
//! `success_rate` is `auto_login / (auto_login + failed)`: of the logins that auto-login took up, how many it completed.
//! Where LINE asked, nothing was tried; what became of a login after auto-login was turned off is counted beside it.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Period, parameters};
use crate::{
    config::Account,
    platform::{Context, Outcome, Platform},
    store::{Statement, tally},
    web::{ApiError, Reply, Request},
};

/// Links that a report lists: those with the most logins.
const MAX_LINKS: i64 = 1_000;

/// The outcomes in the order in which they are shown.
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

#[derive(Deserialize)]
struct Count {
    browser: String,
    outcome: String,
    reason: String,
    count: i64,
}

#[derive(Deserialize)]
struct LinkRow {
    link: String,
    label: Option<String>,
    campaign: Option<String>,
    client_id: Option<String>,
    counts: String,
}

/// Answers the report of a period, of one client or one link where they are named.
pub async fn auto_login<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = parameters(request)?;
    let period = Period::read(&form, cx.platform.now())?;
    let (client, link) = (form.value("client_id"), form.value("link"));
    let statements = vec![by_browser(account, period, client, link), by_link(account, period, client, link)];
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    let counts: Vec<Count> = outcomes.first().map(Outcome::rows).transpose()?.unwrap_or_default();
    let links: Vec<LinkRow> = outcomes.get(1).map(Outcome::rows).transpose()?.unwrap_or_default();

    let mut totals = BTreeMap::new();
    let mut browsers: BTreeMap<&str, BTreeMap<String, i64>> = BTreeMap::new();
    let mut reasons: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for Count { browser, outcome, reason, count } in &counts {
        *totals.entry(outcome.clone()).or_default() += count;
        *browsers.entry(browser).or_default().entry(outcome.clone()).or_default() += count;
        if !reason.is_empty() {
            *reasons.entry((outcome, reason)).or_default() += count;
        }
    }
    let browsers: Vec<Value> =
        browsers.into_iter().map(|(browser, counts)| with("browser", browser, &counts)).collect();
    let reasons: Vec<Value> = reasons
        .into_iter()
        .map(|((outcome, reason), count)| json!({ "outcome": outcome, "reason": reason, "count": count }))
        .collect();
    let links: Vec<Value> = links
        .into_iter()
        .map(|row| {
            let counts: BTreeMap<String, i64> = serde_json::from_str(&row.counts).unwrap_or_default();
            let mut shown = figures(&counts);
            let names = [("link", Some(row.link)), ("label", row.label), ("campaign", row.campaign)];
            let names = names.into_iter().chain([("client_id", row.client_id)]);
            shown.extend(names.map(|(name, value)| (name.to_owned(), json!(value))));
            Value::Object(shown)
        })
        .collect();
    let report = json!({
        "from": period.from.to_string(), "to": period.to.to_string(), "totals": Value::Object(figures(&totals)),
        "browsers": browsers, "reasons": reasons, "links": links,
    });
    Ok(Reply::json(StatusCode::OK, &report))
}

/// Which rows are meant: `?1` to `?5`.
const MEANT: &str = "c.account = ?1 AND c.day >= ?2 AND c.day <= ?3 AND c.client_id = coalesce(?4, c.client_id) \
    AND c.link = coalesce(?5, c.link)";

fn by_browser(account: &Account, period: Period, client: Option<&str>, link: Option<&str>) -> Statement {
    let sums = Statement::compiled(format!(
        "SELECT c.browser, c.outcome, c.reason, sum(c.count) AS count FROM login_counts c WHERE {MEANT} \
         GROUP BY c.browser, c.outcome, c.reason"
    ));
    bound(sums, account, period, client, link)
}

fn by_link(account: &Account, period: Period, client: Option<&str>, link: Option<&str>) -> Statement {
    let sums = Statement::compiled(format!(
        "SELECT s.link, l.label, l.campaign, l.client_id, json_group_object(s.outcome, s.n) AS counts \
         FROM (SELECT c.link, c.outcome, sum(c.count) AS n FROM login_counts c WHERE {MEANT} AND c.link <> '' \
           GROUP BY c.link, c.outcome) s \
         LEFT JOIN auto_login_links l ON l.account = ?1 AND l.id = s.link \
         GROUP BY s.link ORDER BY sum(s.n) DESC, s.link LIMIT ?6"
    ));
    bound(sums, account, period, client, link).bind(MAX_LINKS)
}

fn bound(
    statement: Statement,
    account: &Account,
    period: Period,
    client: Option<&str>,
    link: Option<&str>,
) -> Statement {
    statement
        .bind(&account.id)
        .bind(period.from.to_string())
        .bind(period.to.to_string())
        .bind(client.map(str::to_owned))
        .bind(link.map(str::to_owned))
}

fn with(name: &str, value: &str, counts: &BTreeMap<String, i64>) -> Value {
    let mut shown = figures(counts);
    shown.insert(name.to_owned(), json!(value));
    Value::Object(shown)
}

/// Every outcome, and the rate.
fn figures(counts: &BTreeMap<String, i64>) -> Map<String, Value> {
    let of = |outcome: tally::Outcome| counts.get(outcome.label()).copied().unwrap_or_default();
    let mut shown: Map<String, Value> =
        OUTCOMES.iter().map(|outcome| (outcome.label().to_owned(), json!(of(*outcome)))).collect();
    let (ok, failed) = (of(tally::Outcome::AutoLogin), of(tally::Outcome::Failed));
    let tried = ok.saturating_add(failed);
    let rate = (tried > 0).then(|| as_f64(ok) / as_f64(tried));
    shown.insert("success_rate".to_owned(), json!(rate));
    shown
}

/// A count as a number with a fraction; counts are far below 2^32.
fn as_f64(count: i64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
