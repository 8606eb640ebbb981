//! All that is held on an account, as one file.

use axum::{
    http::{
        HeaderName, HeaderValue, Method,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use serde_json::Value;

use crate::ui::{routes::Routes, visit::Visit};

/// So many times the file asks for older events, a thousand of them each time. Where there are more, the file ends with
/// `next`, from which a program goes on.
const PAGES: usize = 200;

pub(super) fn add(routes: &mut Routes) {
    routes.form("/account/export", "/account", export);
}

async fn export(visit: Visit) -> Response {
    let Some(mut all) = visit.ask(Method::GET, "/me/export", None).await.read::<Value>() else {
        return visit.sign_in_first();
    };
    for _ in 1..PAGES {
        let Some(next) = all.pointer("/events/next").and_then(Value::as_str) else { break };
        let path = format!("/me/export?after={next}");
        let Some(mut page) = visit.ask(Method::GET, &path, None).await.read::<Value>() else {
            break;
        };
        let older = page.pointer_mut("/events/items").and_then(Value::as_array_mut);
        let items = all.pointer_mut("/events/items").and_then(Value::as_array_mut);
        if let (Some(items), Some(older)) = (items, older) {
            items.append(older);
        }
        let next = page.pointer_mut("/events/next").map(Value::take);
        if let Some(place) = all.pointer_mut("/events/next") {
            *place = next.unwrap_or_default();
        }
    }
    let header = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let headers = [
        header(CONTENT_TYPE, "application/json"),
        header(CONTENT_DISPOSITION, "attachment; filename=\"account.json\""),
        header(CACHE_CONTROL, "no-store"),
    ];
    (headers, format!("{all:#}\n")).into_response()
}
