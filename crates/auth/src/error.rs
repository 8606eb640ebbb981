//! One error for the whole crate: a variant for each outcome that a caller can act on.

use guard::Denied;

use crate::storage::StorageError;

/// Seconds after which a client may ask again when the storage was away.
pub(crate) const STORAGE_RETRY_SECONDS: u64 = 2;

/// Why something was not done.
///
/// As a response it is `application/problem+json` with a stable `code`; `docs/reference/errors.md` lists
/// them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body is not well-formed in its own format.
    #[error("the body is not well-formed: {0}")]
    BodyMalformed(&'static str),
    /// The body is of another content type than the route takes.
    #[error("the content type must be {0}")]
    ContentTypeUnsupported(&'static str),
    /// The body is longer than the route takes.
    #[error("the body is longer than 64 KiB")]
    BodyTooLarge,
    /// The body was not sent to its end.
    #[error("the body ended early")]
    BodyIncomplete,
    /// A member of the body is missing, unknown, doubled or of the wrong kind.
    #[error("{0}")]
    BodyInvalid(String),
    /// A parameter of the query is unknown or of the wrong type.
    #[error("{0}")]
    QueryInvalid(&'static str),
    /// The OAuth 2 form asks for another grant than the route gives.
    #[error("grant_type must be {0}")]
    GrantUnsupported(&'static str),
    /// The address is no e-mail address.
    #[error("email: {0}")]
    EmailInvalid(&'static str),
    /// Another account has this address.
    #[error("an account with this email exists")]
    EmailTaken,
    /// The name is too long or has characters that no name has.
    #[error("name: {0}")]
    NameInvalid(&'static str),
    /// The password does not meet the rules.
    #[error("password: {0}")]
    PasswordRefused(String),
    /// The role is not one of `accounts.roles`.
    #[error("there is no such role")]
    RoleUnknown,
    /// No one, or not everyone, may register here.
    #[error("registration is closed")]
    RegistrationClosed,
    /// The address is unknown, the password wrong, or the account disabled: one answer for all.
    #[error("the email or the password is wrong")]
    InvalidCredentials,
    /// The password that a signed-in caller gave again is wrong.
    #[error("the password is wrong")]
    PasswordWrong,
    /// The change would leave no administrator who can log in.
    #[error("the last administrator cannot be removed, disabled or demoted")]
    LastAdmin,
    /// This kind of login is switched off by `auth.mode`.
    #[error("this kind of login is switched off")]
    ModeDisabled,
    /// The refresh token is not one of this server, is used up, or its session is over.
    #[error("the refresh token is not good, or no longer")]
    InvalidGrant,
    /// There is nothing of this id, or nothing that the caller may know of.
    #[error("there is nothing of this id")]
    NotFound,
    /// The key cannot be used as it was given; the text says why and shows nothing of it.
    #[error("key: {0}")]
    KeyRefused(String),
    /// A key of this kid is here already, or was and does not come back.
    #[error("a key with this kid is here already, or was")]
    KeyExists,
    /// The key lies in a file, and changes with that file and the settings.
    #[error(
        "the key lies in a file: change the file or the settings, and start every instance again"
    )]
    KeyInFile,
    /// Too many passwords wait to be hashed.
    #[error("too many logins at the moment")]
    HashingBusy {
        /// When to come back, in seconds.
        retry_after: u64,
    },
    /// The database cannot be reached, is full or too busy.
    #[error(transparent)]
    StorageUnavailable(StorageError),
    /// The caller was turned away by the guard.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The installation cannot run with these settings; the text says what to change.
    #[error("{0}")]
    Configuration(String),
    /// A fault of ours; the client sees no more than that.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Wraps a fault that no caller can act on.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Unavailable(_) => Self::StorageUnavailable(error),
            other => Self::internal(other),
        }
    }
}

impl From<Error> for Denied {
    /// What the guard answers when looking up a session failed.
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(denied) => denied,
            _ => Self::storage_unavailable(STORAGE_RETRY_SECONDS),
        }
    }
}
