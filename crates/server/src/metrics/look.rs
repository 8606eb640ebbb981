//! A look at each request before it is answered, and at its answer.
//!
//! axum's `from_fn` does the same, and copies all that it holds, other layers too, once more for each request.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use axum::{extract::Request, response::Response};
use futures_util::{FutureExt, future::BoxFuture};
use tower::{Layer, Service};

/// What is looked at, and what is made of it.
pub(super) trait Look: Clone + Send + Sync + 'static {
    /// What is kept of a request until its answer.
    type Seen: Send;

    fn before(&self, request: &Request) -> Self::Seen;

    fn after(&self, seen: Self::Seen, response: &mut Response);
}

/// The layer of a [`Look`].
#[derive(Debug, Clone)]
pub(super) struct Looking<L>(pub(super) L);

impl<S, L: Look> Layer<S> for Looking<L> {
    type Service = Looked<S, L>;

    fn layer(&self, inner: S) -> Self::Service {
        Looked { inner, look: self.0.clone() }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Looked<S, L> {
    inner: S,
    look: L,
}

impl<S, L> Service<Request> for Looked<S, L>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
    L: Look,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let look = self.look.clone();
        let seen = look.before(&request);
        let answered = self.inner.call(request);
        let looked = answered.map(move |answered| {
            answered.map(|mut response| {
                look.after(seen, &mut response);
                response
            })
        });
        looked.boxed()
    }
}
