//! Pages that a customer sees: Japanese first, complete English by `ui_locales` or `Accept-Language`, plain HTML under a
//! strict policy. What a page repeats of anybody's words is escaped here and nowhere else.

use http::{HeaderName, StatusCode, header};

use super::Reply;
pub use super::language::{Language, Text};

/// A link on a page, shown as its one button.
#[derive(Debug, Clone, Copy)]
pub struct Button<'a> {
    /// What it says.
    pub label: Text<'a>,
    /// Where it leads.
    pub href: &'a str,
}

/// A form on a page, posted to ourselves. Its answer is a page as well (`passing.rs`).
#[derive(Debug, Clone)]
pub struct PageForm<'a> {
    /// Our own address.
    pub action: &'a str,
    /// What it carries along, by name.
    pub hidden: Vec<(&'a str, &'a str)>,
    /// The one field that the customer fills in.
    pub field: Option<Field<'a>>,
    /// Its buttons; the first is the one that is meant.
    pub choices: Vec<Choice<'a>>,
}

/// A field for a code of digits.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The parameter.
    pub name: &'a str,
    /// What is asked.
    pub label: Text<'a>,
}

/// A button of a form.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The value of `choice`.
    pub value: &'a str,
    /// What it says.
    pub label: Text<'a>,
}

/// A page of one message: a title, paragraphs, at most one link shown as a button, at most one form.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    status: StatusCode,
    title: Text<'a>,
    paragraphs: Vec<Text<'a>>,
    form: Option<PageForm<'a>>,
    button: Option<Button<'a>>,
    help: Option<Button<'a>>,
    detail: Option<&'a str>,
}

/// Keeps our pages and those that opened them out of reach of each other (HTML, "cross-origin opener policies"). Redirects
/// and pages that go on by themselves do without: a shop that logs in by a popup would lose it.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Nothing from elsewhere, no script, no frame.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; \
    base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

impl<'a> Page<'a> {
    /// A page that says something.
    #[must_use]
    pub fn new(status: StatusCode, title: Text<'a>, paragraphs: Vec<Text<'a>>) -> Self {
        Self { status, title, paragraphs, form: None, button: None, help: None, detail: None }
    }

    /// With the way on.
    #[must_use]
    pub fn button(mut self, button: Button<'a>) -> Self {
        self.button = Some(button);
        self
    }

    /// With the way back to the shop, where one is known.
    #[must_use]
    pub fn way_back(self, href: Option<&'a str>) -> Self {
        match href {
            Some(href) => self
                .button(Button { label: Text { ja: "ショップに戻る", en: "Back to the shop" }, href }),
            None => self,
        }
    }

    /// With a quiet link to somebody's help page.
    #[must_use]
    pub fn help(mut self, help: Button<'a>) -> Self {
        self.help = Some(help);
        self
    }

    /// With a form.
    #[must_use]
    pub fn form(mut self, form: PageForm<'a>) -> Self {
        self.form = Some(form);
        self
    }

    /// With quiet text at the foot, for whoever is asked for help.
    #[must_use]
    pub fn detail(mut self, detail: &'a str) -> Self {
        self.detail = Some(detail);
        self
    }

    /// The page in one language.
    #[must_use]
    pub fn into_reply(self, language: Language) -> Reply {
        let reply = html(self.status, CONTENT_SECURITY_POLICY, self.html(language));
        reply.with(header::VARY, "Accept-Language").with(OPENER_POLICY, "same-origin")
    }

    fn html(&self, language: Language) -> String {
        let title = shown(language.pick(self.title));
        let paragraphs: String =
            self.paragraphs.iter().map(|p| format!("<p>{}</p>", shown(language.pick(*p)))).collect();
        let form = self.form.as_ref().map_or_else(String::new, |form| form.html(language));
        let button = self.button.map_or_else(String::new, |button| {
            let label = escape(language.pick(button.label));
            format!(
                "<p><a class=\"button\" data-testid=\"go-on\" href=\"{}\">{label}</a></p>",
                escape(button.href)
            )
        });
        let help = self.help.map_or_else(String::new, |help| {
            let label = escape(language.pick(help.label));
            format!("<p><a data-testid=\"help\" href=\"{}\">{label}</a></p>", escape(help.href))
        });
        let detail =
            self.detail.map_or_else(String::new, |d| format!("<p class=\"detail\">{}</p>", escape(d)));
        format!(
            "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"robots\" content=\"noindex\"><title>{title}</title>\
             <link rel=\"stylesheet\" href=\"/enishi.css\"></head>\
             <body><main><h1>{title}</h1>{paragraphs}{form}{button}{help}{detail}</main></body></html>",
            language.tag()
        )
    }
}

