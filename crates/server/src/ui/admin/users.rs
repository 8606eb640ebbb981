//! Accounts: who there is, and what can be done with one.

use askama::Template;
use axum::{
    Form,
    extract::{Path, Query},
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Console, Listed, Moment, Same, events::Shown, query};
use crate::ui::{
    home,
    routes::Routes,
    visit::{Answer, Frame},
};

pub(super) fn add(routes: &mut Routes) {
    const LIST: &str = "/admin/console/users";
    routes.lone_page("/admin/console/users", list);
    routes.lone_page("/admin/console/users/{id}", show);
    routes.form("/admin/console/users/{id}/change", LIST, change);
    routes.form("/admin/console/users/{id}/sign-out", LIST, sign_out);
    routes.form("/admin/console/users/{id}/delete", LIST, delete);
}

/// An account, as its route answers it.
#[derive(Debug, Deserialize)]
struct User {
    id: Uuid,
    email: String,
    name: Option<String>,
    roles: Vec<String>,
    created_at: i64,
    disabled: bool,
    pending: bool,
}

impl User {
    fn created(&self) -> Moment {
        Moment::new(self.created_at)
    }

    fn has(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }
}

/// What is looked for, as the form says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Looked {
    q: String,
    role: String,
    disabled: String,
    after: String,
    done: String,
}

#[derive(Template)]
#[template(path = "admin/users.html")]
struct UsersPage<'a> {
    frame: &'a Frame,
    looked: &'a Looked,
    roles: &'a [String],
    users: Listed<User>,
    refusal: Option<String>,
    next: Option<String>,
    same: Same,
}

async fn list(console: Console, looked: Query<Looked>) -> Response {
    let Query(looked) = looked;
    let wanted = [("q", &*looked.q), ("role", &looked.role), ("disabled", &looked.disabled)];
    let filter = query(&wanted);
    let mut asked = vec![("limit", "50"), ("after", &looked.after)];
    asked.extend(wanted);
    let path = format!("/admin/users?{}", query(&asked));
    let answer = console.visit.ask(Method::GET, &path, None).await;
    let refusal = (!answer.status.is_success()).then(|| console.frame().refusal(&answer));
    let status = answer.status;
    let users: Listed<User> = answer.read().unwrap_or_default();
    let next = users.next.as_deref().map(|next| {
        let mut further = wanted.to_vec();
        further.push(("after", next));
        format!("/admin/console/users?{}", query(&further))
    });
    let route = match filter.as_str() {
        "" => "/admin/users".to_owned(),
        filter => format!("/admin/users?{filter}"),
    };
    let mut command = String::from("countersign user list");
    for (flag, value) in [("search", &looked.q), ("role", &looked.role)] {
        if !value.is_empty() {
            command.push_str(&format!(" --{flag}={}", super::shell(value)));
        }
    }
    // What is shown to be copied is what is seen: a search for other letters is not shown.
    let same = console.same(Some(command).filter(|line| line.is_ascii()), "GET", &route, None);
    let roles = &console.admin.auth().config().accounts.roles;
    let frame = console.frame();
    let page = UsersPage { frame, looked: &looked, roles, users, refusal, next, same };
    console.visit.page_with(status, &page)
}

/// A login, as its route answers it.
#[derive(Debug, Deserialize)]
struct Login {
    device: String,
    address: Option<String>,
    created_at: i64,
    last_used_at: i64,
    current: bool,
}

impl Login {
    fn created(&self) -> Moment {
        Moment::new(self.created_at)
    }

    fn used(&self) -> Moment {
        Moment::new(self.last_used_at)
    }
}

#[derive(Template)]
#[template(path = "admin/user.html")]
struct UserPage<'a> {
    frame: &'a Frame,
    user: User,
    is_self: bool,
    /// Each role, and whether the account has it.
    roles: Vec<(String, bool)>,
    logins: Listed<Login>,
    events: Vec<Shown>,
    done: &'a str,
    refusal: Option<String>,
    /// Whether it was refused because nobody else administers.
    is_last: bool,
    same_change: Same,
    same_sign_out: Same,
    same_delete: Same,
}

/// What was done before.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Done {
    done: String,
}

async fn show(console: Console, Path(id): Path<String>, done: Query<Done>) -> Response {
    user_page(&console, &id, &done.done, None).await
}

async fn find(console: &Console, id: &str) -> Option<User> {
    let id = Uuid::try_parse(id).ok()?;
    console.visit.ask(Method::GET, &format!("/admin/users/{id}"), None).await.read()
}

