//! The promises of storage, on SQLite in memory, SQLite on disk and PostgreSQL.

use countersign_auth::{
    on_every_engine,
    testing::{conformance::*, logins::*},
};

on_every_engine!(
    an_account_is_found_as_it_was_made,
    an_account_is_made_whole_or_not_at_all,
    one_of_many_equal_registrations_wins,
    a_login_says_no_in_one_way,
    a_session_lives_until_it_is_ended,
    a_new_session_ends_the_one_it_replaces,
    a_session_ends_by_itself,
    a_session_ends_with_its_account,
    a_session_has_the_roles_of_its_account_at_once,
    the_last_administrator_stays,
    another_password_ends_all_other_logins,
    a_password_counts_whole_and_in_normal_form,
    a_weaker_hash_is_replaced_at_login,
    sessions_are_listed_page_by_page,
    a_refresh_goes_on_with_the_session,
    a_token_used_twice_at_once_is_answered_with_the_newest,
    a_clock_that_is_ahead_ends_no_window_on_another,
    refreshes_at_the_same_moment_agree,
    a_replay_ends_its_session_alone,
    refresh_tokens_end_by_themselves,
    a_made_up_refresh_token_reaches_no_storage,
    the_end_of_a_login_reaches_every_instance,
    all_other_sessions_end,
    other_roles_end_tokens_and_no_session,
    the_end_of_an_account_ends_its_tokens,
    a_login_that_could_not_be_ended_goes_on,
    the_database_holds_no_session_secret,
    instances_that_start_at_once_agree_on_the_key,
);
