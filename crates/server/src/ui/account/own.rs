//! `/account`: what somebody may know of the own account, and change of it.

use askama::Template;
use axum::{
    Form,
    extract::{Query, rejection::QueryRejection},
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::ui::{
    routes::Routes,
    time::Moment,
    visit::{Answer, Frame, Visit},
};

/// So many times the page asks for more logins; who has more of them sees the newest.
const PAGES_OF_LOGINS: usize = 5;

pub(super) fn add(routes: &mut Routes) {
    routes.lone_page("/account", show);
    routes.form("/account/name", "/account", rename);
    routes.form("/account/address", "/account", change_address);
    routes.form("/account/password", "/account", change_password);
    routes.form("/account/devices/end", "/account", end_one);
    routes.form("/account/devices/end-others", "/account", end_others);
    routes.form("/account/delete", "/account", delete);
}

/// The parts of the page, by the names that they have in its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Overview,
    Name,
    Address,
    Password,
    Devices,
    Delete,
}

/// What came of a form: it is told in the part where the form is.
struct Told {
    part: Part,
    text: String,
    is_good: bool,
}

#[derive(Template)]
#[template(path = "account/own.html")]
struct OwnPage<'a> {
    frame: &'a Frame,
    account: Account,
    devices: Devices,
    told: Option<Told>,
    /// What was typed into a form that was refused.
    typed: &'a str,
}

impl OwnPage<'_> {
    fn told(&self, part: Part) -> Option<&Told> {
        self.told.as_ref().filter(|told| told.part == part)
    }

    /// What a field shows: what was typed where it was refused, else what is so.
    fn value<'b>(&'b self, part: Part, value: &'b str) -> &'b str {
        match self.told(part) {
            Some(told) if !told.is_good => self.typed,
            _ => value,
        }
    }
}

#[derive(Deserialize)]
struct Account {
    id: String,
    email: String,
    name: Option<String>,
    roles: Vec<String>,
    created_at: Moment,
}

/// The logins, this one first.
#[derive(Default)]
struct Devices {
    list: Vec<Device>,
    /// There are more than are shown.
    has_more: bool,
}

#[derive(Deserialize)]
struct Device {
    id: Uuid,
    device: String,
    address: Option<String>,
    created_at: Moment,
    last_used_at: Moment,
    current: bool,
}

impl Devices {
    async fn of(visit: &Visit) -> Self {
        #[derive(Deserialize)]
        struct Listed {
            items: Vec<Device>,
            next: Option<Uuid>,
        }

        let mut devices = Self::default();
        let mut path = "/sessions?limit=200".to_owned();
        for _ in 0..PAGES_OF_LOGINS {
            let listed = visit.ask(Method::GET, &path, None).await.read();
            let Some(Listed { items, next }) = listed else { break };
            devices.list.extend(items);
            devices.has_more = next.is_some();
            let Some(next) = next else { break };
            path = format!("/sessions?limit=200&after={next}");
        }
        devices.list.sort_by_key(|device| !device.current);
        devices
    }
}

/// The page, with what came of a form; the one to sign in on, where nobody is signed in any more.
async fn page_with(
    visit: &Visit,
    told: Option<Told>,
    typed: &str,
    refused: Option<&Answer>,
) -> Response {
    let Some(account) = visit.ask(Method::GET, "/me", None).await.read() else {
        return visit.sign_in_first();
    };
    let devices = Devices::of(visit).await;
    let is_bad = told.as_ref().is_some_and(|told| !told.is_good);
    let page = OwnPage { frame: &visit.frame, account, devices, told, typed };
    match refused {
        Some(answer) => visit.refused(answer, &page),
        None if is_bad => visit.page_with(StatusCode::UNPROCESSABLE_ENTITY, &page),
        None => visit.page(&page),
    }
}

/// What was done before this page was asked for.
#[derive(Deserialize, Default)]
struct Before {
    done: Option<String>,
}

