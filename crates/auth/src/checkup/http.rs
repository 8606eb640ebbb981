use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{CONTENT_TYPE, HOST},
        request::Parts,
    },
    response::{IntoResponse, Response},
    routing::get,
};

use serde_json::json;

use super::{PROBE_HEADER, Seen};
use crate::{Auth, Client, Error, config, openapi::Document};

pub(crate) fn routes() -> Router<Auth> {
    Router::new().route("/probe", get(probe))
}

pub(crate) fn openapi(document: &mut Document) {
    let maybe = || json!({ "type": ["string", "null"] });
    let seen = json!({
        "type": "object",
        "required": ["peer", "peer_is_trusted", "client", "forwarded_for"],
        "properties": {
            "peer": maybe(),
            "peer_is_trusted": { "type": "boolean" },
            "client": maybe(),
            "forwarded_for": { "type": "array", "items": { "type": "string" } },
            "forwarded_proto": maybe(),
            "host": maybe(),
            "public_url": maybe()
        }
    });
    let example = json!({
        "peer": "10.0.0.5",
        "peer_is_trusted": true,
        "client": "198.51.100.7",
        "forwarded_for": ["192.0.2.66", "198.51.100.7"],
        "forwarded_proto": "https",
        "host": "auth.example.com",
        "public_url": "https://auth.example.com"
    });
    document
        .get("/probe", "what the server sees of a request by `countersign doctor`")
        .answers_as(200, "what it sees, to whoever has the server secret", seen, example)
        .refuses(404, &["not_found"]);
}

async fn probe(State(auth): State<Auth>, request: Parts) -> Result<Response, Error> {
    let header = request.headers.get(PROBE_HEADER).and_then(|header| header.to_str().ok());
    let nonce = header.and_then(|header| auth.probe().admit(header, auth.clock()));
    let nonce = nonce.ok_or(Error::NotFound)?;
    let seen = Seen::of(&request, &auth.config().http);
    let body = serde_json::to_vec(&seen).map_err(Error::internal)?;
    let mac = HeaderValue::try_from(auth.probe().sign(&nonce, &body)).map_err(Error::internal)?;
    let json = HeaderValue::from_static("application/json");
    let name = HeaderName::from_static(PROBE_HEADER);
    Ok(([(CONTENT_TYPE, json), (name, mac)], body).into_response())
}

impl Seen {
    fn of(request: &Parts, http: &config::Http) -> Self {
        let headers = &request.headers;
        let peer = Client::address_of(headers, &request.extensions, &[]);
        let trusts = |peer| http.trusted_proxies.iter().any(|network| network.contains(&peer));
        let elements = headers.get_all("x-forwarded-for").iter();
        let elements = elements.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        Self {
            peer,
            peer_is_trusted: peer.is_some_and(trusts),
            client: Client::of(request, &http.trusted_proxies).address,
            forwarded_for: elements
                .map(|element| String::from_utf8_lossy(element.trim_ascii()).into_owned())
                .collect(),
            forwarded_proto: text(headers, "x-forwarded-proto"),
            host: text(headers, HOST.as_str()),
            public_url: http.public_url.as_ref().map(ToString::to_string),
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
