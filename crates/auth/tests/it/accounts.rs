//! How an account comes to be, and whose address it is: the promises of storage on every engine, and the routes.

mod storage {
    use countersign_auth::{on_every_engine, testing::accounts::*};

    on_every_engine!(
        a_registration_is_an_account_when_its_address_is_confirmed,
        a_registered_address_is_told_to_its_owner_alone,
        no_password_of_a_stranger_becomes_that_of_the_account,
        registrations_at_the_same_moment_are_one,
        registering_again_with_the_same_password_sends_another_letter,
        a_link_is_good_once_for_one_thing_and_half_an_hour,
        of_many_uses_of_a_link_at_once_one_wins,
        a_reset_ends_all_logins_and_links,
        an_address_changes_when_the_new_one_is_confirmed,
        an_address_that_is_taken_is_told_to_its_owner_alone,
        a_registration_gives_way_to_whoever_has_proof,
        a_change_of_address_that_waits_is_dropped,
        letters_are_made_when_they_are_sent,
        links_end_with_their_account,
        what_nobody_confirms_is_swept,
        accounts_from_before_need_no_confirmation,
        the_database_holds_no_link,
        another_name_is_in_the_next_tokens,
    );
}
