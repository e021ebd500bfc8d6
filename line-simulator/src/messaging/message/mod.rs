//! Message objects: what LINE would refuse, by the limits of its reference.
//!
//! In: a body with `messages`. Out: nothing, or the refusal in LINE's words. Lengths are UTF-16 code units, save
//! where LINE counts grapheme clusters. Not here: what only LINE can know (whether a URL serves an image, whether a
//! sticker may be sent, the length of LINE emoji), and whole-schema checks of Flex.

mod action;
mod check;
mod flex;
mod kinds;
mod template;

use serde_json::Value;

use check::{Check, Node};

use crate::messaging::refusal::Refusal;

const MAX_MESSAGES: usize = 5;
const MAX_QUICK_REPLIES: usize = 13;

const KINDS: [&str; 11] = [
    "text", "textV2", "sticker", "image", "video", "audio", "location", "imagemap", "template", "flex",
    "coupon",
];

/// Checks `messages`: one to five, each within its limits.
pub(crate) fn check(body: &Value) -> Result<(), Refusal> {
    let mut check = Check::default();
    let messages = Node::root(body).field("messages");
    let items = check.array(&messages, 1, MAX_MESSAGES);
    for item in &items {
        message(&mut check, item);
    }
    if !check.problems.is_empty() {
        return Err(Refusal::problems(check.problems));
    }
    items.iter().enumerate().try_for_each(|(index, item)| match contents(item) {
        problems if problems.is_empty() => Ok(()),
        problems => Err(Refusal::message_contents(index, problems)),
    })
}

fn message(check: &mut Check, item: &Node<'_>) {
    match check.one_of(&item.field("type"), &KINDS) {
        "text" => kinds::text(check, item),
        "textV2" => kinds::text_v2(check, item),
        "sticker" => kinds::sticker(check, item),
        "image" => kinds::image(check, item),
        "video" => kinds::video(check, item),
        "audio" => kinds::audio(check, item),
        "location" => kinds::location(check, item),
        "imagemap" => kinds::imagemap(check, item),
        "template" => template::check(check, item),
        "flex" => flex::check(check, item),
        "coupon" => check.text(&item.field("couponId"), 1, 1_000),
        _ => {}
    }
    quick_reply(check, &item.field("quickReply"));
    sender(check, &item.field("sender"));
}

/// What LINE reports by pointers into one message rather than by properties of the body.
fn contents(item: &Node<'_>) -> Vec<crate::messaging::refusal::Problem> {
    let mut check = Check::default();
    match item.field("type").str() {
        Some("flex") => flex::contents(&mut check, &item.field("contents").rooted("/contents")),
        Some("template") => template::contents(&mut check, &item.field("template").rooted("/template")),
        _ => {}
    }
    check.problems
}

fn quick_reply(check: &mut Check, quick_reply: &Node<'_>) {
    if quick_reply.is_absent() {
        return;
    }
    for item in check.array(&quick_reply.field("items"), 1, MAX_QUICK_REPLIES) {
        check.one_of(&item.field("type"), &["action"]);
        check.url_if_any(&item.field("imageUrl"));
        action::check(check, &item.field("action"), &action::QUICK_REPLY);
    }
}

