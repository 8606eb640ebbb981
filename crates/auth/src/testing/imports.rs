//! What an import promises, one function for each promise, to be run on every engine.

#![expect(
    clippy::unwrap_used,
    reason = "a promise that is not kept fails the test where it stands"
)]

use jwt::Timestamp;

use super::{PASSWORD, Place, TestAuth};
use crate::{
    Auth, Client, Error,
    import::{Format, Mode, Options, Report, Rows, Source},
    users::{Email, NewUser, User},
};

/// Hashes of [`PASSWORD`] by the tools of other systems (`tests/vectors/make`), cheap ones first: the scheme, the hash, and
/// whether it is too weak to lie in a database.
const HASHES: [(&str, &str, bool); 6] = [
    ("bcrypt", BCRYPT_4, true),
    ("bcrypt", BCRYPT_10, false),
    ("django pbkdf2_sha256", PBKDF2, true),
    ("sha512-crypt", SHA512, true),
    ("better-auth scrypt", BETTER_AUTH, false),
    ("firebase scrypt", FIREBASE, true),
];

const BCRYPT_10: &str = "$2b$10$L6Jtm.g9ttaxyAqelgOCfOjO/Br.RoCaip1mgXiBUceJb/WprV.qK";
const BCRYPT_4: &str = "$2b$04$3H9LjQN7KCEyCMKZXreUueFDUqXHJ6rRbpvr2xNghB0IBCp/zaXUm";
const BETTER_AUTH: &str = "22630fe880c8daa139edce6c70d2be14:2f247c9cd169cc343a112149a378cdd8efe791f3fc9b5773859f1900e24f56d66e442130ae5f63f1e9ce0c11cb482afa3b9990f9053947a1fe103a7e0e31fb43";
const FIREBASE: &str = "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$c2FsdCBhbmQgcGVwcGVy$2UaX5/JfvCJ86xy7m4UFk3yiFVPLPlwhad/7RFR33PI4+43sP33LSgVn+UvrFttG4RW5NqO49kNd7UhPdgLtOA==";
const PBKDF2: &str = "pbkdf2_sha256$36000$seasalt2$K/2hu+EVX7SfrHJtRNvj24yU+OnO5E2eqwFRaB0dgOE=";
const SHA512: &str = "$6$GD.BJueim5MeeDQY$M2ZfUmCs16YJDSiSxa8be/R4XjA4QIwEGVw.2.NWGERpEL5YFXN4JIvDRjzF3SUUZEfV5fxs7sIr4g96BqqKT0";

/// An import reads these rows as lines of JSON.
pub async fn import(auth: &Auth, lines: &str, mode: Mode) -> Result<Report, Error> {
    let source = Source::by_name("generic").unwrap();
    let now = auth.clock().now();
    let rows =
        Rows::open(lines.as_bytes(), Format::JsonLines, source, Options::default(), now).unwrap();
    auth.import(rows, mode, |_| {}).await
}

fn line(number: usize, hash: &str) -> String {
    format!("{{\"email\":\"user{number}@example.com\",\"password_hash\":\"{hash}\"}}\n")
}

fn lines() -> String {
    HASHES.iter().enumerate().map(|(number, (_, hash, _))| line(number, hash)).collect()
}

async fn user(auth: &Auth, email: &str) -> User {
    auth.user_by_email(&Email::parse(email).unwrap()).await.unwrap().unwrap()
}

async fn stored(auth: &Auth) -> Vec<String> {
    auth.export(None, 1_000).await.unwrap().into_iter().map(|one| one.password_hash).collect()
}

