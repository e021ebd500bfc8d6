//! What kind of browser a request comes from, by its `User-Agent` (RFC 9110 section 10.1.5): only to count, because
//! auto-login works in some and fails in others, and to keep previews out of the figures. Nothing is decided by it that
//! somebody could gain from.

use http::{Method, header};

use super::Request;

/// A family of browsers, as far as LINE's auto-login tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browser {
    /// LINE's own in-app browser, LIFF's included.
    LineInApp,
    /// Safari on an iPhone or iPad.
    IosSafari,
    /// Chrome on an iPhone or iPad.
    IosChrome,
    /// Another browser there.
    IosOther,
    /// Chrome on Android.
    AndroidChrome,
    /// Another browser there.
    AndroidOther,
    /// The Yahoo! JAPAN app, where auto-login needs PKCE.
    YahooJapanApp,
    /// A page shown inside another app, as Instagram, Facebook or Gmail do.
    OtherInApp,
    /// A computer, where auto-login never works; also an iPad that asks for desktop pages.
    Desktop,
    /// Anything else, and whoever does not say.
    Other,
}

/// Apps that show pages in a browser of their own.
const APPS: [&str; 15] = [
    "FBAN/",
    "FBAV/",
    "FB_IAB",
    "FBIOS",
    "Instagram",
    "Twitter",
    "musical_ly",
    "BytedanceWebview",
    "TikTok",
    "Snapchat",
    "Pinterest/",
    "KAKAOTALK",
    "MicroMessenger",
    "GSA/",
    "; wv)",
];

/// Other browsers on iPhones and iPads, which name themselves beside Safari.
const ON_IOS: [&str; 8] =
    ["FxiOS/", "EdgiOS/", "OPiOS/", "OPT/", "OPX/", "DuckDuckGo/", "Ddg/", "YaBrowser/"];

/// Other browsers on Android, which name themselves beside Chrome.
const ON_ANDROID: [&str; 9] = [
    "SamsungBrowser/",
    "EdgA/",
    "OPR/",
    "OPX/",
    "YaBrowser/",
    "DuckDuckGo/",
    "UCBrowser/",
    "MiuiBrowser/",
    "HuaweiBrowser/",
];

/// Who fetches a page without showing it to anybody: previews of chats, search engines.
const ROBOTS: [&str; 22] = [
    "line-poker",
    "facebookexternalhit",
    "facebot",
    "twitterbot",
    "slackbot",
    "slack-imgproxy",
    "discordbot",
    "telegrambot",
    "whatsapp/",
    "skypeuripreview",
    "linkedinbot",
    "pinterestbot",
    "googlebot",
    "google-inspectiontool",
    "bingbot",
    "applebot",
    "yandexbot",
    "duckduckbot",
    "baiduspider",
    "bytespider",
    "crawler",
    "embedly",
];

impl Browser {
    /// The family of a request's browser.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self::by_name(request.header(&header::USER_AGENT).unwrap_or_default())
    }

    fn by_name(user_agent: &str) -> Self {
        let has = |mark: &str| user_agent.contains(mark);
        let any = |marks: &[&str]| marks.iter().any(|mark| has(mark));
        if has(" Line/") || has(" LIFF") {
            Self::LineInApp
        } else if has("YJApp-") || has("jp.co.yahoo.") {
            Self::YahooJapanApp
        } else if any(&APPS) {
            Self::OtherInApp
        } else if has("iPhone") || has("iPad") || has("iPod") {
            match () {
                () if has("CriOS/") => Self::IosChrome,
                () if any(&ON_IOS) => Self::IosOther,
                () if has("Version/") && has("Safari/") => Self::IosSafari,
                // A web view of some app: only Safari says its own version.
                () => Self::OtherInApp,
            }
        } else if has("Android") {
            if has("Chrome/") && !any(&ON_ANDROID) && !has("Version/") {
                Self::AndroidChrome
            } else {
                Self::AndroidOther
            }
        } else if has("Windows NT") || has("Macintosh") || has("X11;") || has("CrOS") {
            Self::Desktop
        } else {
            Self::Other
        }
    }

    /// The name in reports.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::LineInApp => "line_in_app",
            Self::IosSafari => "ios_safari",
            Self::IosChrome => "ios_chrome",
            Self::IosOther => "ios_other",
            Self::AndroidChrome => "android_chrome",
            Self::AndroidOther => "android_other",
            Self::YahooJapanApp => "yahoo_japan_app",
            Self::OtherInApp => "other_in_app",
            Self::Desktop => "desktop",
            Self::Other => "other",
        }
    }
}

