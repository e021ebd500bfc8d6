//! Config OP: the metadata that clients configure themselves by.

use std::rc::Rc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use enishi::{
    config::{Account, Credential, FriendAdd, LoginChannel, MessagingChannel, Site},
    id::{AccountId, BotUserId},
    oauth::metadata,
    platform::Database,
    secret::SecretText,
};
use enishi_world::ACCOUNT;
use http::header;
use serde_json::Value;

use super::{discovery, names};
use crate::support::{Stage, json_body};

/// Members of a JWK that only its owner may know (RFC 7518 sections 6.2.2, 6.3.2 and 6.4).
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "x5u"];

/// The members of the metadata that are addresses.
pub(super) fn endpoints(document: &Value) -> Vec<(&str, &str)> {
    let is_address = |name: &str| name.ends_with("_endpoint") || name.ends_with("_uri");
    let fields = document.as_object().expect("an object").iter().filter(|(name, _)| is_address(name));
    fields.map(|(name, value)| (name.as_str(), value.as_str().expect("an address"))).collect()
}

/// The metadata of an account that is deployed at this host name.
pub(super) fn deployed(host: &str) -> Value {
    let account = Account {
        id: AccountId::parse("a").unwrap(),
        host: host.to_owned(),
        name: "店".to_owned(),
        database: Database::default(),
        login: LoginChannel {
            channel_id: ACCOUNT.login_channel.to_owned(),
            credential: Credential::Secret(SecretText::new(String::new())),
            email_permission: false,
        },
        messaging: MessagingChannel {
            channel_id: ACCOUNT.messaging_channel.to_owned(),
            secret: SecretText::new(String::new()),
            previous_secret: None,
            bot_user_id: BotUserId::parse(ACCOUNT.bot_user_id).unwrap(),
        },
        friend_add: FriendAdd::Off,
        clients: Vec::new(),
        api_keys: Vec::new(),
        signing_keys: Vec::new(),
        webhook_endpoint: None,
        repliers: std::collections::BTreeMap::default(),
        sending: enishi::config::Sending::default(),
    };
    metadata::discovery(&Site::new(Rc::new(account), "whatever the request said:8787"), enishi_world::BEGIN)
}

#[test]
fn oidcc_discovery_endpoint_verification() {
    let stage = Stage::new(1);
    let url = format!("{}/.well-known/openid-configuration", ACCOUNT.issuer);
    let reply = stage.world.get(&url);
    assert_eq!(
        (reply.status.as_u16(), &reply.headers[header::CONTENT_TYPE]),
        (200, &"application/json".parse().unwrap())
    );
    let document = json_body(&reply);
    assert_eq!(document["issuer"], url.trim_end_matches("/.well-known/openid-configuration"));

    // What lists must hold.
    assert_eq!(names(&document["response_types_supported"]), ["code"]);
    assert_eq!(names(&document["subject_types_supported"]), ["public"]);
    assert_eq!(names(&document["code_challenge_methods_supported"]), ["S256"]);
    assert_eq!(names(&document["id_token_signing_alg_values_supported"]), ["RS256"]);
    for (list, member) in [
        ("grant_types_supported", "authorization_code"),
        ("scopes_supported", "openid"),
        ("claims_supported", "sub"),
        ("response_modes_supported", "query"),
        ("token_endpoint_auth_methods_supported", "client_secret_basic"),
    ] {
        assert!(names(&document[list]).contains(&member), "{list}: {document}");
    }
    let is_token = |name: &str| name.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    assert!(names(&document["scopes_supported"]).iter().all(|name| is_token(name)));
    let is_language = |tag: &str| tag.len() == 2 && tag.bytes().all(|byte| byte.is_ascii_lowercase());
    assert!(names(&document["ui_locales_supported"]).iter().all(|tag| is_language(tag)));

    assert_eq!(document["authorization_response_iss_parameter_supported"], true);

    // What is not offered says so, because its absence would mean yes (`request_uri`) or nothing.
    for flag in
        ["request_parameter_supported", "request_uri_parameter_supported", "claims_parameter_supported"]
    {
        assert_eq!(document[flag], false, "{flag}");
    }
    assert!(document.get("registration_endpoint").is_none(), "clients are registered by the shop's own hand");

    // Addresses: below the issuer, and https wherever the provider is deployed.
    let local = endpoints(&document);
    for needed in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
        assert!(local.iter().any(|(name, _)| *name == needed), "{needed}");
    }
    assert!(local.iter().all(|(_, url)| url.starts_with(&format!("{}/", ACCOUNT.issuer))), "{local:?}");
    let public = deployed("line.shop.example");
    assert_eq!(public["issuer"], "https://line.shop.example");
    let public = endpoints(&public);
    assert_eq!(public.len(), local.len());
    assert!(public.iter().all(|(_, url)| url.starts_with("https://line.shop.example/")), "{public:?}");

    // Keys: public ones only, each with a name of its own.
    let keys = json_body(&stage.world.get(document["jwks_uri"].as_str().unwrap()));
    let keys = keys["keys"].as_array().expect("keys");
    let mut kids: Vec<&str> = keys.iter().map(|key| key["kid"].as_str().expect("a name")).collect();
    kids.sort_unstable();
    kids.dedup();
    assert_eq!((kids.len(), keys.is_empty()), (keys.len(), false));
    for key in keys {
        assert_eq!((&key["use"], &key["kty"], &key["alg"]), (&"sig".into(), &"RSA".into(), &"RS256".into()));
        assert!(PRIVATE.iter().all(|member| key.get(member).is_none()), "{key}");
        let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
        assert!(modulus.len() * 8 >= 2_048 && modulus[0] >= 0x80, "{key}");
    }
    assert_eq!(discovery(&stage), document, "and it says the same to everybody");
}
