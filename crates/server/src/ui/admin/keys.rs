//! Keys as a time line, and what can be done with them: each shows first what it means.

use askama::Template;
use auth::keys::{Key, Place, State};
use axum::{
    Form,
    extract::Query,
    http::{Method, StatusCode},
    response::Response,
};
use jwt::{Algorithm, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Console, Moment, Same, grouped, query};
use crate::ui::{
    home,
    routes::Routes,
    texts::Language,
    visit::{Answer, Frame},
};

const LIST: &str = "/admin/console/keys";
/// What the time line is drawn on: so wide, whatever it spans.
const WIDTH: i64 = 1_000;
/// A time line goes back so far at most.
const LONGEST: i64 = 90 * 86_400;
/// Keys that are gone are listed so many at most.
const GONE: usize = 20;

pub(super) fn add(routes: &mut Routes) {
    routes.lone_page("/admin/console/keys", list);
    routes.lone_page("/admin/console/keys/rotation", rotation);
    routes.lone_page("/admin/console/keys/revocation", revocation);
    routes.form("/admin/console/keys/rotate", LIST, rotate);
    routes.form("/admin/console/keys/revoke", LIST, revoke);
}

#[derive(Template)]
#[template(path = "admin/keys.html")]
struct KeysPage<'a> {
    frame: &'a Frame,
    keys: Vec<Shown>,
    gone: Vec<Shown>,
    from: Moment,
    until: Moment,
    /// Where now is on the time line.
    now: i64,
    algorithms: Vec<&'static str>,
    /// A key in a file signs: nothing here rotates it.
    in_file: bool,
    rotates_at: Option<Moment>,
    done: &'a str,
    refusal: Option<String>,
}

/// A key as a page shows it.
struct Shown {
    kid: String,
    algorithm: String,
    state: &'static str,
    badge: &'static str,
    in_file: bool,
    encrypted: bool,
    is_public: bool,
    /// When it was made, signed first, signed last, is gone, was revoked.
    created: Option<Moment>,
    active: Option<Moment>,
    retired: Option<Moment>,
    gone: Option<Moment>,
    revoked: Option<Moment>,
    spans: Vec<Span>,
}

/// A part of a time line: what the key does in it, and where it lies.
struct Span {
    class: &'static str,
    x: i64,
    width: i64,
    y: i64,
    height: i64,
    title: String,
}

/// Times on a line of [`WIDTH`].
struct Scale {
    from: i64,
    until: i64,
}

impl Scale {
    /// From the first that is known of these keys to a while after now, or to the last that is.
    fn of(keys: &[Key], now: i64) -> Self {
        let times = |key: &Key| {
            let all = [key.created_at, key.active_at, key.retired_at, key.gone_at];
            all.into_iter().flatten().map(Timestamp::seconds).collect::<Vec<_>>()
        };
        let all: Vec<i64> = keys.iter().flat_map(times).collect();
        let from = all.iter().copied().min().unwrap_or(now).max(now - LONGEST).min(now - 3_600);
        let last = all.iter().copied().max().unwrap_or(now).min(now + LONGEST);
        let until = last.max(now + (now - from) / 8);
        Self { from, until: until + (until - from) / 40 }
    }

    fn place(&self, time: i64) -> i64 {
        let span = i128::from((self.until - self.from).max(1));
        let place = i128::from(time.saturating_sub(self.from)) * i128::from(WIDTH) / span;
        i64::try_from(place.clamp(0, i128::from(WIDTH))).unwrap_or_default()
    }

    /// The part of the line between two times; none where it has no width.
    fn span(&self, class: &'static str, title: String, from: i64, until: i64) -> Option<Span> {
        let (x, end) = (self.place(from), self.place(until));
        let (y, height) = match class {
            "signs" => (2, 20),
            "retires" => (7, 10),
            _ => (10, 4),
        };
        (until > from).then(|| Span { class, x, width: (end - x).max(4), y, height, title })
    }
}

