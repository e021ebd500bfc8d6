//! What a property does not take, generated from a table of what it takes.

use serde_json::{Value, json};

/// What a property takes.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    /// UTF-16 units.
    Units(usize),
    /// Grapheme clusters.
    Clusters(usize),
    /// An https URL.
    Url,
    /// An address that a tap opens.
    Address,
    Words,
    Colour,
    Aspect,
    Digits,
    Whole(i32, i32),
    Number(i32, i32),
    Truth,
    Object,
    /// An object with a type.
    Typed,
    List(usize, usize),
}

/// Property (a pointer into the message), whether it must be there, what it takes.
pub(super) type Row = (&'static str, bool, Takes);

/// Values that a property does not take; none: absent.
pub(super) fn bad(takes: Takes, needed: bool, good: &Value) -> Vec<Option<Value>> {
    use Takes as T;
    let mut all: Vec<Option<Value>> = match takes {
        T::Units(most) => {
            texts(&["a".repeat(most + 1), "🍎".repeat(most / 2 + 1), "あ".repeat(most * 2)], needed)
        }
        T::Clusters(most) => {
            texts(&["a".repeat(most + 1), "👨‍👩‍👧".repeat(most + 1), "か\u{3099}".repeat(most + 1)], needed)
        }
        T::Url => addresses(2_000, &["http://shop.example/a.jpg", "line://app/1", "tel:0312345678"]),
        T::Address => {
            addresses(1_000, &["mailto:a@shop.example", "ftp://shop.example/", "intent://shop.example/"])
        }
        T::Words => vec![json!("other"), json!(""), json!("MD "), json!(1)].into_iter().map(Some).collect(),
        T::Colour => {
            ["red", "#FFF", "#GGGGGG", "06C755", "#FFFFFFF", ""].map(|text| Some(json!(text))).to_vec()
        }
        T::Aspect => {
            ["1", "1:4", "0:1", "1:100001", "a:b", "1:1:1", ""].map(|text| Some(json!(text))).to_vec()
        }
        T::Digits => ["", "a", "-1", "1.5", "１"]
            .map(|text| Some(json!(text)))
            .into_iter()
            .chain([Some(json!(1))])
            .collect(),
        T::Whole(least, most) => vec![
            json!(i64::from(least) - 1),
            json!(i64::from(most) + 1),
            json!(f64::from(least) + 0.5),
            json!("1"),
            json!(1e300),
        ]
        .into_iter()
        .map(Some)
        .collect(),
        T::Number(least, most) => {
            vec![json!(i64::from(least) - 1), json!(f64::from(most) + 0.1), json!("1"), json!(-1e300)]
                .into_iter()
                .map(Some)
                .collect()
        }
        T::Truth => vec![json!("true"), json!(1), json!([])].into_iter().map(Some).collect(),
        T::Object => vec![json!("a"), json!([]), json!(1), json!(true)].into_iter().map(Some).collect(),
        T::Typed => vec![json!("a"), json!([]), json!(1)].into_iter().map(Some).collect(),
        T::List(least, most) => {
            let item = good.as_array().and_then(|items| items.first()).cloned().unwrap_or_default();
            let mut all = vec![Some(json!("a")), Some(json!({}))];
            if most < 1_000 {
                all.push(Some(vec![item.clone(); most + 1].into()));
            }
            if least > 0 {
                all.push(Some(vec![item; least - 1].into()));
            }
            all
        }
    };
    if needed {
        all.extend([None, Some(Value::Null)]);
    }
    all
}

fn texts(long: &[String], needed: bool) -> Vec<Option<Value>> {
    let long = long.iter().map(|text| json!(text));
    let other = [json!(1), json!(true), json!({}), json!(["a"])];
    long.chain(other).chain(needed.then(|| json!(""))).map(Some).collect()
}

fn addresses(most: usize, others: &[&str]) -> Vec<Option<Value>> {
    let begin = "https://shop.example/";
    let long = format!("{begin}{}", "a".repeat(most - begin.len() + 1));
    let usual = [
        "",
        "shop.example",
        "/a.jpg",
        "javascript:alert(1)",
        "https://",
        "https://shop.example/花",
        "https://shop.example/a b",
        "//shop.example/",
    ];
    let texts = usual.iter().chain(others).map(|text| json!(text));
    texts.chain([json!(long), json!(1), json!({})]).map(Some).collect()
}
