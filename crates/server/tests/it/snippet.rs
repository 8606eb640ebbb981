//! `countersign snippet`: recipes filled in from the settings, out of which no setting breaks.

use std::process::Output;

use serde_json::Value;

use crate::process::countersign;

/// Code for axum as it is printed: compiled here, with the crates by the names that they have elsewhere.
#[expect(unreachable_pub, reason = "it is public where it is pasted")]
mod printed {
    use guard as countersign_guard;
    use jwt as countersign_jwt;

    pub(super) mod by_key_set {
        use super::{countersign_guard, countersign_jwt};

        include!("snippet/by_key_set.rs");
    }
    pub(super) mod by_secret {
        use super::{countersign_guard, countersign_jwt};

        include!("snippet/by_secret.rs");
    }
}

const GATEWAYS: [&str; 6] = ["nginx", "caddy", "haproxy", "haproxy-lua", "traefik", "envoy"];
const SITE: [&str; 4] =
    ["--public-url", "https://www.example.com", "--http-trusted-proxies", "127.0.0.1/32"];

fn run(target: &str, more: &[&str]) -> Output {
    countersign().args(["snippet", target]).args(more).output().expect("it runs")
}

/// What is printed, and what is said beside it.
fn printed(target: &str, more: &[&str]) -> (String, String) {
    let output = run(target, more);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let (recipe, talk) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(0), "{target}: {talk}");
    (recipe, talk)
}

#[test]
fn a_recipe_for_a_gateway_has_the_addresses_of_the_settings_in_it() {
    let more =
        ["--listen", "127.0.0.1:8765", "--upstream", "http://10.1.2.3:4567", "--path", "/v1/x"];
    for target in GATEWAYS {
        let (recipe, talk) =
            printed(target, &[&SITE[..], &more[..], &["--role", "admin"]].concat());
        assert_eq!(talk, "", "{target}");
        let script = target == "haproxy-lua";
        for here in ["https://www.example.com", "10.1.2.3", "4567", "/v1/x", "X-Auth-"] {
            assert!(script || recipe.contains(here), "{target} has no {here}: {recipe}");
        }
        assert!(recipe.contains("8765"), "{target}: {recipe}");
        let asks = recipe.contains("/forward-auth?role=admin") || target == "haproxy";
        assert!(asks || (target == "envoy" && recipe.contains("(.*,)?admin(,.*)?")), "{recipe}");
        assert!(!recipe.contains("{{") && !recipe.contains("{%"), "{target}: {recipe}");
    }
}

#[test]
fn no_gateway_lets_a_client_choose_the_id_or_the_trace_of_its_request() {
    for target in GATEWAYS.into_iter().filter(|target| *target != "haproxy-lua") {
        let recipe = printed(target, &SITE).0.to_lowercase();
        let names = if target == "haproxy" {
            ["x[^a-z0-9]request[^a-z0-9]id", "traceparent"]
        } else {
            ["x-request-id", "traceparent"]
        };
        for name in names {
            assert!(recipe.contains(name), "{target} says nothing of {name}: {recipe}");
        }
    }
    // Each of the places at which nginx asks Countersign or the API.
    let nginx = printed("nginx", &SITE).0;
    let asks = nginx.matches("proxy_pass http").count();
    for line in ["proxy_set_header X-Request-Id $request_id;", "proxy_set_header traceparent \"\";"]
    {
        assert_eq!(nginx.matches(line).count(), asks, "{line}: {nginx}");
    }
}

