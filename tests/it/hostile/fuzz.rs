//! Requests with bytes changed at random, by seed: whatever comes, the answer is in good order, and leads nowhere else.

use enishi::web::{Reply, Request};
use enishi_world::{ACCOUNT, LINE, World, line_simulator::LiffLogin};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::json;

use super::{
    at,
    html::{assert_page, html, is_page, ways},
    linking::{at_consent, pushed},
    location, logged_in, posted, text, with_bearer,
};
use crate::support::{Browser, Consent, Stage, for_each_seed_of};

/// Requests that are good, of every kind that reads what it is sent.
fn good(stage: &Stage) -> Vec<Request> {
    let (world, shop) = (&stage.world, &stage.shop);
    let (customer, _, tokens) = stage.logged_in(shop, "openid offline_access");
    let [access, refresh, hint] =
        ["access_token", "refresh_token", "id_token"].map(|name| text(&tokens, name));
    let (login, code) = logged_in(stage, shop, "code");
    let (_, opening) = pushed(stage, shop, "opened", "m-1");
    let mut linking = Browser::of(world, &stage.person("太郎"));
    let sealed = at_consent(world, &mut linking, &opening);
    let mut arriving = Browser::of(world, &stage.person("次郎"));
    let started = arriving.go(&shop.begin("arriving").url);
    let callback = arriving.at_line(&started.location.unwrap(), Consent::Plain);
    let (_, unopened) = pushed(stage, shop, "unopened", "m-2");
    let liff = LiffLogin::new(stage.person("三郎"), ACCOUNT.login_channel);
    let now = world.now().0;
    let liff = world.line().liff_id_token(now, &liff).unwrap();
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("subject_token", liff.as_str()),
    ];
    let renewal = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("scope", "openid")];
    let logout = [("id_token_hint", hint.as_str()), ("state", "s"), ("client_id", shop.client_id.as_str())];
    let silent = shop.begin("silent").with("prompt", "none").with("id_token_hint", &hint);
    let posting = shop.begin("posting").with("response_mode", "form_post").with("max_age", "60");
    let pairs: Vec<(String, String)> =
        url::Url::parse(&shop.begin("par").url).unwrap().query_pairs().into_owned().collect();
    let fields: Vec<(&str, &str)> =
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut client = with_bearer(http::Method::POST, &at("/v1/clients"), &shop.api_key);
    let body = json!({ "name": "店", "redirect_uris": ["https://shop.example/callback"], "login_start_template": "https://shop.example/?r={target}" });
    client.body = Some(body.to_string().into_bytes());
    vec![
        customer.request(&shop.begin("plain").url),
        customer.request(&silent.url),
        customer.request(&posting.url),
        customer.request(&shop.logout_url(&logout)),
        posted(&customer, &at("/logout/confirm"), &[("choice", "stay"), ("client_id", &shop.client_id)]),
        arriving.request(&callback),
        posted(&linking, &at("/line/consent"), &[("state", &sealed), ("choice", "allow")]),
        posted(&linking, &at("/line/email"), &[("state", &sealed), ("choice", "verify"), ("code", "123456")]),
        arriving.request(&format!("{}?client_id={}&checked=1", at("/line/retry"), shop.client_id)),
        arriving.request(&unopened),
        shop.request("/par", &fields),
        shop.token_request(&code, &login.verifier),
        shop.request("/token", &renewal),
        shop.request("/token", &exchange),
        shop.request("/revoke", &[("token", "x")]),
        with_bearer(http::Method::GET, &at("/userinfo"), &access),
        client,
    ]
}

/// Changes some bytes: another, one less, one more, a piece twice, a piece gone, or one of those that parsers trip over.
fn changed(world: &World, bytes: &[u8]) -> Vec<u8> {
    const ODD: [&[u8]; 18] = [
        b"%",
        b"%00",
        b"%ff",
        b"\0",
        b"\r\n",
        b"&",
        b"=",
        b"+",
        b".",
        b"..",
        b"\xff",
        b"\xe3\x81",
        b"<",
        b"\"",
        b"//",
        b"{",
        b"9999999999999999999999",
        b"state=x&",
    ];
    let mut bytes = bytes.to_vec();
    for _ in 0..=world.below(3) {
        let place = world.below(bytes.len() + 1);
        let end = (place + 1 + world.below(12)).min(bytes.len());
        match world.below(6) {
            0 if place < bytes.len() => bytes[place] ^= 1 << world.below(8),
            1 if place < bytes.len() => _ = bytes.remove(place),
            2 => bytes.insert(place, u8::try_from(world.below(256)).unwrap()),
            3 if place < end => {
                let piece = bytes[place..end].to_vec();
                bytes.splice(place..place, piece);
            }
            4 if place < end => _ = bytes.drain(place..end),
            _ => _ = bytes.splice(place..place, ODD[world.below(ODD.len())].iter().copied()),
        }
    }
    bytes
}

/// A request with one of its parts changed.
pub(super) fn mutated(world: &World, request: &Request) -> Request {
    let mut request = request.clone();
    let in_text = |text: &str| String::from_utf8_lossy(&changed(world, text.as_bytes())).into_owned();
    match world.below(5) {
        0 => request.path = in_text(&request.path),
        1 => change_header(world, &mut request.headers, header::COOKIE),
        2 => change_header(world, &mut request.headers, header::AUTHORIZATION),
        _ if request.query.is_empty() => {
            request.body = request.body.map(|body| changed(world, &body));
        }
        _ => request.query = in_text(&request.query),
    }
    request
}

fn change_header(world: &World, headers: &mut HeaderMap, name: HeaderName) {
    let value = headers.get(&name).map(|value| changed(world, value.as_bytes()));
    if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(&value).ok()) {
        headers.insert(name, value);
    }
}

/// Every way of a reply leads to us, to LINE, or to what the shop registered.
fn assert_in_good_order(stage: &Stage, reply: &Reply, request: &Request) {
    let what = || {
        format!(
            "{} {}?{:.200}: {} {:?}",
            request.method, request.path, request.query, reply.status, reply.reason
        )
    };
    assert!(reply.status.as_u16() < 500, "{}", what());
    let shop = &stage.shop;
    let known = [
        shop.redirect_uri.as_str(),
        &shop.home_uri,
        ACCOUNT.issuer,
        LINE,
        "/enishi.css",
        "/line/",
        "/logout/confirm",
        "/v1/clients/",
    ];
    let mut to: Vec<String> = location(reply).map(str::to_owned).into_iter().collect();
    if is_page(reply) {
        assert_page(reply);
        to.extend(ways(&html(reply)));
    }
    for way in to {
        assert!(known.iter().any(|known| way.starts_with(known)), "{} leads to {way}", what());
    }
}

#[test]
fn prove_bytes_make_no_answer_of_bad_order_and_no_way_elsewhere() {
    for_each_seed_of("hostile bytes", 60, |seed| {
        let stage = Stage::new(seed);
        let requests = good(&stage);
        let (mut served, mut good) = (0, 0);
        for _ in 0..100 {
            for request in &requests {
                let request = mutated(&stage.world, request);
                let reply = stage.world.answer(request.clone());
                assert_in_good_order(&stage, &reply, &request);
                served += 1;
                good += u64::from(reply.status.as_u16() < 400);
            }
        }
        assert!(stage.count("links") == 0 && stage.count("accounts") == 1);
        vec![("requests", served), ("answered as if good", good)]
    });
}
