//! From which system rows come, and which of its columns means what.

use jwt::Timestamp;

use super::{Refused, fields::Fields};
use crate::roles;

/// A system that accounts come from. One row of `SOURCES` is all that is known of it.
#[derive(Debug)]
pub struct Source {
    /// The name it goes by on the command line.
    pub name: &'static str,
    /// The columns that are read; of several the first that has something.
    email: &'static [&'static str],
    /// Joined with a blank.
    names: &'static [&'static [&'static str]],
    password_hash: &'static [&'static str],
    roles: &'static [&'static str],
    /// Whoever has it administers.
    superuser: &'static [&'static str],
    created_at: &'static [&'static str],
    disabled: &'static [&'static str],
    /// The opposite of disabled.
    active: &'static [&'static str],
    /// Disabled until then.
    disabled_until: &'static [&'static str],
    confirmed: &'static [&'static str],
    confirmed_at: &'static [&'static str],
    /// Columns that are known and not read; `None` where any other column is passed over.
    ignored: Option<&'static [&'static str]>,
}

const NOTHING: Source = Source {
    name: "",
    email: &["email"],
    names: &[&["name"]],
    password_hash: &["password_hash"],
    roles: &[],
    superuser: &[],
    created_at: &[],
    disabled: &[],
    active: &[],
    disabled_until: &[],
    confirmed: &[],
    confirmed_at: &[],
    ignored: None,
};

static SOURCES: [Source; 7] = [
    Source {
        name: "generic",
        roles: &["roles"],
        created_at: &["created_at"],
        disabled: &["disabled"],
        confirmed: &["email_verified"],
        ignored: Some(&["id"]),
        ..NOTHING
    },
    Source {
        name: "fastapi-users",
        names: &[],
        password_hash: &["hashed_password"],
        superuser: &["is_superuser"],
        created_at: &["created_at"],
        active: &["is_active"],
        confirmed: &["is_verified"],
        ..NOTHING
    },
    Source {
        name: "django",
        names: &[&["first_name"], &["last_name"]],
        password_hash: &["password"],
        superuser: &["is_superuser"],
        created_at: &["date_joined"],
        active: &["is_active"],
        ..NOTHING
    },
    Source {
        name: "better-auth",
        password_hash: &["password"],
        roles: &["role"],
        created_at: &["createdAt", "created_at"],
        disabled: &["banned"],
        confirmed: &["emailVerified", "email_verified"],
        ..NOTHING
    },
    Source {
        name: "firebase",
        names: &[&["displayName"]],
        password_hash: &["passwordHash"],
        created_at: &["createdAt"],
        disabled: &["disabled"],
        confirmed: &["emailVerified"],
        ..NOTHING
    },
    Source {
        name: "supabase",
        names: &[],
        password_hash: &["encrypted_password"],
        created_at: &["created_at"],
        disabled_until: &["banned_until"],
        confirmed_at: &["email_confirmed_at"],
        ..NOTHING
    },
    Source {
        name: "pocketbase",
        password_hash: &["password", "passwordHash"],
        created_at: &["created"],
        confirmed: &["verified"],
        ..NOTHING
    },
];

/// What has to be known of a Firebase project to check the passwords of its users: "Password hash parameters" in its
/// console.
#[derive(Clone, PartialEq, Eq)]
pub struct Firebase {
    /// `base64_signer_key`.
    pub signer_key: String,
    /// `base64_salt_separator`.
    pub salt_separator: String,
    /// `rounds`.
    pub rounds: u32,
    /// `mem_cost`.
    pub mem_cost: u32,
}

impl std::fmt::Debug for Firebase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Firebase(…)")
    }
}

/// What else matters when rows are read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The parameters of the Firebase project, where the rows are from one.
    pub firebase: Option<Firebase>,
    /// Leave out rows whose address was not confirmed.
    pub only_confirmed: bool,
}

/// A row that may become an account: read, but not yet judged.
pub struct Candidate {
    pub(super) line: u64,
    pub(super) email: String,
    pub(super) name: Option<String>,
    pub(super) password_hash: String,
    pub(super) roles: Vec<String>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) disabled: bool,
    pub(super) unconfirmed: bool,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate").field("line", &self.line).finish_non_exhaustive()
    }
}

