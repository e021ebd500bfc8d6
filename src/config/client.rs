//! A storefront as it is registered: who it is, where it may be answered, and what was agreed with it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::{FriendAdd, is_acceptable_page, origin_of};
use crate::{
    id::ClientId,
    oauth::SignatureAlgorithm,
    secret::{Digest, SecretText},
    time::UnixMillis,
    web::form::with_query,
};

/// Secrets that are valid at once: two, while one is rotated.
pub const MAX_SECRETS: usize = 2;

/// Clients of one account.
pub const MAX_CLIENTS: usize = 100;

/// A storefront registered as an OpenID Connect relying party.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Client {
    /// `client_id`.
    pub id: ClientId,
    /// The shop's name as customers read it.
    pub name: String,
    /// Its secrets, at most [`MAX_SECRETS`]; none makes it a public client.
    pub secrets: Vec<ClientSecret>,
    /// The exact redirect URIs.
    pub redirect_uris: Vec<String>,
    /// Where a logout may lead, exactly.
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where others start a login (OpenID Connect Core section 4).
    pub initiate_login_uri: Option<String>,
    /// Where others start a login at a shop that knows no section 4: with `{target}` or `{target_path}`.
    #[serde(default)]
    pub login_start_template: Option<String>,
    /// Where a customer goes when nothing else is known.
    pub home_uri: String,
    /// Origins that links of ours may lead to, beside those of the URIs above.
    #[serde(default)]
    pub target_origins: Vec<String>,
    /// Where it is told that a session has ended (OpenID Connect Back-Channel Logout section 2.2).
    #[serde(default)]
    pub backchannel_logout_uri: Option<String>,
    /// How it proves itself; none: by either use of its secret.
    #[serde(default)]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// Whether a request without a PKCE challenge is refused.
    #[serde(default = "yes")]
    pub require_pkce: bool,
    /// The algorithm of its ID tokens.
    #[serde(default)]
    pub id_token_signed_response_alg: SignatureAlgorithm,
    /// When it receives a refresh token.
    #[serde(default)]
    pub refresh_tokens: RefreshTokens,
    /// What makes an e-mail address verified for it.
    #[serde(default)]
    pub email_verification: EmailVerification,
    /// How its logins offer to add the Official Account as a friend; none: as the account says.
    #[serde(default)]
    pub friend_add: Option<FriendAdd>,
    /// Since when there has been a client of this id: what one of before was granted is not this one's.
    #[serde(default)]
    pub created_at: UnixMillis,
}

/// One secret of a client, as it is stored; it may be stored as its digest alone, as it once was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredSecret")]
pub struct ClientSecret {
    /// Its digest.
    pub digest: Digest,
    /// When it was made.
    pub created_at: UnixMillis,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StoredSecret {
    Digest(Digest),
    Dated { digest: Digest, created_at: UnixMillis },
}

impl From<StoredSecret> for ClientSecret {
    fn from(stored: StoredSecret) -> Self {
        match stored {
            StoredSecret::Digest(digest) => Self { digest, created_at: UnixMillis(0) },
            StoredSecret::Dated { digest, created_at } => Self { digest, created_at },
        }
    }
}

impl ClientSecret {
    /// A secret as it is stored from `now` on.
    #[must_use]
    pub fn new(secret: &SecretText, now: UnixMillis) -> Self {
        Self { digest: secret.digest(), created_at: now }
    }

    /// The name by which it is removed: it tells nothing of the secret that its digest would not.
    #[must_use]
    pub fn id(&self) -> &str {
        self.digest.as_str().get(..12).unwrap_or_default()
    }
}

/// `token_endpoint_auth_method` (RFC 7591 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// HTTP Basic.
    ClientSecretBasic,
    /// In the form.
    ClientSecretPost,
    /// A public client.
    None,
}

/// When a client receives a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshTokens {
    /// With scope `offline_access` (OpenID Connect Core section 11).
    #[default]
    OfflineAccess,
    /// With every login, for clients that cannot ask for that scope.
    Always,
}

