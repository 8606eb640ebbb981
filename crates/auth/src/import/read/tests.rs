use super::*;
use crate::import::Firebase;

fn read_with(source: &str, format: Format, text: &str, options: Options) -> Vec<String> {
    let source = Source::by_name(source).expect("a source");
    let now = Timestamp::new(1_700_000_000);
    let rows = match Rows::open(text.as_bytes(), format, source, options, now) {
        Ok(rows) => rows,
        Err(Unreadable(why)) => return vec![why],
    };
    let shown = |row: Result<Candidate, Refused>| match row {
        Ok(row) => format!(
            "{}: {} {:?} {} {} {:?} {}{}",
            row.line,
            row.email,
            row.name.unwrap_or_default(),
            row.password_hash,
            row.roles.join("+"),
            row.created_at.map(Timestamp::seconds),
            if row.disabled { "disabled" } else { "enabled" },
            if row.unconfirmed { " unconfirmed" } else { "" },
        ),
        Err(refused) => format!("{}: {}", refused.line, refused.reason),
    };
    rows.map(shown).collect()
}

fn read(source: &str, format: Format, text: &str) -> Vec<String> {
    read_with(source, format, text, Options { only_confirmed: true, ..Options::default() })
}

#[test]
fn csv_is_read_with_its_quotes_and_its_lines_counted() {
    let text = "\u{feff}email,name,password_hash,roles\r\n\
                a@x.example,\"Two\nlines\",$2b$10$a,\"admin, user\"\r\n\
                b@x.example,\"say \"\"hi\"\"\",!,\r\n\
                c@x.example\r\n\
                d@x.example,D,,editor\r\n";
    assert_eq!(
        read("generic", Format::Csv, text),
        [
            "2: a@x.example \"Two\\nlines\" $2b$10$a admin+user None enabled unconfirmed",
            "4: b@x.example \"say \\\"hi\\\"\" !  None enabled unconfirmed",
            "5: it has more or fewer columns than the first line",
            "6: d@x.example \"D\"  editor None enabled unconfirmed",
        ]
    );
}

#[test]
fn a_file_without_the_columns_it_needs_is_refused_at_once() {
    for (source, header, why) in [
        ("generic", "mail,password_hash", "there is no column email"),
        ("django", "email,hash", "there is no column password"),
        ("pocketbase", "email,hash", "there is no column password or passwordHash"),
    ] {
        assert_eq!(read(source, Format::Csv, header), [why], "{source}");
    }
    let misspelt = read("generic", Format::Csv, "email,password_hash,role\n");
    assert!(misspelt[0].starts_with("it has an unknown column; known are email, "), "{misspelt:?}");
    let misspelt = read("generic", Format::JsonLines, r#"{"email":"a@x.example","pasword":"x"}"#);
    assert!(misspelt[0].starts_with("1: it has an unknown column; known are "), "{misspelt:?}");
}

#[test]
fn json_lines_are_read_one_by_one_and_a_bad_one_is_passed_over() {
    let long = format!("{{\"email\":\"{}\"}}", "x".repeat(100_000));
    let text = format!(
        "\n{{\"email\":\"a@x.example\",\"password_hash\":null,\"roles\":[\"admin\"]}}\n[1]\n{long}\n\
         {{\"email\":5}}\n{{\"email\":\"b@x.example\",\"disabled\":\"maybe\"}}\n\
         {{\"email\":\"c@x.example\",\"disabled\":true,\"created_at\":1700000000,\"email_verified\":1}}"
    );
    assert_eq!(
        read("generic", Format::JsonLines, &text),
        [
            "2: a@x.example \"\"  admin None enabled unconfirmed",
            "3: it is no JSON object",
            "4: it is longer than 64 KiB",
            "5: it has no address",
            "6: disabled is neither true nor false",
            "7: c@x.example \"\"   Some(1700000000) disabled",
        ]
    );
}

#[test]
fn each_system_has_columns_of_its_own() {
    let one = |source, format, text: &str| {
        let rows = read(source, format, text);
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.into_iter().next().expect("a row")
    };
    assert_eq!(
        one(
            "fastapi-users",
            Format::Csv,
            "id,email,hashed_password,is_active,is_superuser,is_verified\n\
             7,a@x.example,$argon2id$x,True,True,True\n"
        ),
        "2: a@x.example \"\" $argon2id$x admin None enabled"
    );
    assert_eq!(
        one(
            "django",
            Format::Csv,
            "id,password,last_login,is_superuser,username,first_name,last_name,email,is_staff,is_active,date_joined\n\
             1,\"argon2$argon2id$v=19$m=102400,t=2\",,f,ada,Ada,Lovelace,a@x.example,t,f,2023-11-14 22:13:20+00\n"
        ),
        "2: a@x.example \"Ada Lovelace\" $argon2id$v=19$m=102400,t=2  Some(1700000000) disabled"
    );
    assert_eq!(
        one(
            "django",
            Format::JsonLines,
            r#"{"email":"a@x.example","password":"bcrypt$$2b$12$x","is_superuser":false,"is_active":true}"#
        ),
        "1: a@x.example \"\" $2b$12$x  None enabled"
    );
    assert_eq!(
        one(
            "better-auth",
            Format::JsonLines,
            r#"{"id":"x","name":"Ada","email":"a@x.example","emailVerified":true,"role":"admin","banned":null,"password":"00:11","createdAt":"2023-11-14T22:13:20.000Z"}"#
        ),
        "1: a@x.example \"Ada\" 00:11 admin Some(1700000000) enabled"
    );
    assert_eq!(
        one(
            "supabase",
            Format::Csv,
            "email,encrypted_password,email_confirmed_at,banned_until,raw_user_meta_data,created_at\n\
             a@x.example,$2a$10$x,,2999-01-01 00:00:00+00,\"{\"\"full_name\"\":\"\"Ada\"\"}\",2023-11-14 22:13:20.5+00\n"
        ),
        "2: a@x.example \"Ada\" $2a$10$x  Some(1700000000) disabled unconfirmed"
    );
    assert_eq!(
        one(
            "pocketbase",
            Format::JsonLines,
            r#"{"id":"x","email":"a@x.example","password":"$2a$10$x","verified":true,"created":"2023-11-14 22:13:20.000Z"}"#
        ),
        "1: a@x.example \"\" $2a$10$x  Some(1700000000) enabled"
    );
}

#[test]
fn firebase_needs_the_parameters_of_its_project() {
    let row = r#"{"localId":"x","email":"a@x.example","emailVerified":true,"passwordHash":"_-8=","salt":"-_8=","createdAt":"1700000000000"}"#;
    let options = || Options { only_confirmed: true, ..Options::default() };
    assert_eq!(
        read_with("firebase", Format::JsonLines, row, options()),
        ["1: the project's parameters are not given"]
    );
    let firebase = Firebase {
        signer_key: "sig-_w==".to_owned(),
        salt_separator: "Bw==".to_owned(),
        rounds: 8,
        mem_cost: 14,
    };
    assert_eq!(
        read_with(
            "firebase",
            Format::JsonLines,
            row,
            Options { firebase: Some(firebase.clone()), ..options() }
        ),
        [
            "1: a@x.example \"\" $fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=sig+/w==$+/8=$/+8=  Some(1700000000) enabled"
        ]
    );
    assert_eq!(format!("{firebase:?}"), "Firebase(…)");
}
