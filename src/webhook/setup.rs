//! `/v1/webhooks/setup`: our address registered with LINE and tried out, in LINE's own words; and what a person has still to do
//! in LINE's console, because no API of LINE's does it.

use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    channel::{self, NoToken},
    config::{Account, Site, origin_of},
    line::{
        endpoint::{self, Registered, Tested},
        messaging,
    },
    platform::{Context, Database, Platform, PlatformError},
    secret::SecretText,
    store::{
        Statement,
        audit::{self, Change},
    },
    web::{Answer, ApiError, Call, Reply, Request, page::Text},
};

/// Where LINE's webhooks arrive.
const PATH: &str = "/line/webhook";

/// How long a caller waits whom LINE finds too fast, in seconds.
const TOO_FAST: &str = "60";

/// The body of `POST /v1/webhooks/setup`; may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetUp {
    /// Whether another tool's address may lose its place.
    #[serde(default)]
    replace: bool,
}

/// `GET /v1/webhooks/setup`: how it stands at LINE. Nothing is changed.
pub async fn show<P: Platform>(cx: Context<'_, P>, site: &Site) -> Result<Reply, ApiError> {
    let ours = site.url(PATH);
    let found = registered(cx, &site.account).await?;
    let to_do = to_do(&ours, found.as_ref(), None);
    Ok(Reply::json(StatusCode::OK, &answer(&ours, found.as_ref(), &to_do)))
}

/// `POST /v1/webhooks/setup`: (1) what is registered at LINE; (2) another tool's address is replaced only if the caller
/// says so, for that tool receives nothing from then on; (3) an entry in the audit log, before LINE changes anything;
/// (4) our address, unless it is there already, and what LINE says now; (5) what came of LINE's test, or why there was
/// none: the address stays registered. May be repeated.
pub async fn set_up<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, ApiError> {
    let SetUp { replace } = if request.bytes().is_empty() { SetUp::default() } else { request.json()? };
    let (ours, account) = (site.url(PATH), &*site.account);
    // (1)
    let before = registered(cx, account).await?;
    // (2)
    let previous = before.as_ref().filter(|before| before.endpoint != ours);
    if let Some(previous) = previous.filter(|_| !replace) {
        return Err(ApiError::conflict("endpoint_of_another", taken(&previous.endpoint)));
    }
    let mut now = before.clone();
    if before.as_ref().is_none_or(|before| before.endpoint != ours) {
        // (3)
        record(cx, account, &ours, previous).await?;
        // (4)
        succeeded(asked(cx, account, |token| endpoint::set(&cx.settings.line, token, &ours)).await?, &ours)?;
        now = registered(cx, account).await?;
    }
    // (5)
    let (tested, untested) = match tested(cx, account, &ours).await {
        Ok(tested) => (Some(tested), None),
        Err(why) => (None, Some(why)),
    };
    let mut to_do = to_do(&ours, now.as_ref(), tested.as_ref());
    if let Some(previous) = previous
        && !is_relayed(cx, account, &previous.endpoint).await?
    {
        to_do.push(said("relay_previous", RELAY));
    }
    let mut answer = answer(&ours, now.as_ref(), &to_do);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("previous".to_owned(), json!(previous.map(|previous| &previous.endpoint)));
        fields.insert("test".to_owned(), json!(tested));
        fields.insert("test_error".to_owned(), json!(untested));
    }
    Ok(Reply::json(StatusCode::OK, &answer))
}

fn taken(address: &str) -> String {
    format!(
        "LINE sends this account's webhooks to {address}, which is not ours; send {{\"replace\": true}} to take its \
         place. That tool then receives nothing from LINE: to keep it working, relay to it first with POST /v1/webhooks/relays"
    )
}

fn answer(ours: &str, found: Option<&Registered>, to_do: &[Value]) -> Value {
    json!({
        "ours": ours,
        "endpoint": found.map(|found| &found.endpoint),
        "is_ours": found.is_some_and(|found| found.endpoint == ours),
        "active": found.map(|found| found.active),
        "to_do": to_do,
    })
}

/// What LINE has registered; none where it has nothing.
async fn registered<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
) -> Result<Option<Registered>, ApiError> {
    let answer = asked(cx, account, |token| endpoint::read(&cx.settings.line, token)).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let answer = succeeded(answer, "")?;
    answer.json().map(Some).ok_or_else(|| unreadable("the webhook endpoint"))
}

