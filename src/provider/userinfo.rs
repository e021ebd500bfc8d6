//! `/userinfo` (OpenID Connect Core section 5.3): who the access token speaks for, as of now.

use http::{Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    config::{self, Site},
    id::Subject,
    oauth::{KnownProfile, Profile, Scope},
    platform::{Context, Platform, PlatformError},
    secret::Digest,
    store::grant,
    time::UnixMillis,
    web::{Reply, Request, form::Form},
};

#[derive(Serialize)]
struct Answer {
    sub: Subject,
    #[serde(flatten)]
    profile: Profile,
}

/// Why no claims are told (RFC 6750 section 3.1).
enum Refused {
    /// No token: the challenge names no error.
    Missing,
    /// The token came in two ways.
    Twice,
    /// Unknown, over, revoked.
    Invalid,
    /// Without `openid`.
    Scope,
}

/// Answers with the token in the `Authorization` header, by GET or POST, or in a POST body; never in the query
/// (RFC 6750 section 2).
pub async fn userinfo<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, PlatformError> {
    let in_body = if request.method == Method::POST { Form::of_body(request).ok() } else { None };
    let of_body = in_body.as_ref().and_then(|form| form.value("access_token"));
    Ok(match (request.bearer(), of_body) {
        (None, None) => refused(&Refused::Missing),
        (Some(_), Some(_)) => refused(&Refused::Twice),
        (Some(token), None) | (None, Some(token)) => match claims(cx, site, token).await? {
            Ok(answer) => Reply::json(StatusCode::OK, &answer),
            Err(why) => refused(&why),
        },
    })
}

async fn claims<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    token: &str,
) -> Result<Result<Answer, Refused>, PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        scope: Scope,
        client_id: String,
        created_at: UnixMillis,
        subject: Subject,
        #[serde(flatten)]
        profile: KnownProfile,
    }
    let read = grant::of_access_token(&site.account.id, &Digest::of(token.as_bytes()), cx.platform.now());
    let row: Option<Row> = cx.platform.one(&site.account.database, read).await?.first()?;
    let Some(row) = row else { return Ok(Err(Refused::Invalid)) };
    // A client that is gone takes its tokens with it, also if there is another of its id now.
    let known = config::find(cx, &site.account, |account| account.client(&row.client_id).cloned()).await?;
    let client = known.filter(|client| client.created_at <= row.created_at);
    let Some(client) = client else { return Ok(Err(Refused::Invalid)) };
    if !row.scope.openid {
        return Ok(Err(Refused::Scope));
    }
    let profile = row.profile.shown(row.scope, client.email_verification);
    Ok(Ok(Answer { sub: row.subject, profile }))
}

fn refused(why: &Refused) -> Reply {
    let (status, error, description) = match why {
        Refused::Missing => {
            (StatusCode::UNAUTHORIZED, None, "send a valid access token as Authorization: Bearer")
        }
        Refused::Twice => (StatusCode::BAD_REQUEST, Some("invalid_request"), "send the token in one way"),
        Refused::Invalid => (StatusCode::UNAUTHORIZED, Some("invalid_token"), "the token is unknown or over"),
        Refused::Scope => (StatusCode::FORBIDDEN, Some("insufficient_scope"), "the token lacks openid"),
    };
    let challenge = match error {
        None => "Bearer realm=\"enishi\"".to_owned(),
        Some("insufficient_scope") => {
            "Bearer realm=\"enishi\", error=\"insufficient_scope\", scope=\"openid\"".to_owned()
        }
        Some(error) => {
            format!("Bearer realm=\"enishi\", error=\"{error}\", error_description=\"{description}\"")
        }
    };
    let error = error.unwrap_or("token_missing");
    Reply::json(status, &json!({ "error": error, "error_description": description }))
        .with(header::WWW_AUTHENTICATE, challenge)
        .because(error)
}
