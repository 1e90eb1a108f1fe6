//! What the author's terminal can show.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::env;

/// What the author's terminal can show. Travels with a request, so that the daemon can write for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// Columns; 0 where it is not known.
    pub width: u16,
    /// Whether colours may be written.
    pub color: bool,
    /// Whether more than ASCII may be written.
    pub unicode: bool,
    /// Whether a person watches, so that progress may be redrawn.
    pub interactive: bool,
}

impl Terminal {
    /// A terminal without colours, width or Unicode: a file, a pipe.
    pub const PLAIN: Terminal = Terminal { width: 0, color: false, unicode: false, interactive: false };

    /// The columns to fill: 100 where the width is not known, and never so few that nothing can be said.
    pub fn columns(&self) -> usize {
        match self.width {
            0 => 100,
            width => usize::from(width).max(24),
        }
    }

    /// What stands between the parts of a line.
    pub fn dot(&self) -> &'static str {
        if self.unicode { " · " } else { " | " }
    }

    /// What stands for what is left out.
    pub fn ellipsis(&self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }

    /// What `stream` shows, with `NO_COLOR`, `CLICOLOR_FORCE`, `CI` and `TERM` taken into account.
    pub fn of(stream: &(impl IsTerminal + rustix::fd::AsFd)) -> Terminal {
        let tty = stream.is_terminal();
        let dumb = env::var("TERM").is_some_and(|term| term == "dumb");
        let forced = env::var("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let refused = env::var_os("NO_COLOR").is_some();
        let ci = env::var("CI").is_some_and(|value| value != "false" && value != "0");
        let width = tty
            .then(|| rustix::termios::tcgetwinsize(stream).ok().map(|size| size.ws_col))
            .flatten()
            .filter(|columns| *columns > 0)
            .or_else(|| env::var("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0));
        Terminal {
            width: width.unwrap_or(0),
            color: !refused && (forced || (tty && !dumb)),
            unicode: tty && !dumb && locale_is_utf8(),
            interactive: tty && !dumb && !ci,
        }
    }
}

/// Writes all of `text`, and waits where there is no room for it now: another program may have made the terminal or the pipe one
/// that does not wait, and what a plain write could not place would be lost. An error where nobody takes any of it for ten seconds.
pub fn write(stream: &mut impl Write, text: &str) -> io::Result<()> {
    write_within(WAITS, stream, text)
}

/// How often a millisecond is waited for room before somebody is taken for gone.
const WAITS: u32 = 10_000;

fn write_within(waits: u32, stream: &mut impl Write, text: &str) -> io::Result<()> {
    let (mut rest, mut left) = (text.as_bytes(), waits);
    loop {
        let written = if rest.is_empty() { stream.flush().map(|()| 0) } else { stream.write(rest) };
        match written {
            Ok(_) if rest.is_empty() => return Ok(()),
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => (rest, left) = (&rest[written..], waits),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && left > 0 => {
                left -= 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
}

/// POSIX's order: `LC_ALL`, then `LC_CTYPE`, then `LANG`.
fn locale_is_utf8() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env::var(name)).is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_a_stream_has_no_room_for_is_written_when_it_has() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let text = "a line\n".repeat(1 << 18);
        let all = std::thread::scope(|threads| {
            let reader = threads.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                let mut all = String::new();
                theirs.read_to_string(&mut all).map(|_| all)
            });
            write(&mut ours, &text).unwrap();
            drop(ours);
            reader.join().unwrap().unwrap()
        });
        assert!(all == text, "{} of {} bytes", all.len(), text.len());
    }

    #[test]
    fn a_stream_that_nobody_reads_is_not_waited_for_without_end() {
        let (mut ours, _theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let error = write_within(3, &mut ours, &"a line\n".repeat(1 << 18)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}
