//! The promises of webhooks, on SQLite in memory, SQLite on disk and PostgreSQL.

use countersign_auth::{on_every_engine, testing::webhooks::*};

on_every_engine!(
    an_event_is_sent_signed_and_its_delivery_vanishes,
    events_outlast_a_receiver_that_is_down,
    two_instances_send_each_event_once,
    what_a_dead_instance_had_taken_is_sent_by_another,
    an_event_that_is_not_taken_is_sent_again_as_the_same,
    after_ten_attempts_an_event_is_dropped,
    a_receiver_that_asks_for_it_is_left_alone,
    an_event_that_is_not_answered_holds_up_no_other,
    whoever_does_something_pays_nothing_for_its_event,
    what_is_gone_or_too_old_is_not_sent,
    a_delivery_holds_nothing_of_its_event,
);
