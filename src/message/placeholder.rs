//! Placeholders: `{{name}}` and `{{name|fall-back}}` in a text.
//!
//! Two opening braces always begin one, so that a text without them is what it says, and a mistyped one is an error instead of
//! something that customers read. There is no escape; a single brace stands for itself. A name is an attribute's, without braces
//! and `|`; spaces around it do not count. A fall-back is any text without `{{` and `}}`, empty too.

use serde_json::{Number, Value};

use super::Values;
use crate::{attribute::MAX_NAME, time::Day};

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Stands for itself.
    Literal(&'a str),
    /// Stands for an attribute.
    Placeholder {
        /// As it is written.
        whole: &'a str,
        /// The attribute's name.
        name: &'a str,
        /// What stands there for who has no such attribute.
        fall_back: Option<&'a str>,
    },
}

/// What is wrong with a placeholder, and what to do.
pub(super) const MALFORMED: &str = "has {{ that begins no placeholder; write {{name}} or {{name|fall-back}}, with a name of 1 to 64 characters";

/// Whether a text has placeholders.
pub(super) fn is_in(text: &str) -> bool {
    text.contains("{{")
}

/// The pieces of a text, in order; none of them empty but for fall-backs.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, &'static str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, left) = after.split_once("}}").ok_or(MALFORMED)?;
        let (name, fall_back) = match inside.split_once('|') {
            Some((name, fall_back)) => (name.trim(), Some(fall_back)),
            None => (inside.trim(), None),
        };
        let is_name = (1..=MAX_NAME).contains(&name.chars().count())
            && !name.chars().any(|c| c.is_control() || matches!(c, '{' | '}'));
        if !is_name || fall_back.is_some_and(is_in) {
            return Err(MALFORMED);
        }
        if !before.is_empty() {
            pieces.push(Piece::Literal(before));
        }
        let whole = rest.get(before.len()..rest.len() - left.len()).unwrap_or_default();
        pieces.push(Piece::Placeholder { whole, name, fall_back });
        rest = left;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    Ok(pieces)
}

/// How a value is written: for people, or for programs (in addresses and in `data`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Person,
    Program,
}

/// An attribute as it is shown. Empty texts and lists are none, as if the attribute were not there.
///
/// To a person: a date as `2026年12月24日`, a boolean as はい or いいえ, a list with 、 between. To a program: `2026-12-24`, `true`,
/// a list with commas. Numbers have no `.0`.
pub(super) fn shown(values: &Values, name: &str, reader: Reader) -> Option<String> {
    values.get(name).and_then(|value| written(value, reader)).filter(|text| !text.is_empty())
}

fn written(value: &Value, reader: Reader) -> Option<String> {
    Some(match value {
        Value::String(text) if reader == Reader::Person => dated(text).unwrap_or_else(|| text.clone()),
        Value::String(text) => text.clone(),
        Value::Number(number) => numeral(number),
        Value::Bool(truth) => match (reader, truth) {
            (Reader::Person, true) => "はい",
            (Reader::Person, false) => "いいえ",
            (Reader::Program, true) => "true",
            (Reader::Program, false) => "false",
        }
        .to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(|item| written(item, reader)).collect();
            items.join(if reader == Reader::Person { "、" } else { "," })
        }
        Value::Null | Value::Object(_) => return None,
    })
}

/// A calendar date, as it is written in Japan.
fn dated(text: &str) -> Option<String> {
    Day::parse(text)?;
    let mut parts = text.split('-').map(|part| part.trim_start_matches('0'));
    Some(format!("{}年{}月{}日", parts.next()?, parts.next()?, parts.next()?))
}

/// 2^53: up to here whole numbers are exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn numeral(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => {
            // No minus before a zero.
            format!("{:.0}", float + 0.0)
        }
        _ => number.to_string(),
    }
}

/// Percent-encoded but for letters, digits and `-._~` (RFC 3986 section 2.3), so that it stays one piece of an address.
pub(super) fn encoded(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn placeholder<'a>(whole: &'a str, name: &'a str, fall_back: Option<&'a str>) -> Piece<'a> {
        Piece::Placeholder { whole, name, fall_back }
    }

    #[test]
    fn a_text_falls_into_literals_and_placeholders() {
        let read = pieces("{{name|お客様}}様、{{ points }}点").unwrap();
        let expected = [
            placeholder("{{name|お客様}}", "name", Some("お客様")),
            Piece::Literal("様、"),
            placeholder("{{ points }}", "points", None),
            Piece::Literal("点"),
        ];
        assert_eq!(read, expected);
        assert_eq!(pieces("{\"id\": {a}}").unwrap(), [Piece::Literal("{\"id\": {a}}")]);
        assert_eq!(pieces("{{a}}}").unwrap(), [placeholder("{{a}}", "a", None), Piece::Literal("}")]);
        assert_eq!(pieces("{{a|b|c}}").unwrap(), [placeholder("{{a|b|c}}", "a", Some("b|c"))]);
        assert_eq!(pieces("{{a|}}").unwrap(), [placeholder("{{a|}}", "a", Some(""))]);
        assert_eq!(pieces("").unwrap(), []);
    }

    #[test]
    fn what_begins_like_a_placeholder_and_is_none_is_refused() {
        let long = format!("{{{{{}}}}}", "n".repeat(65));
        for text in [
            "{{",
            "{{a",
            "{{a}",
            "{{}}",
            "{{ }}",
            "{{|b}}",
            "{{{a}}}",
            "{{a|{{b}}}}",
            "{{a{b}}",
            "{{a\nb}}",
            &long,
        ] {
            assert_eq!(pieces(text), Err(MALFORMED), "{text}");
        }
    }

    #[test]
    fn values_are_written_as_people_write_them_and_for_programs_as_they_are() {
        let cases = [
            (json!("花子"), "花子", "花子"),
            (json!(1200), "1200", "1200"),
            (json!(1200.0), "1200", "1200"),
            (json!(-0.0), "0", "0"),
            (json!(0.5), "0.5", "0.5"),
            (json!(true), "はい", "true"),
            (json!(false), "いいえ", "false"),
            (json!("2026-01-09"), "2026年1月9日", "2026-01-09"),
            (json!("2026-02-30"), "2026-02-30", "2026-02-30"),
            (json!(["赤", 2.0, "青"]), "赤、2、青", "赤,2,青"),
        ];
        for (value, person, program) in cases {
            let values: Values = [("a".to_owned(), value)].into_iter().collect();
            assert_eq!(shown(&values, "a", Reader::Person).unwrap(), person);
            assert_eq!(shown(&values, "a", Reader::Program).unwrap(), program);
        }
        for nothing in [json!(""), json!([]), json!(null), json!({})] {
            let values: Values = [("a".to_owned(), nothing)].into_iter().collect();
            assert_eq!(shown(&values, "a", Reader::Person), None);
        }
    }
}
