//! What to call the program that sends a request, so that its user knows it again.

use woothee::{parser::Parser, woothee::VALUE_UNKNOWN as UNKNOWN};

/// As much of a `User-Agent` as is read; those of browsers have less than 200 bytes.
const MOST_BYTES: usize = 512;
/// The longest name of a program that is taken from what the program says of itself.
const MOST_PRODUCT: usize = 40;

/// A name such as "Firefox on Linux", "Safari on iPhone" or "curl", or "unknown device".
///
/// It has at most 64 characters, none of them a control character, and it is a hint, not a fact: a
/// client may send what it likes, and an iPad calls itself a Mac. Versions are left out, since browsers no
/// longer tell the true ones.
pub(crate) fn device_name(user_agent: &str) -> String {
    let user_agent = user_agent.split_at(user_agent.floor_char_boundary(MOST_BYTES)).0;
    let parsed = Parser::new().parse(user_agent).unwrap_or_default();
    let product = product(user_agent);
    let program = match parsed.name {
        "" | UNKNOWN | "HTTP Library" => product,
        "misc crawler" => product.or(Some("bot")),
        "Webview" => Some("app"),
        "SamsungBrowser" => Some("Samsung Internet"),
        name => Some(name),
    };
    let system = match parsed.os {
        "" | UNKNOWN => None,
        "Mac OSX" => Some("macOS"),
        // Known by Apple's network library, which phones and computers share.
        "iOS" => Some("an Apple device"),
        "Windows Phone OS" => Some("Windows Phone"),
        // Windows 11 calls itself Windows 10, and the version of none matters here.
        system if system.starts_with("Windows ") => Some("Windows"),
        system => Some(system),
    };
    match (program, system) {
        (None, None) => "unknown device".to_owned(),
        (None, Some(system)) => format!("browser on {system}"),
        (Some(program), None) => program.to_owned(),
        // A console is both.
        (Some(program), Some(system)) if program == system => program.to_owned(),
        (Some(program), Some(system)) => format!("{program} on {system}"),
    }
}

