//! Moving in, on every engine.

use countersign_auth::{on_every_engine, testing::imports::*};

on_every_engine!(
    who_was_imported_logs_in_and_is_hashed_anew,
    no_weak_hash_lies_in_the_database,
    an_import_that_is_started_again_goes_on,
    nothing_of_an_import_is_half_made,
    a_dry_run_changes_nothing,
    an_account_is_imported_as_its_row_says,
    an_export_is_read_back,
    a_password_that_is_set_ends_all_logins,
    accounts_are_listed_page_by_page,
);
