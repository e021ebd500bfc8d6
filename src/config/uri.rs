//! Which URIs of a shop are accepted: as registered ones, and as addresses that we call.

use url::{Host, Url};

/// Whether this host name is this machine: only here are `http` and a stand-in for LINE accepted, because a deployed
/// worker pointed at a stand-in would let anyone in as anyone.
#[must_use]
pub fn is_local(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// The longest URI that is registered, in bytes.
const MAX_URI: usize = 2_048;

/// Whether a shop's URL may be registered: https, or http on this machine for a local account; no fragment, no user.
#[must_use]
pub fn is_acceptable_uri(uri: &str, account_host: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let host = url.host_str().unwrap_or_default();
    let scheme_is_fine = match url.scheme() {
        "https" => true,
        "http" => is_local(account_host) && (is_local(host) || host == "127.0.0.1"),
        _ => false,
    };
    // As it stands and not as a lenient parser reads it: what a browser is handed must mean the same to it.
    let (scheme, rest) = uri.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next();
    let authority = authority.filter(|_| scheme.eq_ignore_ascii_case(url.scheme()));
    let is_plain = authority.is_some_and(|authority| {
        !authority.is_empty()
            && authority.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b))
    });
    scheme_is_fine
        && is_plain
        && uri.len() <= MAX_URI
        && uri.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && !host.is_empty()
        && !host.contains('*')
}

/// The longest page that a link or a login leads to, in bytes: with it a ticket and a login attempt still fit into their
/// cookies.
pub const MAX_PAGE: usize = 1_500;

/// Whether a page may be led to, if it is at an origin of the shop's: as a registered URL, but it may name a place within
/// the page.
#[must_use]
pub fn is_acceptable_page(uri: &str, account_host: &str) -> bool {
    let (page, place) = uri.split_once('#').unwrap_or((uri, ""));
    uri.len() <= MAX_PAGE
        && place.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#')
        && is_acceptable_uri(page, account_host)
}

/// Top-level domains of names within a network: RFC 6762 (`local`, and those of its appendix G), RFC 8375 (`home.arpa`),
/// RFC 6761 and 7686 (names that nobody has), and ICANN's `internal`.
const NETWORK_DOMAINS: [&str; 14] = [
    "local",
    "localhost",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "arpa",
    "onion",
    "test",
    "invalid",
    "alt",
];

/// Whether we may call this URL: one that may be registered, and for a deployed account no address but a public name, other
/// than its own, so that nobody makes us knock at doors inside a network, or at our own.
#[must_use]
pub fn is_acceptable_target(uri: &str, account_host: &str) -> bool {
    let is_public = || {
        Url::parse(uri).is_ok_and(
            |url| matches!(url.host(), Some(Host::Domain(name)) if is_public_name(name, account_host)),
        )
    };
    is_acceptable_uri(uri, account_host) && (is_local(account_host) || is_public())
}

fn is_public_name(name: &str, account_host: &str) -> bool {
    // The dot of the root makes no other name.
    let name = name.strip_suffix('.').unwrap_or(name);
    let top = name.rsplit_once('.').map(|(_, top)| top);
    top.is_some_and(|top| !top.is_empty() && !NETWORK_DOMAINS.contains(&top)) && name != account_host
}

/// The origin of an absolute URL (RFC 6454 section 6.2).
#[must_use]
pub fn origin_of(uri: &str) -> Option<String> {
    let origin = Url::parse(uri).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_accepted_only_on_this_machine_and_only_for_a_local_account() {
        assert!(is_acceptable_uri("https://shop.example.jp/callback?x=1", "line.example.jp"));
        assert!(is_acceptable_uri("http://127.0.0.1:8789/callback", "localhost"));
        for (uri, host) in [
            ("http://shop.example.jp/callback", "localhost"),
            ("http://127.0.0.1:8789/callback", "line.example.jp"),
            ("https://shop.example.jp/callback#f", "line.example.jp"),
            ("https://user@shop.example.jp/callback", "line.example.jp"),
            ("https://*.example.jp/callback", "line.example.jp"),
            ("javascript:alert(1)", "localhost"),
            ("/callback", "localhost"),
        ] {
            assert!(!is_acceptable_uri(uri, host), "{uri} for {host}");
        }
    }

    #[test]
    fn the_host_stands_behind_the_scheme_and_its_slashes_and_nowhere_else() {
        // A browser goes to evil.example, and whoever looks for :// reads shop.example.
        for uri in [
            "https:evil.example://shop.example/",
            "https:/evil.example://shop.example/",
            "https:///shop.example/",
        ] {
            assert!(!is_acceptable_uri(uri, "line.example.jp"), "{uri}");
        }
        assert!(is_acceptable_uri("HTTPS://shop.example/?to=https://shop.example/", "line.example.jp"));
    }

    #[test]
    fn we_call_public_names_only_and_never_ourselves() {
        let ours = "line.example.jp";
        for uri in [
            "https://bot.tool.example/line?key=1",
            "https://bot.tool.example:8443/line",
            "https://other.example.jp/",
            "https://internal.example.jp/",
            "https://bot.tool.example./line",
        ] {
            assert!(is_acceptable_target(uri, ours), "{uri}");
        }
        for uri in [
            "http://bot.tool.example/line",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::1]/",
            "https://[fd00::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://localhost/",
            "https://localhost./",
            "https://api.localhost/",
            "https://tool/",
            "https://tool./",
            "https://metadata.google.internal/",
            "https://METADATA.GOOGLE.INTERNAL./",
            "https://printer.local/",
            "https://nas.home.arpa/",
            "https://db.corp/",
            "https://line.example.jp/line/webhook",
            "https://LINE.example.jp.:443/line/webhook",
            "https://user@bot.tool.example/",
            "https://bot.tool.example@127.0.0.1/",
        ] {
            assert!(!is_acceptable_target(uri, ours), "{uri}");
        }
        assert!(is_acceptable_target("http://localhost:9000/line", "localhost"));
        assert!(!is_acceptable_target("http://bot.tool.example/line", "localhost"));
    }
}
