use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{bail, ensure};

/// As long as any answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than any answer here has.
const LONGEST: usize = 64 * 1024;

/// An answer as it came over the wire.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// The status line and the header lines.
    pub(crate) head: &'a str,
    pub(crate) body: &'a [u8],
}

/// The value of a header.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

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

    /// Sends a request and reads its answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
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
        let (head, body) = self.buffer.split_at_checked(start).unwrap_or_default();
        Ok(Answer { status, head: str::from_utf8(head)?, body })
    }
}

/// The status of an answer and where its body begins and ends; `None` while its head is not complete.
fn frame(answer: &[u8]) -> anyhow::Result<Option<(u16, usize, usize)>> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = str::from_utf8(answer.get(..head).unwrap_or_default())?;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let length = header(text, "content-length").and_then(|value| value.parse::<usize>().ok());
    let (Some(status), Some(length)) = (status, length) else { bail!("not an answer: {text}") };
    Ok(Some((status, head + 4, head + 4 + length)))
}

/// A request as it goes over the wire: header lines, and a body of JSON.
pub(crate) fn request(method: &str, path: &str, headers: &[&str], body: Option<&str>) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if let Some(body) = body {
        let length = body.len();
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {length}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    text.into_bytes()
}
