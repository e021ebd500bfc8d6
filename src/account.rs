//! `/v1/accounts`: the operator makes and changes accounts, on any host, with the key derived from `MASTER_KEY`.
//!
//! `PUT` says what the account is to be and may be repeated: secrets that are given are kept as they are given, those
//! that are absent are drawn once and shown once. The signing key is made with the account by a conditional write, so
//! that of two makers one wins.

use std::collections::HashSet;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::{
    config::{
        Client, FriendAdd, StoredAccount, StoredCredential, StoredLogin, StoredMessaging, StoredSigningKey,
        is_acceptable_uri, is_local,
    },
    id::{AccountId, BotUserId, ClientId},
    platform::{Context, Database, Platform, PlatformError},
    secret::{Digest, Purpose, SecretText},
    store::Statement,
    web::{ApiError, Reply, Request},
};

/// The shortest secret that an operator may choose, in characters; a shorter one could be guessed from its digest.
const MIN_SECRET: usize = 32;

/// Clients of one account.
const MAX_CLIENTS: usize = 100;

/// The body of `PUT /v1/accounts/{host}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    name: String,
    login_channel: LoginChannel,
    messaging_channel: MessagingChannel,
    #[serde(default)]
    friend_add: FriendAdd,
    clients: Vec<PutClient>,
    api_key: Option<SecretText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginChannel {
    channel_id: String,
    credential: Credential,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Credential {
    Secret { secret: SecretText },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessagingChannel {
    channel_id: String,
    secret: SecretText,
    previous_secret: Option<SecretText>,
    bot_user_id: BotUserId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutClient {
    client_id: Option<ClientId>,
    client_secret: Option<SecretText>,
    #[serde(default)]
    public: bool,
    name: String,
    redirect_uris: Vec<String>,
    initiate_login_uri: Option<String>,
    home_uri: Option<String>,
    #[serde(default = "yes")]
    require_pkce: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Row {
    id: AccountId,
    host: String,
    version: i64,
    config: String,
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
    prove_operator(cx, request)?;
    let statement = Statement::new("SELECT id, host, version, config FROM accounts ORDER BY id");
    let rows: Vec<Row> = cx.platform.rows(&Database::default(), statement).await?;
    let accounts: Vec<Value> = rows
        .iter()
        .map(|row| {
            let name = stored(row).map(|stored| stored.name).ok();
            json!({ "id": row.id, "host": row.host, "name": name, "version": row.version })
        })
        .collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "accounts": accounts })))
}

