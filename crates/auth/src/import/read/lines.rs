//! Text with the ends of lines as Unix writes them, so that lines can be counted.

use std::io::{BufRead, Read, Result};

/// Takes the carriage return out of each `\r\n`, and ends the last line where it has no end.
pub(super) struct UnixLines<R> {
    inner: R,
    /// A carriage return that was read and whose next byte was not.
    returned: bool,
    last: u8,
}

impl<R: BufRead> UnixLines<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, returned: false, last: b'\n' }
    }

    /// The next byte of what goes out.
    fn byte(&mut self) -> Result<Option<u8>> {
        loop {
            let next = self.inner.fill_buf()?.first().copied();
            return Ok(match (self.returned, next) {
                (true, Some(b'\n')) => {
                    self.returned = false;
                    continue;
                }
                (true, _) => {
                    self.returned = false;
                    Some(b'\r')
                }
                (false, Some(byte)) => {
                    self.inner.consume(1);
                    if byte == b'\r' {
                        self.returned = true;
                        continue;
                    }
                    Some(byte)
                }
                (false, None) => (self.last != b'\n').then_some(b'\n'),
            });
        }
    }
}

impl<R: BufRead> Read for UnixLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut written = 0;
        for place in buffer {
            let Some(byte) = self.byte()? else { break };
            *place = byte;
            self.last = byte;
            written += 1;
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_on_unix_and_the_last_one_ends() {
        for (text, lines) in [
            ("", ""),
            ("a", "a\n"),
            ("a\r\nb\r\n", "a\nb\n"),
            ("a\rb\n\r\r\nc\r", "a\rb\n\r\nc\r\n"),
        ] {
            let mut read = String::new();
            UnixLines::new(text.as_bytes()).read_to_string(&mut read).expect("text");
            assert_eq!(read, lines, "{text:?}");
        }
    }
}
