//! `/v1/auto-login-links`: links are made, listed, changed and revoked.

use http::{StatusCode, header};
use serde_json::Value;

use super::{
    MAX_ADDRESS, address, ticket_of,
    wanted::{Wanted, refused},
};
use crate::{
    config::{Account, Site},
    id::AutoLoginLinkId,
    platform::{Context, Platform},
    store::{
        CacheKey,
        auto_login_link::{self, Row},
    },
    time::UnixMillis,
    web::{ApiError, Reply, Request, form::Form, object},
};

/// Links that one call lists, at most and where nothing is said.
const MAX_LISTED: i64 = 100;

/// `POST /v1/auto-login-links`: 201 with the link and its address. A sealed one has a row too, so that reports name it.
pub async fn post<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, ApiError> {
    let wanted: Wanted = request.json()?;
    let now = cx.platform.now();
    let account = known_client(cx, site, &wanted).await?;
    wanted.check()?;
    let is_sealed = wanted.is_sealed()?;
    let mut row = Row {
        id: AutoLoginLinkId::from_random(cx.platform.random()),
        target: wanted.page(&account)?,
        context: wanted.context_json(),
        expires_at: wanted.end(now)?,
        client_id: wanted.client_id,
        label: wanted.label,
        campaign: wanted.campaign,
        sealed: None,
        created_at: now,
        revoked_at: None,
        version: 1,
    };
    if is_sealed {
        let sealed = ticket_of(&account.id, &row).seal_link(&cx.settings.keys, cx.platform.random());
        let length = address(&site.issuer, &sealed).len();
        if length > MAX_ADDRESS {
            return Err(refused(format!(
                "the sealed link would have {length} characters, and LINE takes {MAX_ADDRESS}; make it stored"
            )));
        }
        row.sealed = Some(sealed);
    }
    cx.platform.one(&account.database, auto_login_link::insert(&account.id, &row)).await?;
    let location = format!("/v1/auto-login-links/{}", row.id);
    Ok(Reply::json(StatusCode::CREATED, &shown(site, &row)).with(header::LOCATION, location))
}

/// The account whose configuration knows the client and takes the page: that in memory, or else the newest.
async fn known_client<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    wanted: &Wanted,
) -> Result<std::rc::Rc<Account>, ApiError> {
    if wanted.page(&site.account).is_ok() {
        return Ok(std::rc::Rc::clone(&site.account));
    }
    Ok(site.afresh(cx).await?.account)
}

/// `GET /v1/auto-login-links`: the newest first; `next` is the `after` of the following page.
pub async fn list<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = Form::of_query(request)?;
    let after = form.value("after").map(AutoLoginLinkId::parse).transpose()?;
    let limit = form.limit(MAX_LISTED, MAX_LISTED)?;
    let account = &site.account;
    let page = auto_login_link::page(&account.id, form.value("client_id"), after.as_ref(), limit + 1);
    let mut rows: Vec<Row> = cx.platform.rows(&account.database, page).await?;
    let has_more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > limit;
    rows.truncate(usize::try_from(limit).unwrap_or_default());
    let next = rows.last().filter(|_| has_more).map(|row| row.id.as_str().to_owned());
    let links: Vec<Value> = rows.iter().map(|row| shown(site, row)).collect();
    Ok(Reply::json(StatusCode::OK, &object([("links", links.into()), ("next", next.into())])))
}

/// `GET /v1/auto-login-links/{id}`.
pub async fn show<P: Platform>(cx: Context<'_, P>, site: &Site, id: &str) -> Result<Reply, ApiError> {
    let row = find(cx, site, id).await?;
    Ok(Reply::json(StatusCode::OK, &shown(site, &row)))
}