/// `PUT /v1/accounts/{host}`: (1) the operator proves himself; (2) what he wants is checked; (3) what there is is read;
/// (4) both become the new configuration, with a signing key where there is none; (5) it is written if nobody else
/// wrote meanwhile.
pub async fn put<P: Platform>(cx: Context<'_, P>, request: &Request, host: &str) -> Result<Reply, ApiError> {
    // (1)
    prove_operator(cx, request)?;
    // (2)
    let host = checked_host(host)?;
    let wanted: Put = request.json()?;
    check(&wanted, &host)?;
    // (3)
    let select =
        Statement::new("SELECT id, host, version, config FROM accounts WHERE host = ?1").bind(host.as_str());
    let row: Option<Row> = cx.platform.rows(&Database::default(), select).await?.into_iter().next();
    let before = row.as_ref().map(stored).transpose()?;
    // (4)
    let (config, drawn) = configuration(cx, wanted, before.as_ref()).await?;
    let mut ids = HashSet::new();
    if !config.clients.iter().all(|client| ids.insert(&client.id)) {
        return Err(ApiError::invalid_request("two clients have the same client_id"));
    }
    let text = serde_json::to_string(&config).map_err(|e| PlatformError::Stored(e.to_string()))?;
    // (5)
    let id = row.as_ref().map_or_else(|| AccountId::from_random(cx.platform.random()), |row| row.id.clone());
    let write = match &row {
        Some(row) => Statement::new(
            "UPDATE accounts SET config = ?3, version = version + 1, updated_at = ?4 WHERE id = ?1 AND version = ?2",
        )
        .bind(&id)
        .bind(row.version),
        None => Statement::new(
            "INSERT INTO accounts (id, host, version, config, updated_at) VALUES (?1, ?2, 1, ?3, ?4) \
             ON CONFLICT DO NOTHING",
        )
        .bind(&id)
        .bind(host.as_str()),
    };
    let write = write.bind(text).bind(cx.platform.now());
    if cx.platform.one(&Database::default(), write).await?.changes == 0 {
        return Err(ApiError::conflict(
            "changed_meanwhile",
            "somebody else changed this account; send it again",
        ));
    }
    cx.memory.forget_account(&host);
    let status = if row.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(Reply::json(status, &shown(&id, &host, request, &drawn)))
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

fn stored(row: &Row) -> Result<StoredAccount, PlatformError> {
    serde_json::from_str(&row.config).map_err(|e| PlatformError::Stored(format!("account: {e}")))
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
    if wanted.clients.is_empty() || wanted.clients.len() > MAX_CLIENTS {
        return refuse("an account has 1 to 100 clients");
    }
    if wanted.api_key.as_ref().is_some_and(|key| !is_strong(key)) {
        return refuse("api_key has at least 32 unreserved characters; leave it out to have one drawn");
    }
    let mut names = HashSet::new();
    for client in &wanted.clients {
        check_client(client, host)?;
        let id = client.client_id.as_ref().map_or(("name", client.name.as_str()), |id| ("id", id.as_str()));
        if !names.insert(id) {
            return refuse("two clients have the same client_id, or the same name and no client_id");
        }
    }
    Ok(())
}

fn check_client(client: &PutClient, host: &str) -> Result<(), ApiError> {
    let refuse = |what: String| Err(ApiError::invalid_request(what));
    if client.redirect_uris.is_empty() {
        return refuse("a client has at least one redirect URI".to_owned());
    }
    let uris = client.redirect_uris.iter().chain(&client.initiate_login_uri).chain(&client.home_uri);
    for uri in uris {
        if !is_acceptable_uri(uri, host) {
            return refuse(format!("{uri}: register an https URL without a fragment"));
        }
    }
    if client.client_secret.as_ref().is_some_and(|secret| !is_strong(secret)) {
        return refuse(
            "client_secret has at least 32 unreserved characters; leave it out to have one drawn".to_owned(),
        );
    }
    if client.public && client.client_secret.is_some() {
        return refuse("a public client has no secret".to_owned());
    }
    Ok(())
}

fn is_strong(secret: &SecretText) -> bool {
    let text = secret.expose();
    text.len() >= MIN_SECRET
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

/// The new configuration, and what was drawn for it.
async fn configuration<P: Platform>(
    cx: Context<'_, P>,
    wanted: Put,
    before: Option<&StoredAccount>,
) -> Result<(StoredAccount, Drawn), PlatformError> {
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
    let mut clients = Vec::with_capacity(wanted.clients.len());
    for client in wanted.clients {
        let (client, shown) = registered(cx, client, before);
        clients.push(client);
        drawn.clients.push(shown);
    }
    let signing_keys = match before {
        Some(before) if !before.signing_keys.is_empty() => before.signing_keys.clone(),
        _ => vec![signing_key(cx).await?],
    };
    let Credential::Secret { secret } = &wanted.login_channel.credential;
    let config = StoredAccount {
        name: wanted.name,
        database: before.map(|before| before.database.clone()).unwrap_or_default(),
        login: StoredLogin {
            channel_id: wanted.login_channel.channel_id,
            credential: StoredCredential::Secret { sealed: seal(secret) },
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
        signing_keys,
    };
    Ok((config, drawn))
}

fn registered<P: Platform>(
    cx: Context<'_, P>,
    wanted: PutClient,
    before: Option<&StoredAccount>,
) -> (Client, DrawnClient) {
    // A client that is not named by its id is the one of the same name, so that the same call may be repeated.
    let mut clients = before.iter().flat_map(|before| &before.clients);
    let known = match &wanted.client_id {
        Some(id) => clients.find(|client| client.id == *id),
        None => clients.find(|client| client.name == wanted.name),
    };
    let known_id = || known.map(|client| client.id.clone());
    let id =
        wanted.client_id.or_else(known_id).unwrap_or_else(|| ClientId::from_random(cx.platform.random()));
    let home_uri = wanted.home_uri.unwrap_or_else(|| site_of(wanted.redirect_uris.first()));
    let (secrets, shown): (Vec<Digest>, _) = match (wanted.public, wanted.client_secret, known) {
        (true, ..) => (Vec::new(), None),
        (false, Some(secret), _) => (vec![secret.digest()], None),
        (false, None, Some(known)) if !known.secrets.is_empty() => (known.secrets.clone(), None),
        (false, None, _) => {
            let secret = SecretText::from_random(cx.platform.random());
            (vec![secret.digest()], Some(secret))
        }
    };
    let client = Client {
        id: id.clone(),
        name: wanted.name,
        secrets,
        redirect_uris: wanted.redirect_uris,
        initiate_login_uri: wanted.initiate_login_uri,
        home_uri,
        require_pkce: wanted.require_pkce,
    };
    (client, DrawnClient { client_id: id, client_secret: shown })
}

/// The first page of the site of a URI that was checked.
fn site_of(uri: Option<&String>) -> String {
    let url = uri.and_then(|uri| Url::parse(uri).ok());
    url.and_then(|url| url.join("/").ok()).map_or_else(String::new, Into::into)
}

/// A new RSA key: its public half as a JWK with `kid`, `use` and `alg`, its private half sealed.
async fn signing_key<P: Platform>(cx: Context<'_, P>) -> Result<StoredSigningKey, PlatformError> {
    #[derive(Deserialize)]
    struct PublicPart {
        n: String,
        e: String,
    }
    let private = cx.platform.generate_rs256().await?;
    let public: PublicPart =
        serde_json::from_str(private.expose()).map_err(|e| PlatformError::Crypto(e.to_string()))?;
    let kid = crate::id::short(cx.platform.random());
    Ok(StoredSigningKey {
        public_jwk: json!({ "kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": public.n, "e": public.e }),
        sealed_private_jwk: cx.settings.keys.seal_text(
            Purpose::SigningKey,
            private.expose(),
            cx.platform.random(),
        ),
        kid,
    })
}
