//! Insight as its caller (Messaging API reference, "Get statistics per unit"): 60 calls an hour and channel.

use http::Method;
use serde_json::{Value, json};

use crate::{
    platform::LineBases,
    secret::SecretText,
    time::Day,
    web::{Call, form::Form},
};

/// How far apart the first and the last day may be.
pub const MOST_DAYS: u64 = 30;

/// How long LINE's figures move after a send, in days.
pub const MOVING_DAYS: i64 = 14;

/// Asks what became of messages under a unit between two days of Japan.
#[must_use]
pub fn of_unit(bases: &LineBases, token: &SecretText, unit: &str, from: Day, to: Day) -> Call {
    let date = |day: Day| day.to_string().replace('-', "");
    let query = Form::default()
        .with("customAggregationUnit", unit)
        .with("from", &date(from))
        .with("to", &date(to))
        .encoded();
    let url = format!("{}/v2/bot/insight/message/event/aggregation?{query}", bases.api);
    Call::new(Method::GET, url).bearer(token.expose())
}

/// Addresses that are kept of one answer.
const MOST_CLICKS: usize = 200;

/// What is kept of LINE's answer. Addresses that hardly anybody opened go: LINE says no figure of theirs, and in messages of
/// one's own they name a person.
#[must_use]
pub fn kept(answer: &Value, from: Day, to: Day) -> Value {
    let list = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let clicks: Vec<Value> = list("clicks")
        .into_iter()
        .filter(|click| click.get("click").is_some_and(Value::is_u64))
        .take(MOST_CLICKS)
        .collect();
    json!({
        "from": from.to_string(), "to": to.to_string(), "overview": answer.get("overview"),
        "messages": list("messages"), "clicks": clicks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_names_unit_and_days() {
        let day = |text| Day::parse(text).unwrap();
        let token = SecretText::new("t".into());
        let call = of_unit(&LineBases::default(), &token, "autumn_1", day("2026-01-05"), day("2026-02-04"));
        assert!(
            call.url.ends_with("?customAggregationUnit=autumn_1&from=20260105&to=20260204"),
            "{}",
            call.url
        );
    }

    #[test]
    fn addresses_without_figures_are_not_kept() {
        let day = Day::parse("2026-01-05").unwrap();
        let answer = json!({ "overview": { "uniqueClick": 40 }, "clicks": [
            { "seq": 1, "url": "https://shop.example/", "click": 44 },
            { "seq": 1, "url": "https://shop.example/?member=hanako", "click": null },
        ] });
        let kept = kept(&answer, day, day);
        assert_eq!(kept["clicks"], json!([{ "seq": 1, "url": "https://shop.example/", "click": 44 }]));
        assert_eq!((&kept["messages"], &kept["overview"]["uniqueClick"]), (&json!([]), &json!(40)));
    }
}
