use axum::{
    extract::Request,
    http::{
        HeaderValue,
        header::{AUTHORIZATION, CACHE_CONTROL, COOKIE},
    },
    middleware::Next,
    response::Response,
};

/// Middleware that keeps answers to callers with a credential out of every cache (RFC 9111 §5.2.2.5).
///
/// An answer that sets its own `Cache-Control` keeps it.
///
/// ```
/// use axum::{Router, middleware, routing::get};
///
/// let app: Router = Router::new()
///     .route("/posts", get(async || "posts"))
///     .layer(middleware::from_fn(countersign_guard::no_store));
/// # drop(app);
/// ```
pub async fn no_store(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let credential = headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE);
    let mut response = next.run(request).await;
    if credential {
        response
            .headers_mut()
            .entry(CACHE_CONTROL)
            .or_insert_with(|| HeaderValue::from_static("no-store"));
    }
    response
}