/// The page of an account: as it is, or after something was not done.
async fn user_page(console: &Console, id: &str, done: &str, refused: Option<&Answer>) -> Response {
    let Some(user) = find(console, id).await else { return home::nowhere(&console.visit) };
    let (id, frame) = (user.id, console.frame());
    let visit = &console.visit;
    let logins = format!("/admin/users/{id}/sessions?limit=100");
    let logins = visit.ask(Method::GET, &logins, None).await.read().unwrap_or_default();
    let events = format!("/admin/events?user_id={id}&limit=20");
    let events: Listed<Value> =
        visit.ask(Method::GET, &events, None).await.read().unwrap_or_default();
    let known = &console.admin.auth().config().accounts.roles;
    let mut roles: Vec<String> = known.clone();
    roles.extend(user.roles.iter().filter(|role| !known.contains(role)).cloned());
    let roles = roles.into_iter().map(|role| (user.has(&role), role));
    let body = json!({ "name": user.name, "roles": user.roles, "disabled": user.disabled });
    let command = format!(
        "countersign user set-role {id} {}\ncountersign user {}",
        user.roles.join(" "),
        // As the account is: who copies it without a look at it changes nothing.
        match user.disabled {
            true => format!("disable {id}  # or: enable {id}"),
            false => format!("enable {id}  # or: disable {id}"),
        }
    );
    let route = format!("/admin/users/{id}");
    let page = UserPage {
        frame,
        is_self: console.admin.principal().subject() == id.to_string(),
        roles: roles.map(|(has, role)| (role, has)).collect(),
        logins,
        events: events.items.iter().map(|event| Shown::new(frame.text, event)).collect(),
        done,
        refusal: refused.map(|answer| frame.refusal(answer)),
        is_last: refused.is_some_and(|answer| answer.code() == "last_admin"),
        same_change: console.same(Some(command), "PATCH", &route, Some(&body)),
        same_sign_out: console.same(None, "POST", &format!("{route}/sessions/revoke"), None),
        same_delete: console.same(
            Some(format!("countersign user delete {id}")),
            "DELETE",
            &route,
            None,
        ),
        user,
    };
    match refused {
        Some(answer) => visit.refused(answer, &page),
        None => visit.page(&page),
    }
}

/// What a form sends, each name as often as it is chosen.
type Fields = Vec<(String, String)>;

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// Changes what differs from the account as it is, so that nobody takes back by accident what another has just changed.
async fn change(console: Console, Path(id): Path<String>, Form(fields): Form<Fields>) -> Response {
    let Some(user) = find(&console, &id).await else { return home::nowhere(&console.visit) };
    let mut body = Map::new();
    let name = field(&fields, "name").map(str::trim).filter(|name| !name.is_empty());
    if name != user.name.as_deref() {
        body.insert("name".to_owned(), name.into());
    }
    let chosen = fields.iter().filter(|(name, _)| name == "role").map(|(_, role)| role.as_str());
    let mut roles: Vec<&str> = chosen.chain([auth::roles::USER]).collect();
    roles.sort_unstable();
    roles.dedup();
    let mut own: Vec<&str> = user.roles.iter().map(String::as_str).collect();
    own.sort_unstable();
    if roles != own {
        body.insert("roles".to_owned(), roles.into());
    }
    let disabled = field(&fields, "disabled").is_some();
    if disabled != user.disabled {
        body.insert("disabled".to_owned(), disabled.into());
    }
    let own_page = format!("/admin/console/users/{}", user.id);
    if body.is_empty() {
        return console.visit.go_to(&format!("{own_page}?done=nothing"));
    }
    let path = format!("/admin/users/{}", user.id);
    let answer = console.visit.ask(Method::PATCH, &path, Some(body.into())).await;
    match answer.status {
        StatusCode::OK => console.visit.go_to(&format!("{own_page}?done=changed")),
        _ => user_page(&console, &id, "", Some(&answer)).await,
    }
}

async fn sign_out(console: Console, Path(id): Path<String>) -> Response {
    let Some(user) = find(&console, &id).await else { return home::nowhere(&console.visit) };
    let path = format!("/admin/users/{}/sessions/revoke", user.id);
    let answer = console.visit.ask(Method::POST, &path, None).await;
    match answer.status {
        StatusCode::OK => {
            console.visit.go_to(&format!("/admin/console/users/{}?done=signed-out", user.id))
        }
        _ => user_page(&console, &id, "", Some(&answer)).await,
    }
}

#[derive(Deserialize)]
struct Confirmation {
    #[serde(default)]
    confirm: String,
}

/// Removes an account, if its address was typed.
async fn delete(
    console: Console,
    Path(id): Path<String>,
    Form(Confirmation { confirm }): Form<Confirmation>,
) -> Response {
    let Some(user) = find(&console, &id).await else { return home::nowhere(&console.visit) };
    if confirm.trim().to_lowercase() != user.email.to_lowercase() {
        let answer = Answer::own("not_confirmed", StatusCode::UNPROCESSABLE_ENTITY);
        return user_page(&console, &id, "", Some(&answer)).await;
    }
    let path = format!("/admin/users/{}", user.id);
    let answer = console.visit.ask(Method::DELETE, &path, None).await;
    match answer.status {
        StatusCode::NO_CONTENT => console.visit.go_to("/admin/console/users?done=deleted"),
        _ => user_page(&console, &id, "", Some(&answer)).await,
    }
}
