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

use super::{PROBE_HEADER, Seen};
use crate::{Auth, Client, Error, config};

pub(crate) fn routes() -> Router<Auth> {
    Router::new().route("/probe", get(probe))
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
