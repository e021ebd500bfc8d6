//! Which URIs a shop may register, be led to and be called at (`config`): one that is accepted means the same to a browser
//! as it stands, says nothing of a user, and nobody is called at an address inside a network.
//!
//! Input: the account's host name and the URI, in two lines.

use enishi::config::{is_acceptable_page, is_acceptable_target, is_acceptable_uri, is_local, origin_of};
use url::{Host, Url};

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (host, uri) = text.split_once('\n').unwrap_or(("shop.example", text));
    if is_acceptable_target(uri, host) {
        assert!(is_acceptable_uri(uri, host));
        let url = Url::parse(uri).expect("a URL");
        assert!(is_local(host) || matches!(url.host(), Some(Host::Domain(name)) if name.contains('.')));
        assert!(is_local(host) || !url.host_str().is_some_and(is_local));
    }
    if is_acceptable_page(uri, host) {
        let page = uri.split('#').next().unwrap_or_default();
        assert!(is_acceptable_uri(page, host));
        assert_eq!(origin_of(uri), origin_of(page), "a place within a page is on its site");
    }
    if !is_acceptable_uri(uri, host) {
        return;
    }
    assert!(is_acceptable_page(uri, host) || uri.len() > 1_500);
    let url = Url::parse(uri).expect("a URL");
    assert!(url.scheme() == "https" || (url.scheme() == "http" && is_local(host)));
    assert!(
        uri.is_ascii() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none()
    );
    // As it stands: the host between the slashes is the one that a lenient reader finds.
    let authority =
        uri.split_once("://").expect("an authority").1.split(['/', '?']).next().unwrap_or_default();
    let found = url.host_str().expect("a host");
    let plain = authority.to_ascii_lowercase();
    let is_number = matches!(url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)));
    assert!(
        is_number || plain == found || plain.strip_prefix(found).is_some_and(|port| port.starts_with(':'))
    );
    assert_eq!(origin_of(uri), origin_of(url.as_str()));
}
