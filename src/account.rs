//! `/v1/accounts`: the operator makes and changes accounts, on any host, with the key derived from `MASTER_KEY`.
//!
//! `PUT` says what the account is to be and may be repeated: secrets that are given are kept as they are given, those
//! that are absent are drawn once and shown once. Clients that it does not name stay as they are: the shop makes its own
//! (`client.rs`). The signing key is made with the account by a conditional write, so that of two makers one wins.

mod credential;

use credential::Credential;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    config::{
        Draft, FriendAdd, MAX_CLIENTS, Registered, Registration, StoredAccount, StoredCredential,
        StoredLogin, StoredMessaging, is_local, is_strong, signing_key,
    },
    id::{AccountId, BotUserId, ClientId},
    platform::{Context, Database, Platform},
    secret::{Purpose, SecretText},
    store::{Statement, audit::Change},
    web::{ApiError, Reply, Request},
};

/// The body of `PUT /v1/accounts/{host}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    name: String,
    login_channel: LoginChannel,
    messaging_channel: MessagingChannel,
    #[serde(default)]
    friend_add: FriendAdd,
    #[serde(default)]
    clients: Vec<Registration>,
    api_key: Option<SecretText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginChannel {
    channel_id: String,
    credential: Credential,
    #[serde(default)]
    email_permission: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessagingChannel {
    channel_id: String,
    secret: SecretText,
    previous_secret: Option<SecretText>,
    bot_user_id: BotUserId,
}

/// Secrets that were drawn by this call, to be shown once.
#[derive(Serialize, Default)]
struct Drawn {
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<SecretText>,
    clients: Vec<DrawnClient>,
}

#[derive(Serialize)]
struct DrawnClient {
    client_id: ClientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<SecretText>,
}

/// `GET /v1/accounts`.
pub async fn list<P: Platform>(cx: Context<'_, P>, request: &Request) -> Result<Reply, ApiError> {
    #[derive(Deserialize)]
    struct Row {
        id: AccountId,
        host: String,
        version: i64,
        name: Option<String>,
    }
    prove_operator(cx, request)?;
    let statement =
        Statement::new("SELECT id, host, version, config ->> 'name' AS name FROM accounts ORDER BY id");
    let rows: Vec<Row> = cx.platform.rows(&Database::default(), statement).await?;
    let accounts: Vec<Value> = rows
        .iter()
        .map(|row| json!({ "id": row.id, "host": row.host, "name": row.name, "version": row.version }))
        .collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "accounts": accounts })))
}

/// `PUT /v1/accounts/{host}`: (1) the operator proves himself; (2) what he wants is checked; (3) what there is is read;
/// (4) both become the new configuration, with the signing keys that are missing; (5) it is written if nobody else wrote
/// meanwhile.
pub async fn put<P: Platform>(cx: Context<'_, P>, request: &Request, host: &str) -> Result<Reply, ApiError> {
    // (1)
    prove_operator(cx, request)?;
    // (2)
    let host = checked_host(host)?;
    let wanted: Put = request.json()?;
    check(&wanted, &host)?;
    let credential = wanted.login_channel.credential.sealed(cx).await?;
    // (3)
    let before = Draft::of_host(cx, &host).await?;
    // (4)
    let (mut stored, drawn) =
        configuration(cx, wanted, credential, before.as_ref().map(|draft| &draft.stored));
    if !(1..=MAX_CLIENTS).contains(&stored.clients.len()) {
        return Err(ApiError::invalid_request("an account has 1 to 100 clients"));
    }
    signing_key::provide(cx, &mut stored).await?;
    // (5)
    let (id, version) = match before {
        Some(draft) => (draft.id, draft.version),
        None => (AccountId::from_random(cx.platform.random()), None),
    };
    let shown = shown(&id, &host, request, &drawn);
    // The policy of e-mail addresses and the kind of credential are decisions that the log keeps.
    let clients = stored.clients.iter();
    let clients: Vec<Value> = clients
        .map(|client| json!({ "client_id": client.id, "email_verification": client.email_verification }))
        .collect();
    let detail = json!({ "login_credential": stored.login.credential.kind(), "clients": clients });
    let draft = Draft { id, host, version, stored };
    let status = if version.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    draft.write(cx, Change { actor: "operator", action: "account.put", detail }).await?;
    Ok(Reply::json(status, &shown))
}

fn shown(id: &AccountId, host: &str, request: &Request, drawn: &Drawn) -> Value {
    let port = request.authority.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
    let issuer = if is_local(host) { format!("http://{host}{port}") } else { format!("https://{host}") };
    let mut shown = serde_json::to_value(drawn).unwrap_or_default();
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("id".to_owned(), json!(id));
        fields.insert("host".to_owned(), json!(host));
        fields.insert("callback_url".to_owned(), json!(format!("{issuer}/line/callback")));
        fields.insert("webhook_url".to_owned(), json!(format!("{issuer}/line/webhook")));
        fields.insert("issuer".to_owned(), json!(issuer));
    }
    shown
}

