//! Pages that a customer sees: Japanese first, complete English by `Accept-Language`, plain HTML under a strict policy.

use http::{StatusCode, header};

use super::{Reply, Request};

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Japanese, unless the browser prefers English.
    #[default]
    Ja,
    /// English.
    En,
}

impl Language {
    /// The language that the browser asks for (RFC 9110 section 12.5.4): English only if it comes before Japanese.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let accepted = request.header(&header::ACCEPT_LANGUAGE).unwrap_or_default();
        let tags = accepted.split(',').filter_map(|range| range.split([';', '-']).next());
        match tags.map(str::trim).find(|tag| tag.eq_ignore_ascii_case("ja") || tag.eq_ignore_ascii_case("en"))
        {
            Some(tag) if tag.eq_ignore_ascii_case("en") => Self::En,
            _ => Self::Ja,
        }
    }

    /// The tag in `lang` (RFC 5646).
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }

    /// The text of this language.
    #[must_use]
    pub fn pick(self, text: Text<'_>) -> &str {
        match self {
            Self::Ja => text.ja,
            Self::En => text.en,
        }
    }
}

/// A text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    /// Japanese.
    pub ja: &'a str,
    /// English.
    pub en: &'a str,
}

/// A link on a page, shown as its one button.
#[derive(Debug, Clone, Copy)]
pub struct Button<'a> {
    /// What it says.
    pub label: Text<'a>,
    /// Where it leads.
    pub href: &'a str,
}

/// A page of one message: a title, paragraphs, at most one button.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// The status that it is answered with.
    pub status: StatusCode,
    /// The heading.
    pub title: Text<'a>,
    /// The paragraphs.
    pub paragraphs: Vec<Text<'a>>,
    /// The way on.
    pub button: Option<Button<'a>>,
    /// Quiet text at the foot, for whoever is asked for help.
    pub detail: Option<&'a str>,
}

/// Nothing from elsewhere, no script, no frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

impl Page<'_> {
    /// The page in one language.
    #[must_use]
    pub fn into_reply(self, language: Language) -> Reply {
        let mut reply = Reply::new(self.status)
            .with(header::CONTENT_TYPE, "text/html; charset=utf-8")
            .with(header::CACHE_CONTROL, "no-store")
            .with(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)
            .with(header::X_FRAME_OPTIONS, "DENY")
            .with(header::REFERRER_POLICY, "no-referrer")
            .with(header::VARY, "Accept-Language");
        reply.body = self.html(language).into_bytes();
        reply
    }

    fn html(&self, language: Language) -> String {
        let title = escape(language.pick(self.title));
        let paragraphs: String =
            self.paragraphs.iter().map(|p| format!("<p>{}</p>", escape(language.pick(*p)))).collect();
        let button = self.button.map_or_else(String::new, |button| {
            let label = escape(language.pick(button.label));
            format!(
                "<p><a class=\"button\" data-testid=\"go-on\" href=\"{}\">{label}</a></p>",
                escape(button.href)
            )
        });
        let detail =
            self.detail.map_or_else(String::new, |d| format!("<p class=\"detail\">{}</p>", escape(d)));
        format!(
            "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"robots\" content=\"noindex\"><title>{title}</title>\
             <link rel=\"stylesheet\" href=\"/enishi.css\"></head>\
             <body><main><h1>{title}</h1>{paragraphs}{button}{detail}</main></body></html>",
            language.tag()
        )
    }
}

/// Text that is safe between tags and inside quoted attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    fn asking_for(languages: &'static str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(languages));
        Language::of(&Request {
            method: Method::GET,
            authority: "localhost".into(),
            path: "/".into(),
            query: String::new(),
            headers,
            body: None,
        })
    }

    #[test]
    fn a_page_is_japanese_unless_the_browser_prefers_english() {
        assert_eq!(asking_for("ja,en;q=0.5"), Language::Ja);
        assert_eq!(asking_for("en-US,en;q=0.9,ja;q=0.8"), Language::En);
        assert_eq!(asking_for("fr-FR"), Language::Ja);
        assert_eq!(asking_for(""), Language::Ja);
    }

    #[test]
    fn whatever_a_page_repeats_is_escaped() {
        let page = Page {
            status: StatusCode::BAD_REQUEST,
            title: Text { ja: "<b>", en: "<b>" },
            paragraphs: vec![],
            button: Some(Button { label: Text { ja: "x", en: "x" }, href: "/?a=\"><script>" }),
            detail: Some("<script>alert('1')</script>"),
        };
        let html = page.html(Language::En);
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
    }
}
