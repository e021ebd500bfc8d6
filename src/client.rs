//! `/v1/clients`: storefronts register, change and leave; their secrets are drawn here, shown once, and kept as digests.
//!
//! Each change is one conditional write of the account's configuration with its entry in the audit log.

use std::rc::Rc;

use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::{
    config::{
        self, Account, Client, ClientSecret, Draft, MAX_CLIENTS, MAX_SECRETS, Registered, Registration,
        signing_key,
    },
    id::ClientId,
    platform::{Context, Platform},
    secret::SecretText,
    store::audit::Change,
    web::{ApiError, Reply, Request},
};

/// `GET /v1/clients`.
pub fn list(account: &Account) -> Reply {
    let clients: Vec<Value> = account.clients.iter().map(Client::shown).collect();
    Reply::json(StatusCode::OK, &json!({ "clients": clients }))
}

/// `GET /v1/clients/{client_id}`.
pub async fn show<P: Platform>(
    cx: Context<'_, P>,
    account: &Rc<Account>,
    id: &str,
) -> Result<Reply, ApiError> {
    let known = config::find(cx, account, |account| account.client(id).cloned()).await?;
    let client = known.ok_or_else(|| ApiError::not_found("the client"))?;
    Ok(Reply::json(StatusCode::OK, &client.shown()))
}

/// `POST /v1/clients`: 201 with the client, and its secret this once.
pub async fn post<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let registration: Registration = request.json()?;
    registration.check(&account.host).map_err(ApiError::invalid_request)?;
    let mut draft = Draft::of_id(cx, &account.id).await?;
    if draft.stored.clients.len() >= MAX_CLIENTS {
        return Err(ApiError::conflict("too_many_clients", "an account has at most 100 clients"));
    }
    let taken = |id: &ClientId| draft.stored.clients.iter().any(|client| client.id == *id);
    if registration.client_id.as_ref().is_some_and(taken) {
        return Err(ApiError::conflict("client_exists", "this client_id is taken; change it with PATCH"));
    }
    let registered = registration.register(None, || cx.platform.random(), cx.platform.now());
    draft.stored.clients.push(registered.client.clone());
    let location = format!("/v1/clients/{}", registered.client.id);
    let reply = written(cx, draft, registered, StatusCode::CREATED, "client.post").await?;
    Ok(reply.with(header::LOCATION, location))
}

/// `PATCH /v1/clients/{client_id}`: a JSON merge patch (RFC 7396) of what `GET` shows; `null` takes a field away.
pub async fn patch<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    id: &str,
) -> Result<Reply, ApiError> {
    let patch: Value = request.json()?;
    let fields = patch.as_object().ok_or_else(|| ApiError::invalid_request("the body is a JSON object"))?;
    if ["client_secret", "secrets"].iter().any(|name| fields.contains_key(*name)) {
        let description = "secrets change by POST and DELETE below /v1/clients/{client_id}/secrets";
        return Err(ApiError::invalid_request(description));
    }
    if fields.get("client_id").is_some_and(|named| named.as_str() != Some(id)) {
        return Err(ApiError::invalid_request("client_id cannot be changed"));
    }
    let mut draft = Draft::of_id(cx, &account.id).await?;
    let place = place_of(&draft, id)?;
    let mut merged = place.shown();
    if let Some(all) = merged.as_object_mut() {
        for told in ["secrets", "created_at"] {
            all.remove(told);
        }
        for (name, value) in fields {
            if value.is_null() { _ = all.remove(name) } else { _ = all.insert(name.clone(), value.clone()) }
        }
    }
    let registration: Registration = serde_json::from_value(merged)
        .map_err(|e| ApiError::invalid_request(format!("the client that this would make: {e}")))?;
    registration.check(&account.host).map_err(ApiError::invalid_request)?;
    let registered = registration.register(Some(place), || cx.platform.random(), cx.platform.now());
    replace(&mut draft, registered.client.clone());
    written(cx, draft, registered, StatusCode::OK, "client.patch").await
}

