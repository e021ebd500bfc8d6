//! RSA and randomness by WebCrypto: RSA does not run in wasm at a bearable price. A private key is imported once and
//! kept by the isolate under its `kid`.

use std::{cell::RefCell, collections::HashMap};

use js_sys::{Array, ArrayBuffer, JSON, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Crypto, CryptoKey, CryptoKeyPair, SubtleCrypto};

use crate::secret::SecretText;

thread_local! {
    static CRYPTO: Option<Crypto> =
        Reflect::get(&js_sys::global(), &JsValue::from_str("crypto")).ok().and_then(|c| c.dyn_into().ok());
    static PRIVATE: RefCell<HashMap<String, CryptoKey>> = RefCell::new(HashMap::new());
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

/// The signature of `input` under a private JWK, which is imported once and kept under its `kid`.
pub(super) async fn sign(kid: &str, private_jwk: &SecretText, input: &[u8]) -> Result<Vec<u8>, JsValue> {
    let known = PRIVATE.with(|keys| keys.borrow().get(kid).cloned());
    let key = if let Some(key) = known {
        key
    } else {
        let key = import(private_jwk.expose(), "sign").await?;
        PRIVATE.with(|keys| keys.borrow_mut().insert(kid.to_owned(), key.clone()));
        key
    };
    let signature = settled(subtle()?.sign_with_object_and_u8_array(&algorithm()?, &key, input)?).await?;
    Ok(Uint8Array::new(&signature.unchecked_into::<ArrayBuffer>()).to_vec())
}

/// Whether `signature` is the one of `input` under a public JWK.
pub(super) async fn verify(public_jwk: &str, input: &[u8], signature: &[u8]) -> Result<bool, JsValue> {
    let key = import(public_jwk, "verify").await?;
    let (signature, input) = (Uint8Array::from(signature), Uint8Array::from(input));
    let verified = subtle()?.verify_with_object_and_js_u8_array_and_js_u8_array(
        &algorithm()?,
        &key,
        &signature,
        &input,
    )?;
    Ok(settled(verified).await?.is_truthy())
}

async fn import(jwk: &str, usage: &str) -> Result<CryptoKey, JsValue> {
    let jwk: Object = JSON::parse(jwk)?.unchecked_into();
    let usages = Array::of1(&usage.into());
    let promise = subtle()?.import_key_with_object("jwk", &jwk, &algorithm()?, false, &usages)?;
    Ok(settled(promise).await?.unchecked_into())
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
