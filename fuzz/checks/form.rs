//! Parameters and the places of pages (`web::form`, `web::keyset`): what is read is written so that it is read as the same;
//! what is appended to a URL comes after what was there, and changes nothing of it.
//!
//! Input: a query or form body.

use enishi::web::{
    form::{Form, with_query},
    keyset,
};
use url::Url;

pub(crate) fn check(data: &[u8]) {
    let Ok(form) = Form::parse(data) else { return };
    assert_eq!(Form::parse(form.encoded().as_bytes()).as_ref(), Ok(&form));
    let more = form.with("enishi", "縁&=+%");
    assert_eq!(more.value("enishi"), Some("縁&=+%"));
    assert_eq!(Form::parse(more.encoded().as_bytes()), Ok(more));
    if let Ok(limit) = form.limit(100, 1_000) {
        assert!((1..=1_000).contains(&limit));
    }
    if let Ok(Some((at, name))) = keyset::at_place(&form) {
        assert!(at.0 >= 0);
        assert_eq!(keyset::read_place(&keyset::place(at, name)), Ok((at, name)));
    }
    if let Some(uri) = form.value("uri") {
        appended(uri, form.value("state").unwrap_or_default());
    }
}

fn appended(uri: &str, state: &str) {
    let whole = with_query(uri, &[("code", "a b"), ("state", state)]);
    let Ok(before) = Url::parse(uri) else {
        assert_eq!(whole, uri);
        return;
    };
    let after = Url::parse(&whole).expect("a URL stays one");
    let pairs = |url: &Url| -> Vec<(String, String)> { url.query_pairs().into_owned().collect() };
    let mut expected = pairs(&before);
    expected.extend([("code".to_owned(), "a b".to_owned()), ("state".to_owned(), state.to_owned())]);
    assert_eq!(pairs(&after), expected);
    assert_eq!(after.origin().ascii_serialization(), before.origin().ascii_serialization());
    assert_eq!((after.path(), after.fragment()), (before.path(), before.fragment()));
}
