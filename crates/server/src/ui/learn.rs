//! The lesson: how a token works, and a session beside it, shown on this very server.

use std::time::Duration;

use askama::Template;
use auth::config::{PublicUrl, Registration, Store};
use axum::response::Response;

use super::{
    routes::Routes,
    visit::{Frame, Visit},
};

pub(super) fn add(routes: &mut Routes) {
    routes.lone_page("/learn", learn);
}

#[derive(Template)]
#[template(path = "learn.html")]
struct Lesson<'a> {
    frame: &'a Frame,
    /// This server, as a terminal names it, and where it takes a page to come from.
    url: &'a str,
    origin: &'a str,
    /// What is asked for: the sample API, where it is there.
    resource: &'static str,
    /// The name of the cookie that holds a session.
    cookie: &'static str,
    /// Whether the lesson makes an account of its own; else the visitor lends one.
    makes_account: bool,
    has_tokens: bool,
    has_sessions: bool,
    /// Whether sessions are in the memory of this process alone.
    in_memory: bool,
    /// How long an access token is good, and a session that is not used.
    access: String,
    idle: String,
}

async fn learn(visit: Visit) -> Response {
    let (site, frame) = (visit.site(), &visit.frame);
    let config = site.auth.config();
    let listens = || config.http.own_url().parse().ok();
    let Some(own): Option<PublicUrl> = config.http.public_url.clone().or_else(listens) else {
        return visit.go_to("/");
    };
    let accounts = &config.accounts;
    let is_open = accounts.registration == Registration::Open && !accounts.verify_email;
    visit.page(&Lesson {
        frame,
        url: own.as_str(),
        origin: own.origin(),
        resource: if site.is_dev { "/posts" } else { "/me" },
        cookie: if own.is_https() { "__Host-session" } else { "session" },
        // On a server of others an account that nobody owns would stay behind.
        makes_account: site.is_dev && is_open,
        has_tokens: config.auth.mode.offers_tokens(),
        has_sessions: config.auth.mode.offers_sessions(),
        in_memory: config.sessions.store == Store::Memory,
        access: span(config.tokens.access_lifetime),
        idle: span(config.sessions.idle),
    })
}

/// A duration in the largest unit that it is a whole number of, by symbols that every language knows.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => "0 s".to_owned(),
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_its_largest_whole_unit() {
        let told = [(600, "10 min"), (43_200, "12 h"), (90, "90 s"), (0, "0 s"), (5_400, "90 min")];
        for (seconds, text) in told {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
