//! How an installation is doing.

use std::time::{Duration, Instant};

use askama::Template;
use auth::{Auth, Lease, audit::Traffic, sessions::COUNTED};
use axum::response::Response;
use jwt::Timestamp;
use tokio::sync::Mutex;

use super::{Console, Moment, grouped};
use crate::{
    metrics::Histogram,
    ui::{routes::Routes, texts::Language, visit::Frame},
};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// What a chart is drawn on.
const HEIGHT: u64 = 60;

pub(super) fn add(routes: &mut Routes) {
    routes.lone_page("/admin", overview);
}

/// What was counted last. It stands for twenty times as long as it took to count, and one counts for all who wait: however
/// many look, and however long the log is, a twentieth of the time is spent on it.
#[derive(Debug, Default)]
pub(crate) struct Counted(Mutex<Option<Kept>>);

#[derive(Debug)]
struct Kept {
    spans: Vec<Span>,
    traffic: Vec<Traffic>,
    at: Instant,
    took: Duration,
}

/// From a time to before another.
type Span = (Timestamp, Timestamp);

/// So many times as long as it took.
const STANDS: u32 = 20;

impl Counted {
    async fn traffic(&self, auth: &Auth, spans: Vec<Span>) -> Vec<Traffic> {
        let mut kept = self.0.lock().await;
        if let Some(kept) = &*kept
            && kept.at.elapsed() < kept.took * STANDS
            && kept.spans == spans
        {
            return kept.traffic.clone();
        }
        let begun = Instant::now();
        let Ok(traffic) = auth.log().traffic(&spans).await else { return Vec::new() };
        let took = begun.elapsed();
        *kept = Some(Kept { spans, traffic: traffic.clone(), at: Instant::now(), took });
        traffic
    }
}

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct Overview<'a> {
    frame: &'a Frame,
    /// Live sessions; `None` where the database does not say.
    sessions: Option<Sessions>,
    periods: Vec<Period>,
    latencies: Vec<Latency>,
    instance: Instance,
    jobs: Vec<Job>,
}

struct Sessions {
    all: String,
    by_cookie: String,
    by_tokens: String,
    /// There are more than these.
    more: bool,
}

struct Period {
    title: &'static str,
    first: &'static str,
    last: &'static str,
    charts: Vec<Chart>,
    rows: Vec<Row>,
}

struct Chart {
    label: &'static str,
    class: &'static str,
    total: String,
    said: String,
    width: u64,
    bars: Vec<Bar>,
}

struct Bar {
    x: u64,
    y: u64,
    height: u64,
    title: String,
}

struct Row {
    span: String,
    counts: [String; 4],
}

struct Latency {
    label: &'static str,
    count: String,
    /// The median, and what 95 and 99 of a hundred take at most.
    times: Option<[String; 3]>,
}

struct Instance {
    version: &'static str,
    started: Moment,
    id: String,
    /// How long the database takes to answer.
    database: Option<String>,
    follows: bool,
}

struct Job {
    name: String,
    instance: String,
    is_own: bool,
    is_late: bool,
    until: Moment,
}

async fn overview(console: Console) -> Response {
    let frame = console.frame();
    let (text, auth, now) = (frame.text, console.admin.auth(), console.now());
    let c = text.console_overview();
    let (hours, days) = (spans(now, HOUR, 24), spans(now, DAY, 30));
    let site = console.visit.site();
    let asked = hours.iter().chain(&days).copied().collect();
    let traffic = site.counted.traffic(auth, asked).await;
    let (by_hour, by_day) = traffic.split_at_checked(hours.len()).unwrap_or_default();
    let page = Overview {
        frame,
        sessions: auth.sessions_count().await.ok().map(sessions),
        periods: vec![
            Period {
                title: c.last_day(),
                first: c.day_ago(),
                last: c.now(),
                charts: charts(text, &hours, by_hour, hour),
                rows: rows(&hours, by_hour, hour),
            },
            Period {
                title: c.last_month(),
                first: c.month_ago(),
                last: c.today(),
                charts: charts(text, &days, by_day, day),
                rows: rows(&days, by_day, day),
            },
        ],
        latencies: vec![
            latency(c.latency_login(), &site.latencies.login),
            latency(c.latency_refresh(), &site.latencies.refresh),
            latency(c.latency_checked(), &site.latencies.checked),
        ],
        instance: instance(auth, site.started).await,
        jobs: jobs(auth, auth.leases().await.unwrap_or_default(), now),
    };
    console.visit.page(&page)
}

/// So many spans of this length, in UTC, the last of which is now.
fn spans(now: i64, length: i64, count: i64) -> Vec<Span> {
    let begun = now - now.rem_euclid(length);
    let edge = |place: i64| Timestamp::new(begun + (place - count + 1) * length);
    (0..count).map(|place| (edge(place), edge(place + 1))).collect()
}

fn hour(from: Timestamp) -> String {
    let start = Moment::new(from.seconds()).text;
    start.get(..16).unwrap_or_default().to_owned()
}

fn day(from: Timestamp) -> String {
    let start = Moment::new(from.seconds()).text;
    start.get(..10).unwrap_or_default().to_owned()
}

type Count = fn(&Traffic) -> u64;

