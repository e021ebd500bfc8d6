//! The stand-in's own paths below `/sim/`: its script API, its pages, and the screens of a login.
//!
//! In: requests that LINE does not know. Out: JSON for scripts; for a form, a 303 back to the page. They are not
//! recorded as calls. Not here: anything that LINE itself answers.

mod api;
mod chat;
pub(crate) mod html;
mod liff;
mod page;
mod settings;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::Simulator;
use crate::event::DeedError;
use crate::reply::{self, Reply};
use crate::request::Request;

/// An answer of the script API: a value, or what was wrong with the request.
type Scripted = Result<Value, Wrong>;

/// Why the script API did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wrong(StatusCode, String);

impl Wrong {
    fn bad(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }
}

impl From<DeedError> for Wrong {
    fn from(error: DeedError) -> Self {
        Self(StatusCode::NOT_FOUND, error.to_string())
    }
}

impl From<serde_json::Error> for Wrong {
    fn from(error: serde_json::Error) -> Self {
        Self::bad(error.to_string())
    }
}

impl Simulator {
    pub(crate) fn sim(&mut self, request: &Request) -> Reply {
        let segments = request.segments();
        let rest = segments.get(1..).unwrap_or_default();
        match (&request.method, rest) {
            (&Method::GET, [""]) => self.phone_page(request),
            (_, ["authorize", id]) => self.authorize_screen(request, id, None),
            (_, ["authorize", id, form]) => self.authorize_screen(request, id, Some(form)),
            (&Method::POST, ["login-as", id]) => self.login_as(request, id),
            (method, rest) => {
                let answered = self.script(method, rest, request);
                answer(request, answered)
            }
        }
    }

    fn script(&mut self, method: &Method, rest: &[&str], request: &Request) -> Scripted {
        match (method.as_str(), rest) {
            ("GET", ["users"]) => self.list_users(request),
            ("POST", ["users"]) => self.make_users(request),
            ("GET", ["users", id, "messages"]) => self.list_messages(id),
            ("POST", ["users", id, "liff"]) => self.open_liff(request, id),
            ("POST", ["users", id, "email"]) => self.change_email(request, id),
            ("POST", ["users", id, deed]) => self.deed(request, id, deed),
            ("POST", ["liff-key"]) => Ok(self.new_liff_key()),
            ("POST", ["faults"]) => self.set_faults(request),
            ("GET", ["calls"]) => Ok(self.list_calls()),
            ("POST", ["reset"]) => {
                self.reset();
                Ok(json!({}))
            }
            ("GET", ["channels"]) => Ok(serde_json::to_value(self.config())?),
            ("POST", ["channels"]) => self.set_channels(request),
            ("GET", ["webhooks"]) => Ok(self.list_webhooks()),
            ("POST", ["webhooks"]) => self.set_webhooks(request),
            ("POST", ["quota"]) => self.script_quota(request),
            ("POST", ["insight"]) => self.set_interest(request),
            ("GET", ["rates"]) => Ok(self.list_rates()),
            ("POST", ["richmenu"]) => self.set_rich_menu(request),
            _ => Err(Wrong(StatusCode::NOT_FOUND, format!("no {method} {}", request.path))),
        }
    }
}

/// JSON for scripts; a form of the page goes back to the page.
fn answer(request: &Request, answered: Scripted) -> Reply {
    match answered {
        Err(Wrong(status, text)) => reply::json(status, &json!({ "message": text })),
        Ok(_) if request.is_form() => reply::redirect(StatusCode::SEE_OTHER, &back(request)),
        Ok(value) => reply::ok(&value),
    }
}

/// The page of the user whom a form spoke of.
fn back(request: &Request) -> String {
    match request.segments().as_slice() {
        ["sim", "users", id, _] | ["sim", "login-as", id] => format!("/sim/?user={id}"),
        _ => "/sim/".to_owned(),
    }
}
