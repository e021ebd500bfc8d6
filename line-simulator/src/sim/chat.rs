//! A chat as a phone shows it: bubbles, with the links and buttons that a message carries.
//!
//! In: what a user received and wrote. Out: HTML, everything escaped. Templates and Flex are shown by their texts,
//! images and actions, in order; their layout is not drawn.

use serde_json::Value;

use super::html::escape;
use crate::people::{Delivered, Said, User};
use crate::time::japanese_clock;

/// Only the last messages are drawn.
const SHOWN: usize = 60;

/// The bubbles of the chat with one account, oldest first.
pub(super) fn bubbles(user: &User, channel: &str) -> String {
    let received = user.chat.iter().rev().filter(|one| one.channel_id.as_str() == channel).take(SHOWN);
    let written = user.said.iter().rev().filter(|one| one.channel_id.as_str() == channel).take(SHOWN);
    let mut lines: Vec<(i64, String)> = received.map(|one| (one.at, received_bubble(user, one))).collect();
    lines.extend(written.map(|one| (one.at, written_bubble(one))));
    lines.reverse();
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, html)| html).collect()
}

fn written_bubble(said: &Said) -> String {
    format!(
        "<div class=\"bubble mine\" data-testid=\"bubble-mine\">{}</div><span class=\"time mine\">{}</span>",
        escape(&said.text),
        japanese_clock(said.at)
    )
}

fn received_bubble(user: &User, delivered: &Delivered) -> String {
    format!(
        "<div class=\"bubble\" data-testid=\"bubble\" data-type=\"{kind}\">{body}</div>\
         <span class=\"time\">{time} · {method}</span>",
        kind = escape(text_of(&delivered.message, "type")),
        body = body(user, &delivered.message),
        time = japanese_clock(delivered.at),
        method = escape(&delivered.method),
    )
}

fn body(user: &User, message: &Value) -> String {
    let main = match text_of(message, "type") {
        "text" | "textV2" => linked(text_of(message, "text")),
        "image" => image(text_of(message, "previewImageUrl")),
        "video" => format!("▶ {}", linked(text_of(message, "originalContentUrl"))),
        "audio" => format!("♪ {}", linked(text_of(message, "originalContentUrl"))),
        "sticker" => format!(
            "🙂 {} / {}",
            escape(text_of(message, "packageId")),
            escape(text_of(message, "stickerId"))
        ),
        "location" => {
            format!("📍 {}\n{}", escape(text_of(message, "title")), escape(text_of(message, "address")))
        }
        "imagemap" => image(&format!("{}/1040", text_of(message, "baseUrl"))),
        _ => String::new(),
    };
    let mut parts = Parts { user, texts: Vec::new(), actions: String::new() };
    for place in ["template", "contents", "actions", "quickReply"] {
        if let Some(value) = message.get(place) {
            parts.collect(value, 0);
        }
    }
    let texts = parts.texts.join("\n");
    let actions = parts.actions;
    let actions = if actions.is_empty() { actions } else { format!("<div class=\"acts\">{actions}</div>") };
    format!("{main}{texts}{actions}")
}

/// What is read off a template or a Flex container.
struct Parts<'a> {
    user: &'a User,
    texts: Vec<String>,
    actions: String,
}

impl Parts<'_> {
    fn collect(&mut self, value: &Value, depth: usize) {
        if depth > 40 {
            return;
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, depth + 1)),
            Value::Object(_) => self.object(value, depth),
            _ => {}
        }
    }

    fn object(&mut self, value: &Value, depth: usize) {
        if let Some(action) = self.action(value) {
            self.actions.push_str(&action);
            return;
        }
        for name in ["thumbnailImageUrl", "imageUrl", "url"] {
            let url = text_of(value, name);
            if !url.is_empty() {
                self.texts.push(image(url));
            }
        }
        for name in ["title", "text"] {
            let text = text_of(value, name);
            if !text.is_empty() {
                self.texts.push(escape(text));
            }
        }
        for name in ["header", "hero", "body", "contents", "columns", "items", "actions", "action", "footer"]
        {
            if let Some(inner) = value.get(name) {
                self.collect(inner, depth + 1);
            }
        }
    }

    fn action(&self, action: &Value) -> Option<String> {
        let label =
            escape(Some(text_of(action, "label")).filter(|label| !label.is_empty()).unwrap_or("開く"));
        let post = |deed: &str, fields: &[(&str, &str)]| {
            let hidden: String = fields.iter().map(hidden_field).collect();
            let user = escape(&self.user.id);
            format!(
                "<form method=\"post\" action=\"/sim/users/{user}/{deed}\">{hidden}<button>{label}</button></form>"
            )
        };
        match text_of(action, "type") {
            "uri" => {
                let uri = Some(text_of(action, "uri")).filter(|uri| !uri.is_empty());
                let uri = uri.unwrap_or_else(|| text_of(action, "linkUri"));
                Some(link(uri, &label))
            }
            "postback" => {
                let fields =
                    [("data", text_of(action, "data")), ("displayText", text_of(action, "displayText"))];
                Some(post("postback", &fields))
            }
            "message" if action.get("text").is_some() => {
                Some(post("message", &[("text", text_of(action, "text"))]))
            }
            _ => None,
        }
    }
}

fn hidden_field((name, value): &(&str, &str)) -> String {
    if value.is_empty() {
        return String::new();
    }
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
}

fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn image(url: &str) -> String {
    if url.starts_with("https://") {
        format!("<img src=\"{}\" alt=\"\">", escape(url))
    } else {
        String::new()
    }
}

/// A link; only web addresses and LINE's and the telephone's become one.
pub(super) fn link(uri: &str, label: &str) -> String {
    let known = ["https://", "http://", "line://", "tel:"].iter().any(|scheme| uri.starts_with(scheme));
    if known { format!("<a href=\"{}\">{label}</a>", escape(uri)) } else { format!("<span>{label}</span>") }
}

/// Text whose web addresses can be tapped.
fn linked(text: &str) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some(at) = [rest.find("https://"), rest.find("http://")].into_iter().flatten().min() {
        let (before, from) = rest.split_at(at);
        let end =
            from.find(|symbol: char| symbol.is_whitespace() || !symbol.is_ascii()).unwrap_or(from.len());
        let (url, after) = from.split_at(end);
        html.push_str(&escape(before));
        html.push_str(&link(url, &escape(url)));
        rest = after;
    }
    html.push_str(&escape(rest));
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_a_text_can_be_tapped_and_nothing_else_is_markup() {
        assert_eq!(
            linked("見て https://shop.example/?a=1&b=2 <b>"),
            "見て <a href=\"https://shop.example/?a=1&amp;b=2\">https://shop.example/?a=1&amp;b=2</a> &lt;b&gt;"
        );
        assert_eq!(link("javascript:alert(1)", "x"), "<span>x</span>");
    }
}