fn charts(
    text: Language,
    spans: &[Span],
    traffic: &[Traffic],
    name: fn(Timestamp) -> String,
) -> Vec<Chart> {
    let c = text.console_overview();
    let kinds: [(&'static str, &'static str, Count); 4] = [
        (c.logins(), "good", |span| span.logins),
        (c.failures(), "warn", |span| span.failures),
        (c.refreshes(), "plain", |span| span.refreshes),
        (c.replays(), "bad", |span| span.replays),
    ];
    let chart = |(label, class, count): (&'static str, &'static str, Count)| {
        let counts: Vec<u64> = traffic.iter().map(count).collect();
        let (total, most) = (counts.iter().sum(), counts.iter().copied().max().unwrap_or_default());
        let bars = spans.iter().zip(&counts).zip(0..).map(|(((from, _), count), place)| {
            let height = bar_height(*count, most);
            let title = format!("{}: {}", name(*from), grouped(*count));
            Bar { x: place * 10 + 1, y: HEIGHT - height, height, title }
        });
        let (total, most) = (grouped(total), grouped(most));
        let said = c.chart_said(label, &most, &total);
        let width = u64::try_from(spans.len()).unwrap_or_default() * 10;
        Chart { label, class, said, width, bars: bars.collect(), total }
    };
    kinds.into_iter().map(chart).collect()
}

/// What is not nothing is seen.
fn bar_height(count: u64, most: u64) -> u64 {
    match count {
        0 => 0,
        _ => (u128::from(count) * u128::from(HEIGHT) / u128::from(most.max(1)))
            .try_into()
            .map_or(HEIGHT, |height: u64| height.clamp(2, HEIGHT)),
    }
}

/// The newest first.
fn rows(spans: &[Span], traffic: &[Traffic], name: fn(Timestamp) -> String) -> Vec<Row> {
    let row = |((from, _), span): (&Span, &Traffic)| {
        let counts = [span.logins, span.failures, span.refreshes, span.replays];
        Row { span: name(*from), counts: counts.map(grouped) }
    };
    spans.iter().zip(traffic).rev().map(row).collect()
}

fn sessions((by_cookie, by_tokens): (u64, u64)) -> Sessions {
    let most = u64::try_from(COUNTED).unwrap_or(u64::MAX);
    Sessions {
        all: grouped(by_cookie + by_tokens),
        by_cookie: grouped(by_cookie),
        by_tokens: grouped(by_tokens),
        more: by_cookie >= most || by_tokens >= most,
    }
}

fn latency(label: &'static str, times: &Histogram) -> Latency {
    let found = [500, 950, 990].map(|thousandths| times.quantile(thousandths).map(shown));
    let times_ = match found {
        [Some(half), Some(most), Some(nearly_all)] => Some([half, most, nearly_all]),
        _ => None,
    };
    Latency { label, count: grouped(times.count()), times: times_ }
}

/// A time with two digits that count.
fn shown(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1_000.0;
    match millis {
        ..0.995 => format!("{millis:.2} ms"),
        ..9.95 => format!("{millis:.1} ms"),
        ..999.5 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", millis / 1_000.0),
    }
}

async fn instance(auth: &Auth, started: Timestamp) -> Instance {
    let asked = Instant::now();
    let answers = auth.db().ping().await.is_ok();
    Instance {
        version: env!("CARGO_PKG_VERSION"),
        started: Moment::new(started.seconds()),
        id: auth.instance().to_string(),
        database: answers.then(|| shown(asked.elapsed())),
        follows: !auth.revocations().is_stale(),
    }
}

fn jobs(auth: &Auth, leases: Vec<Lease>, now: i64) -> Vec<Job> {
    let job = |lease: Lease| Job {
        name: lease.job,
        is_own: lease.instance == auth.instance(),
        instance: lease.instance.to_string(),
        is_late: lease.until.seconds() <= now,
        until: Moment::new(lease.until.seconds()),
    };
    leases.into_iter().map(job).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_end_with_the_one_that_is_now() {
        let now = 1_795_344_162;
        let hours = spans(now, HOUR, 24);
        assert_eq!(hours.len(), 24);
        assert!(hours.windows(2).all(|pair| pair[0].1 == pair[1].0));
        let (from, until) = hours[23];
        assert!((from.seconds()..until.seconds()).contains(&now));
        assert_eq!(
            (hour(from), until.seconds() - from.seconds()),
            ("2026-11-22 10:00".to_owned(), HOUR)
        );
        let days = spans(now, DAY, 30);
        assert_eq!(
            (days.len(), day(days[29].0), day(days[0].0)),
            (30, "2026-11-22".to_owned(), "2026-10-24".to_owned())
        );
    }

    #[test]
    fn a_bar_is_as_high_as_its_count_and_never_lost() {
        assert_eq!([0, 1, 500, 1_000].map(|count| bar_height(count, 1_000)), [0, 2, 30, 60]);
        assert_eq!(bar_height(1, 1), 60);
        assert_eq!(bar_height(u64::MAX, u64::MAX), 60);
    }

    #[test]
    fn times_have_two_digits_that_count() {
        let micros = [80, 1_250, 42_400, 999_600, 2_340_000];
        let shown = micros.map(|micros| shown(Duration::from_micros(micros)));
        assert_eq!(shown, ["0.08 ms", "1.2 ms", "42 ms", "1.0 s", "2.3 s"]);
    }
}
