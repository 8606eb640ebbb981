use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    body::Body,
    extract::Request as HttpRequest,
    http::StatusCode,
    middleware::{Next, from_fn},
    response::Response,
};
use serde_json::Value;

use super::{steps::STEPS, *};

/// What is done to one answer of a server.
#[derive(Debug, Clone, Copy)]
enum Lie {
    /// Yes in place of no, and no in place of yes.
    Status,
    /// Its body is left out.
    Body,
}

/// A server that alters the answer of this number, counted from the last time it was set.
#[derive(Clone)]
struct Liar {
    lie: Arc<Mutex<Option<(Lie, usize)>>>,
    answered: Arc<AtomicUsize>,
}

impl Liar {
    fn alter(&self, app: Router) -> Router {
        let liar = self.clone();
        app.layer(from_fn(move |request: HttpRequest, next: Next| {
            let liar = liar.clone();
            async move {
                let response = next.run(request).await;
                let number = liar.answered.fetch_add(1, Ordering::Relaxed);
                let lie = *liar.lie.lock().expect("no panic");
                match lie.filter(|(_, nth)| *nth == number) {
                    Some((lie, _)) => altered(response, lie),
                    None => response,
                }
            }
        }))
    }

    fn tell(&self, lie: Option<(Lie, usize)>) {
        *self.lie.lock().expect("no panic") = lie;
        self.answered.store(0, Ordering::Relaxed);
    }
}

fn altered(response: Response, lie: Lie) -> Response {
    let (mut head, body) = response.into_parts();
    match lie {
        Lie::Status => {
            let yes = head.status.is_success();
            head.status = if yes { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
            Response::from_parts(head, body)
        }
        Lie::Body => {
            head.headers.remove("content-length");
            Response::from_parts(head, Body::from("{}"))
        }
    }
}

#[tokio::test]
async fn no_status_of_the_tour_can_be_altered_unnoticed() {
    whichever_answer_is_altered_its_step_does_not_hold(Lie::Status).await;
}

#[tokio::test]
async fn no_body_of_the_tour_can_be_left_out_unnoticed() {
    whichever_answer_is_altered_its_step_does_not_hold(Lie::Body).await;
}

/// Every step is shown once, in its order, and each answer matters.
async fn whichever_answer_is_altered_its_step_does_not_hold(lie: Lie) {
    let liar = Liar { lie: Arc::default(), answered: Arc::default() };
    let server = Server::start(|app| liar.alter(app)).await.expect("it starts");
    // Each tour is somebody else's; they share a server, whose clock moves on with each.
    let tour = async |number: usize| {
        let visitor = server.visitor(&format!("visitor-{number}@example.com"));
        let mut shown = Vec::new();
        let failed = steps::walk(visitor, |step: &Step| {
            assert_eq!(step.outcome.is_err(), shown::text(step, false).contains('✗'));
            shown.push((step.name, step.exchanges.len()));
        })
        .await;
        (failed, shown)
    };
    liar.tell(None);
    let (failed, shown) = tour(0).await;
    assert_eq!(failed, Vec::<&str>::new());
    assert_eq!(
        shown.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        STEPS.map(|(name, ..)| name)
    );
    // To which step the answer of a number belongs.
    let steps: Vec<&str> =
        shown.iter().flat_map(|(name, answers)| std::iter::repeat_n(*name, *answers)).collect();
    assert_eq!(steps.len(), liar.answered.load(Ordering::Relaxed));

    for (nth, step) in steps.iter().enumerate() {
        liar.tell(Some((lie, nth)));
        let (failed, _) = tour(nth + 1).await;
        assert!(failed.contains(step), "{lie:?} of answer {nth} of {step}: {failed:?}");
    }
    server.stop().await.expect("it stops");
}

#[tokio::test]
async fn a_server_that_is_gone_holds_nothing() {
    let server = Server::start(|app| app).await.expect("it starts");
    let visitor = server.visitor(EMAIL);
    let folder = server.folder.path().to_owned();
    assert!(folder.join("countersign.db").exists());
    server.stop().await.expect("it stops");
    assert!(!folder.exists());
    let mut why = Vec::new();
    let failed =
        steps::walk(visitor, |step| why.push(step.outcome.clone().expect_err("gone"))).await;
    assert_eq!(failed, STEPS.map(|(name, ..)| name));
    let No(named) = held(&failed).expect_err("no");
    assert!(failed.iter().all(|name| named.contains(name)), "{named}");
    assert!(held(&[]).is_ok());
    assert!(why[0].starts_with("POST /register got no answer: "), "{}", why[0]);
}

#[tokio::test]
async fn what_is_shown_has_shortened_tokens_and_no_password() {
    let mut tokens = Vec::new();
    let (mut texts, mut objects) = (String::new(), Vec::<Value>::new());
    let failed = tour(
        |app| app,
        |step| {
            for answer in step.exchanges.iter().filter_map(|exchange| exchange.answer.as_ref()) {
                let members = ["access_token", "refresh_token"].map(|name| &answer.body[name]);
                tokens.extend(members.iter().filter_map(|token| token.as_str()).map(str::to_owned));
                let cookie = answer.headers.get("set-cookie").and_then(|own| own.to_str().ok());
                let secret = cookie.and_then(|own| own.split(['=', ';']).nth(1));
                tokens.extend(secret.filter(|own| !own.is_empty()).map(str::to_owned));
            }
            texts.push_str(&shown::text(step, true));
            objects.push(serde_json::from_str(&shown::json(step)).expect("JSON"));
        },
    );
    assert_eq!(failed.await.expect("a tour"), Vec::<&str>::new());
    assert!(tokens.len() > 8, "{tokens:?}");
    let all = format!("{texts}{objects:?}");
    for secret in tokens.iter().map(String::as_str).chain(["gravel"]) {
        assert!(!all.contains(secret), "{secret}");
    }
    for token in tokens.iter().filter(|token| token.contains('.')) {
        let short = shown::shortened(token);
        assert_eq!(short.split('.').count(), 3);
        assert!(all.contains(&short), "{short}");
    }
    assert!(texts.contains(r#""password":"(not shown)""#), "{texts}");
    let members: Vec<&String> = objects[0].as_object().expect("an object").keys().collect();
    let mut known = ["step", "ok", "says", "why", "note", "request", "response", "earlier"];
    known.sort_unstable();
    assert_eq!(members, known.each_ref());
}
