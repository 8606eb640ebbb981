//! What links in letters lead to, and how to get another: a new password, a confirmed address, the first administrator.
//!
//! Looking at a page uses nothing up: programs that look into mail follow links too. What is sent by its button does.

use askama::Template;
use axum::{
    Form,
    extract::{Query, rejection::QueryRejection},
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::enter::{LetterSent, enter};
use crate::ui::{
    routes::Routes,
    visit::{Frame, Visit},
};

pub(super) fn add(routes: &mut Routes) {
    routes.page("/password/forgot", forgot_page);
    routes.form("/account/forgot", "/password/forgot", forgot);
    routes.page("/password/reset", reset_page);
    routes.form("/account/reset", "/password/forgot", reset);
    routes.page("/email/verify", verify_page);
    routes.form("/account/verify", "/email/verify", verify);
    routes.page("/email/resend", verify_page);
    routes.form("/account/resend", "/email/verify", resend);
    routes.page("/admin/claim", claim_page);
    routes.form("/account/claim", "/admin/claim", claim);
}

/// What stands behind the `?` of a link.
#[derive(Deserialize, Default)]
struct Linked {
    #[serde(default)]
    token: Zeroizing<String>,
}

/// The token of a link; empty if there is none.
fn token(query: Result<Query<Linked>, QueryRejection>) -> Zeroizing<String> {
    query.map(|Query(linked)| linked.token).unwrap_or_default()
}

#[derive(Deserialize)]
struct Address {
    email: String,
}

#[derive(Template)]
#[template(path = "account/forgot.html")]
struct ForgotPage<'a> {
    frame: &'a Frame,
    email: &'a str,
    refusal: Option<String>,
}

async fn forgot_page(visit: Visit) -> Response {
    visit.page(&ForgotPage { frame: &visit.frame, email: "", refusal: None })
}

/// The same answer for every address.
async fn forgot(visit: Visit, Form(Address { email }): Form<Address>) -> Response {
    let email = email.trim();
    let body = json!({ "email": email });
    let answer = visit.ask(Method::POST, "/password/forgot", Some(body)).await;
    if answer.status == StatusCode::ACCEPTED {
        let text = visit.frame.text.letter_sent().to_reset(email);
        return visit.page(&LetterSent { frame: &visit.frame, text });
    }
    let refusal = Some(visit.frame.refusal(&answer));
    visit.refused(&answer, &ForgotPage { frame: &visit.frame, email, refusal })
}

#[derive(Template)]
#[template(path = "account/reset.html")]
struct ResetPage<'a> {
    frame: &'a Frame,
    /// Empty where the link is none.
    token: &'a str,
    refusal: Option<String>,
}

async fn reset_page(visit: Visit, query: Result<Query<Linked>, QueryRejection>) -> Response {
    let token = token(query);
    let refusal = token.is_empty().then(|| incomplete(&visit));
    visit.page(&ResetPage { frame: &visit.frame, token: &token, refusal })
}

fn incomplete(visit: &Visit) -> String {
    visit.frame.text.frame().link_incomplete().to_owned()
}

#[derive(Deserialize)]
struct Reset {
    token: Zeroizing<String>,
    password: Zeroizing<String>,
}

async fn reset(visit: Visit, Form(Reset { token, password }): Form<Reset>) -> Response {
    let body = json!({ "token": *token, "password": *password });
    let answer = visit.ask(Method::POST, "/password/reset", Some(body)).await;
    if answer.status == StatusCode::NO_CONTENT {
        return visit.go_to("/login?done=reset");
    }
    let refusal = Some(visit.frame.refusal(&answer));
    let token = if answer.code() == "link_invalid" { "" } else { &*token };
    visit.refused(&answer, &ResetPage { frame: &visit.frame, token, refusal })
}

#[derive(Template)]
#[template(path = "account/verify.html")]
struct VerifyPage<'a> {
    frame: &'a Frame,
    /// Empty where the link is none; the page offers another one then.
    token: &'a str,
    email: &'a str,
    refusal: Option<String>,
}

async fn verify_page(visit: Visit, query: Result<Query<Linked>, QueryRejection>) -> Response {
    let token = token(query);
    visit.page(&VerifyPage { frame: &visit.frame, token: &token, email: "", refusal: None })
}

async fn verify(visit: Visit, Form(Linked { token }): Form<Linked>) -> Response {
    let body = json!({ "token": *token });
    let answer = visit.ask(Method::POST, "/email/verify", Some(body)).await;
    if answer.status == StatusCode::NO_CONTENT {
        return visit.go_to(match visit.frame.visitor {
            Some(_) => "/account?done=verified#address",
            None => "/login?done=verified",
        });
    }
    let refusal = Some(visit.frame.refusal(&answer));
    let token = if answer.code() == "link_invalid" { "" } else { &*token };
    visit.refused(&answer, &VerifyPage { frame: &visit.frame, token, email: "", refusal })
}

async fn resend(visit: Visit, Form(Address { email }): Form<Address>) -> Response {
    let email = email.trim();
    let body = json!({ "email": email });
    let answer = visit.ask(Method::POST, "/email/resend", Some(body)).await;
    if answer.status == StatusCode::ACCEPTED {
        let text = visit.frame.text.letter_sent().to_confirm(email);
        return visit.page(&LetterSent { frame: &visit.frame, text });
    }
    let refusal = Some(visit.frame.refusal(&answer));
    visit.refused(&answer, &VerifyPage { frame: &visit.frame, token: "", email, refusal })
}

#[derive(Template)]
#[template(path = "account/claim.html")]
struct ClaimPage<'a> {
    frame: &'a Frame,
    form: &'a Claim,
    refusal: Option<String>,
}

#[derive(Deserialize, Default)]
struct Claim {
    #[serde(default)]
    token: Zeroizing<String>,
    email: String,
    password: Zeroizing<String>,
    #[serde(default)]
    name: String,
}

async fn claim_page(visit: Visit, query: Result<Query<Linked>, QueryRejection>) -> Response {
    let email = visit.frame.visitor.as_ref().map(|visitor| visitor.email.clone());
    let form = &Claim { token: token(query), email: email.unwrap_or_default(), ..Claim::default() };
    let refusal = form.token.is_empty().then(|| incomplete(&visit));
    visit.page(&ClaimPage { frame: &visit.frame, form, refusal })
}

/// Makes the first administrator, and signs him in.
async fn claim(visit: Visit, Form(form): Form<Claim>) -> Response {
    let (email, password) = (form.email.trim(), &*form.password);
    let name = Some(form.name.trim()).filter(|name| !name.is_empty());
    let body = json!({ "token": *form.token, "email": email, "password": password, "name": name });
    let answer = visit.ask(Method::POST, "/admin/claim", Some(body)).await;
    if answer.status.is_success() {
        return match enter(&visit, email, password, "/account?done=claimed").await {
            Ok(response) => response,
            Err(_) => visit.go_to("/login?done=claimed"),
        };
    }
    let texts = visit.frame.text.claim();
    let refusal = Some(match answer.code() {
        "invalid_credentials" => texts.wrong_password().to_owned(),
        "link_invalid" => texts.link_invalid().to_owned(),
        _ => visit.frame.refusal(&answer),
    });
    visit.refused(&answer, &ClaimPage { frame: &visit.frame, form: &form, refusal })
}
