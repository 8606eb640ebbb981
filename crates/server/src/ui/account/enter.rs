//! Into an account and out of it: sign in, sign up, sign out.

use askama::Template;
use axum::{
    Form,
    extract::Query,
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::ui::{
    routes::Routes,
    visit::{Frame, Visit, local_path},
};

pub(super) fn add(routes: &mut Routes) {
    routes.page("/login", sign_in_page);
    routes.form("/account/login", "/login", sign_in);
    routes.page("/register", sign_up_page);
    routes.form("/account/register", "/register", sign_up);
    routes.form("/account/logout", "/", sign_out);
}

/// Where to go on, once signed in.
#[derive(Deserialize)]
struct Onward {
    next: Option<String>,
}

impl Onward {
    fn path(&self) -> &str {
        self.next.as_deref().and_then(local_path).unwrap_or("/account")
    }
}

#[derive(Template)]
#[template(path = "account/sign_in.html")]
struct SignInPage<'a> {
    frame: &'a Frame,
    next: &'a str,
    email: &'a str,
    refusal: Option<String>,
}

async fn sign_in_page(visit: Visit, Query(onward): Query<Onward>) -> Response {
    if visit.frame.visitor.is_some() {
        return visit.go_to(onward.path());
    }
    let page = SignInPage { frame: &visit.frame, next: onward.path(), email: "", refusal: None };
    visit.page(&page)
}

#[derive(Deserialize)]
struct SignIn {
    email: String,
    password: Zeroizing<String>,
    next: Option<String>,
}

async fn sign_in(visit: Visit, Form(form): Form<SignIn>) -> Response {
    let SignIn { email, password, next } = form;
    let onward = Onward { next };
    let body = json!({ "email": email.trim(), "password": *password });
    let answer = visit.ask(Method::POST, "/login/session", Some(body)).await;
    if answer.status == StatusCode::OK {
        return visit.go_on_to(onward.path(), &answer);
    }
    let refusal = Some(visit.frame.refusal(&answer));
    let page = SignInPage { frame: &visit.frame, next: onward.path(), email: &email, refusal };
    visit.refused(&answer, &page)
}

#[derive(Template)]
#[template(path = "account/sign_up.html")]
struct SignUpPage<'a> {
    frame: &'a Frame,
    form: &'a SignUp,
    refusal: Option<String>,
}

#[derive(Deserialize, Default)]
struct SignUp {
    email: String,
    password: Zeroizing<String>,
    #[serde(default)]
    name: String,
}

async fn sign_up_page(visit: Visit) -> Response {
    let form = &SignUp::default();
    visit.page(&SignUpPage { frame: &visit.frame, form, refusal: None })
}

/// Makes the account and signs in; where the address has to be confirmed first, says so.
async fn sign_up(visit: Visit, Form(form): Form<SignUp>) -> Response {
    let (email, password) = (form.email.trim(), &*form.password);
    let name = Some(form.name.trim()).filter(|name| !name.is_empty());
    let body = json!({ "email": email, "password": password, "name": name });
    let made = visit.ask(Method::POST, "/register", Some(body)).await;
    match made.status {
        StatusCode::CREATED => {}
        StatusCode::ACCEPTED => return visit.page(&LetterSent { frame: &visit.frame, email }),
        _ => {
            let refusal = Some(visit.frame.refusal(&made));
            let page = SignUpPage { frame: &visit.frame, form: &form, refusal };
            return visit.refused(&made, &page);
        }
    }
    let body = json!({ "email": email, "password": password });
    let answer = visit.ask(Method::POST, "/login/session", Some(body)).await;
    match answer.status {
        StatusCode::OK => visit.go_on_to("/account", &answer),
        _ => visit.go_to("/login"),
    }
}

#[derive(Template)]
#[template(path = "account/letter_sent.html")]
struct LetterSent<'a> {
    frame: &'a Frame,
    email: &'a str,
}

async fn sign_out(visit: Visit) -> Response {
    let answer = visit.ask(Method::POST, "/logout", None).await;
    visit.go_on_to("/login", &answer)
}