impl Shown {
    fn new(text: Language, key: &Key, scale: &Scale) -> Self {
        let c = text.console_keys();
        let (state, badge) = match key.state {
            State::Pending => (c.pending(), "accent"),
            State::Active => (c.active(), "good"),
            State::Retiring => (c.retiring(), "warn"),
            State::Gone => (c.gone(), ""),
        };
        let seconds = |time: Option<Timestamp>| time.map(Timestamp::seconds);
        let (created, active) = (seconds(key.created_at), seconds(key.active_at));
        let (retired, gone) = (seconds(key.retired_at), seconds(key.gone_at));
        let ends = gone.unwrap_or(scale.until);
        // One in a file has no times: it does what it does from one end of the line to the other.
        let begins = created.unwrap_or(scale.from);
        let spans = match key.place {
            Place::File => {
                let (class, title) = match key.state {
                    State::Active => ("signs", c.active()),
                    _ => ("retires", c.retiring()),
                };
                vec![scale.span(class, title.to_owned(), scale.from, scale.until)]
            }
            Place::Database => {
                let signs = active.unwrap_or(scale.until).min(ends);
                // One that never came to sign has retired, if at all, before it would have.
                let stops = retired.unwrap_or(ends).min(ends);
                vec![
                    scale.span("waits", c.pending().to_owned(), begins, signs.min(stops)),
                    scale.span("signs", c.active().to_owned(), signs, stops),
                    retired.and_then(|retired| {
                        scale.span("retires", c.retiring().to_owned(), retired, ends)
                    }),
                ]
            }
        };
        let symmetric = key.algorithm.parse().is_ok_and(|known: Algorithm| known.is_symmetric());
        Self {
            kid: key.kid.clone(),
            algorithm: key.algorithm.clone(),
            state,
            badge,
            in_file: key.place == Place::File,
            encrypted: key.sealed,
            is_public: !symmetric,
            created: created.map(Moment::new),
            active: active.map(Moment::new),
            retired: retired.map(Moment::new),
            gone: gone.map(Moment::new),
            revoked: seconds(key.revoked_at).map(Moment::new),
            spans: spans.into_iter().flatten().collect(),
        }
    }

    /// The path of what would come of its end.
    fn revocation(&self) -> String {
        format!("/admin/console/keys/revocation?{}", query(&[("kid", &self.kid)]))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Done {
    done: String,
}

async fn list(console: Console, Query(Done { done }): Query<Done>) -> Response {
    keys_page(&console, &done, None).await
}

async fn keys_page(console: &Console, done: &str, refused: Option<&Answer>) -> Response {
    let (frame, now) = (console.frame(), console.now());
    let auth = console.admin.auth();
    let all = match auth.keys_list().await {
        Ok(all) => all,
        Err(error) => return axum::response::IntoResponse::into_response(error),
    };
    let (gone, keys): (Vec<Key>, Vec<Key>) =
        all.into_iter().partition(|key| key.state == State::Gone);
    let scale = Scale::of(&keys, now);
    let shown = |keys: &[Key]| -> Vec<Shown> {
        keys.iter().map(|key| Shown::new(frame.text, key, &scale)).collect()
    };
    let active = keys.iter().find(|key| key.state == State::Active);
    let rotates_at = active.filter(|key| key.place == Place::Database).and_then(|key| {
        let at = key.active_at?.saturating_add(auth.config().keys.rotation);
        Some(Moment::new(at.seconds()))
    });
    let page = KeysPage {
        frame,
        keys: shown(&keys),
        gone: shown(gone.get(..GONE).unwrap_or(&gone)),
        from: Moment::new(scale.from),
        until: Moment::new(scale.until),
        now: scale.place(now),
        algorithms: Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect(),
        in_file: active.is_some_and(|key| key.place == Place::File),
        rotates_at,
        done,
        refusal: refused.map(|answer| frame.refusal(answer)),
    };
    match refused {
        Some(answer) => console.visit.refused(answer, &page),
        None => console.visit.page(&page),
    }
}

/// What a form asks of a rotation; a box that is not ticked is not sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rotation {
    algorithm: String,
    immediate: String,
}

impl Rotation {
    fn is_immediate(&self) -> bool {
        !self.immediate.is_empty()
    }

