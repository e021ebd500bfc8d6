//! RSA and randomness by WebCrypto: RSA does not run in wasm at a bearable price. A private key is imported once and
//! kept by the isolate under its `kid`.

use std::{cell::RefCell, collections::HashMap};

use js_sys::{Array, ArrayBuffer, JSON, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Crypto, CryptoKey, CryptoKeyPair, SubtleCrypto};

use crate::{platform::SigningKey, secret::SecretText};

thread_local! {
    static CRYPTO: Option<Crypto> =
        Reflect::get(&js_sys::global(), &JsValue::from_str("crypto")).ok().and_then(|c| c.dyn_into().ok());
    static KEYS: RefCell<HashMap<String, CryptoKey>> = RefCell::new(HashMap::new());
}

/// Fills bytes from the runtime's generator. A runtime without one must not run at all.
pub(super) fn fill_random(bytes: &mut [u8]) {
    let filled = CRYPTO.with(|crypto| {
        crypto.as_ref().is_some_and(|crypto| crypto.get_random_values_with_u8_array(bytes).is_ok())
    });
    assert!(filled, "the runtime has no cryptographic generator");
}

fn subtle() -> Result<SubtleCrypto, JsValue> {
    CRYPTO.with(|crypto| crypto.as_ref().map(Crypto::subtle).ok_or_else(|| JsValue::from_str("no WebCrypto")))
}

/// An RSA 2048 key as a private JWK.
pub(super) async fn generate() -> Result<SecretText, JsValue> {
    let algorithm = algorithm()?;
    let exponent = Uint8Array::from([1, 0, 1].as_slice());
    Reflect::set(&algorithm, &"modulusLength".into(), &2048.into())?;
    Reflect::set(&algorithm, &"publicExponent".into(), &exponent)?;
    let usages = Array::of2(&"sign".into(), &"verify".into());
    let pair: CryptoKeyPair =
        settled(subtle()?.generate_key_with_object(&algorithm, true, &usages)?).await?.unchecked_into();
    let jwk = settled(subtle()?.export_key("jwk", &pair.get_private_key())?).await?;
    Ok(SecretText::new(JSON::stringify(&jwk)?.into()))
}

/// The signature of `input` under `key`.
pub(super) async fn sign(key: &SigningKey, input: &[u8]) -> Result<Vec<u8>, JsValue> {
    let known = KEYS.with(|keys| keys.borrow().get(&key.kid).cloned());
    let imported = match known {
        Some(imported) => imported,
        None => import(key).await?,
    };
    let signature =
        settled(subtle()?.sign_with_object_and_u8_array(&algorithm()?, &imported, input)?).await?;
    Ok(Uint8Array::new(&signature.unchecked_into::<ArrayBuffer>()).to_vec())
}

async fn import(key: &SigningKey) -> Result<CryptoKey, JsValue> {
    let jwk: Object = JSON::parse(key.private_jwk.expose())?.unchecked_into();
    let usages = Array::of1(&"sign".into());
    let promise = subtle()?.import_key_with_object("jwk", &jwk, &algorithm()?, false, &usages)?;
    let imported: CryptoKey = settled(promise).await?.unchecked_into();
    KEYS.with(|keys| keys.borrow_mut().insert(key.kid.clone(), imported.clone()));
    Ok(imported)
}

fn algorithm() -> Result<Object, JsValue> {
    let algorithm = Object::new();
    Reflect::set(&algorithm, &"name".into(), &"RSASSA-PKCS1-v1_5".into())?;
    Reflect::set(&algorithm, &"hash".into(), &"SHA-256".into())?;
    Ok(algorithm)
}

async fn settled(promise: impl Into<Promise>) -> Result<JsValue, JsValue> {
    JsFuture::from(promise.into()).await
}
