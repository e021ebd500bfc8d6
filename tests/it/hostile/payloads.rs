//! Addresses that look like a registered one, or that a careless comparison, parser or browser takes for one; and the
//! usual lists for open redirectors.

use std::collections::BTreeSet;

use super::usual::USUAL;

/// A registered redirect URI.
pub(super) const CALLBACK: &str = "https://shop.example/callback";

/// A registered redirect URI with a query of its own.
pub(super) const WITH_QUERY: &str = "https://shop.example/admin?action=login";

/// A registered way back from a logout.
pub(super) const BYE: &str = "https://shop.example/bye";

/// The shop's first page.
pub(super) const HOME: &str = "https://shop.example/";

/// What is put behind a registered address.
const AFTER: [&str; 58] = [
    "/",
    "//",
    "/..",
    "/../evil",
    "/%2e%2e/evil",
    "/.%2e/",
    "%2f",
    "%2F..%2Fevil",
    "%00",
    "\0",
    "\t",
    "\n",
    "\r\n",
    "\r\nLocation: https://evil.example/",
    "%0d%0aLocation:%20https://evil.example/",
    "\r\nSet-Cookie: evil=1",
    "%0d%0aSet-Cookie:%20evil=1",
    "\r\n\r\n<script>evil()</script>",
    " ",
    "+",
    "%20",
    "\u{a0}",
    "\u{2028}",
    "\u{200b}",
    "\u{feff}",
    "?",
    "??",
    "?evil=1",
    "&evil=1",
    "?redirect_uri=https://evil.example/",
    "#",
    "#evil",
    "#@evil.example/",
    ";",
    ";evil=1",
    "/more",
    ".",
    "..",
    ".evil.example",
    "@evil.example",
    ":443",
    "\\",
    "\\..\\evil",
    "/\\evil.example",
    "%5c",
    "%5C..%5Cevil",
    "*",
    "'",
    "\"",
    "<",
    "`",
    ",https://evil.example/",
    " https://evil.example/",
    "\nhttps://evil.example/",
    "%",
    "%zz",
    "%c0%ae%c0%ae/",
    "\u{2025}/evil",
];

/// What is put in front of it.
const BEFORE: [&str; 22] = [
    " ",
    "\t",
    "\n",
    "\0",
    "\u{feff}",
    "+",
    "%20",
    "//",
    "/",
    "\\",
    "x",
    "url=",
    "javascript:",
    "view-source:",
    "blob:",
    "data:text/html,",
    "feed:",
    "jar:",
    "https://evil.example/?",
    "https://evil.example#",
    "https://evil.example\\@",
    "0;url=",
];

/// Hosts instead of the registered one.
const HOSTS: [&str; 62] = [
    "SHOP.EXAMPLE",
    "Shop.example",
    "shop.example.",
    "shop.example:443",
    "shop.example:8443",
    "shop.example:0443",
    "shop.example:",
    "shop.example:80",
    "www.shop.example",
    "evil.shop.example",
    "shop.example.evil.example",
    "shop-example.evil.example",
    "evilshop.example",
    "shop.example%2eevil.example",
    "shop.example%00.evil.example",
    "shop.example\\.evil.example",
    "shop.example\t.evil.example",
    "user@shop.example",
    "user:word@shop.example",
    "@shop.example",
    ":@shop.example",
    "shop.example@evil.example",
    "shop.example:443@evil.example",
    "shop.example%40evil.example",
    "evil.example@shop.example",
    "evil.example%23@shop.example",
    "evil.example\\@shop.example",
    "evil.example#@shop.example",
    "evil.example?@shop.example",
    "evil.example;@shop.example",
    "shop\u{3002}example",
    "shop\u{ff0e}example",
    "\u{455}hop.example",
    "xn--hop-kzc.example",
    "shop.exampl\u{435}",
    "\u{17f}hop.example",
    "sh\u{f6}p.example",
    "sh%6fp.example",
    "shop.example\u{200b}",
    "shop\u{ad}.example",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[2001:db8::1]",
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "0",
    "localhost",
    "evil.example",
    "xn--",
    "*",
    "*.shop.example",
    "shop.example*",
    "shop,example",
    "shop.example,evil.example",
    "shop.example evil.example",
    "$(shop.example)",
    "%73hop.example",
    "169.254.169.254",
    "",
];

