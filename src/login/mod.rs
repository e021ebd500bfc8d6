//! Logging a customer in with LINE: `/authorize` hands over here when there is no session, LINE hands back at
//! `/line/callback`, and where auto-login failed the retry page starts again.
//!
//! A login attempt travels in two halves that must meet again in one browser: the sealed `__Host-` cookie holds
//! everything, the sealed `state` names the attempt. Either is worthless without the other (login CSRF). Not here: what
//! the storefront may ask (`oauth/authorization.rs`), tokens (`provider/`).

mod attempt;
mod callback;
mod consent;
mod count;
mod email;
mod finish;
mod retry;
mod start;
mod state;
mod way_back;

pub use callback::callback;
pub use consent::consent;
pub use email::email;
pub use retry::{RETRY_PATH, retry};
pub use start::start;

use crate::{platform::Context, web::Request};

/// LINE's way back to us; registered at LINE as the Login channel's callback URL.
pub const CALLBACK_PATH: &str = "/line/callback";

/// Where the consent page of a link posts its answer.
pub const CONSENT_PATH: &str = "/line/consent";

/// Where the page that asks for the mailed code posts its answer.
pub const EMAIL_PATH: &str = "/line/email";

/// The names under which this browser has opened pushed requests: whoever knows one may open it again.
#[must_use]
pub fn openers<P>(cx: Context<'_, P>, request: &Request) -> Vec<String> {
    attempt::openers(request, &cx.settings.keys)
}
