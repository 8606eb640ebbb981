//! A few schedules of the simulator; `examples/refresh-simulator.rs` runs as many as one likes.

use countersign_auth::testing::{
    Place,
    simulator::{Figures, Simulator, schedule_seed},
};

async fn run(place: Place, schedules: u64) -> Figures {
    let mut simulator = Simulator::new(&place).await.expect("two instances");
    let mut figures = Figures::default();
    for number in 0..schedules {
        let seed = schedule_seed(1, number);
        let outcome = simulator.run(seed).await;
        if let Some(what) = outcome.violation {
            let trace = simulator.replay(seed).await.trace.join("\n");
            panic!("schedule {seed}: {what}\n{trace}");
        }
        figures += &outcome.figures;
    }
    figures
}

#[tokio::test]
async fn no_owner_is_signed_out_and_every_thief_is_found() {
    let figures = run(Place::memory().await, 300).await;
    // All that is simulated does happen.
    let Figures { repeated, crashes, steps_ahead, steps_back, parallel, restarts, .. } = figures;
    for figure in [repeated, crashes, steps_ahead, steps_back, parallel, restarts] {
        assert_ne!(figure, 0, "{figures}");
    }
    assert!(figures.thieves_found > 50, "{figures}");
    assert_eq!((figures.thieves_missed, figures.false_logouts), (0, 0));
}

#[tokio::test]
async fn a_schedule_is_the_same_whenever_it_is_run() {
    let seed = schedule_seed(2, 7);
    let mut traces = Vec::new();
    for place in [Place::memory().await, Place::disk().await] {
        run(place.clone(), 20).await;
        let mut simulator = Simulator::new(&place).await.expect("two instances");
        traces.push(simulator.replay(seed).await.trace);
    }
    assert!(traces[0].len() > 5, "{traces:?}");
    assert_eq!(traces[0], traces[1]);
}
