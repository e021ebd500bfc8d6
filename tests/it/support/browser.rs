//! A customer's browser: cookies by host, one request at a time, and the walk through LINE's own pages.

use std::collections::BTreeMap;

use enishi::web::{Reply, Request};
use enishi_world::{ACCOUNT, LINE, World, line_simulator::Answer, request};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::{Url, form_urlencoded};

use super::{Login, Shop, form};

/// What the customer does on LINE's consent screen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Allows, and ticks the friend box.
    WithFriend,
    /// Allows, and leaves the friend box alone.
    Plain,
    /// Allows, but keeps the address to themselves.
    WithoutEmail,
    /// Cancels.
    Cancelled,
}

/// What the browser shows or where it is sent.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) html: String,
    pub(crate) headers: HeaderMap,
}

impl Page {
    /// A header as text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Address and hidden fields of the page's form.
    pub(crate) fn form(&self) -> (String, Vec<(String, String)>) {
        let unescaped = |text: &str| {
            let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
            named.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
        };
        let quoted = |tag: &str, name: &str| {
            let (_, after) = tag.split_once(&format!("{name}=\""))?;
            after.split('"').next().map(unescaped)
        };
        let (_, form) = self.html.split_once("<form").unwrap_or_else(|| panic!("no form: {}", self.html));
        let (form, _) = form.split_once("</form>").unwrap();
        let hidden = form.split("<input type=\"hidden\"").skip(1);
        let fields = hidden.filter_map(|tag| Some((quoted(tag, "name")?, quoted(tag, "value")?))).collect();
        (quoted(form, "action").unwrap(), fields)
    }

    /// Where the page's one button leads.
    pub(crate) fn button(&self) -> Option<String> {
        let (_, after) = self.html.split_once("data-testid=\"go-on\" href=\"")?;
        Some(after.split('"').next()?.replace("&amp;", "&"))
    }
}

/// A browser on the phone of one LINE user.
pub(crate) struct Browser<'a> {
    world: &'a World,
    user: String,
    cookies: BTreeMap<(String, String), String>,
    keeps_cookies: bool,
    agent: Option<&'static str>,
}

impl<'a> Browser<'a> {
    pub(crate) fn of(world: &'a World, user: &str) -> Self {
        Self { world, user: user.to_owned(), cookies: BTreeMap::new(), keeps_cookies: true, agent: None }
    }

    /// A browser that drops every cookie.
    pub(crate) fn without_cookies(mut self) -> Self {
        self.keeps_cookies = false;
        self
    }

    /// A browser that says this of itself.
    pub(crate) fn named(mut self, agent: &'static str) -> Self {
        self.agent = Some(agent);
        self
    }

    /// Loses every cookie.
    pub(crate) fn forget_cookies(&mut self) {
        self.cookies.clear();
    }

    /// Presses the retry page's button, as far as the shop's login start; `None` where a page stopped it.
    pub(crate) fn press_retry(&mut self, page: &Page) -> Option<String> {
        let checked = self.go(&page.button().expect("a button")).location.expect("back to us");
        self.go(&checked).location
    }

    /// The names of the cookies of a host.
    pub(crate) fn cookies(&self, host: &str) -> Vec<&str> {
        self.cookies.keys().filter(|(of, _)| of == host).map(|(_, name)| name.as_str()).collect()
    }

    /// A request to us, with this browser's cookies.
    pub(crate) fn request(&self, url: &str) -> Request {
        let mut request = request(Method::GET, url);
        if let Some(agent) = self.agent {
            request.headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        }
        let host = request.host();
        let pairs = self.cookies.iter().filter(|((of, _), _)| *of == host);
        let pairs: Vec<String> = pairs.map(|((_, name), value)| format!("{name}={value}")).collect();
        if !pairs.is_empty() {
            request.headers.insert(header::COOKIE, HeaderValue::from_str(&pairs.join("; ")).unwrap());
        }
        request
    }

    /// Goes to one of our addresses; follows nothing.
    pub(crate) fn go(&mut self, url: &str) -> Page {
        let request = self.request(url);
        let host = request.host();
        let reply = self.world.answer(request);
        self.keep(&host, &reply);
        page(&reply)
    }

    /// Posts a form to one of our addresses; follows nothing.
    pub(crate) fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Page {
        let mut posted = self.request(url);
        let form = form(url, fields);
        (posted.method, posted.body) = (form.method, form.body);
        posted.headers.extend(form.headers);
        let host = posted.host();
        let reply = self.world.answer(posted);
        self.keep(&host, &reply);
        page(&reply)
    }

    /// Answers a page's form of ours: what it carries along, what the customer fills in, and a button.
    pub(crate) fn choose(&mut self, page: &Page, filled: &[(&str, &str)]) -> Page {
        let (action, hidden) = page.form();
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<(&str, &str)> = hidden.chain(filled.iter().copied()).collect();
        self.post(&format!("{}{action}", ACCOUNT.issuer), &fields)
    }

    /// From the shop's button through LINE to whatever we show then.
    pub(crate) fn arrive(&mut self, url: &str, consent: Consent) -> Page {
        let started = self.go(url);
        let location = started.location.unwrap_or_else(|| panic!("no redirect: {}", started.html));
        let callback = self.at_line(&location, consent);
        self.go(&callback)
    }