/// What came of LINE's test, or why there was none, in words.
async fn tested<P: Platform>(cx: Context<'_, P>, account: &Account, ours: &str) -> Result<Tested, String> {
    let answer = asked(cx, account, |token| endpoint::test(&cx.settings.line, token, ours)).await;
    let answer = answer
        .map_err(|error| error.cause().map_or_else(|| error.description().to_owned(), ToString::to_string))?;
    Tested::of(&answer).ok_or_else(|| match answer.status {
        StatusCode::TOO_MANY_REQUESTS => {
            format!("LINE runs 60 tests an hour, and says: {}", messaging::words(&answer))
        }
        _ => format!("LINE ran no test, and says: {}", messaging::words(&answer)),
    })
}

/// LINE's answer to a call of the Messaging channel's. A token that LINE refuses is drawn anew, once.
async fn asked<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    call: impl Fn(&SecretText) -> Call,
) -> Result<Answer, ApiError> {
    let mut refused = None;
    for _ in 0..2 {
        let token = match channel::messaging_token(cx, account).await {
            Ok(token) => token,
            Err(NoToken::Refused(words)) => return Err(wrong_channel(account, &words)),
            Err(NoToken::Failed(error)) => return Err(error.into()),
        };
        let answer = cx.platform.fetch(call(&token)).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        cx.memory.forget_channel_token(&account.messaging.channel_id);
        refused = Some(answer);
    }
    let words = refused.as_ref().map(messaging::words).unwrap_or_default();
    Err(wrong_channel(account, &words))
}

/// The answer, if LINE did what was asked; else what LINE says, and what to do about it.
fn succeeded(answer: Answer, ours: &str) -> Result<Answer, ApiError> {
    let words = messaging::words(&answer);
    match answer.status {
        status if status.is_success() => Ok(answer),
        StatusCode::TOO_MANY_REQUESTS => {
            let slower = format!("LINE wants fewer calls: {words}; try again in a minute");
            let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", slower);
            Err(error.with(header::RETRY_AFTER, TOO_FAST))
        }
        status if status.is_client_error() => Err(ApiError::conflict(
            "line_refused",
            format!(
                "LINE says: {words}. The account's address {ours} must be https with a host name that everybody can \
                 reach, and have at most {} characters",
                endpoint::MAX_LENGTH
            ),
        )),
        status => Err(PlatformError::NoAnswer(format!("LINE answered HTTP {}", status.as_u16())).into()),
    }
}

fn wrong_channel(account: &Account, words: &str) -> ApiError {
    let host = &account.host;
    ApiError::conflict(
        "line_refused",
        format!(
            "LINE does not know the Messaging API channel by its id and secret, and says: {words}. Compare them with \
             LINE's console (\"Basic settings\"), and correct them with PUT /v1/accounts/{host}"
        ),
    )
}

fn unreadable(what: &str) -> ApiError {
    PlatformError::NoAnswer(format!("LINE's answer about {what} is unreadable")).into()
}

/// Of the address before, the origin alone: what follows may be that tool's secret.
async fn record<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    ours: &str,
    previous: Option<&Registered>,
) -> Result<(), ApiError> {
    let previous = previous.and_then(|previous| origin_of(&previous.endpoint));
    let detail = json!({ "endpoint": ours, "previous": previous });
    let change = Change { actor: "api_key", action: "webhook.set_up", detail };
    let id = crate::id::short(cx.platform.random());
    let entry = audit::append(&account.id, &change, &id, cx.platform.now());
    cx.platform.one(&Database::default(), entry).await?;
    Ok(())
}

/// What a person has still to do, each where it applies.
fn to_do(ours: &str, found: Option<&Registered>, tested: Option<&Tested>) -> Vec<Value> {
    let is_ours = found.is_some_and(|found| found.endpoint == ours);
    let failed = tested.filter(|tested| !tested.success);
    let all = [
        (!is_ours).then_some(("register", REGISTER)),
        found.is_some_and(|found| !found.active).then_some(("use_webhook", USE_WEBHOOK)),
        Some(("webhook_redelivery", REDELIVERY)),
        Some(("error_statistics", STATISTICS)),
        failed.map(|failed| ("test_failed", advice(failed))),
    ];
    all.into_iter().flatten().map(|(what, text)| said(what, text)).collect()
}

fn said(what: &str, Text { ja, en }: Text<'_>) -> Value {
    json!({ "what": what, "ja": ja, "en": en })
}

