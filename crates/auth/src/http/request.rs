//! The id of a request: in its answer, in its log lines, in its events.

use std::{
    collections::hash_map::RandomState,
    convert::Infallible,
    fmt,
    hash::BuildHasher,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{
        HeaderName, HeaderValue,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use futures_util::FutureExt;
use guard::Problem;
use ipnet::IpNet;
use tokio::task_local;
use tower::{Service, service_fn};
use uuid::Uuid;

/// Names the request in its answer, and in what a proxy passes on.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// An id of a proxy's is a word of at most so many bytes.
const LONGEST: usize = 64;

task_local! {
    /// The request that this task answers.
    static CURRENT: RequestId;
}

/// The id of a request, as its answer names it in `X-Request-Id`: 32 hex digits that tell nothing of other requests, or
/// what a proxy that is believed called it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The one of the request that the current task answers; `None` outside of one.
    ///
    /// For whoever writes log lines.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Made of ASCII, in both ways that there are.
        self.0.to_str().unwrap_or_default()
    }

    /// The id that a proxy gave: letters, digits, `-`, `_`, `.`, so that it is a word in every log.
    fn of_proxy(request: &Request, proxies: &[IpNet]) -> Option<Self> {
        let mut ids = request.headers().get_all(&X_REQUEST_ID).iter();
        // Of two, one may be a client's that the proxy has left where it was.
        let (Some(id), None) = (ids.next(), ids.next()) else { return None };
        let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
        let peer = peer.ip().to_canonical();
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let is_word = (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(is_plain);
        (is_word && proxies.iter().any(|network| network.contains(&peer))).then(|| Self(id.clone()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes ids that nobody outside can guess or count by, without a call of the operating system for each: a counter under a
/// keyed hash. They are names and no secrets.
struct Namer {
    proxies: Vec<IpNet>,
    keys: [RandomState; 2],
    next: AtomicU64,
}

impl Namer {
    fn new(proxies: &[IpNet]) -> Arc<Self> {
        let keys = [RandomState::new(), RandomState::new()];
        Arc::new(Self { proxies: proxies.to_vec(), keys, next: AtomicU64::new(0) })
    }

    fn name(&self) -> Option<RequestId> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; 16];
        for (half, key) in bytes.chunks_exact_mut(8).zip(&self.keys) {
            half.copy_from_slice(&key.hash_one(number).to_be_bytes());
        }
        let mut digits = Uuid::encode_buffer();
        let digits = Uuid::from_bytes(bytes).simple().encode_lower(&mut digits);
        HeaderValue::from_str(digits).ok().map(RequestId)
    }
}

/// Gives every request of these routes an id, unless it has one.
pub(super) fn named<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    proxies: &[IpNet],
) -> Router<S> {
    routes.layer(from_fn_with_state(Namer::new(proxies), async |namer, request, next: Next| {
        let State::<Arc<Namer>>(namer) = namer;
        answer(&namer, request, |request| next.run(request)).await
    }))
}

/// Gives every request of an application an id. It holds it as a whole: a layer would copy each route of it for each request.
pub(crate) fn around<S>(app: S, proxies: &[IpNet]) -> Router
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>,
    S: Clone + Send + Sync + 'static,
{
    let namer = Namer::new(proxies);
    Router::new().fallback_service(service_fn(move |request| {
        let (namer, mut app) = (Arc::clone(&namer), app.clone());
        async move {
            let run = |request| app.call(request).map(|Ok(response)| response);
            Ok::<_, Infallible>(answer(&namer, request, run).await)
        }
    }))
}

async fn answer<F: Future<Output = Response>>(
    namer: &Namer,
    request: Request,
    run: impl FnOnce(Request) -> F,
) -> Response {
    if CURRENT.try_with(|_| ()).is_ok() {
        return run(request).await;
    }
    let id = RequestId::of_proxy(&request, &namer.proxies).or_else(|| namer.name());
    let Some(id) = id else { return run(request).await };
    let mut response = CURRENT.scope(id.clone(), async { run(request).await }).await;
    tell(&mut response, &id);
    response.headers_mut().insert(X_REQUEST_ID, id.0);
    response
}

/// Has a problem name its request, so that whoever reports it can quote one thing.
fn tell(response: &mut Response, id: &RequestId) {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return };
    // A login answers the same to the last byte, whether there is such an account or not. And what became of a problem on its
    // way, a page say, is no problem any more.
    let is_one =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == Problem::MEDIA_TYPE);
    if problem.code() == "invalid_credentials" || !is_one {
        return;
    }
    let text = problem.with("request_id", id.as_str()).to_string();
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    *response.body_mut() = Body::from(text);
}
