//! Logging a customer in with LINE: `/authorize` hands over here when there is no session, LINE hands back at
//! `/line/callback`, and where auto-login failed the retry page starts again.
//!
//! A login attempt travels in two halves that must meet again in one browser: the sealed `__Host-` cookie holds
//! everything, the sealed `state` names the attempt. Either is worthless without the other (login CSRF). Not here: what
//! the storefront may ask (`oauth/authorization.rs`), tokens (`provider/`).

mod attempt;
mod callback;
mod retry;
mod start;
mod state;

pub use callback::callback;
pub use retry::retry;
pub use start::start;

/// LINE's way back to us; registered at LINE as the Login channel's callback URL.
pub const CALLBACK_PATH: &str = "/line/callback";
