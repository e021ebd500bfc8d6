//! Forged JWTs: everything that is known to have been believed by somebody, made of a good token and of what is public.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use enishi::{oauth::es256, secret::hmac_sha256};
use serde_json::{Value, json};

use crate::support::{claims_of, header_of};

/// The order of P-256, against which the second half of a signature counts.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// JSON as a part of a token.
pub(super) fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token that is signed with HS256 under this key.
pub(super) fn hs256(header: &Value, claims: &Value, key: &[u8]) -> String {
    let input = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(hmac_sha256(key, input.as_bytes()));
    format!("{input}.{signature}")
}

/// A token that is signed with ES256 under a key of the attacker's, which its header brings along.
pub(super) fn es256_of_ours(header: &Value, claims: &Value) -> String {
    let private = es256::private_key([7; 32]).unwrap();
    let kid = header["kid"].as_str().unwrap_or("attacker");
    let mut header = header.clone();
    header["alg"] = json!("ES256");
    header["jwk"] = es256::public_jwk(&private, kid).unwrap();
    header["jku"] = json!("https://evil.example/jwks.json");
    header["x5u"] = json!("https://evil.example/cert.pem");
    let input = format!("{}.{}", part(&header), part(claims));
    let signature = es256::sign(&private, input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// What somebody might take for a secret: the published key in every text that it has.
pub(super) fn public_texts(jwk: &Value) -> Vec<(String, Vec<u8>)> {
    let mut texts = vec![
        ("nothing".to_owned(), Vec::new()),
        ("the key's JSON".to_owned(), jwk.to_string().into_bytes()),
        ("the key's name".to_owned(), jwk["kid"].as_str().unwrap_or_default().as_bytes().to_vec()),
    ];
    for name in ["n", "x", "y"] {
        let Some(text) = jwk[name].as_str() else { continue };
        texts.push((format!("the text of {name}"), text.as_bytes().to_vec()));
        texts.push((format!("the bytes of {name}"), URL_SAFE_NO_PAD.decode(text).unwrap()));
    }
    if let Some(n) = jwk["n"].as_str() {
        let pem = pem(&URL_SAFE_NO_PAD.decode(n).unwrap());
        texts.push(("the key's PEM".to_owned(), pem.trim_end().as_bytes().to_vec()));
        texts.push(("the key's PEM with its last line end".to_owned(), pem.into_bytes()));
    }
    texts
}

/// An RSA key of 2048 bits with exponent 65537 as a PEM (RFC 5280, `SubjectPublicKeyInfo`).
fn pem(modulus: &[u8]) -> String {
    let prefix = STANDARD.decode("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA").unwrap();
    let der = [&prefix, modulus, &[2, 3, 1, 0, 1]].concat();
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// A signature of ES256 that verifies as well as this one: the other root.
pub(super) fn twin(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = 0_i16;
    for place in (0..32).rev() {
        let difference = i16::from(ORDER[place]) - i16::from(bytes[32 + place]) - borrow;
        borrow = i16::from(difference < 0);
        bytes[32 + place] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// A token with another signature.
fn signed(token: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    change(&mut bytes);
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// A token with other claims or another header under its old signature.
pub(super) fn retold(token: &str, header: &Value, claims: &Value) -> String {
    let signature = token.rsplit_once('.').unwrap().1;
    format!("{}.{}.{signature}", part(header), part(claims))
}

/// A header or claims with one member more or another.
pub(super) fn but(value: &Value, name: &str, other: Value) -> Value {
    let mut value = value.clone();
    value[name] = other;
    value
}

/// Forgeries of a good token that keep the name of its key: `claims` is what the attacker wants to be believed, `jwk` the
/// published key, `secrets` what else he may know.
pub(super) fn forgeries(
    token: &str,
    claims: &Value,
    jwk: &Value,
    secrets: &[(&str, &str)],
) -> Vec<(String, String)> {
    let (header, said) = (header_of(token), claims_of(token));
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut all: Vec<(String, String)> = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES256", "PS256", "EdDSA"] {
        let header = but(&header, "alg", json!(alg));
        all.push((
            format!("alg {alg:?} without a signature"),
            format!("{}.{}.", part(&header), part(claims)),
        ));
        all.push((format!("alg {alg:?} with a foreign signature"), retold(token, &header, claims)));
    }
    let secrets = secrets.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
    for (name, key) in public_texts(jwk).into_iter().chain(secrets) {
        let header = but(&header, "alg", json!("HS256"));
        all.push((format!("HS256 under {name}"), hs256(&header, claims, &key)));
    }
    all.push(("a key that the token brings along".to_owned(), es256_of_ours(&header, claims)));
    let bits = signature.len() * 6 / 8;
    for place in [0, bits / 3, bits / 2, bits - 1] {
        all.push((format!("a bit of byte {place}"), signed(token, |bytes| bytes[place] ^= 1)));
    }
    all.push(("a short signature".to_owned(), signed(token, |bytes| bytes.truncate(bits - 1))));
    all.push(("a long signature".to_owned(), signed(token, |bytes| bytes.push(0))));
    all.push(("a signature of zeros".to_owned(), signed(token, |bytes| bytes.fill(0))));
    all.push(("a signature of ones".to_owned(), signed(token, |bytes| bytes.fill(0xff))));
    all.push(("halves exchanged".to_owned(), signed(token, |bytes| bytes.rotate_left(bits / 2))));
    for (name, value) in claims.as_object().unwrap() {
        if said[name] != *value {
            let told = but(&said, name, value.clone());
            all.push((format!("another {name}"), retold(token, &header, &told)));
        }
    }
    all.push(("claims in another order".to_owned(), retold(token, &header, &but(&said, "zzz", json!(1)))));
    let padded = |text: &str| URL_SAFE.encode(URL_SAFE_NO_PAD.decode(text).unwrap());
    let [head, body] = [0, 1].map(|at| input.split('.').nth(at).unwrap().to_owned());
    let whole: [(&str, String); 13] = [
        ("nothing signed", input.to_owned()),
        ("no signature", format!("{input}.")),
        ("a part more", format!("{token}.{signature}")),
        ("five parts", format!("{token}.a.b")),
        ("parts exchanged", format!("{body}.{head}.{signature}")),
        ("no header", format!(".{body}.{signature}")),
        ("no claims", format!("{head}..{signature}")),
        ("padding", format!("{head}.{body}.{}==", padded(signature).trim_end_matches('='))),
        ("a space", format!("{token} ")),
        ("a line end", format!("{head}\n.{body}.{signature}")),
        ("JSON", json!({ "protected": head, "payload": body, "signature": signature }).to_string()),
        ("dots", "..".to_owned()),
        ("words", "a.b.c".to_owned()),
    ];
    all.extend(whole.into_iter().map(|(name, token)| (name.to_owned(), token)));
    all
}

#[test]
fn the_twin_of_a_signature_verifies_under_the_same_key() {
    let private = es256::private_key([1; 32]).unwrap();
    let signature = es256::sign(&private, b"a.b").unwrap();
    let token = format!("a.b.{}", URL_SAFE_NO_PAD.encode(&signature));
    let other = URL_SAFE_NO_PAD.decode(twin(&token).rsplit_once('.').unwrap().1).unwrap();
    assert_ne!(other, signature);
    assert!(es256::verifies(&es256::public_jwk(&private, "k").unwrap(), b"a.b", &other), "such is ECDSA");
}