/// The first product that a program names (RFC 9110 §10.1.5), if that says anything: all browsers are
/// "Mozilla".
fn product(user_agent: &str) -> Option<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    let name = user_agent.split(|c| !part(c)).next()?;
    let name = name.get(..MOST_PRODUCT).unwrap_or(name);
    let speaks = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name != "Mozilla";
    speaks.then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn programs_of_today_are_known() {
        for (name, user_agent) in [
            (
                "Chrome on Windows",
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
            ),
            (
                "Edge on Windows",
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36 Edg/143.0.0.0",
            ),
            (
                "Opera on Windows",
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 OPR/124.0.0.0",
            ),
            (
                "Firefox on Windows",
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
            ),
            (
                "Chrome on macOS",
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
            ),
            (
                "Edge on macOS",
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36 Edg/143.0.0.0",
            ),
            (
                "Firefox on macOS",
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0",
            ),
            (
                "Safari on macOS",
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
            ),
            (
                "Chrome on Linux",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
            ),
            (
                "Edge on Linux",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36 Edg/143.0.0.0",
            ),
            (
                "Firefox on Linux",
                "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            ),
            (
                "Chrome on ChromeOS",
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
            ),
            (
                "Chrome on Android",
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36",
            ),
            (
                "Edge on Android",
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36 EdgA/143.0.0.0",
            ),
            (
                "Firefox on Android",
                "Mozilla/5.0 (Android 16; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
            ),
            (
                "Samsung Internet on Android",
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36",
            ),
            (
                "app on Android",
                "Mozilla/5.0 (Linux; Android 16; Pixel 9 Build/BP2A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/143.0.0.0 Mobile Safari/537.36",
            ),
            (
                "Safari on iPhone",
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1",
            ),
            (
                "Safari on iPad",
                "Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1",
            ),
            (
                "Chrome on iPhone",
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/143.0.7499.38 Mobile/15E148 Safari/604.1",
            ),
            (
                "Firefox on iPhone",
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/145.0 Mobile/15E148 Safari/604.1",
            ),
            (
                "Edge on iPhone",
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 EdgiOS/142.0.3595.94 Mobile/15E148 Safari/604.1",
            ),
            ("Posts on an Apple device", "Posts/1.0 CFNetwork/3860.100.1 Darwin/25.0.0"),
            ("Dalvik on Android", "Dalvik/2.1.0 (Linux; U; Android 16; Pixel 9 Build/BP2A)"),
            ("browser on Linux", "Mozilla/5.0 (X11; Linux x86_64) Novelty/1.0"),
            ("curl", "curl/8.14.1"),
            ("Wget", "Wget/1.25.0"),
            ("python-requests", "python-requests/2.32.5"),
            ("Python-urllib", "Python-urllib/3.13"),
            ("Go-http-client", "Go-http-client/1.1"),
            ("okhttp", "okhttp/5.1.0"),
            ("PostmanRuntime", "PostmanRuntime/7.49.1"),
            ("Apache-HttpClient", "Apache-HttpClient/5.5 (Java/21.0.5)"),
            ("Java-http-client", "Java-http-client/21.0.5"),
            ("axios", "axios/1.13.2"),
            ("node", "node"),
            (
                "Googlebot",
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            ),
            ("bingbot", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"),
            (
                "bot",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            ),
            (
                "Slackbot-LinkExpanding",
                "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            ),
        ] {
            assert_eq!(device_name(user_agent), name, "{user_agent}");
        }
    }

    #[test]
    fn what_says_nothing_is_an_unknown_device() {
        for user_agent in ["", "-", " ", "/", "Mozilla/5.0", "\0\u{7f}", "(x)", "日本", "<b>x</b>"]
        {
            assert_eq!(device_name(user_agent), "unknown device", "{user_agent:?}");
        }
    }

    #[test]
    fn a_name_ends_where_a_product_does_and_is_never_long() {
        assert_eq!(device_name("My App/1.0"), "My");
        assert_eq!(device_name("x\u{1b}[31m"), "x");
        assert_eq!(device_name(&"x".repeat(10_000)), "x".repeat(40));
        let app = device_name(&format!("{} CFNetwork/1", "x".repeat(100)));
        assert_eq!(app, format!("{} on an Apple device", "x".repeat(40)));
    }

    #[test]
    fn only_the_first_512_bytes_are_read() {
        let firefox = "(X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
        assert_eq!(device_name(&format!("{:>511}é{firefox}", "x")), "unknown device");
        assert_eq!(device_name(&format!("{:>12}{firefox}", "é")), "Firefox on Linux");
    }

    /// Pieces that the parser looks for, so that a random order of them gets deep into it.
    const PIECES: &[&str] = &[
        "Mozilla/5.0",
        "(",
        ")",
        ";",
        " ",
        "/",
        ".",
        "_",
        "é",
        "\0",
        "9",
        "Windows ",
        "NT 10.0",
        "Phone OS 8",
        "Xbox",
        "Mac OS X",
        "like Mac OS X",
        "10_15_7",
        "iPhone;",
        "iPad;",
        "iPod",
        "CPU iPhone OS 18_7",
        "Linux",
        "Android",
        "CrOS",
        "X11; ",
        "FreeBSD",
        "BB10",
        "BlackBerry1",
        "CFNetwork/",
        "Darwin",
        "Chrome/",
        "CriOS/",
        "Safari/",
        "Version/",
        "Firefox/",
        "FxiOS/",
        "rv:",
        "Gecko/",
        "Edg/",
        "OPR/",
        "Opera",
        "GSA/",
        "wv",
        "compatible; ",
        "MSIE ",
        "Trident/",
        "IEMobile/",
        "DoCoMo/",
        ";FOMA;",
        "KDDI-",
        "SoftBank/",
        "WILLCOM;",
        "jig browser",
        "SymbianOS",
        "PSP (PlayStation Portable); ",
        "PLAYSTATION 3;",
        "PlayStation 4 ",
        "Nintendo Wii;",
        "Google",
        "Googlebot",
        "Yahoo",
        "Slurp",
        "bot",
        "crawler",
        "rss",
        "SamsungBrowser/",
        "YaBrowser/",
        "Vivaldi/",
        "Sleipnir/",
        "Wireless Transcoder",
        "HttpClient",
        "curl/",
        "Mobile; ",
        "InettvBrowser/",
    ];

    fn acceptable(name: &str) -> bool {
        let shown = name.chars().all(|c| !c.is_control());
        shown && (1..=64).contains(&name.chars().count()) && !name.contains(UNKNOWN)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_sent_has_a_short_plain_name(user_agent in any::<String>()) {
            prop_assert!(acceptable(&device_name(&user_agent)));
        }

        #[test]
        fn so_has_whatever_is_made_of_known_pieces(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60),
        ) {
            let name = device_name(&pieces.concat());
            prop_assert!(acceptable(&name), "{name:?}");
        }
    }
}