    /// Keeps the cookies of a reply as a browser does: `__Host-` only as it must be.
    pub(crate) fn keep(&mut self, host: &str, reply: &Reply) {
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (pair, attributes) = text.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let has = |wanted: &str| attributes.split(';').any(|one| one.trim().eq_ignore_ascii_case(wanted));
            assert!(name.starts_with("__Host-") && has("secure") && has("path=/"), "{text}");
            assert!(
                has("httponly") && has("samesite=lax") && !attributes.to_lowercase().contains("domain"),
                "{text}"
            );
            let key = (host.to_owned(), name.to_owned());
            if has("max-age=0") {
                self.cookies.remove(&key);
            } else if self.keeps_cookies {
                self.cookies.insert(key, value.to_owned());
            }
        }
    }

    /// Walks through LINE's pages; answers the callback's address, not yet visited.
    pub(crate) fn at_line(&self, authorize: &str, consent: Consent) -> String {
        assert!(authorize.starts_with(LINE), "{authorize}");
        let (mut url, mut form) = (authorize.to_owned(), None);
        for _ in 0..10 {
            let shown = self.line_page(&url, form.take());
            if let Some(location) = shown.location {
                if location.starts_with("http") && !location.starts_with(LINE) {
                    return location;
                }
                url = format!("{LINE}{}", location.trim_start_matches(LINE));
            } else {
                let action = action(&shown.html);
                form = Some(self.submit(&action, consent, &shown.html));
                url = format!("{LINE}{action}");
            }
        }
        panic!("LINE's pages do not end");
    }

    /// What the customer submits on a screen of LINE's.
    fn submit(&self, action: &str, consent: Consent, html: &str) -> Vec<(&'static str, String)> {
        let has = |name: &str| html.contains(&format!("name=\"{name}\""));
        let decision = |text: &str| {
            let tells = has("email") && consent != Consent::WithoutEmail;
            let email = tells.then(|| ("email", "true".to_owned()));
            [("decision", text.to_owned())].into_iter().chain(email).collect::<Vec<_>>()
        };
        match (action.rsplit('/').next(), consent) {
            (Some("login"), _) => vec![("user_id", self.user.clone())],
            (Some("continue"), _) => decision("continue"),
            (Some("consent"), Consent::Cancelled) => decision("cancel"),
            (Some("consent"), Consent::WithFriend) if has("friend") => {
                let mut fields = decision("allow");
                fields.push(("friend", "true".to_owned()));
                fields
            }
            (_, Consent::Plain | Consent::WithoutEmail) if action.ends_with("friend") => decision("skip"),
            _ => decision("allow"),
        }
    }

    /// What LINE shows this browser at an address of its own.
    pub(crate) fn line_shows(&self, url: &str) -> String {
        self.line_page(url, None).html
    }

    fn line_page(&self, url: &str, form: Option<Vec<(&'static str, String)>>) -> Page {
        let method = if form.is_some() { Method::POST } else { Method::GET };
        let body =
            form.map(|fields| form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish());
        let request = http::Request::builder()
            .method(method)
            .uri(url)
            .header(header::COOKIE, format!("line_sim_user={}", self.user))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.unwrap_or_default().into_bytes())
            .unwrap();
        let now = self.world.now().0;
        let Answer::Reply(reply) = self.world.line().handle(now, request) else {
            panic!("LINE shows a page")
        };
        let (parts, body) = reply.into_parts();
        page(&Reply { status: parts.status, headers: parts.headers, body, reason: None })
    }

    /// Whether this browser has a session that answers the shop.
    pub(crate) fn has_session(&mut self, shop: &Shop) -> bool {
        let silent = shop.begin("silent").with("prompt", "none");
        let location = self.go(&silent.url).location.expect("a redirect");
        shop.answer(&silent, &location)("code").is_some()
    }

    /// From the shop's button to its redirect URI. Fails where the customer would not arrive.
    pub(crate) fn log_in(&mut self, shop: &Shop, login: &Login, consent: Consent) -> String {
        let started = self.go(&login.url);
        let location = started.location.expect("a redirect");
        if !location.starts_with(LINE) {
            return location;
        }
        let callback = self.at_line(&location, consent);
        assert!(callback.starts_with(shop.line.issuer), "{callback}");
        let arrived = self.go(&callback);
        assert_eq!(arrived.status, 302, "{}", arrived.html);
        arrived.location.expect("a redirect to the shop")
    }
}

fn page(reply: &Reply) -> Page {
    let location = reply.headers.get(header::LOCATION).map(|value| value.to_str().unwrap().to_owned());
    let html = String::from_utf8_lossy(&reply.body).into_owned();
    Page { status: reply.status.as_u16(), location, html, headers: reply.headers.clone() }
}

/// The address of the first form on a page.
fn action(html: &str) -> String {
    let (_, after) = html.split_once("action=\"").unwrap_or_else(|| panic!("no form: {html}"));
    after.split('"').next().unwrap_or_default().to_owned()
}

/// The parameters of a URL.
pub(crate) fn query(url: &str) -> impl Fn(&str) -> Option<String> + use<> {
    let pairs: BTreeMap<String, String> = Url::parse(url).unwrap().query_pairs().into_owned().collect();
    move |name| pairs.get(name).cloned()
}

/// A URL that lost these parameters on its way through the browser.
pub(crate) fn without(url: &str, lost: &[&str]) -> String {
    let mut url = Url::parse(url).unwrap();
    let kept: Vec<_> =
        url.query_pairs().into_owned().filter(|(name, _)| !lost.contains(&name.as_str())).collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    url.into()
}
