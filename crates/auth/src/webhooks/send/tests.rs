use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tempfile::NamedTempFile;

use super::*;
use crate::{
    Config,
    testing::{
        post_office::closed_address,
        receiver::{Receiver, Reply},
    },
    webhooks::WebhookSecret,
};

/// What no test here may come to by itself.
const LONG: Duration = Duration::from_secs(60);

struct Given {
    webhooks: config::Webhooks,
    /// Files that the settings name.
    files: Vec<NamedTempFile>,
}

fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    file
}

fn given(url: &str, allow_private: bool) -> Given {
    let secret = file(&WebhookSecret::generate().expect("randomness").reveal());
    let webhooks = config::Webhooks {
        url: Some(url.parse().expect("a URL")),
        secret_file: Some(secret.path().to_owned()),
        allow_private,
        ..Config::default().webhooks
    };
    Given { webhooks, files: vec![secret] }
}

impl Given {
    fn trusting(mut self, certificate: &str) -> Self {
        let file = file(certificate);
        self.webhooks.ca_file = Some(file.path().to_owned());
        self.files.push(file);
        self
    }

    fn webhook(&self) -> Webhook {
        self.looked_up(Lookup::system(), LONG)
    }

    fn looked_up(&self, lookup: Lookup, timeout: Duration) -> Webhook {
        Webhook::with(&self.webhooks, lookup, timeout).expect("settings").expect("a webhook")
    }
}

/// A name that leads to these addresses, one list for each lookup, the last one from then on; and how often it was asked.
fn name(answers: &[&[&str]]) -> (Lookup, Arc<AtomicUsize>) {
    let parse = |text: &&str| text.parse().expect("an address");
    let mut answers: Vec<Vec<IpAddr>> =
        answers.iter().map(|all| all.iter().map(parse).collect()).collect();
    answers.reverse();
    let (answers, asked) = (Mutex::new(answers), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let lookup = Lookup(Arc::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        let mut answers = answers.lock().expect("nobody panicked");
        let answer = if answers.len() > 1 { answers.pop() } else { answers.last().cloned() };
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }));
    (lookup, asked)
}

async fn sent(webhook: &Webhook) -> Result<Answer, Trouble> {
    webhook.send_test(&Clock::system()).await
}