/// What makes an e-mail address verified for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailVerification {
    /// Nothing: `email_verified` is true only where another client's customer has proven the address to us.
    #[default]
    None,
    /// The customer repeats a code that the shop mailed, before the login completes.
    Code,
    /// The client trusts whatever address LINE names; the decision is in the audit log.
    TrustLine,
}

impl Client {
    /// The client as the API shows it: all but its secrets, of which only names and ages are told.
    #[must_use]
    pub fn shown(&self) -> Value {
        let secrets: Vec<Value> = self
            .secrets
            .iter()
            .map(|secret| json!({ "id": secret.id(), "created_at": secret.created_at.rfc3339() }))
            .collect();
        let mut shown = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = shown.as_object_mut() {
            fields.remove("id");
            fields.insert("created_at".to_owned(), json!(self.created_at.rfc3339()));
            fields.insert("client_id".to_owned(), json!(self.id));
            fields.insert("secrets".to_owned(), json!(secrets));
        }
        shown
    }

    /// Whether the client must send a PKCE challenge: a public client always must (RFC 9700 section 2.1.1).
    #[must_use]
    pub fn must_use_pkce(&self) -> bool {
        self.require_pkce || self.is_public()
    }

    /// Whether the client has no secret (RFC 6749 section 2.1).
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Whether the secret is one of the client's, in time that does not tell which.
    #[must_use]
    pub fn has_secret(&self, secret: &str) -> bool {
        self.secrets.iter().filter(|known| known.digest.is_of(secret)).count() > 0
    }

    /// Whether the redirect URI is registered, character by character.
    #[must_use]
    pub fn may_return_to(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| registered == uri)
    }

    /// Whether a logout may lead to this URI, character by character.
    #[must_use]
    pub fn may_log_out_to(&self, uri: &str) -> bool {
        self.post_logout_redirect_uris.iter().any(|registered| registered == uri)
    }

    /// Whether links and logins may lead to this page: at an origin of the client's own URIs, or at one of
    /// `target_origins`, compared as a browser would read it.
    #[must_use]
    pub fn may_lead_to(&self, target: &str, account_host: &str) -> bool {
        let own = self.redirect_uris.iter().chain(&self.initiate_login_uri).chain([&self.home_uri]);
        let is_own = |origin: &str| {
            self.target_origins.iter().any(|known| known == origin)
                || own.clone().any(|uri| origin_of(uri).as_deref() == Some(origin))
        };
        is_acceptable_page(target, account_host) && origin_of(target).is_some_and(|origin| is_own(&origin))
    }

    /// Where this client's logins start: by OpenID Connect Core section 4, by its own template, or at the target itself,
    /// which is the home page unless another is named. By section 4 the client hands the ticket, if there is one, back to
    /// us as `login_hint`; the others' browsers carry it.
    #[must_use]
    pub fn login_start(&self, issuer: &str, target: Option<&str>, ticket: Option<&str>) -> String {
        if let Some(uri) = &self.initiate_login_uri {
            let mut parameters = vec![("iss", issuer)];
            parameters.extend(target.map(|target| ("target_link_uri", target)));
            parameters.extend(ticket.map(|ticket| ("login_hint", ticket)));
            return with_query(uri, &parameters);
        }
        let target = target.unwrap_or(&self.home_uri);
        let Some(template) = &self.login_start_template else { return target.to_owned() };
        let path =
            Url::parse(target).map(|url| url[url::Position::BeforePath..].to_owned()).unwrap_or_default();
        template.replace("{target}", &encoded(target)).replace("{target_path}", &encoded(&path))
    }

    /// The origins from which a page of a public client may call us (RFC 6454).
    #[must_use]
    pub fn browser_origins(&self) -> HashSet<String> {
        let uris = self.redirect_uris.iter().filter(|_| self.is_public());
        uris.filter_map(|uri| origin_of(uri)).collect()
    }
}

