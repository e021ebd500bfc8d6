//! What messages are refused and filled with, in sentences.

use serde_json::json;

use super::*;

fn text(text: &str) -> Value {
    json!([{ "type": "text", "text": text }])
}

fn parsed(given: &Value) -> Messages {
    Messages::parse(given.clone()).unwrap_or_else(|error| panic!("{error}: {given}"))
}

fn refused(given: &Value) -> String {
    Messages::parse(given.clone()).expect_err(&given.to_string()).to_string()
}

fn values(json: Value) -> Values {
    serde_json::from_value(json).unwrap()
}

fn filled(given: &Value, with: Value) -> Value {
    serde_json::from_str(&parsed(given).fill(&values(with)).unwrap()).unwrap()
}

#[test]
fn a_customer_is_spoken_to_by_name_and_whoever_has_none_by_the_fall_back() {
    let given = text("{{name|お客様}}様、{{points}}点");
    let messages = parsed(&given);
    assert!(messages.is_personal());
    assert_eq!(messages.placeholders().collect::<Vec<_>>(), ["name", "points"]);
    let hanako = filled(&given, json!({ "name": "花子", "points": 1200.0 }));
    assert_eq!(hanako, text("花子様、1200点"));
    assert_eq!(filled(&given, json!({ "name": "", "points": 0 })), text("お客様様、0点"));
}

#[test]
fn who_lacks_an_attribute_without_fall_back_is_an_error_of_that_person_alone() {
    let messages = parsed(&text("{{points}}点"));
    let error = messages.fill(&values(json!({ "name": "花子" }))).unwrap_err();
    assert_eq!((error.property(), error.reason()), ("messages[0].text", "attribute_missing"));
    assert_eq!(
        error.to_string(),
        "messages[0].text speaks of points, which this person has not; write {{points|…}} with what to say then"
    );
    let error = messages.fill(&values(json!({ "points": "あ".repeat(5_000) }))).unwrap_err();
    assert_eq!((error.property(), error.reason()), ("messages[0].text", "message_invalid"));
}

#[test]
fn messages_for_everybody_are_sent_as_they_were_given() {
    let given = text("{\"a\":{\"b\":1}}");
    let messages = parsed(&given);
    assert!(!messages.is_personal());
    assert_eq!(messages.json(), given.to_string());
    assert_eq!(messages.fill(&Values::new()).unwrap(), given.to_string());
    assert_eq!(messages.sample(), given);
}

#[test]
fn what_is_stored_is_read_as_the_same_again() {
    let messages = parsed(&text("{{name|お客様}}様 {a}"));
    assert_eq!(Messages::parse(serde_json::from_str(&messages.json()).unwrap()), Ok(messages));
}

#[test]
fn a_value_is_text_whatever_it_holds() {
    let nasty = "\"}],\"to\":[{{name}}\\\n\u{0}";
    let whole = filled(&text("{{name}}"), json!({ "name": nasty }));
    assert_eq!(whole, text(nasty));
}

fn button(uri: &str) -> Value {
    let action = json!({ "type": "uri", "label": "見る", "uri": uri });
    json!([{ "type": "template", "altText": "a", "template": { "type": "buttons", "text": "a", "actions": [action] } }])
}

#[test]
fn in_an_address_a_value_is_percent_encoded_and_cannot_change_where_it_leads() {
    let address = |uri, value| {
        let whole = filled(&button(uri), json!({ "a": value }));
        whole[0]["template"]["actions"][0]["uri"].as_str().unwrap().to_owned()
    };
    let uri = "https://shop.example/items/{{a}}?from=line";
    assert_eq!(
        address(uri, json!("A/1?x=y&z#@花")),
        "https://shop.example/items/A%2F1%3Fx%3Dy%26z%23%40%E8%8A%B1?from=line"
    );
    assert_eq!(
        address("https://shop.example/?d={{a}}", json!("2026-12-24")),
        "https://shop.example/?d=2026-12-24"
    );
    assert_eq!(address("tel:{{a}}", json!("0312345678")), "tel:0312345678");
    assert_eq!(address("line://app/1-a?q={{a|花}}", json!(null)), "line://app/1-a?q=%E8%8A%B1");
    for place in [
        "{{a}}",
        "https:{{a}}",
        "https://{{a}}/",
        "https://{{a}}.example/",
        "https://shop.example{{a}}",
        "https:///{{a}}",
        "{{a}}://shop.example/",
        "mailto:{{a}}",
    ] {
        let words = refused(&button(place));
        assert!(
            words.starts_with("messages[0].template.actions[0].uri may have placeholders after"),
            "{words}"
        );
    }
    let dots = parsed(&button(uri)).fill(&values(json!({ "a": ".." }))).unwrap_err();
    assert_eq!(dots.property(), "messages[0].template.actions[0].uri");
}

#[test]
fn placeholders_stand_in_texts_and_nowhere_else() {
    let sticker = json!([{ "type": "sticker", "packageId": "{{a}}", "stickerId": "1" }]);
    assert!(refused(&sticker).starts_with("messages[0].packageId takes no placeholders"));
    assert!(refused(&json!([{ "type": "{{a}}" }])).starts_with("messages[0].type takes no placeholders"));
    let unknown = json!([{ "type": "text", "text": "a", "new": ["{{a}}"] }]);
    assert!(refused(&unknown).starts_with("messages[0].new[0] takes no placeholders"));
    assert!(refused(&text("{{a")).starts_with("messages[0].text has {{ that begins no placeholder"));
}

#[test]
fn a_text_v2_keeps_its_own_braces_while_its_quick_reply_is_filled() {
    let emoji = json!({ "type": "emoji", "productId": "5ac1bfd5040ab15980c9b435", "emojiId": "001" });
    let given = |label: &str| {
        let action = json!({ "type": "message", "label": label, "text": "a" });
        json!([{ "type": "textV2", "text": "{{a}} {smile}", "substitution": { "smile": emoji }, "quickReply": { "items": [{ "type": "action", "action": action }] } }])
    };
    assert!(!parsed(&given("a")).is_personal());
    assert_eq!(filled(&given("{{name}}さん"), json!({ "name": "花子", "a": "!" })), given("花子さん"));
}

#[test]
fn emoji_stay_at_their_dollars() {
    let emoji =
        |index: usize| json!({ "index": index, "productId": "5ac1bfd5040ab15980c9b435", "emojiId": "001" });
    let given = |text: &str, at: [usize; 2]| json!([{ "type": "text", "text": text, "emojis": [emoji(at[0]), emoji(at[1])] }]);
    let template = given("$ {{name|様}}🍎 $", [0, 15]);
    assert_eq!(filled(&template, json!({ "name": "花子" })), given("$ 花子🍎 $", [0, 7]));
    assert_eq!(filled(&template, json!({})), given("$ 様🍎 $", [0, 6]));
    assert!(
        refused(&given("$ $", [0, 1])).starts_with("messages[0].emojis[1].index must be where a $ stands")
    );
}

#[test]
fn a_fall_back_that_does_not_fit_is_refused_at_once() {
    let label = |label: &str| {
        let mut given = button("https://shop.example/");
        given[0]["template"]["actions"][0]["label"] = label.into();
        given
    };
    parsed(&label("{{a_very_long_name_of_an_attribute|見る}}"));
    let words = refused(&label("{{a|123456789012345678901}}"));
    assert_eq!(words, "messages[0].template.actions[0].label has 21 characters; shorten it to 20");
    assert_eq!(refused(&text("{{a|}}")), "messages[0].text is empty; write something");
}
