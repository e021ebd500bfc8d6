//! The languages of our pages: Japanese first, English complete.

use http::header;
use serde::{Deserialize, Serialize};

use super::Request;

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Japanese, unless the browser prefers English.
    #[default]
    Ja,
    /// English.
    En,
}

impl Language {
    /// The language that is asked for: by `ui_locales` in the query (OpenID Connect Core section 3.1.2.1), else by the
    /// browser (RFC 9110 section 12.5.4). English only if it comes before Japanese.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let mut asked = url::form_urlencoded::parse(request.query.as_bytes());
        let named = asked.find(|(name, _)| name == "ui_locales").and_then(|(_, tags)| Self::named(&tags));
        let accepted = || {
            let ranges = request.header(&header::ACCEPT_LANGUAGE).unwrap_or_default().split(',');
            Self::first(ranges.filter_map(|range| range.split(';').next()))
        };
        named.or_else(accepted).unwrap_or_default()
    }

    /// The first language of ours in a space-separated list of tags (RFC 5646).
    #[must_use]
    pub fn named(tags: &str) -> Option<Self> {
        Self::first(tags.split(' '))
    }

    fn first<'a>(tags: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut languages = tags.filter_map(|tag| tag.trim().split('-').next());
        languages.find_map(|language| match language {
            _ if language.eq_ignore_ascii_case("ja") => Some(Self::Ja),
            _ if language.eq_ignore_ascii_case("en") => Some(Self::En),
            _ => None,
        })
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
    fn the_query_says_which_language_before_the_browser_does() {
        assert_eq!(Language::named("fr-CA en-GB ja"), Some(Language::En));
        assert_eq!(Language::named("zh"), None);
    }
}