fn sender(check: &mut Check, sender: &Node<'_>) {
    if sender.is_absent() {
        return;
    }
    check.text_if_any(&sender.field("name"), 20);
    check.url_if_any(&sender.field("iconUrl"));
    if sender.field("name").str().is_some_and(|name| name.eq_ignore_ascii_case("line")) {
        check.problem(&sender.field("name"), "Invalid name");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(messages: &Value) -> Value {
        match check(&json!({ "messages": messages })) {
            Ok(()) => json!(null),
            Err(refusal) => serde_json::from_slice(refusal.into_reply().body()).unwrap(),
        }
    }

    #[test]
    fn a_text_of_5000_units_passes_and_one_more_is_refused_by_its_property() {
        assert_eq!(answer(&json!([{ "type": "text", "text": "あ".repeat(5_000) }])), json!(null));
        assert_eq!(
            answer(&json!([{ "type": "text", "text": "あ".repeat(5_001) }])),
            json!({
                "message": "The request body has 1 error(s)",
                "details": [{ "message": "Length must be between 0 and 5000", "property": "messages[0].text" }],
            })
        );
    }

    #[test]
    fn an_emoji_counts_as_two_units() {
        assert_eq!(answer(&json!([{ "type": "text", "text": "🍎".repeat(2_500) }])), json!(null));
        assert_ne!(answer(&json!([{ "type": "text", "text": "🍎".repeat(2_501) }])), json!(null));
    }

    #[test]
    fn the_sample_of_the_reference_is_answered_as_in_the_reference() {
        let refused = answer(&json!([{ "type": "text", "text": "" }, { "type": "unknown" }]));
        assert_eq!(refused["message"], "The request body has 2 error(s)");
        assert_eq!(
            refused["details"][0],
            json!({ "message": "May not be empty", "property": "messages[0].text" })
        );
        assert_eq!(refused["details"][1]["property"], "messages[1].type");
    }

    #[test]
    fn one_to_five_messages_are_taken() {
        let messages = |count: usize| json!(vec![json!({ "type": "text", "text": "a" }); count]);
        assert_eq!(answer(&messages(5)), json!(null));
        assert_eq!(
            answer(&messages(6))["details"],
            json!([{ "message": "Size must be between 1 and 5", "property": "messages" }])
        );
        assert_ne!(answer(&messages(0)), json!(null));
        assert_ne!(answer(&json!(null)), json!(null));
    }

    #[test]
    fn urls_are_https_and_at_most_2000_long() {
        let image =
            |url: &str| json!([{ "type": "image", "originalContentUrl": url, "previewImageUrl": url }]);
        assert_eq!(answer(&image("https://shop.example/a.png")), json!(null));
        assert_ne!(answer(&image("http://shop.example/a.png")), json!(null));
        assert_ne!(answer(&image(&format!("https://shop.example/{}", "a".repeat(2_000)))), json!(null));
    }

    #[test]
    fn thirteen_quick_replies_are_the_most() {
        let item = json!({ "type": "action", "action": { "type": "message", "label": "a", "text": "a" } });
        let text = |count: usize| json!([{ "type": "text", "text": "a", "quickReply": { "items": vec![item.clone(); count] } }]);
        assert_eq!(answer(&text(13)), json!(null));
        assert_eq!(answer(&text(14))["details"][0]["property"], "messages[0].quickReply.items");
    }

    #[test]
    fn a_label_counts_grapheme_clusters() {
        let family = "👨‍👩‍👧";
        let text = |label: String| {
            let action = json!({ "type": "message", "label": label, "text": "a" });
            json!([{ "type": "text", "text": "a", "quickReply": { "items": [{ "type": "action", "action": action }] } }])
        };
        assert_eq!(answer(&text(family.repeat(20))), json!(null));
        assert_ne!(answer(&text(family.repeat(21))), json!(null));
    }

    #[test]
    fn flex_faults_are_named_by_pointers_into_the_message() {
        let flex = |text: &str| {
            let text = json!({ "type": "text", "text": text });
            let body = json!({ "type": "box", "layout": "vertical", "contents": [text] });
            json!([{ "type": "flex", "altText": "a", "contents": { "type": "bubble", "body": body } }])
        };
        assert_eq!(answer(&flex("a")), json!(null));
        assert_eq!(
            answer(&flex("")),
            json!({
                "message": "A message (messages[0]) in the request body is invalid",
                "details": [{ "message": "must be non-empty text", "property": "/contents/body/contents/0/text" }],
            })
        );
    }

    #[test]
    fn a_carousel_has_twelve_bubbles_of_one_size_and_50_kb_at_most() {
        let bubble = |size: &str, text: usize| {
            let text = json!({ "type": "text", "text": "a".repeat(text) });
            json!({ "type": "bubble", "size": size, "body": { "type": "box", "layout": "vertical", "contents": [text] } })
        };
        let flex = |bubbles: Vec<Value>| json!([{ "type": "flex", "altText": "a", "contents": { "type": "carousel", "contents": bubbles } }]);
        assert_eq!(answer(&flex(vec![bubble("kilo", 10); 12])), json!(null));
        assert_ne!(answer(&flex(vec![bubble("kilo", 10); 13])), json!(null));
        assert_ne!(answer(&flex(vec![bubble("kilo", 10), bubble("mega", 10)])), json!(null));
        assert_ne!(answer(&flex(vec![bubble("kilo", 9_000); 6])), json!(null));
        assert_ne!(answer(&flex(vec![bubble("kilo", 31_000)])), json!(null));
    }

    #[test]
    fn carousel_columns_have_the_same_number_of_actions() {
        let column = |count: usize| {
            let action = json!({ "type": "uri", "label": "見る", "uri": "https://shop.example/" });
            json!({ "text": "a", "actions": vec![action; count] })
        };
        let carousel = |columns: Vec<Value>| json!([{ "type": "template", "altText": "a", "template": { "type": "carousel", "columns": columns } }]);
        assert_eq!(answer(&carousel(vec![column(2), column(2)])), json!(null));
        let refused = answer(&carousel(vec![column(3), column(1)]));
        assert_eq!(refused["message"], "A message (messages[0]) in the request body is invalid");
    }

    #[test]
    fn every_placeholder_of_a_text_v2_needs_its_substitution() {
        let emoji = json!({ "type": "emoji", "productId": "5ac1bfd5040ab15980c9b435", "emojiId": "001" });
        let text =
            |text: &str| json!([{ "type": "textV2", "text": text, "substitution": { "smile": emoji } }]);
        assert_eq!(answer(&text("{{a}} {smile}")), json!(null));
        assert_ne!(answer(&text("{laugh}")), json!(null));
        assert_ne!(answer(&text("{smile")), json!(null));
    }
}
