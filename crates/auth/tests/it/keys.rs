//! Keys and their rotation: the promises on every engine, and the key set over the real router.

use countersign_auth::{on_every_engine, testing::keys::*};

on_every_engine!(
    a_key_goes_from_pending_to_gone,
    a_motion_that_is_made_twice_is_made_once,
    every_instance_follows_a_rotation,
    a_rotation_at_once_signs_at_once,
    a_change_of_algorithm_is_a_rotation,
    a_change_of_algorithm_at_once_keeps_the_old_key_verifying,
    a_rotation_outlasts_a_restart,
    a_key_outlives_the_longest_token,
    a_revoked_key_is_dead_everywhere,
    a_key_that_several_revoke_has_one_successor,
    a_key_in_a_file_rules_where_it_is_named,
    an_imported_key_bridges_files_and_database,
    keys_come_in_and_go_out,
    another_master_key_seals_everything_anew,
    keys_are_changed_under_the_master_key_of_the_installation,
);