fn prove_operator<P>(cx: Context<'_, P>, request: &Request) -> Result<(), ApiError> {
    let expected = cx.settings.keys.operator_key().digest();
    if request.bearer().is_some_and(|key| expected.is_of(key)) {
        Ok(())
    } else {
        Err(ApiError::invalid_key())
    }
}

fn checked_host(host: &str) -> Result<String, ApiError> {
    let host = host.to_ascii_lowercase();
    let is_host = (1..=253).contains(&host.len())
        && host
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    if is_host {
        Ok(host)
    } else {
        Err(ApiError::invalid_request("the host is a name such as line.example.jp, without a port"))
    }
}

fn check(wanted: &Put, host: &str) -> Result<(), ApiError> {
    let refuse = |what: &str| Err(ApiError::invalid_request(what));
    if wanted.name.trim().is_empty() || wanted.name.chars().count() > 100 {
        return refuse("name has 1 to 100 characters");
    }
    let ids = [&wanted.login_channel.channel_id, &wanted.messaging_channel.channel_id];
    if ids.iter().any(|id| id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit())) {
        return refuse("a channel_id consists of digits, as the LINE Developers console shows it");
    }
    if wanted.api_key.as_ref().is_some_and(|key| !is_strong(key)) {
        return refuse("api_key has at least 32 unreserved characters; leave it out to have one drawn");
    }
    for (at, client) in wanted.clients.iter().enumerate() {
        client.check(host).map_err(ApiError::invalid_request)?;
        let same = |other: &Registration| match (&client.client_id, &other.client_id) {
            (None, None) => client.name == other.name,
            (one, another) => one == another,
        };
        if wanted.clients.iter().skip(at + 1).any(same) {
            return refuse("two clients have the same client_id, or the same name and no client_id");
        }
    }
    Ok(())
}

/// The new configuration, and what was drawn for it.
fn configuration<P: Platform>(
    cx: Context<'_, P>,
    wanted: Put,
    credential: StoredCredential,
    before: Option<&StoredAccount>,
) -> (StoredAccount, Drawn) {
    let seal = |secret: &SecretText| {
        cx.settings.keys.seal_text(Purpose::Configuration, secret.expose(), cx.platform.random())
    };
    let mut drawn = Drawn::default();
    let api_keys = match (wanted.api_key, before) {
        (Some(key), _) => vec![key.digest()],
        (None, Some(before)) if !before.api_keys.is_empty() => before.api_keys.clone(),
        (None, _) => {
            let key = SecretText::from_random(cx.platform.random());
            let digest = key.digest();
            drawn.api_key = Some(key);
            vec![digest]
        }
    };
    let mut clients = before.map(|before| before.clients.clone()).unwrap_or_default();
    for wanted in wanted.clients {
        // A client that is not named by its id is the one of the same name, so that the same call may be repeated.
        let place = clients.iter().position(|client| match &wanted.client_id {
            Some(id) => client.id == *id,
            None => client.name == wanted.name,
        });
        let known = place.and_then(|place| clients.get(place));
        let Registered { client, secret } =
            wanted.register(known, || cx.platform.random(), cx.platform.now());
        drawn.clients.push(DrawnClient { client_id: client.id.clone(), client_secret: secret });
        match place.and_then(|place| clients.get_mut(place)) {
            Some(place) => *place = client,
            None => clients.push(client),
        }
    }
    let stored = StoredAccount {
        name: wanted.name,
        database: before.map(|before| before.database.clone()).unwrap_or_default(),
        login: StoredLogin {
            channel_id: wanted.login_channel.channel_id,
            credential,
            email_permission: wanted.login_channel.email_permission,
        },
        messaging: StoredMessaging {
            channel_id: wanted.messaging_channel.channel_id,
            sealed_secret: seal(&wanted.messaging_channel.secret),
            sealed_previous_secret: wanted.messaging_channel.previous_secret.as_ref().map(seal),
            bot_user_id: wanted.messaging_channel.bot_user_id,
        },
        friend_add: wanted.friend_add,
        clients,
        api_keys,
        signing_keys: before.map(|before| before.signing_keys.clone()).unwrap_or_default(),
        webhook_endpoint: before.and_then(|before| before.webhook_endpoint.clone()),
        repliers: before.map(|before| before.repliers.clone()).unwrap_or_default(),
        sending: before.map(|before| before.sending.clone()).unwrap_or_default(),
    };
    (stored, drawn)
}
