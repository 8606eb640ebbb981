//! Bodies: JSON and forms are read, and refused in our own words; JSON is written.
//!
//! The refusals of the usual extractors repeat the value they could not read, and the value may be a
//! password. These name the member and what is wrong with it, never what was sent.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;
use zeroize::Zeroizing;

use crate::Error;

/// The longest body that is read.
const MAX_BODY: usize = 64 * 1024;
/// Room that an answer begins with: enough for most, so that they do not move while they are written.
const USUAL_ANSWER: usize = 1024;
/// The longest path to a member that a refusal repeats.
const MAX_PATH: usize = 64;

/// A JSON body, of a request or of an answer.
///
/// Of a request: refusals are `application/problem+json` and never repeat a value. The content type must be
/// `application/json`: a form on a foreign page cannot send that without a preflight. Members that `T` does
/// not know are refused when it says `deny_unknown_fields`.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        if content_type(request.headers()) != Some(ContentType::Json) {
            return Err(Error::ContentTypeUnsupported("application/json"));
        }
        Ok(Self(parse_json(&read(request).await?)?))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut text = Vec::with_capacity(USUAL_ANSWER);
        match serde_json::to_writer(&mut text, &self.0) {
            Ok(()) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
            Err(error) => Error::internal(error).into_response(),
        }
    }
}

/// A body that may be JSON or, as OAuth 2 clients send it, a form (RFC 6749 §4.3.2).
#[derive(Debug)]
pub(crate) enum JsonOrForm<J> {
    /// `application/json`.
    Json(J),
    /// `application/x-www-form-urlencoded`: the parameters in their order.
    Form(Vec<(String, String)>),
}

impl<J: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonOrForm<J> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        match content_type(request.headers()) {
            Some(ContentType::Json) => Ok(Self::Json(parse_json(&read(request).await?)?)),
            Some(ContentType::Form) => {
                let body = read(request).await?;
                Ok(Self::Form(form_urlencoded::parse(&body).into_owned().collect()))
            }
            None => Err(Error::ContentTypeUnsupported(
                "application/json or application/x-www-form-urlencoded",
            )),
        }
    }
}

/// The values of these parameters of a form; one without a value counts as left out (RFC 6749 §3.1), and those that
/// are not named here are ignored (§3.2).
pub(crate) fn parameters<const N: usize>(
    form: Vec<(String, String)>,
    names: [&str; N],
) -> Result<[Option<Zeroizing<String>>; N], Error> {
    let mut values = [const { None }; N];
    for (name, value) in form {
        let value = Zeroizing::new(value);
        let Some(slot) = names.iter().zip(&mut values).find(|(known, _)| **known == name) else {
            continue;
        };
        if slot.1.replace(value).is_some() {
            return Err(Error::BodyInvalid(format!("parameter {name:?} stands twice")));
        }
    }
    Ok(values.map(|value: Option<Zeroizing<String>>| value.filter(|value| !value.is_empty())))
}

#[derive(PartialEq)]
enum ContentType {
    Json,
    Form,
}

fn content_type(headers: &HeaderMap) -> Option<ContentType> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let essence = value.to_str().ok()?.split(';').next()?.trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Some(ContentType::Json)
    } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Some(ContentType::Form)
    } else {
        None
    }
}

async fn read(request: Request) -> Result<Bytes, Error> {
    match Limited::new(request.into_body(), MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::BodyTooLarge),
        Err(_) => Err(Error::BodyIncomplete),
    }
}

/// Parses a body of exactly one JSON value.
fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let text = str::from_utf8(body).map_err(|_| Error::BodyMalformed("it is not UTF-8"))?;
    // A struct may also be read from an array of its members; no client means that.
    if let Some(first) = text.trim_start_matches([' ', '\t', '\n', '\r']).chars().next()
        && matches!(first, '[' | '"' | '-' | '0'..='9' | 't' | 'f' | 'n')
    {
        return Err(Error::BodyInvalid("the body must be a JSON object".to_owned()));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        refusal(&path, error.inner())
    })?;
    json.end().map_err(|_| Error::BodyMalformed("it goes on after its end"))?;
    Ok(value)
}

/// Says what is wrong, and where, without what was sent: of the parser's message only its kind is used,
/// and of the names only those of members.
fn refusal(path: &str, error: &serde_json::Error) -> Error {
    match error.classify() {
        Category::Eof => return Error::BodyMalformed("it ends early"),
        Category::Syntax | Category::Io => return Error::BodyMalformed("it is not JSON"),
        Category::Data => {}
    }
    let message = error.to_string();
    let named = |kind: &str| {
        let rest = message.strip_prefix(kind)?.strip_prefix(" `")?;
        Some(shorten(rest.split('`').next()?))
    };
    Error::BodyInvalid(if let Some(member) = named("unknown field") {
        format!("unknown member {member:?}")
    } else if let Some(member) = named("missing field") {
        format!("missing member {member:?}")
    } else if let Some(member) = named("duplicate field") {
        format!("member {member:?} stands twice")
    } else {
        format!("member {:?} is of the wrong type", shorten(path))
    })
}

fn shorten(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(MAX_PATH).collect()
}