/// What stands before the host instead of `https://`.
const SCHEMES: [&str; 30] = [
    "http://",
    "HTTP://",
    "HTTPS://",
    "Https://",
    "ftp://",
    "javascript://",
    "data://",
    "file://",
    "ws://",
    "wss://",
    "blob:https://",
    "vbscript://",
    "intent://",
    "line://",
    "about://",
    "https+evil://",
    "https:/",
    "https:",
    "https:///",
    "https:\\\\",
    "https:/\\",
    "https:\\/",
    "http:/",
    "//",
    "///",
    "////",
    "/\\",
    "\\\\",
    "\\/",
    "",
];

/// Paths instead of the registered one.
const PATHS: [&str; 20] = [
    "/Callback",
    "/CALLBACK",
    "/callbac",
    "/callback2",
    "/call%62ack",
    "//callback",
    "/./callback",
    "/x/../callback",
    "/%2e/callback",
    "/%2fcallback",
    "\\callback",
    "/;callback",
    "/callback\u{301}",
    "/callback/%E3%80%82",
    "/login",
    "/admin",
    "/admin?action=logout",
    "/admin?action=login&action=evil",
    "/admin?Action=login",
    "/admin?action=login&",
];

/// Addresses that are registered nowhere at the client of these tests.
pub(super) fn payloads() -> Vec<String> {
    let mut all = BTreeSet::new();
    for registered in [CALLBACK, WITH_QUERY, BYE] {
        all.extend(AFTER.iter().map(|after| format!("{registered}{after}")));
        all.extend(BEFORE.iter().map(|before| format!("{before}{registered}")));
        let path = registered.trim_start_matches("https://shop.example");
        all.extend(HOSTS.iter().map(|host| format!("https://{host}{path}")));
        all.extend(SCHEMES.iter().map(|scheme| format!("{scheme}shop.example{path}")));
        all.insert(registered.to_uppercase());
        all.insert(registered[..registered.len() - 1].to_owned());
        all.insert(registered.replace("https://", "https%3A%2F%2F"));
        all.insert(registered.replace('/', "%2f"));
        all.insert(format!("{registered}{}", "a".repeat(8_000)));
        all.insert(format!("{registered}?{}", "evil=1&".repeat(1_000)));
    }
    all.extend(PATHS.iter().map(|path| format!("https://shop.example{path}")));
    all.extend(USUAL.iter().map(|usual| (*usual).to_owned()));
    all.insert("A".repeat(10_000));
    all.insert(format!("https://{}.example/", "a".repeat(300)));
    for registered in [CALLBACK, WITH_QUERY, BYE] {
        all.remove(registered);
    }
    all.into_iter().collect()
}

/// Whether an address has the form that may be registered at all: `https://`, a host, and nothing that two readers could
/// read in two ways.
pub(super) fn is_plain(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("HTTPS://")) else {
        return uri.starts_with("Https://") || is_local(uri);
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let is_ascii = uri.bytes().all(|byte| byte.is_ascii_graphic());
    let is_host = !authority.is_empty() && !authority.contains(['@', '*', '%']);
    is_ascii && is_host && !uri.contains(['\\', '#']) && uri.len() <= 2_048
}

/// Whether it is an address of this machine by http, which a local account may register.
fn is_local(uri: &str) -> bool {
    let local = ["http://localhost", "http://127.0.0.1:", "HTTP://localhost"];
    local.iter().any(|start| uri.starts_with(start))
}

#[test]
fn there_are_more_than_two_hundred_addresses_and_none_is_registered() {
    let all = payloads();
    assert!(all.len() >= 500, "{}", all.len());
    assert!([CALLBACK, WITH_QUERY, BYE].iter().all(|registered| !all.contains(&(*registered).to_owned())));
    let refused = all.iter().filter(|uri| !is_plain(uri)).count();
    assert!(refused >= 300, "{refused}");
}
