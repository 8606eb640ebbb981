//! Into an account and out of it: sign in, sign up, sign out.

use askama::Template;
use auth::config::Registration;
use axum::{
    Form,
    extract::{Query, rejection::QueryRejection},
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::ui::{
    routes::Routes,
    visit::{Answer, Frame, Visit, local_path},
};

pub(super) fn add(routes: &mut Routes) {
    routes.page("/login", sign_in_page);
    routes.form("/account/login", "/login", sign_in);
    routes.page("/register", sign_up_page);
    routes.form("/account/register", "/register", sign_up);
    routes.form("/account/logout", "/", sign_out);
}

/// Signs in and goes on to a page, unless it is refused.
pub(super) async fn enter(
    visit: &Visit,
    email: &str,
    password: &str,
    onward: &str,
) -> Result<Response, Answer> {
    let body = json!({ "email": email, "password": password });
    let answer = visit.ask(Method::POST, "/login/session", Some(body)).await;
    match answer.status {
        StatusCode::OK => Ok(visit.go_on_to(onward, &answer)),
        _ => Err(answer),
    }
}

/// Where to go on, once signed in; and what was done on the page before, by its name.
#[derive(Deserialize, Default)]
struct Onward {
    next: Option<String>,
    done: Option<String>,
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
    done: Option<&'static str>,
    refusal: Option<String>,
    /// The password was right, and the address is still to be confirmed.
    is_unverified: bool,
    is_possible: bool,
    is_open: bool,
}

impl<'a> SignInPage<'a> {
    fn new(visit: &'a Visit, onward: &'a Onward) -> Self {
        let texts = visit.frame.text.sign_in();
        let done = match onward.done.as_deref() {
            Some("registered") => Some(texts.done_registered()),
            Some("verified") => Some(texts.done_verified()),
            Some("reset") => Some(texts.done_reset()),
            Some("claimed") => Some(texts.done_claimed()),
            Some("deleted") => Some(texts.done_deleted()),
            _ => None,
        };
        Self {
            frame: &visit.frame,
            next: onward.path(),
            email: "",
            done,
            refusal: None,
            is_unverified: false,
            is_possible: visit.site().auth.config().auth.mode.offers_sessions(),
            is_open: visit.site().auth.config().accounts.registration == Registration::Open,
        }
    }
}

async fn sign_in_page(visit: Visit, query: Result<Query<Onward>, QueryRejection>) -> Response {
    let onward = query.map(|Query(onward)| onward).unwrap_or_default();
    if visit.frame.visitor.is_some() {
        return visit.go_to(onward.path());
    }
    visit.page(&SignInPage::new(&visit, &onward))
}

#[derive(Deserialize)]
struct SignIn {
    email: String,
    password: Zeroizing<String>,
    next: Option<String>,
}

async fn sign_in(visit: Visit, Form(form): Form<SignIn>) -> Response {
    let SignIn { email, password, next } = form;
    let onward = Onward { next, done: None };
    let email = email.trim();
    let refused = match enter(&visit, email, &password, onward.path()).await {
        Ok(response) => return response,
        Err(refused) => refused,
    };
    let page = SignInPage {
        email,
        refusal: Some(visit.frame.refusal(&refused)),
        is_unverified: refused.code() == "email_unverified",
        ..SignInPage::new(&visit, &onward)
    };
    visit.refused(&refused, &page)
}

#[derive(Template)]
#[template(path = "account/sign_up.html")]
struct SignUpPage<'a> {
    frame: &'a Frame,
    form: &'a SignUp,
    refusal: Option<String>,
    registration: Registration,
}

impl<'a> SignUpPage<'a> {
    fn new(visit: &'a Visit, form: &'a SignUp, refusal: Option<String>) -> Self {
        let registration = visit.site().auth.config().accounts.registration;
        Self { frame: &visit.frame, form, refusal, registration }
    }
}

#[derive(Deserialize, Default)]
struct SignUp {
    email: String,
    password: Zeroizing<String>,
    #[serde(default)]
    name: String,
}

async fn sign_up_page(visit: Visit) -> Response {
    if visit.frame.visitor.is_some() {
        return visit.go_to("/account");
    }
    visit.page(&SignUpPage::new(&visit, &SignUp::default(), None))
}

/// Makes the account and signs in; where the address has to be confirmed first, says so.
async fn sign_up(visit: Visit, Form(form): Form<SignUp>) -> Response {
    let (email, password) = (form.email.trim(), &*form.password);
    let name = Some(form.name.trim()).filter(|name| !name.is_empty());
    let body = json!({ "email": email, "password": password, "name": name });
    let made = visit.ask(Method::POST, "/register", Some(body)).await;
    match made.status {
        StatusCode::CREATED => {}
        StatusCode::ACCEPTED => {
            let text = visit.frame.text.letter_sent().to_confirm(email);
            return visit.page(&LetterSent { frame: &visit.frame, text });
        }
        _ => {
            let refusal = Some(visit.frame.refusal(&made));
            return visit.refused(&made, &SignUpPage::new(&visit, &form, refusal));
        }
    }
    match enter(&visit, email, password, "/account").await {
        Ok(response) => response,
        Err(_) => visit.go_to("/login?done=registered"),
    }
}

/// A letter does the rest, if there is somebody to write to.
#[derive(Template)]
#[template(path = "account/letter_sent.html")]
pub(super) struct LetterSent<'a> {
    pub(super) frame: &'a Frame,
    pub(super) text: String,
}

/// Signs out, or says that it was not done. Who was not signed in is out already.
async fn sign_out(visit: Visit) -> Response {
    let answer = visit.ask(Method::POST, "/logout", None).await;
    let was_nobody =
        answer.status == StatusCode::UNAUTHORIZED && answer.code() != "session_ambiguous";
    if answer.status.is_success() || was_nobody {
        return visit.go_on_to("/login", &answer);
    }
    let onward = Onward::default();
    let page = SignInPage {
        refusal: Some(visit.frame.refusal(&answer)),
        ..SignInPage::new(&visit, &onward)
    };
    visit.refused(&answer, &page)
}