fn forbidden(outcome: &Result<Answer, Trouble>) -> bool {
    matches!(outcome, Err(Trouble::Forbidden(_)))
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_called() {
    let receiver = Receiver::open().await;
    let port = receiver.address().port();
    let url = format!("https://hooks.example.com:{port}/in");
    for answer in [
        &["127.0.0.1"][..],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["10.0.0.1"],
        &["169.254.169.254"],
        &["0.0.0.0"],
        // One that is bad is enough, wherever it stands.
        &["93.184.216.34", "127.0.0.1"],
        &["127.0.0.1", "93.184.216.34"],
        &["2606:4700::1111", "fd00::1"],
    ] {
        let (lookup, asked) = name(&[answer]);
        let outcome = sent(&given(&url, false).looked_up(lookup, LONG)).await;
        assert!(forbidden(&outcome), "{answer:?}: {outcome:?}");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
    assert_eq!(receiver.calls(), 0);
    // The same name, where it is allowed: it is called, and only the protection is missing.
    let (lookup, _) = name(&[&["127.0.0.1"]]);
    let outcome = sent(&given(&url, true).looked_up(lookup, LONG)).await;
    assert!(matches!(outcome, Err(Trouble::Silent(_))), "{outcome:?}");
    assert_eq!(receiver.calls(), 1);
}

#[tokio::test]
async fn a_link_of_the_network_is_not_called_even_where_private_addresses_are_allowed() {
    let (lookup, _) = name(&[&["169.254.169.254"]]);
    assert!(forbidden(
        &sent(&given("https://hooks.example.com", true).looked_up(lookup, LONG)).await
    ));
    // In the clear nothing leaves the networks around.
    let (lookup, _) = name(&[&["93.184.216.34"]]);
    assert!(forbidden(
        &sent(&given("http://hooks.example.com", true).looked_up(lookup, LONG)).await
    ));
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_that_is_called() {
    let receiver = Receiver::open().await;
    receiver.behave(Reply::With(204, "connection", "close"));
    let url = format!("http://hooks.internal:{}/in", receiver.address().port());
    // A second lookup would find another address: there is none, until there is a second connection.
    let (lookup, asked) = name(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let webhook = given(&url, true).looked_up(lookup, LONG);
    assert!(sent(&webhook).await.is_ok_and(|answer| answer.is_success()));
    assert_eq!((asked.load(Ordering::Relaxed), receiver.calls()), (1, 1));
    assert!(forbidden(&sent(&webhook).await));
    assert_eq!((asked.load(Ordering::Relaxed), receiver.calls()), (2, 1));
}

#[tokio::test]
async fn what_is_sent_is_a_post_with_the_headers_of_standard_webhooks() {
    let receiver = Receiver::open().await;
    let given = given(&format!("http://{}/in?key=1", receiver.address()), true);
    let answer = sent(&given.webhook()).await.expect("an answer");
    assert_eq!((answer.status, answer.text.as_str(), answer.retry_after), (204, "", None));
    let request = &receiver.requests()[0];
    assert_eq!(request.line, "POST /in?key=1 HTTP/1.1");
    assert_eq!(request.header("content-type"), "application/json");
    assert!(request.header("user-agent").starts_with("countersign/"));
    let at = Timestamp::new(request.header("webhook-timestamp").parse().expect("seconds"));
    let signer =
        Signer::read(given.webhooks.secret_file.as_deref().expect("a file")).expect("a secret");
    assert_eq!(
        request.header("webhook-signature"),
        signer.sign(request.id(), at, request.body.as_bytes())
    );
    let body = request.json();
    assert_eq!((&body["type"], &body["data"]["id"]), (&TEST.into(), &request.id().into()));
}

#[tokio::test]
async fn only_a_receiver_whose_certificate_is_good_is_sent_anything() {
    let receiver = Receiver::protected().await;
    let port = receiver.address().port();
    let (good, other) =
        (format!("https://localhost:{port}/"), format!("https://127.0.0.1:{port}/"));
    let outcome = sent(&given(&good, true).webhook()).await;
    assert!(matches!(outcome, Err(Trouble::Silent(_))), "{outcome:?}");
    let outcome = sent(&given(&other, true).trusting(receiver.certificate()).webhook()).await;
    assert!(matches!(outcome, Err(Trouble::Silent(_))), "made out to another name: {outcome:?}");
    assert!(receiver.requests().is_empty());
    let outcome = sent(&given(&good, true).trusting(receiver.certificate()).webhook()).await;
    assert!(outcome.is_ok_and(|answer| answer.is_success()));
    let refused = Webhook::new(&given(&good, true).trusting("none").webhooks).expect_err("refused");
    assert!(
        matches!(refused, Error::Configuration(text) if text.starts_with("webhooks.ca_file: "))
    );
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (receiver, elsewhere) = (Receiver::open().await, Receiver::open().await);
    let location: &'static str = format!("http://{}/", elsewhere.address()).leak();
    receiver
        .next(&[Reply::With(302, "location", location), Reply::With(308, "location", location)]);
    let webhook = given(&format!("http://{}/", receiver.address()), true).webhook();
    for status in [302, 308] {
        let answer = sent(&webhook).await.expect("an answer");
        assert_eq!((answer.status, answer.is_success()), (status, false));
    }
    assert_eq!(elsewhere.calls(), 0);
}

#[tokio::test]
async fn an_answer_is_read_to_its_beginning_and_a_wait_to_its_end() {
    let receiver = Receiver::open().await;
    let given = given(&format!("http://{}/", receiver.address()), true);
    let webhook = given.webhook();
    receiver.next(&[
        Reply::TalksOn,
        Reply::Status(500),
        Reply::HangsUpAfterTheHead,
        Reply::HangsUp,
    ]);
    let answer = sent(&webhook).await.expect("an answer");
    assert_eq!((answer.status, answer.text.len()), (200, 300));
    let answer = sent(&webhook).await.expect("an answer");
    assert_eq!((answer.status, answer.text.as_str()), (500, "look"));
    assert!(sent(&webhook).await.is_ok_and(|answer| answer.is_success()), "it said so before");
    assert!(matches!(sent(&webhook).await, Err(Trouble::Silent(_))));
    receiver.behave(Reply::Nothing);
    let webhook = given.looked_up(Lookup::system(), Duration::from_millis(50));
    let silent = Trouble::Silent("it did not answer in time".to_owned());
    assert_eq!(sent(&webhook).await, Err(silent));
}

#[tokio::test]
async fn a_wish_to_be_left_alone_is_read_in_both_of_its_forms() {
    let receiver = Receiver::open().await;
    receiver.next(&[
        Reply::With(429, "retry-after", "120"),
        Reply::With(503, "retry-after", "Fri, 15 Jan 2027 08:10:00 GMT"),
        Reply::With(503, "retry-after", "Fri, 15 Jan 2027 07:00:00 GMT"),
        Reply::With(503, "retry-after", "soon"),
    ]);
    let webhook = given(&format!("http://{}/", receiver.address()), true).webhook();
    let clock = Clock::new(Timestamp::new(1_800_000_000));
    for wish in [Some(120), Some(600), None, None] {
        assert_eq!(webhook.send_test(&clock).await.expect("an answer").retry_after, wish);
    }
}

#[tokio::test]
async fn trouble_names_no_path_and_no_query() {
    let url = format!("http://{}/s3cret?key=s3cret", closed_address().await);
    let webhook = given(&url, true).webhook();
    let trouble = sent(&webhook).await.expect_err("nobody is there");
    let shown = format!("{trouble} {trouble:?} {webhook} {webhook:?}");
    assert!(!shown.contains("s3cret") && shown.contains("refused"), "{shown}");
}