/// Whether deliveries go on to an address.
async fn is_relayed<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    url: &str,
) -> Result<bool, PlatformError> {
    let look = Statement::new(
        "SELECT 1 AS relayed FROM relays WHERE account = ?1 AND id > '' AND url = ?2 AND paused = 0",
    );
    let rows: Vec<Value> = cx.platform.rows(&account.database, look.bind(&account.id).bind(url)).await?;
    Ok(!rows.is_empty())
}

const RELAY: Text<'static> = Text {
    ja: "previous のアドレスには、LINEからのイベントが届かなくなりました。そのツールを使い続ける場合は、POST /v1/webhooks/relays で転送先に追加してください。",
    en: "The address in previous gets nothing from LINE any more. To keep that tool working, relay to it with \
         POST /v1/webhooks/relays.",
};

const REGISTER: Text<'static> = Text {
    ja: "LINEに登録されているWebhook URLはこのアカウントのものではありません。POST /v1/webhooks/setup で登録してください(反映まで最大1分)。",
    en: "The webhook URL that LINE has is not this account's. Register it with POST /v1/webhooks/setup; LINE takes up to a \
         minute to put it into effect.",
};

const USE_WEBHOOK: Text<'static> = Text {
    ja: "LINE Developersコンソールの「Messaging API設定」タブで「Webhookの利用」をオンにしてください。オフの間、LINEはイベントを送りません。",
    en: "Switch on \"Use webhook\" in the LINE Developers Console, tab \"Messaging API\". While it is off, LINE sends no \
         events.",
};

/// Said wherever something may have been lost.
pub(super) const REDELIVERY: Text<'static> = Text {
    ja: "同じタブで「Webhookの再送」がオンであることを確認してください。初期設定はオフで、APIでは確認も変更もできません。オフのままでは、\
         一時的な障害(503)の間やチャネルシークレットの変更直後に届いたイベントが失われます。",
    en: "Make sure that \"Webhook redelivery\" is on in the same tab. It is off at first, and no API reads or changes it. \
         While it is off, events that meet an outage (503) or a channel secret that was just changed are lost.",
};

const STATISTICS: Text<'static> = Text {
    ja: "同じタブで「エラーの統計情報」もオンにしてください。届かなかったWebhookの原因が「統計情報」タブに表示されます(オンにする前の分は表示されません)。",
    en: "Switch on \"Error statistics aggregation\" there, too: the tab \"Statistics\" then says why webhooks did not arrive. \
         It says nothing of the time before.",
};

/// What LINE's reason asks for.
fn advice(tested: &Tested) -> Text<'static> {
    match (tested.reason.as_str(), tested.status_code) {
        ("COULD_NOT_CONNECT", _) => Text {
            ja: "LINEがこのアドレスに接続できません。DNSの設定と、公的な認証局が発行したTLS証明書を確認してください。",
            en: "LINE cannot connect to this address. Check its DNS entry, and that its TLS certificate is of a public \
                 authority.",
        },
        ("REQUEST_TIMEOUT", _) => Text {
            ja: "2秒以内に応答がありませんでした。もう一度実行し、続く場合はワーカーのログを確認してください。",
            en: "No answer came within two seconds. Run it again, and read the worker's log if it stays so.",
        },
        ("ERROR_STATUS_CODE", 401) => Text {
            ja: "署名が合いません。PUT /v1/accounts/{host} の messaging_channel.secret と bot_user_id が、このチャネルのものか確認してください。",
            en: "The signature or the bot does not match. Check that messaging_channel.secret and bot_user_id of \
                 PUT /v1/accounts/{host} are this channel's.",
        },
        ("ERROR_STATUS_CODE", 403) => Text {
            ja: "ワーカーの手前で拒否されています。CloudflareのBot Fight Modeなど、LINEからのPOSTを止める設定をオフにしてください。",
            en: "Something in front of the worker refuses LINE. Switch off what challenges LINE's POST requests, such as \
                 Cloudflare's Bot Fight Mode.",
        },
        ("ERROR_STATUS_CODE", 421 | 404) => Text {
            ja: "このホスト名のアカウントがありません。ホスト名とルートの設定を確認してください。",
            en: "No account answers at this host name. Check the host name and the worker's routes.",
        },
        _ => Text {
            ja: "LINEのテストが失敗しました。test の reason と detail を確認し、ワーカーのログと照らし合わせてください。",
            en: "LINE's test failed. See reason and detail of test, and compare them with the worker's log.",
        },
    }
}
