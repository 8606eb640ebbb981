//! Periodic work, on SQLite in memory, SQLite on disk and PostgreSQL.

use countersign_auth::{on_every_engine, testing::jobs::*};

on_every_engine!(
    one_of_several_instances_does_a_job,
    the_lease_of_a_dead_instance_passes_on,
    a_lease_from_the_future_keeps_nobody_from_the_work,
    dead_logins_are_swept,
    a_sweep_goes_on_batch_after_batch,
);
