//! Rotations under load: two instances on one PostgreSQL, killed in between, and verifiers elsewhere that keep the key set
//! for as long as it lets them. No valid token may be refused.
//!
//! `scripts/rotation-run` builds and starts this with a PostgreSQL. Nobody waits twenty minutes a rotation, so all times of
//! the installation are divided by two hundred, through its settings: see `SCALED`. What is not divided is how long
//! requests, news and the database take; so it is stricter than the real thing. The rotations are asked for by
//! `countersign key rotate`, with another algorithm and without.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints its table")]

mod instance;
mod load;
#[path = "../serving/server.rs"]
mod server;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use auth::{Clock, testing::Place};
use clap::Parser;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use self::{
    instance::Installation,
    load::{Outside, World},
    server::Server,
};

/// Every time of the installation, a two-hundredth of its default; a verifier may keep the key set for half of the first.
const SCALED: [(&str, &str, &str); 3] = [
    ("keys.publish_ahead", "6s", "20m"),
    ("keys.retain", "18s", "1h"),
    ("tokens.access_lifetime", "3s", "10m"),
];
/// What is asked for, one rotation after the other and over and over: an algorithm, or a key like the one before.
const ALGORITHMS: [Option<&str>; 10] = [
    Some("ES256"),
    None,
    Some("RS256"),
    Some("EdDSA"),
    None,
    Some("HS256"),
    Some("PS256"),
    Some("ES384"),
    Some("HS512"),
    Some("ES512"),
];
/// An instance is killed in the middle of each rotation whose number this divides.
const KILL_EVERY: usize = 6;
/// Logins that refresh and show their tokens all the time.
const LOGINS: usize = 4;
/// Verifiers elsewhere, each in another phase of its cache.
const OUTSIDE: usize = 8;
/// A rotation that takes longer than this, where it should take seven seconds, is none.
const PATIENCE: Duration = Duration::from_secs(90);

