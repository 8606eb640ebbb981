//! Lists, page by page: `?after=&limit=` in, `{"items", "next"}` out.

use serde::Serialize;
use uuid::Uuid;

use crate::Error;

/// Items of a page, where nothing is said.
pub(crate) const PAGE: usize = 50;
/// Items of a page at most.
pub(crate) const MAX_PAGE: usize = 200;

/// A page of a list, and where the next one begins.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T, C = Uuid> {
    items: Vec<T>,
    next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// A page of rows of which one more was asked for than the page holds, to know whether there is a next one.
    pub(crate) fn of<R>(
        mut rows: Vec<R>,
        limit: usize,
        cursor: impl Fn(&R) -> C,
        item: impl Fn(R) -> T,
    ) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        Self { items: rows.into_iter().map(item).collect(), next }
    }
}

/// How many items the client wants.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Error> {
    let limit = asked.unwrap_or(PAGE);
    if (1..=MAX_PAGE).contains(&limit) {
        return Ok(limit);
    }
    Err(Error::QueryInvalid("limit is 1 to 200"))
}
