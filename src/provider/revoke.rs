//! `POST /revoke` (RFC 7009): a client gives a token back. Unknown tokens, and those of others, are 200 as well. The body
//! says nothing, but some clients fail where it is no JSON, and give back the first of their tokens only.

use http::StatusCode;
use serde_json::json;

use super::{error::EndpointError, prove::prove};
use crate::{
    config::Site,
    platform::{Context, Platform},
    secret::Digest,
    store::grant,
    web::{Reply, Request},
};

/// Answers a revocation.
pub async fn revoke<P: Platform>(cx: Context<'_, P>, site: &Site, request: &Request) -> Reply {
    match end(cx, site, request).await {
        Ok(()) => Reply::json(StatusCode::OK, &json!({})),
        Err(error) => error.into_reply(cx, "revoke"),
    }
}

async fn end<P: Platform>(cx: Context<'_, P>, site: &Site, request: &Request) -> Result<(), EndpointError> {
    let proven = prove(cx, site, request).await?;
    let token = proven.form.value("token").ok_or(EndpointError::InvalidRequest("token is missing"))?;
    let account = &proven.site.account;
    let token = Digest::of(token.as_bytes());
    let statements = grant::revoke(&account.id, &proven.client.id, &token, cx.platform.now());
    cx.platform.batch(&account.database, statements).await?;
    Ok(())
}
