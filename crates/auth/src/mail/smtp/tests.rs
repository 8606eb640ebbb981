use std::net::SocketAddr;

use super::*;
use crate::testing::post_office::{Manners, PostOffice, Protection, closed_address};

fn settings(url: &str) -> config::Mail {
    let mut mail = crate::Config::default().mail;
    mail.url = Some(url.parse().expect("a URL"));
    mail.from = Some("Countersign <auth@example.com>".to_owned());
    mail
}

fn mailer(mail: &config::Mail) -> Mailer {
    Mailer::new(mail).expect("settings").expect("a server")
}

fn plain(address: SocketAddr) -> Mailer {
    mailer(&settings(&format!("smtp://{address}")))
}

fn letter() -> Rendered {
    Rendered {
        subject: "Ein Brief für dich\u{2009}😀".to_owned(),
        text: "Hello\n.\n.. two dots\nGrüße".to_owned(),
        html: "<p>Hello</p>".to_owned(),
    }
}

async fn send(mailer: &Mailer, to: &str) -> Result<(), Trouble> {
    let to = Email::parse(to).expect("an address");
    mailer.send(Uuid::from_u128(7), &to, &letter(), Timestamp::new(1_800_000_000)).await
}

#[tokio::test]
async fn letters_go_over_tls_to_a_server_whose_certificate_is_good() {
    let folder = tempfile::tempdir().expect("a folder");
    for (protection, scheme, options) in
        [(Protection::Tls, "smtps", ""), (Protection::StartTls, "smtp", "?tls=starttls")]
    {
        let office = PostOffice::protected(protection).await;
        let port = office.address().port();
        let mut mail = settings(&format!("{scheme}://user@localhost:{port}{options}"));
        let (password, ca) = (folder.path().join("password"), folder.path().join("ca.pem"));
        std::fs::write(&password, "right\n").expect("written");
        std::fs::write(&ca, office.certificate()).expect("written");
        mail.password_file = Some(password.clone());
        // Nobody has signed its certificate.
        let trouble = send(&mailer(&mail), "a@example.com").await.expect_err("a stranger");
        assert!(matches!(trouble, Trouble::Server(_)), "{trouble:?}");
        assert!(office.received().is_empty());

        mail.ca_file = Some(ca);
        send(&mailer(&mail), "a@example.com").await.expect("sent");
        let received = office.received().remove(0);
        assert!(received.encrypted);
        assert_eq!(received.login.as_deref(), Some("user:right"));

        // Another name than the one in the certificate.
        let other = MailUrl { host: "127.0.0.1".to_owned(), ..mail.url.clone().expect("a URL") };
        let other = config::Mail { url: Some(other), ..mail.clone() };
        let trouble = send(&mailer(&other), "a@example.com").await.expect_err("another name");
        assert!(matches!(trouble, Trouble::Server(_)), "{trouble:?}");

        std::fs::write(&password, "wrong").expect("written");
        let trouble = send(&mailer(&mail), "a@example.com").await.expect_err("a wrong password");
        assert!(matches!(&trouble, Trouble::Server(why) if why.contains("535")), "{trouble:?}");
        assert!(!trouble.to_string().contains("wrong"));
        assert_eq!(office.received().len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_sent_where_starttls_is_asked_for_and_not_offered() {
    let office = PostOffice::open().await;
    let port = office.address().port();
    let mail = settings(&format!("smtp://localhost:{port}?tls=starttls"));
    let trouble = send(&mailer(&mail), "a@example.com").await.expect_err("no STARTTLS");
    assert!(matches!(trouble, Trouble::Server(_)), "{trouble:?}");
    assert!(office.received().is_empty());
}

#[tokio::test]
async fn a_letter_arrives_as_it_was_written_and_the_connection_is_used_again() {
    let office = PostOffice::open().await;
    let mailer = plain(office.address());
    for email in ["a@example.com", "ü@example.com"] {
        send(&mailer, email).await.expect(email);
    }
    let received = office.received();
    assert_eq!((received.len(), office.calls()), (2, 1));
    assert_eq!(received[1].to, "ü@example.com");
    assert!(
        received[0].data.is_ascii() && received[0].data.contains("\r\n.\r\n"),
        "{}",
        received[0].data
    );
    // RFC 2047: no header holds anything but ASCII.
    assert!(received[0].header("Subject").expect("a subject").contains("=?utf-8?"));
}

#[tokio::test]
async fn what_became_of_a_letter_is_told_apart() {
    let office = PostOffice::open().await;
    let mailer = plain(office.address());
    let outcome = async |manners| {
        office.behave(manners);
        send(&mailer, "a@example.com").await.expect_err("not sent")
    };
    let refused = outcome(Manners::Refuses("a@")).await;
    assert_eq!(refused, Trouble::Refused("550 5.1.1".to_owned()), "and no address in it");
    assert_eq!(outcome(Manners::Greylists).await, Trouble::PutOff("451 4.7.1".to_owned()));
    assert!(matches!(outcome(Manners::HangsUp).await, Trouble::Unsure(_)));
    assert!(matches!(outcome(Manners::ForgetsToSaySo).await, Trouble::Unsure(_)));
    let disliked = outcome(Manners::DislikesSender).await;
    assert!(matches!(&disliked, Trouble::Server(why) if why.contains("not you")), "{disliked:?}");
    let down = plain(closed_address().await);
    assert!(matches!(send(&down, "a@example.com").await, Err(Trouble::Server(_))));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_without_end() {
    let office = PostOffice::open().await;
    office.behave(Manners::Silent);
    let moment = Duration::from_millis(50);
    let waits = Waits { connect: moment, command: moment, letter: moment };
    let mailer = plain(office.address()).waiting(waits);
    let trouble = send(&mailer, "a@example.com").await.expect_err("nothing");
    assert_eq!(trouble, Trouble::Server("it did not greet in time".to_owned()));
}

#[test]
fn settings_that_do_not_go_together_are_refused_with_what_to_change() {
    let refused = |change: fn(&mut config::Mail)| {
        let mut mail = settings("smtps://user@mail.example.com");
        mail.password_file = Some("password".into());
        change(&mut mail);
        check(&mail).expect_err("refused")
    };
    assert!(refused(|mail| mail.from = None).contains("mail.from"));
    assert!(refused(|mail| mail.from = Some("nobody".to_owned())).contains("\"nobody\""));
    assert!(
        refused(|mail| mail.from = Some("A\r\nBcc: <b@example.com>".to_owned()))
            .contains("mail.from")
    );
    assert!(refused(|mail| mail.password_file = None).contains("mail.password_file"));
    assert!(
        refused(|mail| mail.url = "smtps://mail.example.com".parse().ok())
            .contains("names no user")
    );
    let mut mail = settings("smtps://user@mail.example.com");
    mail.password_file = Some("/nowhere/at/all".into());
    let error = Mailer::new(&mail).expect_err("no file").to_string();
    assert!(error.contains("/nowhere/at/all"), "{error}");
}
