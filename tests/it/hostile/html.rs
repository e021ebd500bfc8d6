//! Pages as a browser reads them: tags, attributes, ways on, and the headers that every page of ours carries.

use std::collections::BTreeMap;

use enishi::web::Reply;
use http::header;

/// A tag with its attributes, character references resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl Tag {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The tags that our pages consist of.
const TAGS: [&str; 18] = [
    "!doctype", "html", "head", "meta", "title", "link", "body", "main", "h1", "p", "a", "form", "input",
    "button", "label", "br", "noscript", "script",
];

/// The attributes that they have: none that runs, and no style.
const ATTRIBUTES: [&str; 22] = [
    "property",
    "html",
    "lang",
    "charset",
    "name",
    "content",
    "rel",
    "href",
    "class",
    "data-testid",
    "method",
    "action",
    "type",
    "value",
    "inputmode",
    "autocomplete",
    "maxlength",
    "required",
    "formnovalidate",
    "http-equiv",
    "autofocus",
    "id",
];

/// The one script of ours: it submits the form of its page.
const SUBMIT: &str = "<script>document.forms[0].submit()</script>";

/// The body as text.
pub(super) fn html(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).expect("pages are UTF-8")
}

/// Whether it is a page.
pub(super) fn is_page(reply: &Reply) -> bool {
    let kind = reply.headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}

/// All tags of a page.
pub(super) fn tags(html: &str) -> Vec<Tag> {
    let (mut tags, mut rest) = (Vec::new(), html);
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = tag(after);
        tags.push(tag);
        rest = after;
    }
    tags
}

/// Reads a tag whose `<` is behind us, as browsers do: whatever goes on is an attribute until `>`.
fn tag(text: &str) -> (Tag, &str) {
    let ends = |c: char| c.is_ascii_whitespace() || c == '>';
    let (name, mut rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
    let name = name.trim_start_matches('/').to_ascii_lowercase();
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            return (Tag { name, attributes }, after);
        }
        assert!(!rest.is_empty(), "the tag {name} does not end");
        let end = rest.find(|c: char| ends(c) || c == '=').unwrap_or(rest.len());
        let (known, after) = rest.split_at(end);
        rest = after;
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let quoted = after.strip_prefix('"').unwrap_or_else(|| panic!("{known} of {name} is not quoted"));
            (value, rest) =
                quoted.split_once('"').unwrap_or_else(|| panic!("{known} of {name} does not end"));
        }
        attributes.push((known.to_ascii_lowercase(), resolved(value)));
    }
}

fn resolved(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    named.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

/// Every address that a page leads to, by itself or by a tap.
pub(super) fn ways(html: &str) -> Vec<String> {
    let mut ways = Vec::new();
    for tag in tags(html) {
        let named = ["href", "src", "action", "formaction", "data", "background", "poster", "cite"];
        ways.extend(named.iter().filter_map(|name| tag.get(name)).map(str::to_owned));
        if let Some(content) = tag.get("content").filter(|_| tag.get("http-equiv").is_some()) {
            ways.push(content.split_once("url=").map_or(content, |(_, url)| url).to_owned());
        }
    }
    ways
}

/// The value of a hidden field.
pub(super) fn hidden(html: &str, name: &str) -> Option<String> {
    let inputs = tags(html).into_iter().filter(|tag| tag.name == "input");
    inputs.into_iter().find(|tag| tag.get("name") == Some(name))?.get("value").map(str::to_owned)
}

/// The directives of a policy.
fn policy(reply: &Reply) -> BTreeMap<String, String> {
    let text = reply.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    let directives = text.split(';').map(str::trim).filter(|one| !one.is_empty());
    directives
        .map(|one| one.split_once(' ').map_or((one, ""), |(name, value)| (name, value)))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Fails unless the page has every header of ours, once, and no tag or attribute but ours.
pub(super) fn assert_page(reply: &Reply) {
    let told = |name: &str| -> Vec<&str> {
        reply.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    };
    assert_eq!(told("content-type"), ["text/html; charset=utf-8"]);
    assert_eq!(told("x-frame-options"), ["DENY"]);
    assert_eq!(told("referrer-policy"), ["no-referrer"]);
    assert_eq!(told("cache-control"), ["no-store"]);
    assert_eq!(told("x-content-type-options"), ["nosniff"]);
    // A page that goes on by itself does without: it may be a popup's last, and its opener waits for it.
    let goes_on = html(reply).contains("<title>ショップに戻る / Back to the shop</title>");
    assert!(goes_on || told("cross-origin-opener-policy") == ["same-origin"]);
    assert!(told("strict-transport-security")[0].starts_with("max-age="));
    assert_eq!(told("content-security-policy").len(), 1);
    let policy = policy(reply);
    for name in ["default-src", "frame-ancestors", "base-uri"] {
        assert_eq!(policy.get(name).map(String::as_str), Some("'none'"), "{name} of {policy:?}");
    }
    assert!(policy.contains_key("form-action"), "{policy:?}");
    for (name, sources) in &policy {
        assert!(!sources.contains("unsafe") && !sources.contains('*'), "{name} {sources}");
        let is_hash = sources.starts_with("'sha256-") && !sources.contains(' ');
        assert!(!name.starts_with("script-src") || is_hash, "{name} {sources}");
        assert!(sources.split(' ').all(|source| source != "http:" && source != "data:" || name == "img-src"));
    }
    let text = html(reply);
    for tag in tags(&text) {
        assert!(TAGS.contains(&tag.name.as_str()), "<{}>: {text}", tag.name);
        for (name, value) in &tag.attributes {
            assert!(ATTRIBUTES.contains(&name.as_str()), "{name}={value} of <{}>: {text}", tag.name);
        }
    }
    let scripts = usize::from(policy.contains_key("script-src"));
    assert_eq!(text.matches(SUBMIT).count(), scripts, "{text}");
    assert_eq!(text.matches("<script").count(), scripts, "{text}");
}

/// Fails if the page says these words as markup, or leads anywhere but to these addresses.
pub(super) fn assert_harmless(reply: &Reply, words: &str, allowed: &[&str]) {
    assert_page(reply);
    let text = html(reply);
    if words.contains(['<', '>', '"', '\'', '&']) {
        // Without what is escaped as it should be, nothing of it may be left.
        let left = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"]
            .iter()
            .fold(text.clone(), |text, one| text.replace(one, "\0"));
        assert!(!left.contains(words), "{words} stands in {text}");
    }
    for way in ways(&text) {
        let is_ours = way == "/enishi.css" || allowed.contains(&way.as_str());
        assert!(is_ours, "{words:?} made a way to {way}: {text}");
    }
    for (name, value) in &reply.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        assert!(!value.contains("evil"), "{words:?} stands in {name}: {value}");
    }
}
