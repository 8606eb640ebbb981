//! Those who use the installation while its keys change: who gets tokens and shows them, and who verifies elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auth::{Clock, testing::PASSWORD};
use jwt::{Jwks, Verifier, dangerous::decode_unverified};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

pub(crate) const EMAIL: &str = "a@example.com";
/// Between two refreshes of one login.
const PAUSE: Duration = Duration::from_millis(60);
/// A token counts as valid while it has so many seconds left, so that none expires on its way.
const LEFT: i64 = 1;

/// What everybody knows of everybody.
pub(crate) struct World {
    pub(crate) urls: Vec<String>,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) over: AtomicBool,
    pub(crate) outside: Vec<Outside>,
    pub(crate) seen: Mutex<Seen>,
}

/// What was counted.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) tokens: u64,
    pub(crate) checks_at_instances: u64,
    pub(crate) checks_outside: u64,
    pub(crate) key_sets_fetched: u64,
    /// Questions that an instance that was down did not answer.
    pub(crate) unanswered: u64,
    /// Valid tokens that were refused: none may be.
    pub(crate) refused: Vec<String>,
    pub(crate) algorithms: BTreeSet<String>,
    /// When each instance made its first token with each key.
    pub(crate) first: BTreeMap<String, Vec<Option<Instant>>>,
}

/// A verifier that knows the published key set and nothing else, and keeps it for as long as it may.
pub(crate) struct Outside(Mutex<Cache>);

struct Cache {
    verifier: Verifier,
    fresh_until: Instant,
}

struct Token {
    text: String,
    expires_at: i64,
}

impl World {
    pub(crate) fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn at(&self, instance: usize, path: &str) -> String {
        let url = self.urls.get(instance % self.urls.len());
        format!("{}{path}", url.map_or("", String::as_str))
    }

    pub(crate) async fn register(&self) -> anyhow::Result<()> {
        let body = json!({ "email": EMAIL, "password": PASSWORD });
        let answer = self.client.post(self.at(0, "/register")).json(&body).send().await?;
        ensure!(answer.status() == StatusCode::CREATED, "{}", answer.text().await?);
        Ok(())
    }

