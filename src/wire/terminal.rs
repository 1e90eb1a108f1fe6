//! What the author's terminal can show.

use std::io::IsTerminal;

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

/// POSIX's order: `LC_ALL`, then `LC_CTYPE`, then `LANG`.
fn locale_is_utf8() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env::var(name)).is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