impl Source {
    /// All of them.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        SOURCES.iter()
    }

    /// The one with this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::all().find(|source| source.name == name)
    }

    /// Whether the project's parameters are needed to read its hashes.
    #[must_use]
    pub fn is_firebase(&self) -> bool {
        self.name == "firebase"
    }

    /// Says which column is missing or not known, of those a file has.
    pub(super) fn misfit(&self, columns: &[&str]) -> Option<String> {
        for needed in [self.email, self.password_hash] {
            if !needed.iter().any(|column| columns.contains(column)) {
                return Some(format!("there is no column {}", needed.join(" or ")));
            }
        }
        self.unknown(columns.iter().copied())
    }

    fn unknown<'a>(&self, mut columns: impl Iterator<Item = &'a str>) -> Option<String> {
        let ignored = self.ignored?;
        let groups = [
            self.email,
            self.password_hash,
            self.roles,
            self.created_at,
            self.disabled,
            self.confirmed,
            ignored,
        ];
        let known =
            |column: &&str| groups.iter().chain(self.names).any(|group| group.contains(column));
        columns.any(|column| !known(&column)).then(|| {
            let known = groups.iter().chain(self.names).flat_map(|group| group.iter().copied());
            format!("it has an unknown column; known are {}", known.collect::<Vec<_>>().join(", "))
        })
    }

    /// Makes of a row what may become an account.
    pub(super) fn read(
        &self,
        line: u64,
        fields: &Fields,
        options: &Options,
        now: Timestamp,
    ) -> Result<Candidate, Refused> {
        let email = fields.text(self.email).ok().flatten();
        let refuse = |reason| Refused { line, email: email.clone(), reason };
        let Some(address) = &email else { return Err(refuse("it has no address".to_owned())) };
        self.read_all(fields, options, now)
            .map(|rest| Candidate { line, email: address.trim().to_owned(), ..rest })
            .map_err(refuse)
    }

    fn read_all(
        &self,
        fields: &Fields,
        options: &Options,
        now: Timestamp,
    ) -> Result<Candidate, String> {
        if let Some(why) = self.unknown(fields.0.keys().map(String::as_str)) {
            return Err(why);
        }
        let mut names = Vec::new();
        for columns in self.names {
            names.extend(fields.text(columns)?);
        }
        let profile = fields.object("raw_user_meta_data").filter(|_| self.name == "supabase");
        if let Some(profile) = profile {
            names.extend(profile.text(&["name", "full_name"])?);
        }
        let name = Some(names.join(" ").trim().to_owned()).filter(|name| !name.is_empty());
        let mut roles = fields.words(self.roles)?;
        if fields.truth(self.superuser)?.unwrap_or(false) {
            roles.push(roles::ADMIN.to_owned());
        }
        let until = fields.time(self.disabled_until)?;
        let disabled = fields.truth(self.disabled)?.unwrap_or(false)
            || !fields.truth(self.active)?.unwrap_or(true)
            || until.is_some_and(|until| until > now);
        let says = !self.confirmed.is_empty() || !self.confirmed_at.is_empty();
        let confirmed = fields.truth(self.confirmed)?.unwrap_or(false)
            || fields.time(self.confirmed_at)?.is_some();
        Ok(Candidate {
            line: 0,
            email: String::new(),
            name,
            password_hash: self.password_hash(fields, options)?,
            roles,
            created_at: fields.time(self.created_at)?,
            disabled,
            unconfirmed: options.only_confirmed && says && !confirmed,
        })
    }

    /// The hash in the form in which it is known here; empty where there is none.
    fn password_hash(&self, fields: &Fields, options: &Options) -> Result<String, String> {
        let hash = fields.text(self.password_hash)?.unwrap_or_default();
        if self.is_firebase() && !hash.is_empty() {
            return firebase(&hash, fields, options);
        }
        // Django puts the name of its hasher in front of what is written the same everywhere.
        let bare = hash.strip_prefix("argon2$").or_else(|| hash.strip_prefix("bcrypt$$"));
        Ok(bare.map_or_else(|| hash.trim().to_owned(), |bare| format!("${bare}")))
    }
}

/// A hash, its salt and the parameters of the project in one text.
fn firebase(hash: &str, fields: &Fields, options: &Options) -> Result<String, String> {
    let project = options.firebase.as_ref().ok_or("the project's parameters are not given")?;
    let salt = fields.text(&["salt", "passwordSalt"])?.ok_or("it has a hash and no salt")?;
    let Firebase { signer_key, salt_separator, rounds, mem_cost } = project;
    // The interface of Firebase writes the alphabet for URLs, its command line the usual one.
    let usual = |text: &str| text.replace('-', "+").replace('_', "/");
    let (signer_key, separator) = (usual(signer_key), usual(salt_separator));
    let (salt, hash) = (usual(&salt), usual(hash));
    Ok(format!(
        "$fbscrypt$v=1,n={mem_cost},r={rounds},p=1,ss={separator},sk={signer_key}${salt}${hash}"
    ))
}
