//! Copies of an installation, from each engine to each.

use countersign_auth::{from_every_engine_to_every_engine, testing::copies::*};

from_every_engine_to_every_engine!(
    users_stay_signed_in_by_a_copy,
    numbers_go_on_after_a_copy,
    no_table_is_forgotten_by_a_copy,
    a_digest_tells_what_has_changed,
    a_copy_that_stops_leaves_nothing,
    a_copy_refuses_what_would_lose_something,
    a_copy_is_of_one_moment,
);

#[tokio::test]
async fn memory_is_refused() {
    a_database_in_memory_is_not_copied().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_noticed() {
    a_target_that_others_write_to_is_refused().await;
}