/// Rotates keys under load and counts the valid tokens that are refused.
#[derive(Parser)]
struct Options {
    /// The binary `countersign` to run.
    #[arg(long)]
    server: PathBuf,
    /// So many rotations.
    #[arg(long, default_value_t = 20)]
    rotations: usize,
    /// Lets each new key sign at once, so that verifiers elsewhere do not know it yet: the run has to fail.
    #[arg(long)]
    immediate: bool,
    /// Prints an object in place of the table.
    #[arg(long)]
    json: bool,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    ensure!(
        std::env::var_os("COUNTERSIGN_TEST_POSTGRES").is_some(),
        "COUNTERSIGN_TEST_POSTGRES names no server: start this with scripts/rotation-run"
    );
    let place = Place::postgres().await.context("no PostgreSQL")?;
    let run = run(&options, &place.url).await;
    place.remove().await;
    let (world, rotations, kills) = run?;
    let kept = report(&options, &world, &rotations, kills);
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One rotation: how long until each instance signed with the new key.
struct Rotation {
    kid: String,
    took: Duration,
}

async fn run(
    options: &Options,
    database: &str,
) -> anyhow::Result<(Arc<World>, Vec<Rotation>, usize)> {
    let data = tempfile::tempdir()?;
    let mut settings = vec![
        ("database.url", database),
        ("limits.enabled", "false"),
        ("log.level", "warn"),
        ("tokens.leeway", "0s"),
    ];
    settings.extend(SCALED.map(|(key, value, _)| (key, value)));
    let installation = Installation::new(&options.server, data.path(), &settings);
    let mut instances =
        vec![installation.start("127.0.0.1:0")?, installation.start("127.0.0.1:0")?];
    let world = Arc::new(World {
        urls: instances.iter().map(|instance| instance.url.clone()).collect(),
        client: Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?,
        clock: Clock::system(),
        over: false.into(),
        outside: (0..OUTSIDE).map(|_| Outside::default()).collect(),
        seen: std::sync::Mutex::default(),
    });
    world.register().await?;
    let mut tasks = JoinSet::new();
    (0..OUTSIDE).for_each(|number| drop(tasks.spawn(Arc::clone(&world).keep_keys(number))));
    sleep(Duration::from_secs(1)).await;
    (0..LOGINS).for_each(|number| drop(tasks.spawn(Arc::clone(&world).use_tokens(number))));

    let (mut rotations, mut kills) = (Vec::new(), 0);
    for number in 1..=options.rotations {
        let algorithm = ALGORITHMS.iter().cycle().nth(number - 1).copied().flatten();
        let asked = Instant::now();
        let mut arguments = vec!["rotate"];
        arguments.extend(algorithm.iter().flat_map(|name| ["--algorithm", name]));
        arguments.extend(options.immediate.then_some("--immediate"));
        let key = installation.key(&arguments)?;
        let kid = key.get("kid").and_then(Value::as_str).context("no kid")?.to_owned();
        if number % KILL_EVERY == 0 {
            kill(&installation, &mut instances, kills).await?;
            kills += 1;
        }
        while !signed_by_all(&world, &kid) {
            ensure!(asked.elapsed() < PATIENCE, "rotation {number} never came to its end");
            if let Some(ended) = tasks.try_join_next() {
                ended??;
                bail!("a client ended early: {:?}", world.seen().refused);
            }
            sleep(Duration::from_millis(20)).await;
        }
        let took = asked.elapsed();
        let name = key.get("algorithm").and_then(Value::as_str).unwrap_or_default();
        eprintln!("{number}: {name} {kid} signs everywhere after {:.1} s", took.as_secs_f64());
        rotations.push(Rotation { kid, took });
    }
    // So long that the last tokens of the key before the last are shown until they expire.
    sleep(Duration::from_secs(4)).await;
    world.over.store(true, std::sync::atomic::Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok((world, rotations, kills))
}

fn signed_by_all(world: &World, kid: &str) -> bool {
    world.seen().first.get(kid).is_some_and(|first| first.iter().all(Option::is_some))
}

/// Kills an instance while a key waits, and starts it again at its address.
async fn kill(
    installation: &Installation,
    instances: &mut [Server],
    kills: usize,
) -> anyhow::Result<()> {
    sleep(Duration::from_secs(2)).await;
    let which = kills % instances.len();
    let instance = instances.get_mut(which).context("an instance")?;
    // As a crash would, in the middle of whatever it does.
    instance.child.kill()?;
    instance.child.wait()?;
    eprintln!("instance {which} is killed");
    sleep(Duration::from_secs(2)).await;
    let address = instance.url.trim_start_matches("http://").to_owned();
    *instance = installation.start(&address)?;
    Ok(())
}

fn report(options: &Options, world: &World, rotations: &[Rotation], kills: usize) -> bool {
    let seen = world.seen();
    let apart = |rotation: &Rotation| {
        let first = seen.first.get(&rotation.kid)?;
        let times: Vec<Instant> = first.iter().copied().flatten().collect();
        Some(*times.iter().max()? - *times.iter().min()?)
    };
    let longest = |times: Vec<Duration>| {
        let longest = times.into_iter().max().unwrap_or_default();
        (longest.as_secs_f64() * 100.0).round() / 100.0
    };
    let took = longest(rotations.iter().map(|rotation| rotation.took).collect());
    let apart = longest(rotations.iter().filter_map(apart).collect());
    let algorithms: Vec<&String> = seen.algorithms.iter().collect();
    let names: Vec<&str> = algorithms.iter().map(|name| name.as_str()).collect();
    if options.json {
        println!(
            "{:#}",
            json!({
                "scaled": SCALED.map(|(key, value, real)| json!({ "setting": key, "here": value, "default": real })),
                "rotations": rotations.len(),
                "algorithms": names,
                "keys_seen": seen.first.len(),
                "instances_killed": kills,
                "tokens": seen.tokens,
                "checks_at_instances": seen.checks_at_instances,
                "checks_elsewhere": seen.checks_outside,
                "key_sets_fetched": seen.key_sets_fetched,
                "unanswered": seen.unanswered,
                "valid_tokens_refused": seen.refused.len(),
                "longest_rotation_s": took,
                "longest_between_instances_s": apart,
            })
        );
    } else {
        for (key, value, real) in SCALED {
            println!("scaled: {key} is {value} in place of {real}");
        }
        println!(
            "scaled: the key set may be kept for 3s in place of 10m; no leeway in place of 30s\n"
        );
        println!("| counted | |\n|---|---|");
        let row = |what: &str, count: String| println!("| {what} | {count} |");
        row("rotations", rotations.len().to_string());
        row("algorithms of the tokens", names.join(" "));
        row("keys that signed", seen.first.len().to_string());
        row("instances killed in the middle of a rotation", kills.to_string());
        row("tokens", seen.tokens.to_string());
        row("checks at the two instances", seen.checks_at_instances.to_string());
        row("checks by eight verifiers elsewhere", seen.checks_outside.to_string());
        row("key sets they fetched, each kept to its end", seen.key_sets_fetched.to_string());
        row("requests that an instance which was down did not answer", seen.unanswered.to_string());
        row("longest rotation, from the command to a token of each instance, s", took.to_string());
        row(
            "longest from the first token of a key to the other instance's first, s",
            apart.to_string(),
        );
        row("**valid tokens refused**", format!("**{}**", seen.refused.len()));
    }
    seen.refused.iter().take(10).for_each(|refusal| eprintln!("refused: {refusal}"));
    seen.refused.is_empty() && seen.checks_outside > 0 && seen.checks_at_instances > 0
}
