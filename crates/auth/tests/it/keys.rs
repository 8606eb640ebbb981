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

mod key_set {
    use std::time::Duration;

    use axum::{
        Router,
        body::Body,
        http::{Request, header},
    };
    use countersign_auth::{
        Config,
        testing::{Place, TestAuth},
    };
    use jwt::Algorithm;

    use crate::http::{Answer, ask};

    const PATH: &str = "/.well-known/jwks.json";

    async fn fetch(app: &Router) -> Answer {
        ask(app, Request::get(PATH).body(Body::empty()).expect("a request")).await
    }

    fn kids(answer: &Answer) -> Vec<&str> {
        let keys = answer.body["keys"].as_array().expect("keys").iter();
        keys.map(|key| key["kid"].as_str().expect("a kid")).collect()
    }

    #[tokio::test]
    async fn the_key_set_has_a_key_before_it_signs_and_as_long_as_it_verifies() {
        let mut config = Config::default();
        config.tokens.algorithm = Algorithm::Es256;
        let place = Place::memory().await;
        let test = TestAuth::with(&place, config).await.expect("an installation");
        let app = test.auth.router();
        let before = fetch(&app).await;
        let first = kids(&before).concat();
        let caching = Some("public, max-age=600, stale-if-error=86400");
        assert_eq!(before.header("cache-control"), caching);

        let second = test.auth.key_rotate(Some(Algorithm::Rs256), false).await.expect("rotated");
        let waiting = fetch(&app).await;
        assert_eq!(kids(&waiting), [first.as_str(), second.kid.as_str()]);
        assert!(
            waiting.body["keys"].as_array().expect("keys").iter().all(|key| key.get("d").is_none())
        );
        let etag = before.header("etag").expect("a validator");
        let known = Request::get(PATH).header(header::IF_NONE_MATCH, etag);
        let known = ask(&app, known.body(Body::empty()).expect("a request")).await;
        assert_eq!(known.status, 200, "a key set that has changed has another validator");

        test.clock.advance(Duration::from_secs(1_200));
        assert!(test.auth.run_job("keys").await.expect("done"));
        assert_eq!(kids(&fetch(&app).await), [second.kid.as_str(), first.as_str()]);
        test.clock.advance(Duration::from_secs(600 + 3_600));
        assert!(test.auth.run_job("keys").await.expect("done"));
        assert_eq!(kids(&fetch(&app).await), [second.kid.as_str()]);

        // A secret is in it at no time.
        test.auth.key_rotate(Some(Algorithm::Hs256), true).await.expect("rotated");
        assert_eq!(kids(&fetch(&app).await), [second.kid.as_str()]);
        test.auth.key_revoke(&second.kid).await.expect("revoked");
        assert!(kids(&fetch(&app).await).is_empty());
    }

    #[tokio::test]
    async fn a_key_set_is_fresh_for_half_as_long_as_a_key_waits() {
        for (ahead, max_age) in [(2, 1), (60, 30), (1_200, 600), (86_400, 600)] {
            let mut config = Config::default();
            config.keys.publish_ahead = Duration::from_secs(ahead);
            let test =
                TestAuth::with(&Place::memory().await, config).await.expect("an installation");
            let answer = fetch(&test.auth.router()).await;
            let caching = format!("public, max-age={max_age}, stale-if-error=86400");
            assert_eq!(answer.header("cache-control"), Some(&*caching));
        }
    }
}
