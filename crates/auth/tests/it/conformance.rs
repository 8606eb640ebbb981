//! The promises of storage, on SQLite in memory, SQLite on disk and PostgreSQL.

use countersign_auth::{on_every_engine, testing::conformance::*};

on_every_engine!(
    an_account_is_found_as_it_was_made,
    an_account_is_made_whole_or_not_at_all,
    one_of_many_equal_registrations_wins,
    a_login_says_no_in_one_way,
    a_session_lives_until_it_is_ended,
    a_new_session_ends_the_one_it_replaces,
    a_session_ends_by_itself,
    a_session_ends_with_its_account,
    the_database_holds_no_session_secret,
    instances_that_start_at_once_agree_on_the_key,
    a_change_of_algorithm_keeps_the_old_key_verifying,
);
