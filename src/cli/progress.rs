//! Progress for whoever waits: a bar or a line that is redrawn on a terminal, a line now and then elsewhere.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::note;
use crate::render;
use crate::wire::Terminal;

/// How often progress is said where it cannot be redrawn.
const PACE: Duration = Duration::from_secs(2);

/// Told how far the judgement is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    unicode: bool,
    said: Mutex<Option<Instant>>,
}

impl Progress {
    pub(super) fn new() -> Progress {
        let terminal = Terminal::of(&io::stderr());
        let bar = terminal.interactive.then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Progress { bar, unicode: terminal.unicode, said: Mutex::new(None) }
    }

    /// What is being done. A count in it, `17/285`, is what the bar shows, and nothing for a log.
    pub(super) fn say(&self, text: &str) {
        let text = render::line(text, self.unicode);
        match (&self.bar, counted(&text)) {
            (Some(bar), Some((done, all, what))) => {
                if bar.length() != Some(all) {
                    bar.set_style(style(self.unicode));
                    bar.set_length(all);
                    bar.reset_eta();
                }
                bar.set_position(done);
                bar.set_message(what);
            }
            (Some(bar), None) => {
                bar.set_style(ProgressStyle::default_spinner());
                bar.unset_length();
                bar.set_message(text);
            }
            (None, Some(_)) => {}
            (None, None) => {
                let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
                if said.is_none_or(|at| at.elapsed() >= PACE) {
                    *said = Some(Instant::now());
                    note(&text);
                }
            }
        }
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `17/285 [=====>      ] 00:12 left  20240927_add_index`
fn style(unicode: bool) -> ProgressStyle {
    let style = ProgressStyle::with_template("{pos:>4}/{len} [{bar:30}] {eta} left  {wide_msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars(if unicode { "█▉▊▋▌▍▎▏ " } else { "=> " })
}

/// What is done already of how much, and the rest of the text: `17/285 0042`, or `building the chain: 17/285`.
fn counted(text: &str) -> Option<(u64, u64, String)> {
    let count = |word: &str| {
        let (at, all) = word.split_once('/')?;
        Some((at.parse::<u64>().ok()?, all.parse::<u64>().ok().filter(|all| *all > 0)?))
    };
    let (place, (at, all)) = text.split(' ').enumerate().find_map(|(place, word)| Some((place, count(word)?)))?;
    let rest: Vec<&str> =
        text.split(' ').enumerate().filter(|(other, _)| *other != place).map(|(_, word)| word).collect();
    // The one that is named is under way.
    Some((at.saturating_sub(1), all, rest.join(" ").trim_end_matches(':').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_in_the_text_moves_the_bar() {
        assert_eq!(counted("17/285 20240927"), Some((16, 285, "20240927".to_owned())));
        assert_eq!(counted("building the chain: 1/64"), Some((0, 64, "building the chain".to_owned())));
        assert_eq!(counted("pulling postgres/17-alpine"), None, "a path is no count");
        assert_eq!(counted("1/0"), None);
    }

    #[test]
    fn both_bars_can_be_drawn() {
        assert!(ProgressStyle::with_template("{pos:>4}/{len} [{bar:30}] {eta} left  {wide_msg}").is_ok());
        style(true);
        style(false);
    }
}