    /// What the route is sent.
    fn body(&self) -> Value {
        match &*self.algorithm {
            "" => json!({ "immediate": self.is_immediate() }),
            algorithm => json!({ "algorithm": algorithm, "immediate": self.is_immediate() }),
        }
    }
}

#[derive(Template)]
#[template(path = "admin/rotation.html")]
struct RotationPage<'a> {
    frame: &'a Frame,
    rotation: &'a Rotation,
    algorithm: String,
    /// The key that signs, and the one that waits already.
    active: Option<Shown>,
    pending: Option<Shown>,
    is_public: bool,
    signs_at: Moment,
    /// Until when the key verifies that signs now.
    verifies_until: Moment,
    /// So long verifiers elsewhere may keep the key set.
    kept: String,
    same: Same,
}

async fn rotation(console: Console, Query(rotation): Query<Rotation>) -> Response {
    let (frame, now) = (console.frame(), console.now());
    let config = console.admin.auth().config();
    let keys = console.admin.auth().keys_list().await.unwrap_or_default();
    let scale = Scale::of(&keys, now);
    let find = |state: State| keys.iter().find(|key| key.state == state);
    if find(State::Active).is_some_and(|key| key.place == Place::File) {
        let answer = Answer::own("key_in_file", StatusCode::CONFLICT);
        return keys_page(&console, "", Some(&answer)).await;
    }
    let newest = find(State::Pending).or(find(State::Active));
    let algorithm = match newest {
        Some(key) if rotation.algorithm.is_empty() => key.algorithm.clone(),
        _ => rotation.algorithm.clone(),
    };
    let Ok(named) = algorithm.parse::<Algorithm>() else { return home::nowhere(&console.visit) };
    let now = Timestamp::new(now);
    let signs_at = match rotation.is_immediate() {
        true => now,
        false => now.saturating_add(config.keys.publish_ahead),
    };
    let verifies_until =
        signs_at.saturating_add(config.tokens.access_lifetime).saturating_add(config.keys.retain);
    let mut command = String::from("countersign key rotate");
    if !rotation.algorithm.is_empty() {
        command.push_str(&format!(" --algorithm {named}"));
    }
    if rotation.is_immediate() {
        command.push_str(" --immediate");
    }
    // Half as long as a key waits, and ten minutes at most.
    let kept = (config.keys.publish_ahead / 2).min(std::time::Duration::from_secs(600));
    let shown = |key: &Key| Shown::new(frame.text, key, &scale);
    let page = RotationPage {
        frame,
        rotation: &rotation,
        active: find(State::Active).map(shown),
        pending: find(State::Pending).map(shown),
        is_public: !named.is_symmetric(),
        algorithm,
        signs_at: Moment::new(signs_at.seconds()),
        verifies_until: Moment::new(verifies_until.seconds()),
        kept: kept.as_secs().div_ceil(60).to_string(),
        same: console.same(Some(command), "POST", "/admin/keys/rotate", Some(&rotation.body())),
    };
    console.visit.page(&page)
}

async fn rotate(console: Console, Form(rotation): Form<Rotation>) -> Response {
    let body = Some(rotation.body());
    let answer = console.visit.ask(Method::POST, "/admin/keys/rotate", body).await;
    match answer.status {
        StatusCode::CREATED | StatusCode::OK if answer.text("state") == "active" => {
            console.visit.go_to("/admin/console/keys?done=signs")
        }
        StatusCode::CREATED => console.visit.go_to("/admin/console/keys?done=rotated"),
        StatusCode::OK => console.visit.go_to("/admin/console/keys?done=waits"),
        _ => keys_page(&console, "", Some(&answer)).await,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    kid: String,
}

#[derive(Template)]
#[template(path = "admin/revocation.html")]
struct RevocationPage<'a> {
    frame: &'a Frame,
    key: Shown,
    is_active: bool,
    logins: String,
    cached_until: Option<Moment>,
    same: Same,
}

