//! The promises of the outbox, on SQLite in memory, SQLite on disk and PostgreSQL.

use countersign_auth::{on_every_engine, testing::mail::*};

on_every_engine!(
    a_letter_is_sent_and_its_errand_vanishes,
    letters_outlast_a_mail_server_that_is_down,
    a_mail_server_that_says_nothing_holds_up_nobody,
    two_instances_send_each_letter_once,
    a_refused_recipient_is_dropped_and_the_rest_goes_on,
    a_letter_that_is_put_off_is_sent_later,
    a_letter_that_may_have_arrived_is_sent_again_as_the_same,
    letters_to_one_address_keep_a_distance,
    what_a_dead_instance_had_taken_is_sent_by_another,
    an_unknown_address_leaves_an_errand_and_gets_no_letter,
    a_letter_of_the_day_before_yesterday_is_dropped,
    the_database_holds_no_link,
);