    /// One login: refreshed at each instance in turn; every token is shown to all at once, and again before it expires.
    pub(crate) async fn use_tokens(self: Arc<Self>, number: usize) -> anyhow::Result<()> {
        let body = json!({ "email": EMAIL, "password": PASSWORD });
        let answer = self.client.post(self.at(number, "/login")).json(&body).send().await?;
        let mut answer: Value = answer.error_for_status()?.json().await?;
        let mut held = VecDeque::new();
        for turn in number + 1.. {
            if self.is_over() {
                break;
            }
            let refresh = answer.get("refresh_token").context("no refresh token")?.clone();
            let body = json!({ "refresh_token": refresh });
            match self.client.post(self.at(turn, "/refresh")).json(&body).send().await {
                Ok(fresh) if fresh.status() == StatusCode::OK => {
                    answer = fresh.json().await?;
                    let token = answer.get("access_token").and_then(Value::as_str);
                    held.push_back(self.note(turn, token.context("no access token")?)?);
                }
                Ok(fresh) if fresh.status().is_server_error() => self.seen().unanswered += 1,
                Ok(fresh) => {
                    let text = format!("refresh: {} {}", fresh.status(), fresh.text().await?);
                    self.seen().refused.push(text);
                    break;
                }
                // The same token again, at the next instance.
                Err(_) => self.seen().unanswered += 1,
            }
            if let Some(token) = held.back() {
                self.show(token).await?;
            }
            while held.front().is_some_and(|token| !self.is_valid(token)) {
                held.pop_front();
            }
            if let Some(token) = held.front() {
                self.show(token).await?;
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    fn note(&self, turn: usize, text: &str) -> anyhow::Result<Token> {
        let read = decode_unverified::<Value>(text)?;
        let kid = read.kid.context("no kid")?.clone();
        let expires_at = read.claims.get("exp").and_then(Value::as_i64).context("no exp")?;
        let instances = self.urls.len();
        let mut seen = self.seen();
        seen.tokens += 1;
        seen.algorithms.insert(read.alg.clone());
        let first = seen.first.entry(kid).or_insert_with(|| vec![None; instances]);
        if let Some(first) = first.get_mut(turn % instances) {
            first.get_or_insert_with(Instant::now);
        }
        Ok(Token { text: text.to_owned(), expires_at })
    }

    fn is_valid(&self, token: &Token) -> bool {
        self.clock.now().seconds() + LEFT < token.expires_at
    }

    /// Shows a token to every instance, and to every verifier elsewhere if its key is public.
    async fn show(&self, token: &Token) -> anyhow::Result<()> {
        for instance in 0..self.urls.len() {
            let asked = self.client.get(self.at(instance, "/me")).bearer_auth(&token.text).send();
            if !self.is_valid(token) {
                return Ok(());
            }
            let Ok(answer) = asked.await else {
                self.seen().unanswered += 1;
                continue;
            };
            let status = answer.status();
            if status == StatusCode::OK {
                self.seen().checks_at_instances += 1;
            } else if status.is_server_error() {
                self.seen().unanswered += 1;
            } else if self.clock.now().seconds() < token.expires_at {
                let text = format!("instance {instance}: {status} {}", answer.text().await?);
                self.seen().refused.push(text);
            }
        }
        let is_secret = decode_unverified::<Value>(&token.text)?.alg.starts_with("HS");
        for (number, outside) in self.outside.iter().enumerate().filter(|_| !is_secret) {
            if !self.is_valid(token) {
                break;
            }
            let verdict = outside.verifier().verify::<Value>(&token.text);
            let mut seen = self.seen();
            seen.checks_outside += 1;
            if let Err(error) = verdict {
                seen.refused.push(format!("verifier {number} elsewhere: {error}"));
            }
        }
        Ok(())
    }

    /// Fetches the key set for one verifier elsewhere, whenever the one it has is no longer fresh and not before.
    pub(crate) async fn keep_keys(self: Arc<Self>, number: usize) -> anyhow::Result<()> {
        let outside = self.outside.get(number).context("a verifier")?;
        for turn in number.. {
            while Instant::now() < outside.fresh_until() {
                if self.is_over() {
                    return Ok(());
                }
                sleep(Duration::from_millis(5)).await;
            }
            let path = "/.well-known/jwks.json";
            let asked = Instant::now();
            let Ok(answer) = self.client.get(self.at(turn, path)).send().await else {
                // It keeps what it has, and asks another instance.
                self.seen().unanswered += 1;
                continue;
            };
            let caching = answer.headers().get("cache-control").context("no Cache-Control")?;
            let max_age = caching.to_str()?.split("max-age=").nth(1).context("no max-age")?;
            let max_age = max_age.split(',').next().unwrap_or_default().parse()?;
            let keys = Jwks::from_json(&answer.text().await?)?;
            let verifier = Verifier::new(keys).issuer("countersign").audience("countersign");
            // The first time each waits a while, so that they do not all ask at once.
            let phase = u32::try_from(self.outside.len()).unwrap_or(1);
            let max_age = Duration::from_secs(max_age);
            let kept = match turn == number {
                true => max_age / phase * u32::try_from(number).unwrap_or_default(),
                false => max_age,
            };
            outside.keep(Cache {
                verifier: verifier.leeway(Duration::ZERO),
                fresh_until: asked + kept,
            });
            self.seen().key_sets_fetched += 1;
        }
        Ok(())
    }
}

impl Default for Outside {
    fn default() -> Self {
        let verifier = Verifier::new(Jwks::default());
        Self(Mutex::new(Cache { verifier, fresh_until: Instant::now() }))
    }
}

impl Outside {
    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verifier(&self) -> Verifier {
        self.cache().verifier.clone()
    }

    fn fresh_until(&self) -> Instant {
        self.cache().fresh_until
    }

    fn keep(&self, cache: Cache) {
        *self.cache() = cache;
    }
}