/// Whether nobody sees the answer: LINE's preview of a link in a chat, another robot, or HEAD.
#[must_use]
pub fn is_preview(request: &Request) -> bool {
    let user_agent = request.header(&header::USER_AGENT).unwrap_or_default().to_ascii_lowercase();
    request.method == Method::HEAD || ROBOTS.iter().any(|robot| user_agent.contains(robot))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    const IPHONE: &str =
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";

    #[test]
    fn a_browser_is_known_by_what_it_says_of_itself() {
        use Browser::*;
        let on_iphone = |rest: &str| format!("{IPHONE} {rest}");
        let table = [
            (on_iphone("Mobile/15E148 Safari Line/15.12.1"), LineInApp),
            (on_iphone("Mobile/15E148 Safari Line/15.12.1 LIFF"), LineInApp),
            ("Mozilla/5.0 (Linux; Android 15; SO-51D Build/69.1; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/138.0.7204.63 Mobile Safari/537.36 Line/15.12.0/IAB".into(), LineInApp),
            (on_iphone("Version/18.6 Mobile/15E148 Safari/604.1"), IosSafari),
            ("Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1".into(), IosSafari),
            (on_iphone("CriOS/138.0.7204.53 Mobile/15E148 Safari/604.1"), IosChrome),
            (on_iphone("FxiOS/140.0 Mobile/15E148 Safari/605.1.15"), IosOther),
            (on_iphone("Version/18.0 EdgiOS/138.0.3351.65 Mobile/15E148 Safari/605.1.15"), IosOther),
            (on_iphone("Mobile/15E148"), OtherInApp),
            ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36".into(), AndroidChrome),
            ("Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.144 Mobile Safari/537.36".into(), AndroidChrome),
            ("Mozilla/5.0 (Linux; Android 14; SAMSUNG SC-51D) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36".into(), AndroidOther),
            ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0".into(), AndroidOther),
            (on_iphone("Mobile/15E148 YJApp-IOS jp.co.yahoo.ipn.appli/4.130.0"), YahooJapanApp),
            ("Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/138.0.0.0 Mobile Safari/537.36 YJApp-ANDROID jp.co.yahoo.android.yjtop/3.180.0".into(), YahooJapanApp),
            (on_iphone("Mobile/22G86 Instagram 388.0.0.25.83 (iPhone14,5; iOS 18_6; ja_JP; ja; scale=3.00)"), OtherInApp),
            (on_iphone("Mobile/22G86 [FBAN/FBIOS;FBAV/520.0.0.38.101;FBBV/756351453;FBDV/iPhone14,5]"), OtherInApp),
            ("Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UQ1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/138.0.7204.63 Mobile Safari/537.36".into(), OtherInApp),
            (on_iphone("GSA/375.0.773030000 Mobile/15E148 Safari/604.1"), OtherInApp),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36".into(), Desktop),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15".into(), Desktop),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into(), Desktop),
            ("curl/8.5.0".into(), Other),
            (String::new(), Other),
        ];
        for (user_agent, family) in table {
            assert_eq!(Browser::by_name(&user_agent), family, "{user_agent}");
            assert!(!is_preview(&by(Method::GET, &user_agent)), "{user_agent}");
        }
    }

    fn by(method: Method, user_agent: &str) -> Request {
        let agent = HeaderValue::from_str(user_agent).unwrap();
        Request {
            method,
            authority: "localhost".into(),
            path: "/".into(),
            query: String::new(),
            headers: HeaderMap::from_iter([(header::USER_AGENT, agent)]),
            body: None,
        }
    }

    #[test]
    fn a_preview_is_nobodys_visit() {
        for robot in [
            "facebookexternalhit/1.1;line-poker/1.0",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
            "WhatsApp/2.23.20.0",
            "TelegramBot (like TwitterBot)",
        ] {
            assert!(is_preview(&by(Method::GET, robot)), "{robot}");
        }
        assert!(is_preview(&by(Method::HEAD, IPHONE)));
    }
}