#[test]
fn what_has_to_change_outside_of_a_recipe_is_said_on_stderr() {
    let (recipe, talk) = printed("nginx", &[]);
    assert!(recipe.contains("listen 127.0.0.1:8080;"), "{recipe}");
    assert_eq!(talk.matches("note: ").count(), 2, "{talk}");
    assert!(talk.contains("http.public_url is not set"), "{talk}");
    assert!(talk.contains("http.trusted_proxies = [\"127.0.0.1/32\"]"), "{talk}");

    let (_, talk) =
        printed("caddy", &[&SITE[..2], &["--http-trusted-proxies", "10.0.0.0/8"]].concat());
    assert!(talk.contains("see that http.trusted_proxies has its address"), "{talk}");
    let elsewhere = ["--listen", "10.0.0.4:8000"];
    let (recipe, talk) = printed("caddy", &[&SITE[..2], &elsewhere[..]].concat());
    assert!(recipe.contains("reverse_proxy 10.0.0.4:8000"), "{recipe}");
    assert!(talk.contains("set http.trusted_proxies to its address"), "{talk}");

    let output = run("traefik", &["--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(said["for"], "traefik");
    assert_eq!(said["notes"].as_array().map(Vec::len), Some(2));
    assert!(said["text"].as_str().is_some_and(|text| text.contains("forwardAuth")));
    assert!(output.stderr.is_empty());
}

#[test]
fn nothing_that_means_something_to_a_gateway_gets_into_its_recipe() {
    let marks = ["'", "\"", "`", "$x", "{x}", ";", "\n", " ", "\\", "%0a", "#", "*", "(", "é"];
    let mut refused = 0;
    for mark in marks {
        for (flag, value) in [
            ("--public-url", format!("https://a{mark}b.example.com")),
            ("--upstream", format!("http://127.0.0.1{mark}:3000")),
            ("--upstream", format!("http://127.0.0.1:3000{mark}")),
            ("--upstream", format!("http://127.0.0.1:3000/{mark}")),
            ("--path", format!("/api{mark}")),
            ("--role", format!("admin{mark}")),
        ] {
            for target in ["nginx", "envoy"] {
                let output = run(target, &[flag, &value]);
                assert_eq!(output.status.code(), Some(2), "{target} {flag} {value:?}");
                assert!(output.stdout.is_empty(), "{target} {flag} {value:?}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, marks.len() * 12);
}

#[test]
fn a_recipe_that_could_not_work_is_refused() {
    for (target, flags, why) in [
        ("nginx", &["--path", "/"][..], "--path"),
        ("nginx", &["--path", "/api/"], "--path"),
        ("nginx", &["--path", "/api//x"], "--path"),
        ("nginx", &["--path", "/../api"], "--path"),
        ("nginx", &["--upstream", "https://127.0.0.1:3000"], "--upstream"),
        ("nginx", &["--upstream", "http://127.0.0.1:0"], "--upstream"),
        ("nginx", &["--upstream", "http://127.0.0.1:65536"], "--upstream"),
        ("nginx", &["--upstream", "http://-x:1"], "--upstream"),
        ("nginx", &["--role", "editor"], "accounts.roles"),
        ("nginx", &["--listen", "127.0.0.1:0"], "http.listen"),
        (
            "nginx",
            &["--http-tls-certificate-file", "a.pem", "--http-tls-private-key-file", "b.pem"],
            "http.tls_certificate_file",
        ),
        ("nginx", &["--public-url", "http://127.0.0.1:8000"], "http.public_url"),
        ("nginx", &["--public-url", "https://example.com/auth"], "http.public_url"),
        ("fastapi", &[], "tokens.algorithm is HS256"),
        ("fastapi", &["--tokens-algorithm", "ES256", "--role", "admin"], "--role"),
        ("fastapi", &["--tokens-algorithm", "ES256", "--listen", "127.0.0.1:0"], "http.listen"),
        ("nginx", &["--tokens-algorithm", "none"], "--tokens-algorithm"),
    ] {
        let output = run(target, flags);
        let talk = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{target} {flags:?}: {talk}");
        assert!(talk.contains(why) && output.stdout.is_empty(), "{target} {flags:?}: {talk}");
    }
    assert_eq!(run("apache", &[]).status.code(), Some(2));
}

#[test]
fn the_code_for_axum_compiles_and_makes_a_guard() {
    let (recipe, talk) = printed("axum", &[&SITE[..], &["--tokens-algorithm", "ES256"]].concat());
    assert_eq!(talk, "");
    let code = recipe.lines().skip_while(|line| line.starts_with("//!")).collect::<Vec<_>>();
    assert_eq!(code.join("\n").trim(), include_str!("snippet/by_key_set.rs").trim());
    assert!(printed::by_key_set::guard().is_ok());

    let (recipe, talk) = printed("axum", &["--secret-file", "/run/countersign/secret"]);
    assert!(talk.contains("whoever reads the secret can also make tokens"), "{talk}");
    let code = recipe.lines().skip_while(|line| line.starts_with("//!")).collect::<Vec<_>>();
    assert_eq!(code.join("\n").trim(), include_str!("snippet/by_secret.rs").trim());
    assert!(printed::by_secret::guard().is_err(), "there is no such file");
}

#[test]
fn a_text_of_the_settings_stays_a_text_in_code() {
    let hostile = "a\"b'c`d\\e${f}{{g}}#{h}\u{202e}\u{2028}é\u{1f511}";
    let flags = ["--tokens-algorithm", "ES256", "--tokens-issuer", hostile];
    let literal = r#""a\"b'c`d\\e${f}{{g}}#{h}\u202e\u2028é🔑""#;
    for target in ["fastapi", "express", "go"] {
        let (recipe, _) = printed(target, &flags);
        assert!(recipe.contains(literal), "{target}: {recipe}");
        assert!(!recipe.contains('\u{202e}'));
    }
    let (recipe, _) = printed("axum", &flags);
    assert!(recipe.contains(&format!(".issuer({hostile:?})")), "{recipe}");
}
