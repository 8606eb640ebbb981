//! Webhooks: events of chosen kinds, sent to an address of the operator's.
//!
//! The step that seals an event into the chain notes that it is owed (`deliveries_add`), where it is of a kind
//! that is `Chosen`: whoever logs in or changes something pays nothing for it. A `Deliverer` on each instance takes
//! what is owed, makes its body of the event as it is then, signs it and sends it, until the receiver has it or all
//! attempts are used up. Each arrives at least once; one that arrives twice has the same id.
//!
//! The form is that of [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks), so that their
//! libraries check it.

mod address;
mod deliver;
mod send;
mod sign;
pub(crate) mod storage;
mod url;

use std::{net::IpAddr, path::Path};

pub(crate) use self::deliver::Deliverer;
use self::{address::Reach, sign::Signer, url::Scheme};
pub use self::{
    deliver::ATTEMPTS,
    send::{Answer, Trouble, Webhook},
    sign::WebhookSecret,
    url::WebhookUrl,
};
use crate::{Error, audit::Kind, config};

/// Whether these settings of webhooks go together; a sentence that says which does not.
pub(crate) fn check(webhooks: &config::Webhooks) -> Result<(), String> {
    Chosen::new(webhooks)?;
    let Some(url) = &webhooks.url else { return Ok(()) };
    if webhooks.secret_file.is_none() {
        return Err("webhooks.url is set and webhooks.secret_file is not: make a secret with: countersign webhook secret"
            .to_owned());
    }
    if webhooks.events.is_empty() {
        return Err("webhooks.events: it is empty; name the types that are to be sent".to_owned());
    }
    if url.scheme() == Scheme::Http && !webhooks.allow_private {
        return Err("webhooks.url: http:// is for private networks: take https://, or set webhooks.allow_private"
            .to_owned());
    }
    // A name is looked up, and its addresses judged, for each connection.
    let Some(address) = url.address() else { return Ok(()) };
    Reach::of(url, webhooks.allow_private)
        .admit(address)
        .map_err(|forbidden| format!("webhooks.url: {forbidden}"))
}

/// Whether a server could sign with the secret in this file.
pub(crate) fn check_secret(path: &Path) -> Result<(), Error> {
    Signer::read(path).map(drop)
}

/// The types of event that are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Any,
    /// A group, with its dot.
    Group(String),
    One(String),
}

impl Chosen {
    /// Those of the settings; none where nothing is sent.
    pub(crate) fn new(webhooks: &config::Webhooks) -> Result<Self, String> {
        let patterns = webhooks.events.iter().map(|text| Pattern::parse(text));
        let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
        Ok(Self(if webhooks.url.is_some() { patterns } else { Vec::new() }))
    }

    /// Says whether events of this type are sent.
    pub(crate) fn wants(&self, kind: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Any => true,
            Pattern::Group(group) => kind.starts_with(group.as_str()),
            Pattern::One(name) => kind == name,
        })
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(group) = text.strip_suffix('*')
            && group.ends_with('.')
            && Kind::ALL.iter().any(|kind| kind.name.starts_with(group))
        {
            return Ok(Self::Group(group.to_owned()));
        }
        if Kind::by_name(text).is_some() {
            return Ok(Self::One(text.to_owned()));
        }
        let meant =
            nearest(text).map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
        Err(format!(
            "webhooks.events: {text:?} is no type of event, no group such as \"user.*\" and not \"*\"{meant}"
        ))
    }
}

/// The type or group that was most likely meant.
fn nearest(text: &str) -> Option<String> {
    let groups = Kind::ALL
        .iter()
        .filter_map(|kind| kind.name.split_once('.'))
        .map(|(group, _)| format!("{group}.*"));
    let known = Kind::ALL.iter().map(|kind| kind.name.to_owned()).chain(groups);
    config::nearest(text, known)
}

