//! The token exchange for LIFF (RFC 8693): the shop's backend trades the ID token that `liff.getIDToken()` gave its page
//! for tokens of ours. No cookie is set: it would be a third party's, and whoever can plant a token could log somebody in.

use super::{
    error::EndpointError,
    prove::Proven,
    token::{Grant, Granted, always_refresh, fresh, granted, last},
};
use crate::{
    id::{SessionId, Subject},
    line::{self, Expected, IdToken},
    line_keys,
    oauth::Scope,
    platform::{Context, Platform},
    secret::Digest,
    store::{
        grant::Trade,
        line_user::{self, Seen, Shown},
    },
    time::MINUTE,
};

const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// How old a LIFF ID token may be, in milliseconds: it is traded as the page opens.
const MAX_TOKEN_AGE: i64 = 10 * MINUTE;

/// The longest token that is read, in bytes.
const MAX_TOKEN: usize = 8_000;

/// Trades a LIFF ID token: (1) of a confidential client; (2) an ID token for an access token; (3) LINE signed it, for this
/// account's Login channel, not long ago; (4) one batch remembers the customer, claims the token, once, and grants.
pub(super) async fn trade<P: Platform>(
    cx: Context<'_, P>,
    proven: &Proven,
) -> Result<Granted, EndpointError> {
    let Proven { site, client, form } = proven;
    // (1)
    if client.is_public() {
        return Err(EndpointError::UnauthorizedClient("a token exchange needs a confidential client"));
    }
    // (2)
    if form.value("subject_token_type") != Some(ID_TOKEN) {
        return Err(EndpointError::InvalidRequest("subject_token_type must be …:token-type:id_token"));
    }
    if form.value("requested_token_type").is_some_and(|wanted| wanted != ACCESS_TOKEN) {
        return Err(EndpointError::InvalidRequest("requested_token_type must be …:token-type:access_token"));
    }
    let presented =
        form.value("subject_token").ok_or(EndpointError::InvalidRequest("subject_token is missing"))?;
    // (3)
    let token = verified(cx, proven, presented).await?;
    // (4)
    let (now, account) = (cx.platform.now(), &site.account.id);
    let fresh = fresh(cx);
    let seen = Seen::now(&token.line_user_id, Subject::from_random(cx.platform.random()), now);
    let shown = Shown {
        name: token.name.as_deref(),
        picture: token.picture.as_deref(),
        email: token.email.as_deref().map(Some),
    };
    let scope = Scope::parse(form.value("scope").unwrap_or("openid profile"));
    let trade = Trade {
        account,
        client: &client.id,
        token: Digest::of(signed_part(presented).as_bytes()),
        until: token.issued_at + (MAX_TOKEN_AGE + line::LEEWAY),
        line_user_id: &token.line_user_id,
        sid: &SessionId::from_random(cx.platform.random()),
        scope,
        auth_time: token.auth_time.unwrap_or(token.issued_at),
        amr: serde_json::to_string(&token.amr).unwrap_or_default(),
        always_refresh: always_refresh(client),
        fresh: &fresh,
    };
    let mut statements = vec![line_user::seen(account, &[seen], now), trade.claim()];
    // Only the claim's own token tells anything of the customer.
    statements.push(line_user::profile(account, &token.line_user_id, shown).if_changed());
    statements.extend(trade.statements(now));
    let outcomes = cx.platform.batch(&site.account.database, statements).await?;
    let grant: Grant =
        last(&outcomes)?.ok_or(EndpointError::InvalidGrant("this ID token was traded before"))?;
    Ok(Granted { issued_token_type: Some(ACCESS_TOKEN), ..granted(client, grant, fresh) })
}

/// What LINE signed. Not the signature: of a signature of ES256 anybody can make a second one that verifies as well.
fn signed_part(token: &str) -> &str {
    token.rsplit_once('.').map_or(token, |(signed, _)| signed)
}

async fn verified<P: Platform>(
    cx: Context<'_, P>,
    proven: &Proven,
    presented: &str,
) -> Result<IdToken, EndpointError> {
    let refused =
        || EndpointError::InvalidGrant("the ID token is not LINE's, not for this channel, or too old");
    if presented.len() > MAX_TOKEN {
        return Err(refused());
    }
    let expected = Expected { channel_id: &proven.site.account.login.channel_id, nonce: None };
    let token = line_keys::verified(cx, presented, expected).await?.map_err(|_| refused())?;
    if cx.platform.now() - token.issued_at > MAX_TOKEN_AGE {
        return Err(refused());
    }
    Ok(token)
}