/// Whoever was imported logs in with the password of before, and nobody else; that login has the password hashed anew.
pub async fn who_was_imported_logs_in_and_is_hashed_anew(place: Place) {
    let auth = TestAuth::new(&place).await.unwrap().auth;
    let report = import(&auth, &lines(), Mode::Write).await.unwrap();
    assert_eq!((report.rows, report.new, report.refused), (6, 6, 0));
    for number in 0..HASHES.len() {
        let email = format!("user{number}@example.com");
        let wrong = auth.login(&email, "four unrelated gravel word", &Client::default()).await;
        assert!(matches!(wrong, Err(Error::InvalidCredentials)), "{email}");
    }
    let before = stored(&auth).await;
    assert!(
        before
            .iter()
            .all(|hash| !hash.contains("$m=19456,t=2,p=1$") || hash.starts_with("$wrapped$"))
    );
    for number in 0..HASHES.len() {
        auth.login(&format!("user{number}@example.com"), PASSWORD, &Client::default())
            .await
            .unwrap();
    }
    let after = stored(&auth).await;
    assert!(
        after.iter().all(|hash| hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")),
        "{after:?}"
    );
    for number in 0..HASHES.len() {
        let email = format!("user{number}@example.com");
        auth.login(&email, PASSWORD, &Client::default()).await.unwrap();
        assert!(
            auth.login(&email, "four unrelated gravel word", &Client::default()).await.is_err()
        );
    }
    assert_eq!(stored(&auth).await, after, "once is enough");
}

/// A hash that is too weak lies in the database only inside a strong one.
pub async fn no_weak_hash_lies_in_the_database(place: Place) {
    let auth = TestAuth::new(&place).await.unwrap().auth;
    let report = import(&auth, &lines(), Mode::Write).await.unwrap();
    assert_eq!(report.wrapped(), 4);
    let rows = auth.db().all("SELECT hash FROM passwords ORDER BY user_id", []).await.unwrap();
    for ((scheme, hash, weak), row) in HASHES.iter().zip(&rows) {
        let stored: String = row.get("hash").unwrap();
        let output = &hash.get(hash.len() - 27..).unwrap();
        assert_eq!(stored.contains(output), !weak, "{scheme}: {stored}");
        assert_eq!(stored.starts_with("$wrapped$l="), *weak, "{scheme}: {stored}");
    }
}

/// An import that is started again makes what is missing, and nothing twice; what was there before stays as it is.
pub async fn an_import_that_is_started_again_goes_on(place: Place) {
    let auth = TestAuth::new(&place).await.unwrap().auth;
    auth.user_create(NewUser {
        email: "user3@example.com",
        password: "another long gravel phrase",
        name: Some("here before"),
        roles: &["user"],
    })
    .await
    .unwrap();
    let begun: String = (0..250).map(|number| line(number, BCRYPT_10)).collect();
    let whole: String = (0..700).map(|number| line(number, BCRYPT_10)).collect();
    let report = import(&auth, &begun, Mode::Write).await.unwrap();
    assert_eq!((report.rows, report.new, report.existing), (250, 249, 1));
    let mut seen = Vec::new();
    let source = Source::by_name("generic").unwrap();
    let now = auth.clock().now();
    let rows = Rows::open(whole.as_bytes(), Format::JsonLines, source, Options::default(), now);
    let report =
        auth.import(rows.unwrap(), Mode::Write, |report| seen.push(report.rows)).await.unwrap();
    assert_eq!((report.rows, report.new, report.existing), (700, 450, 250));
    assert_eq!(seen, [200, 400, 600, 700]);
    assert_eq!(stored(&auth).await.len(), 700);
    assert_eq!(user(&auth, "user3@example.com").await.name.as_deref(), Some("here before"));
    assert!(auth.login("user3@example.com", PASSWORD, &Client::default()).await.is_err());
    auth.login("user3@example.com", "another long gravel phrase", &Client::default())
        .await
        .unwrap();
}

/// A batch is made whole or not at all.
pub async fn nothing_of_an_import_is_half_made(place: Place) {
    let auth = TestAuth::new(&place).await.unwrap().auth;
    let whole: String = (0..600).map(|number| line(number, BCRYPT_10)).collect();
    let source = Source::by_name("generic").unwrap();
    let now = auth.clock().now();
    let rows = Rows::open(whole.as_bytes(), Format::JsonLines, source, Options::default(), now);
    let taken = auth.db().clone();
    let outcome = auth
        .import(rows.unwrap(), Mode::Write, |report| {
            if report.rows == 400 {
                taken.set_unavailable(true);
            }
        })
        .await;
    assert!(matches!(outcome, Err(Error::StorageUnavailable(_))));
    auth.db().set_unavailable(false);
    let users = auth.users(None, 1_000).await.unwrap();
    assert_eq!((users.len(), stored(&auth).await.len()), (400, 400));
    let report = import(&auth, &whole, Mode::Write).await.unwrap();
    assert_eq!((report.new, report.existing), (200, 400));
}

/// A dry run says what would become of each row, measures, and changes nothing.
pub async fn a_dry_run_changes_nothing(place: Place) {
    let auth = TestAuth::new(&place).await.unwrap().auth;
    let more = "{\"email\":\"user0@example.com\",\"password_hash\":\"\"}\n\
                {\"email\":\"no address\",\"password_hash\":\"\"}\n\
                {\"email\":\"a@example.com\",\"password_hash\":\"5f4dcc3b5aa765d61d8327deb882cf99\"}\n\
                {\"email\":\"b@example.com\",\"roles\":[\"root\"]}\n\
                {\"email\":\"c@example.com\",\"name\":\"a\\u0000b\"}\n\
                {\"email\":\"D@example.com\",\"password_hash\":null,\"roles\":[\"admin\"],\"disabled\":true}\n";
    let text = format!("{}{more}", lines());
    let report = import(&auth, &text, Mode::DryRun).await.unwrap();
    assert_eq!((report.rows, report.new, report.repeated, report.refused), (12, 7, 1, 4));
    assert_eq!((report.without_password, report.administrators, report.disabled), (1, 1, 1));
    assert_eq!(report.wrapped(), 4);
    let said: Vec<_> =
        report.named.iter().map(|refused| (refused.line, refused.reason.as_str())).collect();
    assert_eq!(
        said,
        [
            (8, "email: it is not an address"),
            (9, "no scheme that is known here wrote this hash"),
            (10, "it has a role that accounts.roles does not list"),
            (11, "name: it has a control character"),
        ]
    );
    assert!(report.kinds.values().all(|kind| kind.check.is_some()));
    assert!(report.first_login() > report.check);
    assert!(stored(&auth).await.is_empty());
    let mut done = import(&auth, &text, Mode::Write).await.unwrap();
    done.check = report.check;
    for (kind, measured) in done.kinds.values_mut().zip(report.kinds.values()) {
        kind.check = measured.check;
    }
    assert_eq!(done, report, "and what it said comes true");
}

/// An account is imported with all that its row says, in its own form.
pub async fn an_account_is_imported_as_its_row_says(place: Place) {
    let auth = TestAuth::new(&place).await.unwrap().auth;
    let text = format!(
        "{{\"email\":\"A.b@EXAMPLE.com\",\"name\":\" Ada \",\"password_hash\":\"{BCRYPT_10}\",\
         \"roles\":\"admin\",\"created_at\":1600000000,\"disabled\":true,\"email_verified\":false}}\n\
         {{\"email\":\"c@example.com\"}}"
    );
    import(&auth, &text, Mode::Write).await.unwrap();
    let ada = user(&auth, "a.b@example.com").await;
    assert_eq!((ada.name.as_deref(), ada.disabled), (Some("Ada"), true));
    assert_eq!(ada.roles.names(), ["admin", "user"]);
    assert_eq!(ada.created_at, Timestamp::new(1_600_000_000));
    assert_eq!(ada.id.0.get_version_num(), 7);
    assert!(
        auth.login("a.b@example.com", PASSWORD, &Client::default()).await.is_err(),
        "it is disabled"
    );
    let other = user(&auth, "c@example.com").await;
    assert_eq!(other.created_at, auth.clock().now());
    for password in ["", "!", PASSWORD] {
        assert!(auth.login("c@example.com", password, &Client::default()).await.is_err());
    }
    auth.password_set(other.id, PASSWORD).await.unwrap();
    auth.login("c@example.com", PASSWORD, &Client::default()).await.unwrap();
}

/// What is exported is imported as the same accounts, with passwords that still let in.
pub async fn an_export_is_read_back(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    import(&test.auth, &lines(), Mode::Write).await.unwrap();
    let exported = test.auth.export(None, 1_000).await.unwrap();
    let text: String = exported
        .iter()
        .map(|one| {
            line(0, &one.password_hash)
                .replace("user0@example.com", &format!("new-{}", one.user.email))
        })
        .collect();
    let report = import(&test.auth, &text, Mode::Write).await.unwrap();
    assert_eq!((report.new, report.wrapped()), (6, 4));
    let both = stored(&test.auth).await;
    let (old, new) = both.split_at(6);
    assert_eq!(old, new, "what is wrapped is not wrapped again");
    test.auth.login("new-user0@example.com", PASSWORD, &Client::default()).await.unwrap();
    let some = test.auth.export(Some(exported.get(3).unwrap().user.id), 2).await.unwrap();
    let some: Vec<_> = some.iter().map(|one| one.user.id).collect();
    assert_eq!(some, [exported.get(4).unwrap().user.id, exported.get(5).unwrap().user.id]);
}

/// A password that an operator sets is the only one from then on, and all logins of before are over.
pub async fn a_password_that_is_set_ends_all_logins(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let account = super::conformance::account(&test).await;
    let client = Client::default();
    let tokens = test.auth.tokens_create(&account, &client).await.unwrap();
    test.auth.session_create(&account, &client, None).await.unwrap();
    test.auth.password_set(account.id, "another long gravel phrase").await.unwrap();
    assert!(super::logins::bearer(&test.auth, &tokens).await.is_err());
    assert!(test.auth.sessions_of(account.id, None, 10).await.unwrap().is_empty());
    let refreshed = test.auth.tokens_refresh(&tokens.refresh, &client).await;
    assert!(matches!(refreshed, Err(Error::InvalidGrant)));
    let email = account.email.as_str();
    assert!(test.auth.login(email, PASSWORD, &Client::default()).await.is_err());
    test.auth.login(email, "another long gravel phrase", &Client::default()).await.unwrap();
    let weak = test.auth.password_set(account.id, "password").await;
    assert!(matches!(weak, Err(Error::PasswordRefused(_))));
    let nobody =
        test.auth.password_set(crate::users::UserId(test.auth.ids().next()), PASSWORD).await;
    assert!(matches!(nobody, Err(Error::NotFound)));
}

/// Accounts are listed in the order of their making, page by page.
pub async fn accounts_are_listed_page_by_page(place: Place) {
    let auth = TestAuth::new(&place).await.unwrap().auth;
    let text: String = (0..5).map(|number| line(number, "")).collect();
    import(&auth, &text, Mode::Write).await.unwrap();
    let first = auth.users(None, 3).await.unwrap();
    let rest = auth.users(first.last().map(|user| user.id), 3).await.unwrap();
    let listed: Vec<_> = first.iter().chain(&rest).map(|user| user.email.to_string()).collect();
    assert_eq!(listed, [0, 1, 2, 3, 4].map(|number| format!("user{number}@example.com")));
}
