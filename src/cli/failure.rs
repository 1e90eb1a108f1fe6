//! How a command fails: one line of what, one of what to do, and the exit status.

use std::io;

use anstyle::{AnsiColor, Style};

use crate::daemon::spawn;
use crate::judge;
use crate::render::line;
use crate::verdict::{Finding, Severity};
use crate::wire::{Terminal, terminal};

/// Why a command ends without having done what it should.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What.
    pub(crate) message: String,
    /// The finding code that names it; empty where none does.
    pub(crate) code: &'static str,
    /// What to do; empty when nobody can say.
    pub(crate) help: String,
    /// 2 usage or configuration, 3 could not judge.
    pub(crate) exit: u8,
}

impl Failure {
    /// The command line or the configuration is wrong.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure { message: message.into(), code: "", help: help.into(), exit: 2 }
    }

    /// It could not be done.
    pub(crate) fn broken(message: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure { message: message.into(), code: "", help: help.into(), exit: 3 }
    }

    pub(crate) fn print(&self, terminal: &Terminal) {
        let (red, reset) = match terminal.color {
            true => {
                let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
                (style.render().to_string(), style.render_reset().to_string())
            }
            false => Default::default(),
        };
        let code = if self.code.is_empty() { String::new() } else { format!(" [{}]", self.code) };
        let mut text = format!("migd: {red}error{reset}: {}{code}\n", line(&self.message, terminal.unicode));
        for help in self.help.lines() {
            text.push_str(&format!("migd: help: {}\n", line(help, terminal.unicode)));
        }
        let _ = terminal::write(&mut io::stderr(), &text);
    }

    /// The same, for a report.
    pub(crate) fn finding(&self) -> Finding {
        Finding::new(self.code, Severity::Error, &*self.message).help(&*self.help)
    }
}

impl From<judge::Error> for Failure {
    fn from(error: judge::Error) -> Self {
        let exit = if error.is_usage() { 2 } else { 3 };
        Failure { message: error.to_string(), code: error.code(), help: error.help(), exit }
    }
}

impl From<spawn::Error> for Failure {
    fn from(error: spawn::Error) -> Self {
        Failure { code: error.code(), ..Failure::broken(error.to_string(), error.help()) }
    }
}