impl PageForm<'_> {
    fn html(&self, language: Language) -> String {
        let field = self.field.map_or_else(String::new, |field| {
            format!(
                "<p><label>{}<br><input name=\"{}\" inputmode=\"numeric\" autocomplete=\"one-time-code\" \
                 maxlength=\"6\" required></label></p>",
                escape(language.pick(field.label)),
                escape(field.name)
            )
        });
        let choices = self.choices.iter().enumerate().map(|(at, choice)| {
            // Only the first, meant choice needs the field.
            let (class, skips) = if at == 0 { ("button", "") } else { ("button quiet", " formnovalidate") };
            format!(
                "<p><button class=\"{class}\" name=\"choice\" value=\"{0}\" data-testid=\"{0}\"{skips}>{1}</button></p>",
                escape(choice.value),
                escape(language.pick(choice.label))
            )
        });
        let choices: String = choices.collect();
        format!(
            "<form method=\"post\" action=\"{}\">{}{field}{choices}</form>",
            escape(self.action),
            hidden(&self.hidden)
        )
    }
}

/// What a robot is shown that asks for a link to preview it: the link's title (Open Graph protocol), and nothing to go on
/// to.
#[must_use]
pub fn preview(title: &str, site: &str) -> Reply {
    let (title, site) = (shown(title), shown(site));
    let text = format!(
        "<!doctype html><html lang=\"ja\"><head><meta charset=\"utf-8\"><meta name=\"robots\" content=\"noindex\">\
         <title>{title}</title><meta property=\"og:title\" content=\"{title}\">\
         <meta property=\"og:site_name\" content=\"{site}\"><meta property=\"og:type\" content=\"website\"></head>\
         <body><main><h1>{title}</h1><p>{site}</p></main></body></html>"
    );
    html(StatusCode::OK, CONTENT_SECURITY_POLICY, text).with(OPENER_POLICY, "same-origin")
}

pub(super) fn hidden(parameters: &[(&str, &str)]) -> String {
    let input = |(name, value): &(&str, &str)| {
        format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
    };
    parameters.iter().map(input).collect()
}

pub(super) fn html(status: StatusCode, policy: &str, text: String) -> Reply {
    let mut reply = Reply::new(status)
        .with(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .with(header::CACHE_CONTROL, "no-store")
        .with(header::CONTENT_SECURITY_POLICY, policy)
        .with(header::X_FRAME_OPTIONS, "DENY")
        .with(header::REFERRER_POLICY, "no-referrer");
    reply.body = text.into_bytes();
    reply
}

/// Text as it is read: safe, and without the marks that reorder what stands beside them, so that no name turns the sentence
/// around that names it (Unicode Standard Annex 9).
fn shown(text: &str) -> String {
    let reorders = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    escape(&text.replace(reorders, ""))
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
    use super::*;

    #[test]
    fn whatever_a_page_repeats_is_escaped() {
        let evil = "\"><script>alert('1')</script>";
        let both = Text { ja: evil, en: evil };
        let form = PageForm {
            action: evil,
            hidden: vec![(evil, evil)],
            field: Some(Field { name: evil, label: both }),
            choices: vec![Choice { value: evil, label: both }],
        };
        let page = Page::new(StatusCode::BAD_REQUEST, both, vec![both])
            .form(form)
            .button(Button { label: both, href: evil })
            .help(Button { label: both, href: evil })
            .detail(evil);
        let html = page.html(Language::En);
        assert!(!html.contains("<script") && !html.contains("\"><s"), "{html}");
    }
}
