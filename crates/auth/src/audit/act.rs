//! All that is ever recorded: one row for each act.

use std::fmt;

use serde::Serialize;

use crate::roles::Roles;

/// Whether what was asked for was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was.
    Done,
    /// It was refused.
    Refused,
}

/// What is known of all events of one type.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The name of the type: what it is about, a dot, what happened.
    pub name: &'static str,
    /// What happened, in a sentence.
    pub text: &'static str,
    /// Whether it is an act or a refusal.
    pub outcome: Outcome,
    /// The members of `details`.
    pub details: &'static [&'static str],
}

impl Kind {
    /// All of them.
    pub const ALL: &'static [Self] = Act::KINDS;

    /// That of this name; `None` for one that this version does not know.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|kind| kind.name == name)
    }
}

macro_rules! acts {
    ($(
        #[doc = $text:literal]
        $act:ident $({ $($field:ident: $type:ty),+ })? => $name:literal, $outcome:ident;
    )+) => {
        /// What is done, with what has to be known of it later: no password, no token, no address.
        ///
        /// Whoever adds an act adds its row here, and can then not leave it unrecorded: the step that does it has to show
        /// a [`Recorded`](super::Recorded).
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub(crate) enum Act {
            $(#[doc = $text] $act $({ $($field: $type),+ })?,)+
        }

        impl Act {
            const KINDS: &'static [Kind] = &[$(Kind {
                name: $name,
                text: $text.trim_ascii(),
                outcome: Outcome::$outcome,
                details: &[$($(stringify!($field)),+)?],
            },)+];

            /// The name of its type.
            pub(crate) fn name(&self) -> &'static str {
                match self {
                    $(Self::$act { .. } => $name,)+
                }
            }
        }
    };
}

acts! {
    /// An account was registered, and can log in.
    UserRegistered => "user.registered", Done;
    /// Somebody registered an address that is to be confirmed; names the account, where one was made.
    RegistrationAsked => "user.registration_asked", Done;
    /// The address of a registration was confirmed: it is an account from now on.
    UserConfirmed => "user.confirmed", Done;
    /// An account was made by somebody else than its owner.
    UserCreated { roles: Roles } => "user.created", Done;
    /// An account of another system was taken in.
    UserImported { roles: Roles } => "user.imported", Done;
    /// An account was given another name, or none.
    UserRenamed => "user.renamed", Done;
    /// An account was given other roles; tokens with the old ones are dead.
    UserRolesChanged { from: Roles, to: Roles } => "user.roles_changed", Done;
    /// An account was kept from logging in, and its logins ended.
    UserDisabled { sessions: usize } => "user.disabled", Done;
    /// An account was let in again.
    UserEnabled => "user.enabled", Done;
    /// All logins of an account were ended.
    UserSignedOut { sessions: usize } => "user.signed_out", Done;
    /// An account was removed, and with it the personal data of its events.
    UserDeleted { sessions: usize } => "user.deleted", Done;
    /// All that is held on an account was handed out.
    UserExported => "user.exported", Done;
    /// All accounts were handed out, with the hashes of their passwords.
    UsersExported => "users.exported", Done;
    /// Another address was asked for; nothing changes until its link is used.
    EmailChangeAsked => "email.change_asked", Done;
    /// An account has another address.
    EmailChanged => "email.changed", Done;
    /// Another letter to confirm an address was asked for.
    EmailConfirmationAsked => "email.confirmation_asked", Done;
    /// An owner chose another password; his other logins ended.
    PasswordChanged { sessions: usize } => "password.changed", Done;
    /// A link to a new password was asked for, for an address that may or may not have an account.
    PasswordResetAsked => "password.reset_asked", Done;
    /// Whoever reads the mail of an account chose another password; all its logins ended.
    PasswordReset { sessions: usize } => "password.reset", Done;
    /// An account was given another password by somebody else; all its logins ended.
    PasswordSet { sessions: usize } => "password.set", Done;
    /// Somebody who is signed in gave a wrong password where it is asked for again.
    PasswordCheckFailed => "password.check_failed", Refused;
    /// A login began.
    LoginSucceeded { proof: Proof } => "login.succeeded", Done;
    /// A login was refused; names the account, where there is one.
    LoginFailed { reason: Failure } => "login.failed", Refused;
    /// A refresh token was used and replaced.
    SessionRefreshed => "session.refreshed", Done;
    /// A refresh token was used again, later than its first user would: its login ended.
    SessionReplayed => "session.replayed", Refused;
    /// A login ended.
    SessionEnded { reason: Cause } => "session.ended", Done;
    /// A key was made, and waits to sign or signs at once.
    KeyAdded { kid: String, algorithm: String } => "key.added", Done;
    /// A key that was made elsewhere was taken in.
    KeyImported { kid: String, algorithm: String } => "key.imported", Done;
    /// A key signs from now on.
    KeyActivated { kid: String } => "key.activated", Done;
    /// A key signs no more, and still verifies.
    KeyRetired { kid: String } => "key.retired", Done;
    /// A key verifies no more: its time was over.
    KeyGone { kid: String } => "key.gone", Done;
    /// A key was ended at once; its tokens are dead.
    KeyRevoked { kid: String } => "key.revoked", Done;
    /// The private half of a key, or a secret, was handed out.
    KeyExported { kid: String } => "key.exported", Done;
    /// Keys and the server secret were encrypted under another master key.
    KeysSealed { keys: usize } => "keys.sealed", Done;
    /// A link that makes the first administrator was made.
    AdministratorInvited => "administrator.invited", Done;
    /// The link that makes the first administrator was used.
    AdministratorClaimed => "administrator.claimed", Done;
    /// Events older than the retention were removed, up to this number.
    EventsRemoved { number: i64, events: u64 } => "events.removed", Done;
    /// Events were handed out.
    EventsExported => "events.exported", Done;
}

/// What holds a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Proof {
    Cookie,
    Tokens,
}

/// Why a login was refused. The client is told none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Failure {
    /// There is no such account.
    AccountUnknown,
    /// The password was wrong.
    PasswordWrong,
    /// The password was right, and the account is disabled.
    AccountDisabled,
    /// The password was right, and the address of the account is not confirmed.
    EmailUnverified,
}

/// Why a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// Its own logout.
    Logout,
    /// Another login of the account, or an administrator, ended it.
    Ended,
    /// A new login from the same browser took its place.
    Replaced,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Refused => "refused",
        })
    }
}