/// `PATCH /v1/auto-login-links/{id}`: a JSON merge patch (RFC 7396) of `target`, `label`, `campaign`, `context` and the
/// end of a stored link.
pub async fn patch<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    id: &str,
) -> Result<Reply, ApiError> {
    let patch: Value = request.json()?;
    let fields = patch.as_object().ok_or_else(|| refused("the body is a JSON object"))?;
    let mut row = find(cx, site, id).await?;
    changeable(&row)?;
    let text = |text: &str| Value::from(text);
    let mut merged = object([
        ("client_id", text(row.client_id.as_str())),
        ("target", text(&row.target)),
        ("label", text(&row.label)),
        ("campaign", text(&row.campaign)),
        ("context", context_of(&row)),
    ]);
    let ends = ["expires_at", "expires_in"].iter().any(|name| fields.contains_key(*name));
    if fields.keys().any(|name| ["client_id", "type", "id", "url"].contains(&name.as_str())) {
        return Err(refused("client_id, type, id and url stay as they are; make another link"));
    }
    merge(&mut merged, &patch);
    let wanted: Wanted = serde_json::from_slice(merged.to_string().as_bytes())
        .map_err(|e| refused(format!("the link that this would make: {e}")))?;
    let account = known_client(cx, site, &wanted).await?;
    wanted.check()?;
    row.target = wanted.page(&account)?;
    row.context = wanted.context_json();
    if ends {
        row.expires_at = wanted.end(cx.platform.now())?;
    }
    (row.label, row.campaign) = (wanted.label, wanted.campaign);
    let written = cx.platform.one(&account.database, auto_login_link::update(&account.id, &row)).await?;
    if written.changes == 0 {
        return Err(ApiError::conflict(
            "changed_meanwhile",
            "somebody else changed this link; send it again",
        ));
    }
    cx.forget([CacheKey::AutoLoginLink(account.id.clone(), row.id.clone())]).await;
    Ok(Reply::json(StatusCode::OK, &shown(site, &row)))
}

/// `DELETE /v1/auto-login-links/{id}` revokes a stored link; its row stays, so that reports name it.
pub async fn delete<P: Platform>(cx: Context<'_, P>, site: &Site, id: &str) -> Result<Reply, ApiError> {
    let account = &site.account;
    let row = find(cx, site, id).await?;
    if row.sealed.is_some() {
        changeable(&row)?;
    }
    let revoke = auto_login_link::revoke(&account.id, &row.id, cx.platform.now());
    cx.platform.one(&account.database, revoke).await?;
    cx.forget([CacheKey::AutoLoginLink(account.id.clone(), row.id)]).await;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}

async fn find<P: Platform>(cx: Context<'_, P>, site: &Site, id: &str) -> Result<Row, ApiError> {
    let unknown = || ApiError::not_found("the auto-login link");
    let id = AutoLoginLinkId::parse(id).map_err(|_| unknown())?;
    let account = &site.account;
    let row: Option<Row> =
        cx.platform.one(&account.database, auto_login_link::select(&account.id, &id)).await?.first()?;
    row.ok_or_else(unknown)
}

/// A sealed link stands in messages as it is; a revoked one stays revoked.
fn changeable(row: &Row) -> Result<(), ApiError> {
    match (&row.sealed, row.revoked_at) {
        (Some(_), _) => Err(ApiError::conflict(
            "sealed_link",
            "a sealed link can be neither changed nor revoked; it ends at expires_at",
        )),
        (None, Some(_)) => Err(ApiError::conflict("revoked_link", "this link was revoked; make another")),
        (None, None) => Ok(()),
    }
}

/// JSON merge patch (RFC 7396 section 2), on objects.
fn merge(target: &mut Value, patch: &Value) {
    let (Some(fields), Some(changes)) = (target.as_object_mut(), patch.as_object()) else { return };
    for (name, change) in changes {
        match (fields.get_mut(name), change) {
            (_, Value::Null) => _ = fields.remove(name),
            (Some(Value::Object(_)), Value::Object(_)) => {
                if let Some(inner) = fields.get_mut(name) {
                    merge(inner, change);
                }
            }
            _ => _ = fields.insert(name.clone(), change.clone()),
        }
    }
}

fn context_of(row: &Row) -> Value {
    serde_json::from_str(&row.context).unwrap_or_default()
}

fn shown(site: &Site, row: &Row) -> Value {
    let time = |at: Option<UnixMillis>| at.map_or(Value::Null, |at| at.rfc3339().into());
    let text = |text: &str| Value::from(text);
    let link = row.sealed.as_deref().unwrap_or(row.id.as_str());
    object([
        ("id", text(row.id.as_str())),
        ("url", address(&site.issuer, link).into()),
        ("type", text(if row.sealed.is_some() { "sealed" } else { "stored" })),
        ("client_id", text(row.client_id.as_str())),
        ("target", text(&row.target)),
        ("context", context_of(row)),
        ("label", text(&row.label)),
        ("campaign", text(&row.campaign)),
        ("created_at", time(Some(row.created_at))),
        ("expires_at", time(row.expires_at)),
        ("revoked_at", time(row.revoked_at)),
    ])
}
