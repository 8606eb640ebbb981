//! Log lines that name the request they belong to.

use std::fmt;

use auth::RequestId;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// Adds the id of the request that the task answers to the lines of another format.
///
/// A span for each request would do so too, and cost every request what only the few with a line need.
pub(super) struct Named<F> {
    lines: F,
    end: End,
}

/// How a line ends, and what goes before that.
struct End {
    text: &'static str,
    before: &'static str,
    after: &'static str,
}

impl<F> Named<F> {
    /// Around lines for people.
    pub(super) fn text(lines: F) -> Self {
        Self { lines, end: End { text: "\n", before: " request_id=", after: "\n" } }
    }

    /// Around lines that are one JSON object each.
    pub(super) fn json(lines: F) -> Self {
        Self { lines, end: End { text: "}\n", before: ",\"request_id\":\"", after: "\"}\n" } }
    }
}

impl<S, N, F> FormatEvent<S, N> for Named<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(id) = RequestId::current() else {
            return self.lines.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.lines.format_event(context, Writer::new(&mut line), event)?;
        let End { text, before, after } = self.end;
        match line.strip_suffix(text) {
            // An id is letters, digits and `-_.`: nothing in it ends a line or a string.
            Some(line) => write!(writer, "{line}{before}{id}{after}"),
            None => writer.write_str(&line),
        }
    }
}
