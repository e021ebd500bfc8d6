//! LINE's signature over the raw body (`line::webhook::is_signed`): exactly what HMAC-SHA256 by RFC 2104, written out here
//! over SHA-256 alone, says in standard base64.
//!
//! Input: the secret, the claimed signature and the body, one after the other, with line ends between them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use enishi::{line::webhook::is_signed, secret::SecretText};
use sha2::{Digest as _, Sha256};

/// Bytes of SHA-256's block.
const BLOCK: usize = 64;

pub(crate) fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (key, claimed) = (text(), text());
    let body = parts.next().unwrap_or_default();
    let (secret, other) = (SecretText::new(key.clone()), SecretText::new(format!("{key}x")));
    let true_one = STANDARD.encode(hmac(key.as_bytes(), body));
    let of_other = STANDARD.encode(hmac(format!("{key}x").as_bytes(), body));

    assert_eq!(is_signed(body, &claimed, [&secret]), claimed == true_one);
    assert!(is_signed(body, &true_one, [&secret]) && is_signed(body, &true_one, [&other, &secret]));
    assert!(is_signed(body, &of_other, [&secret, &other]));
    assert!(!is_signed(body, &true_one, []) && !is_signed(body, &true_one, [&other]));
    for wrong in [format!("{true_one}="), format!(" {true_one}"), true_one.trim_end_matches('=').to_owned()] {
        assert!(!is_signed(body, &wrong, [&secret]));
    }
    let mut altered = body.to_vec();
    match altered.last_mut() {
        Some(last) => *last ^= 1,
        None => altered.push(0),
    }
    assert!(!is_signed(&altered, &true_one, [&secret]));
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |byte: u8| block.map(|key| key ^ byte);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}
