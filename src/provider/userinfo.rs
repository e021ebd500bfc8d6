//! `/userinfo` (OpenID Connect Core section 5.3): who the access token speaks for, as of now.

use http::{Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    config::Site,
    id::Subject,
    oauth::{KnownProfile, Profile, Scope},
    platform::{Context, Platform, PlatformError},
    secret::Digest,
    store::Statement,
    web::{Reply, Request, form::Form},
};

#[derive(Serialize)]
struct Answer {
    sub: Subject,
    #[serde(flatten)]
    profile: Profile,
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
    let Some(token) = request.bearer().or(of_body) else { return Ok(refused(None)) };
    Ok(match claims(cx, site, token).await? {
        Some(answer) => Reply::json(StatusCode::OK, &answer),
        None => refused(Some("invalid_token")),
    })
}

async fn claims<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    token: &str,
) -> Result<Option<Answer>, PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        scope: String,
        subject: Subject,
        #[serde(flatten)]
        profile: KnownProfile,
    }
    let statement = Statement::new(
        "SELECT t.scope, u.subject, u.name, u.picture, u.friend, l.member_id \
         FROM access_tokens t JOIN sessions s ON s.account = t.account AND s.sid = t.sid \
         JOIN line_users u ON u.id = s.line_user \
         LEFT JOIN links l ON l.account = t.account AND l.line_user = u.id \
         WHERE t.account = ?1 AND t.digest = ?2 AND t.expires_at > ?3 AND t.revoked_at IS NULL \
           AND s.ended_at IS NULL",
    )
    .bind(&site.account.id)
    .bind(&Digest::of(token.as_bytes()))
    .bind(cx.platform.now());
    let row: Option<Row> = cx.platform.one(&site.account.database, statement).await?.first()?;
    Ok(row.map(|row| Answer { sub: row.subject, profile: row.profile.shown(Scope::parse(&row.scope)) }))
}

/// RFC 6750 section 3: without a token the challenge names no error.
fn refused(error: Option<&'static str>) -> Reply {
    let challenge = error.map_or_else(
        || "Bearer realm=\"enishi\"".to_owned(),
        |error| format!("Bearer realm=\"enishi\", error=\"{error}\""),
    );
    let error = error.unwrap_or("token_missing");
    let description = "send a valid access token as Authorization: Bearer";
    Reply::json(StatusCode::UNAUTHORIZED, &json!({ "error": error, "error_description": description }))
        .with(header::WWW_AUTHENTICATE, challenge)
        .because(error)
}