/// Text as the value of a query parameter.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

pub(super) fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(initiate_login_uri: Option<&str>, login_start_template: Option<&str>) -> Client {
        let client = json!({
            "id": "shop", "name": "shop", "secrets": [], "redirect_uris": ["https://shop.example/callback"],
            "home_uri": "https://shop.example/", "initiate_login_uri": initiate_login_uri,
            "login_start_template": login_start_template,
        });
        serde_json::from_value(client).unwrap()
    }

    #[test]
    fn a_login_starts_by_section_4_or_by_the_shops_own_template_or_at_the_target_itself() {
        let issuer = "https://line.shop.example";
        let target = "https://shop.example/tea?kind=新茶&x=1";
        let start = |client: &Client, target| client.login_start(issuer, target, None);
        let standard = client(Some("https://shop.example/login?by=line"), None);
        assert_eq!(
            start(&standard, Some(target)),
            "https://shop.example/login?by=line&iss=https%3A%2F%2Fline.shop.example\
             &target_link_uri=https%3A%2F%2Fshop.example%2Ftea%3Fkind%3D%E6%96%B0%E8%8C%B6%26x%3D1"
        );
        let shopify =
            client(None, Some("https://shop.example/customer_authentication/login?return_to={target_path}"));
        assert_eq!(
            start(&shopify, Some(target)),
            "https://shop.example/customer_authentication/login?return_to=%2Ftea%3Fkind%3D%25E6%2596%25B0%25E8%258C%25B6%26x%3D1"
        );
        let whole = client(None, Some("https://shop.example/login?to={target}"));
        assert_eq!(start(&whole, None), "https://shop.example/login?to=https%3A%2F%2Fshop.example%2F");
        let none = client(None, None);
        assert_eq!(start(&none, Some(target)), target);
        assert_eq!(start(&none, None), "https://shop.example/");
    }

    #[test]
    fn a_ticket_goes_along_only_where_the_client_hands_it_back() {
        let start = |client: Client| client.login_start("https://l.example", None, Some("v1.t"));
        let standard = start(client(Some("https://shop.example/login"), None));
        assert_eq!(standard, "https://shop.example/login?iss=https%3A%2F%2Fl.example&login_hint=v1.t");
        let template = start(client(None, Some("https://shop.example/login?to={target}")));
        assert_eq!(template, "https://shop.example/login?to=https%3A%2F%2Fshop.example%2F");
    }

    #[test]
    fn a_client_leads_to_pages_of_its_own_origins_and_to_no_likeness_of_them() {
        let mut client = client(Some("https://login.example:8443/start"), None);
        client.target_origins = vec!["https://sale.example".to_owned()];
        for page in [
            "https://shop.example",
            "https://shop.example/tea?kind=%E6%96%B0%E8%8C%B6&x=1#reviews",
            "https://SHOP.example:443/",
            "https://login.example:8443/",
            "https://sale.example/today",
        ] {
            assert!(client.may_lead_to(page, "line.shop.example"), "{page}");
        }
        for page in [
            "",
            "/tea",
            "//shop.example/",
            "http://shop.example/",
            "https://shop.example:8443/",
            "https://login.example/",
            "https://shop.example.evil.example/",
            "https://www.shop.example/",
            "https://u@shop.example/",
            "https://shop.example\\@evil.example/",
            "https://evil.example\\@shop.example/",
            "https:/\\shop.example/",
            "https:shop.example/",
            "https://shop.example/\t",
            " https://shop.example/",
            "https://shop.example/新茶",
            "https://shop.example/#a#b",
            "https://shop.example/#\\",
            "javascript:alert(1)//https://shop.example/",
        ] {
            assert!(!client.may_lead_to(page, "line.shop.example"), "{page}");
        }
        assert!(
            !client.may_lead_to(&format!("https://shop.example/{}", "a".repeat(1_500)), "line.shop.example")
        );
    }
}