async fn show(visit: Visit, query: Result<Query<Before>, QueryRejection>) -> Response {
    let Before { done } = query.map(|Query(before)| before).unwrap_or_default();
    let texts = visit.frame.text.account();
    let told = match done.as_deref() {
        Some("name") => Some((Part::Name, texts.done_name())),
        Some("address") => Some((Part::Address, texts.done_address())),
        Some("verified") => Some((Part::Address, texts.done_verified())),
        Some("password") => Some((Part::Password, texts.done_password())),
        Some("device") => Some((Part::Devices, texts.done_device())),
        Some("devices") => Some((Part::Devices, texts.done_devices())),
        Some("claimed") => Some((Part::Overview, texts.done_claimed())),
        _ => None,
    };
    let told = told.map(|(part, text)| Told { part, text: text.to_owned(), is_good: true });
    page_with(&visit, told, "", None).await
}

/// The page with what was refused, in the part where it was asked for.
async fn refused(visit: &Visit, answer: &Answer, part: Part, typed: &str) -> Response {
    let text = match answer.code() {
        "invalid_credentials" => visit.frame.text.account().wrong_password().to_owned(),
        _ => visit.frame.refusal(answer),
    };
    page_with(visit, Some(Told { part, text, is_good: false }), typed, Some(answer)).await
}

#[derive(Deserialize)]
struct Name {
    new_name: String,
}

async fn rename(visit: Visit, Form(Name { new_name }): Form<Name>) -> Response {
    let name = new_name.trim();
    let new = if name.is_empty() { Value::Null } else { name.into() };
    let answer = visit.ask(Method::PATCH, "/me", Some(json!({ "name": new }))).await;
    match answer.status {
        StatusCode::OK => visit.go_to("/account?done=name#name"),
        _ => refused(&visit, &answer, Part::Name, name).await,
    }
}

#[derive(Deserialize)]
struct Address {
    email: String,
    password: Zeroizing<String>,
}

async fn change_address(visit: Visit, Form(form): Form<Address>) -> Response {
    let email = form.email.trim();
    let body = json!({ "email": email, "password": *form.password });
    let answer = visit.ask(Method::POST, "/me/email", Some(body)).await;
    match answer.status {
        StatusCode::ACCEPTED => visit.go_to("/account?done=address#address"),
        _ => refused(&visit, &answer, Part::Address, email).await,
    }
}

#[derive(Deserialize)]
struct Passwords {
    current_password: Zeroizing<String>,
    new_password: Zeroizing<String>,
}

async fn change_password(visit: Visit, Form(form): Form<Passwords>) -> Response {
    let body = json!({
        "current_password": *form.current_password,
        "new_password": *form.new_password,
    });
    let answer = visit.ask(Method::POST, "/me/password", Some(body)).await;
    match answer.status {
        StatusCode::OK => visit.go_on_to("/account?done=password#password", &answer),
        _ => refused(&visit, &answer, Part::Password, "").await,
    }
}

#[derive(Deserialize)]
struct One {
    id: Uuid,
}

async fn end_one(visit: Visit, Form(One { id }): Form<One>) -> Response {
    let answer = visit.ask(Method::DELETE, &format!("/sessions/{id}"), None).await;
    match answer.status {
        // Over already is as good.
        StatusCode::OK | StatusCode::NOT_FOUND => visit.go_to("/account?done=device#devices"),
        _ => refused(&visit, &answer, Part::Devices, "").await,
    }
}

async fn end_others(visit: Visit) -> Response {
    let answer = visit.ask(Method::DELETE, "/sessions", None).await;
    match answer.status {
        StatusCode::OK => visit.go_to("/account?done=devices#devices"),
        _ => refused(&visit, &answer, Part::Devices, "").await,
    }
}

#[derive(Deserialize)]
struct Deletion {
    password: Zeroizing<String>,
    sure: Option<String>,
}

async fn delete(visit: Visit, Form(Deletion { password, sure }): Form<Deletion>) -> Response {
    if sure.is_none() {
        let text = visit.frame.text.account().not_sure().to_owned();
        let told = Told { part: Part::Delete, text, is_good: false };
        return page_with(&visit, Some(told), "", None).await;
    }
    let body = json!({ "password": *password });
    let answer = visit.ask(Method::POST, "/me/delete", Some(body)).await;
    match answer.status {
        StatusCode::NO_CONTENT => visit.go_to("/login?done=deleted#main"),
        _ => refused(&visit, &answer, Part::Delete, "").await,
    }
}
