//! `GET /dialog/bot/accountLink`: the end of account linking inside a chat.
//!
//! In: a link token, a nonce, and the cookie that says whose phone this is. Out: a page, and an `accountLink` event:
//! `ok` for the user whom the token was issued for, `failed` (without source) for another. A token that is used or
//! over shows an error and sends nothing. Not here: the shop's own page before it.

use http::StatusCode;
use serde_json::json;

use super::{SESSION_COOKIE, page};
use crate::Simulator;
use crate::calls::ViolationKind;
use crate::reply::{self, Reply};
use crate::request::Request;

impl Simulator {
    pub(super) fn account_link(&mut self, request: &Request) -> Reply {
        let nonce = request.query.get("nonce").filter(|nonce| (10..=255).contains(&nonce.len()));
        let Some(nonce) = nonce else {
            self.violate(ViolationKind::AuthorizeParameter, "nonce has 10 to 255 characters");
            return reply::html(StatusCode::BAD_REQUEST, page::refusal("Invalid nonce."));
        };
        let token = request.query.get("linkToken").and_then(|text| self.memory.bots.link_tokens.remove(text));
        let Some(token) = token.filter(|token| token.expires_at > self.now) else {
            return reply::html(StatusCode::BAD_REQUEST, page::refusal("The link token is invalid."));
        };
        let ok = request.cookie(SESSION_COOKIE) == Some(token.user.as_str());
        let result = if ok { "ok" } else { "failed" };
        let own = json!({ "link": { "result": result, "nonce": nonce } });
        let user = ok.then_some(token.user.as_str());
        // Channel and user were there when the token was issued; after a reset nothing is sent.
        let _ = self.emit(self.now, user, Some(&token.channel_id), "accountLink", own, ok);
        reply::html(StatusCode::OK, page::account_linked(ok))
    }
}