/// An address as it stands in a URL, IPv6 in brackets.
fn literal(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn settings(url: &str) -> config::Webhooks {
        let url = Some(url.parse().expect("a URL"));
        config::Webhooks { url, secret_file: Some("secret".into()), ..Config::default().webhooks }
    }

    fn chosen(events: &[&str]) -> Result<Chosen, String> {
        let events = events.iter().map(|text| (*text).to_owned()).collect();
        Chosen::new(&config::Webhooks { events, ..settings("https://hooks.example.com") })
    }

    #[test]
    fn events_are_chosen_by_name_by_group_or_all() {
        let some = chosen(&["user.*", "password.reset"]).expect("chosen");
        for (kind, wanted) in [
            ("user.deleted", true),
            ("password.reset", true),
            ("password.reset_asked", false),
            ("users.exported", false),
            ("session.refreshed", false),
        ] {
            assert_eq!(some.wants(kind), wanted, "{kind}");
        }
        // Also of a version that is newer than this one.
        assert!(chosen(&["*"]).expect("chosen").wants("moon.landed"));
        let nowhere = Chosen::new(&Config::default().webhooks).expect("chosen");
        assert!(!Kind::ALL.iter().any(|kind| nowhere.wants(kind.name)));
    }

    #[test]
    fn what_is_chosen_by_default_says_what_became_of_accounts_and_not_who_comes_and_goes() {
        let usual = Chosen::new(&settings("https://hooks.example.com")).expect("chosen");
        for kind in
            ["user.registered", "user.deleted", "password.reset", "session.replayed", "key.revoked"]
        {
            assert!(Kind::by_name(kind).is_some() && usual.wants(kind), "{kind}");
        }
        for kind in ["session.refreshed", "login.succeeded", "login.failed"] {
            assert!(Kind::by_name(kind).is_some() && !usual.wants(kind), "{kind}");
        }
    }

    #[test]
    fn an_event_that_does_not_exist_is_refused_with_the_nearest_name() {
        for (text, meant) in [
            ("user.deletd", "did you mean \"user.deleted\"?"),
            ("usr.*", "did you mean \"user.*\"?"),
            ("user*", "did you mean"),
            ("user", "is no type"),
            ("User.deleted", "did you mean \"user.deleted\"?"),
            ("*.deleted", "is no type"),
            ("", "is no type"),
            (".*", "is no type"),
        ] {
            let refused = chosen(&[text]).expect_err(text);
            assert!(
                refused.starts_with("webhooks.events: ") && refused.contains(meant),
                "{refused}"
            );
        }
    }

    #[test]
    fn settings_that_do_not_go_together_are_refused() {
        assert_eq!(check(&Config::default().webhooks), Ok(()));
        assert_eq!(check(&settings("https://hooks.example.com/in")), Ok(()));
        let refused = |webhooks: config::Webhooks| check(&webhooks).expect_err("refused");
        let public = || settings("https://hooks.example.com");
        assert!(
            refused(config::Webhooks { secret_file: None, ..public() })
                .contains("countersign webhook secret")
        );
        assert!(
            refused(config::Webhooks { events: Vec::new(), ..public() })
                .contains("webhooks.events")
        );
        let private =
            |url, allow_private| check(&config::Webhooks { allow_private, ..settings(url) });
        // In the clear only within a private network; to it only where that is allowed.
        for (url, refused, allowed) in [
            ("http://hooks.example.com", true, true),
            ("http://127.0.0.1:9000/in", true, true),
            ("http://93.184.216.34/in", true, false),
            ("https://93.184.216.34/in", false, true),
            ("https://127.0.0.1", true, true),
            ("https://localhost", true, true),
            ("https://[::1]:9000", true, true),
            ("https://10.1.2.3", true, true),
            ("https://2130706433", true, true),
            ("https://0x7f.1", true, true),
            ("https://[::ffff:192.168.1.1]", true, true),
            ("https://169.254.169.254", true, false),
            ("https://[::ffff:169.254.169.254]", true, false),
            ("https://0.0.0.0", true, false),
            ("https://255.255.255.255", true, false),
        ] {
            assert_eq!(private(url, false).is_err(), refused, "{url}");
            assert_eq!(private(url, true).is_ok(), allowed, "{url}");
        }
    }
}
