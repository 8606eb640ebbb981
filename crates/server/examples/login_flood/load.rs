use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

/// As long as any answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than any answer here has.
const LONGEST: usize = 64 * 1024;

/// One connection that stays open, and as little work for each request as can be.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends a request and reads its answer; returns the status and the body.
    pub(crate) fn ask(&mut self, request: &[u8]) -> anyhow::Result<(u16, &[u8])> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let mut chunk = [0; 8 * 1024];
        let (status, start, end) = loop {
            let read = self.stream.read(&mut chunk)?;
            ensure!(read > 0, "the server closed the connection");
            self.buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
            if let Some(found) = frame(&self.buffer)? {
                break found;
            }
            ensure!(self.buffer.len() < LONGEST, "an answer without end");
        };
        while self.buffer.len() < end {
            let read = self.stream.read(&mut chunk)?;
            ensure!(read > 0, "the server closed the connection");
            self.buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
        }
        Ok((status, self.buffer.get(start..end).unwrap_or_default()))
    }
}

/// The status of an answer and where its body begins and ends; `None` while its head is not complete.
fn frame(answer: &[u8]) -> anyhow::Result<Option<(u16, usize, usize)>> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = str::from_utf8(answer.get(..head).unwrap_or_default())?;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let (Some(status), Some(length)) = (status, length) else { bail!("not an answer: {text}") };
    Ok(Some((status, head + 4, head + 4 + length)))
}

/// A request as it goes over the wire.
pub(crate) fn request(
    method: &str,
    path: &str,
    bearer: Option<&str>,
    body: Option<&str>,
) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    if let Some(token) = bearer {
        text.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    if let Some(body) = body {
        let length = body.len();
        text.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
    } else {
        text.push_str("\r\n");
    }
    text.into_bytes()
}

/// What connections of one kind were answered within a time.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) took: Duration,
    /// The time of each answer that was a success.
    pub(crate) times: Vec<Duration>,
    /// Answers 503, which say when to come back.
    pub(crate) busy: usize,
}

impl Answers {
    pub(crate) fn rate(&self) -> f64 {
        let count = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        f64::from(count) / self.took.as_secs_f64()
    }

    /// The time that so many of a hundred successes do not exceed.
    pub(crate) fn at(&self, percent: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let rank = (times.len() * percent).div_ceil(100);
        times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Sends one request over so many connections, again and again, until it is told to stop.
///
/// # Errors
/// An answer that is neither a success nor 503.
pub(crate) fn drive(
    address: &str,
    connections: usize,
    request: &[u8],
    stop: &AtomicBool,
) -> anyhow::Result<Answers> {
    let begun = Instant::now();
    let one = || -> anyhow::Result<Answers> {
        let mut connection = Connection::open(address)?;
        let mut answers = Answers::default();
        while !stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            match connection.ask(request)?.0 {
                200 => answers.times.push(asked.elapsed()),
                503 => answers.busy += 1,
                other => bail!("answered {other}"),
            }
        }
        Ok(answers)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
        let mut all = Answers::default();
        for thread in threads {
            let answers = thread.join().ok().context("a connection panicked")??;
            all.times.extend(answers.times);
            all.busy += answers.busy;
        }
        all.took = begun.elapsed();
        Ok(all)
    })
}