/// `DELETE /v1/clients/{client_id}`: what it holds is worth nothing any more, since nobody can present it.
pub async fn delete<P: Platform>(cx: Context<'_, P>, account: &Account, id: &str) -> Result<Reply, ApiError> {
    let mut draft = Draft::of_id(cx, &account.id).await?;
    place_of(&draft, id)?;
    if draft.stored.clients.len() == 1 {
        return Err(ApiError::conflict(
            "last_client",
            "an account has at least one client; make another first",
        ));
    }
    draft.stored.clients.retain(|client| client.id.as_str() != id);
    draft.write(cx, change("client.delete", json!({ "client_id": id }))).await?;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}

/// `POST /v1/clients/{client_id}/secrets`: a second secret, so that the first can be retired without a gap.
pub async fn post_secret<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    id: &str,
) -> Result<Reply, ApiError> {
    let mut draft = Draft::of_id(cx, &account.id).await?;
    let mut client = place_of(&draft, id)?.clone();
    if client.is_public() {
        return Err(ApiError::conflict(
            "public_client",
            "a public client has no secret; change its method first",
        ));
    }
    if client.secrets.len() >= MAX_SECRETS {
        let description = "two secrets are valid already; delete the one that is not used any more";
        return Err(ApiError::conflict("two_secrets", description));
    }
    let drawn = SecretText::from_random(cx.platform.random());
    client.secrets.push(ClientSecret::new(&drawn, cx.platform.now()));
    replace(&mut draft, client.clone());
    let registered = Registered { client, secret: Some(drawn) };
    written(cx, draft, registered, StatusCode::CREATED, "client.secret.post").await
}

/// `DELETE /v1/clients/{client_id}/secrets/{id}`: not the last one, without which the client would prove nothing.
pub async fn delete_secret<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    id: &str,
    secret_id: &str,
) -> Result<Reply, ApiError> {
    let mut draft = Draft::of_id(cx, &account.id).await?;
    let mut client = place_of(&draft, id)?.clone();
    let before = client.secrets.len();
    client.secrets.retain(|secret| secret.id() != secret_id);
    if client.secrets.len() == before {
        return Err(ApiError::not_found("the secret"));
    }
    if client.secrets.is_empty() {
        return Err(ApiError::conflict("last_secret", "make another secret first"));
    }
    replace(&mut draft, client);
    let detail = json!({ "client_id": id, "secret": secret_id });
    draft.write(cx, change("client.secret.delete", detail)).await?;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}

fn place_of<'a>(draft: &'a Draft, id: &str) -> Result<&'a Client, ApiError> {
    let client = draft.stored.clients.iter().find(|client| client.id.as_str() == id);
    client.ok_or_else(|| ApiError::not_found("the client"))
}

fn replace(draft: &mut Draft, client: Client) {
    if let Some(place) = draft.stored.clients.iter_mut().find(|known| known.id == client.id) {
        *place = client;
    }
}

/// Writes the draft with a key for what the client signs with, and shows the client, with a secret that was drawn.
async fn written<P: Platform>(
    cx: Context<'_, P>,
    mut draft: Draft,
    registered: Registered,
    status: StatusCode,
    action: &'static str,
) -> Result<Reply, ApiError> {
    let Registered { client, secret } = registered;
    signing_key::provide(cx, &mut draft.stored).await?;
    // The policy of e-mail addresses is the client's decision, so the log keeps it.
    let detail = json!({
        "client_id": client.id, "email_verification": client.email_verification, "new_secret": secret.is_some(),
    });
    draft.write(cx, change(action, detail)).await?;
    let mut shown = client.shown();
    if let (Some(secret), Some(fields)) = (secret, shown.as_object_mut()) {
        fields.insert("client_secret".to_owned(), json!(secret));
    }
    Ok(Reply::json(status, &shown))
}

fn change(action: &'static str, detail: Value) -> Change {
    Change { actor: "api_key", action, detail }
}
