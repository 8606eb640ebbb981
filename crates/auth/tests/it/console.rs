//! What an overview of an installation asks storage, on every engine.

use countersign_auth::{on_every_engine, testing::console::*};

on_every_engine!(
    traffic_is_counted_in_the_span_it_was_in,
    more_spans_are_counted_than_one_statement_takes,
    live_sessions_are_counted_and_dead_ones_are_not,
    the_instance_that_does_the_work_is_named,
);