async fn revocation(console: Console, Query(Named { kid }): Query<Named>) -> Response {
    let (frame, auth) = (console.frame(), console.admin.auth());
    let found = match auth.key_consequences(&kid).await {
        Ok(found) => found,
        Err(auth::Error::KeyInFile) => {
            let answer = Answer::own("key_in_file", StatusCode::CONFLICT);
            return keys_page(&console, "", Some(&answer)).await;
        }
        Err(auth::Error::NotFound) => return home::nowhere(&console.visit),
        Err(error) => return axum::response::IntoResponse::into_response(error),
    };
    let keys = [found.key];
    let scale = Scale::of(&keys, console.now());
    let [key] = &keys;
    let page = RevocationPage {
        frame,
        is_active: key.state == State::Active,
        key: Shown::new(frame.text, key, &scale),
        logins: grouped(found.logins),
        cached_until: found.cached_until.map(|until| Moment::new(until.seconds())),
        same: console.same(
            Some(format!("countersign key revoke {}", super::shell(&key.kid))),
            "POST",
            &format!("/admin/keys/{}/revoke", key.kid),
            None,
        ),
    };
    console.visit.page(&page)
}

async fn revoke(console: Console, Form(Named { kid }): Form<Named>) -> Response {
    // As it stands in a path: a kid that another system chose may have any letters.
    let kid: String = form_urlencoded::byte_serialize(kid.as_bytes()).collect();
    let path = format!("/admin/keys/{}/revoke", kid.replace('+', "%20"));
    let answer = console.visit.ask(Method::POST, &path, None).await;
    match answer.status {
        StatusCode::OK => console.visit.go_to("/admin/console/keys?done=revoked"),
        _ => keys_page(&console, "", Some(&answer)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(state: State, times: [Option<i64>; 4]) -> Key {
        let [created_at, active_at, retired_at, gone_at] =
            times.map(|time| time.map(Timestamp::new));
        Key {
            kid: "kid".to_owned(),
            algorithm: "ES256".to_owned(),
            state,
            place: Place::Database,
            sealed: true,
            created_at,
            active_at,
            retired_at,
            gone_at,
            revoked_at: None,
        }
    }

    #[test]
    fn a_time_line_has_what_a_key_did_in_order() {
        let now = 1_000_000;
        let day = 86_400;
        let keys = [
            key(State::Pending, [Some(now - 600), Some(now + 600), None, None]),
            key(State::Active, [Some(now - 2 * day), Some(now - day), None, None]),
            key(
                State::Retiring,
                [Some(now - 3 * day), Some(now - 3 * day), Some(now - day), Some(now + day)],
            ),
        ];
        let scale = Scale::of(&keys, now);
        let classes = |key: &Key| -> Vec<(&str, i64, i64)> {
            let shown = Shown::new(Language::ALL[0], key, &scale);
            shown.spans.iter().map(|span| (span.class, span.x, span.width)).collect()
        };
        let names = |key: &Key| classes(key).iter().map(|span| span.0).collect::<Vec<_>>();
        assert_eq!(names(&keys[0]), ["waits", "signs"]);
        assert_eq!(names(&keys[1]), ["waits", "signs"]);
        assert_eq!(names(&keys[2]), ["signs", "retires"]);
        for key in &keys {
            let spans = classes(key);
            assert!(
                spans.iter().all(|(_, x, width)| *x >= 0 && *width > 0 && x + width <= WIDTH + 4)
            );
            assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].1));
        }
        let now = scale.place(now);
        assert!(now > 0 && now < WIDTH);
        assert_eq!((scale.place(i64::MIN), scale.place(i64::MAX)), (0, WIDTH));
    }
}
