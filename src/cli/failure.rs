//! How a command fails: one line of what, one of what to do, and the exit status.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::daemon::spawn;
use crate::judge;
use crate::render::line;
use crate::wire::Terminal;

/// Why a command ends without having done what it should.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What.
    pub(crate) message: String,
    /// What to do; empty when nobody can say.
    pub(crate) help: String,
    /// 2 usage or configuration, 3 could not judge.
    pub(crate) exit: u8,
}

impl Failure {
    /// The command line or the configuration is wrong.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure { message: message.into(), help: help.into(), exit: 2 }
    }

    /// It could not be done.
    pub(crate) fn broken(message: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure { message: message.into(), help: help.into(), exit: 3 }
    }

    pub(crate) fn print(&self, terminal: &Terminal) {
        let (red, reset) = match terminal.color {
            true => {
                let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
                (style.render().to_string(), style.render_reset().to_string())
            }
            false => Default::default(),
        };
        let mut text = format!("migd: {red}error{reset}: {}\n", line(&self.message, terminal.unicode));
        for help in self.help.lines() {
            text.push_str(&format!("migd: help: {}\n", line(help, terminal.unicode)));
        }
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

impl From<judge::Error> for Failure {
    fn from(error: judge::Error) -> Self {
        let exit = if error.is_usage() { 2 } else { 3 };
        Failure { message: format!("{error} [{}]", error.code()), help: error.help(), exit }
    }
}

impl From<spawn::Error> for Failure {
    fn from(error: spawn::Error) -> Self {
        Failure::broken(format!("{error} [{}]", error.code()), error.help())
    }
}
