//! Runs migrations that are not judged in one go: the statements that [`super::run`] sends, in the same order, without
//! waiting for the answer to one before the next is sent.
//!
//! That something went wrong is all that is said of a failure. The caller throws the database away and runs the same
//! migrations one by one on another, which tells what it was.

use std::time::{Duration, Instant};

use crate::engine::pace::Manner;
use crate::layout::{APART, Mode, Source};
use crate::sql::{Kind, Statement};

use super::apply::{Bench, Ended, Error, batches, drain, supervised};
use super::elevate::{self, Lend};

/// What separates two runs of the real tool.
const FRESH: &str = "DISCARD ALL";
/// How long a session that is terminated may take to leave.
const LEAVING: Duration = Duration::from_secs(2);

/// Everything that the runner sends for one migration. None when some of it has to be looked at while it runs: rows for
/// a COPY, statements that need other rights, what is no SQL.
pub fn script(source: &Source, bookkeeping: &[String], lend: Lend) -> Option<Vec<String>> {
    let (batches, problem) = batches(source);
    let plain = |statement: &Statement| {
        let text = &source.text[statement.range.clone()];
        statement.copy_data.is_none() && elevate::reserved(text, lend).is_none()
    };
    if problem.is_some() || !batches.iter().flatten().all(plain) {
        return None;
    }
    let (apart, bookkeeping) = match bookkeeping {
        [first, rest @ ..] if first == APART => (true, rest),
        all => (false, all),
    };
    let wrapped = source.mode == Mode::Wrapped;
    let mut script = Vec::new();
    let mut say = |text: &str| script.push(text.to_owned());
    if wrapped {
        say("BEGIN");
    }
    let mut in_transaction = wrapped;
    for batch in &batches {
        let implicit = !wrapped && batch.len() > 1;
        let mut began = false;
        for statement in batch {
            if implicit && !in_transaction && statement.kind != Kind::Begin {
                say("BEGIN");
                in_transaction = true;
            }
            say(&source.text[statement.range.clone()]);
            match statement.kind {
                Kind::Begin => (in_transaction, began) = (true, true),
                Kind::Commit | Kind::Rollback => (in_transaction, began) = (false, false),
                _ => {}
            }
        }
        if implicit && in_transaction && !began {
            say("COMMIT");
            in_transaction = false;
        }
    }
    match (wrapped, apart) {
        (true, true) => say("COMMIT"),
        (true, false) => {}
        // Ends what the file left open.
        (false, _) => say("ROLLBACK"),
    }
    bookkeeping.iter().for_each(|statement| say(statement));
    if wrapped && !apart {
        say("COMMIT");
    }
    say(FRESH);
    Some(script)
}

/// Runs `scripts`. False when something went wrong, or took longer than one statement may: the session is gone then, and
/// the database in no known state.
///
/// While nobody waits, a statement is sent when the one before it has been answered.
pub async fn run_together(bench: Bench<'_>, scripts: &[Vec<String>]) -> Result<bool, Error> {
    bench.runner.set_running(true);
    let ran = send(bench, scripts).await;
    if ran.is_ok() {
        bench.runner.set_running(false);
    }
    ran
}

async fn send(bench: Bench<'_>, scripts: &[Vec<String>]) -> Result<bool, Error> {
    let client = bench.runner.client();
    let mut looked = Instant::now();
    let mut left = scripts.iter().flatten();
    if let Some(pace) = &bench.limits.pace {
        while pace.step().await == Manner::Aside {
            let Some(text) = left.next() else { return Ok(true) };
            let one = async { drain(client.simple_query_raw(text).await?).await };
            if !ended_well(bench, supervised(bench, &mut looked, one).await).await? {
                return Ok(false);
            }
        }
    }
    let work = async {
        let mut answers = Vec::new();
        for text in left {
            // Returns as soon as it is sent.
            answers.push(client.simple_query_raw(text).await?);
        }
        for answer in answers {
            drain(answer).await?;
        }
        Ok(0)
    };
    ended_well(bench, supervised(bench, &mut looked, work).await).await
}

async fn ended_well(bench: Bench<'_>, outcome: Result<u64, Ended>) -> Result<bool, Error> {
    match outcome {
        Ok(_) => Ok(true),
        Err(Ended::Broken(error)) => Err(error),
        Err(_) => {
            leave(bench).await?;
            Ok(false)
        }
    }
}

/// Ends the session, with whatever it was still sent.
async fn leave(bench: Bench<'_>) -> Result<(), Error> {
    match bench.observer.end(bench.runner.pid(), LEAVING).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Lost("a session could not be ended".to_owned())),
        Err(error) => Err(Error::Lost(crate::engine::session::describe(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(mode: Mode, text: &str, bookkeeping: &[&str]) -> Option<Vec<String>> {
        let text: std::sync::Arc<str> = text.into();
        let body = 0..text.len();
        let source = Source { path: "1.sql".to_owned(), text, body, mode, pieces: None, inserts: None };
        let bookkeeping: Vec<String> = bookkeeping.iter().map(|text| (*text).to_owned()).collect();
        script(&source, &bookkeeping, Lend::Harmless)
    }

    #[test]
    fn a_wrapped_file_is_one_transaction_with_its_record() {
        let script = sent(Mode::Wrapped, "SELECT 1; SELECT 2;", &["INSERT"]).unwrap();
        assert_eq!(script, ["BEGIN", "SELECT 1", "SELECT 2", "INSERT", "COMMIT", FRESH]);
        let script = sent(Mode::Wrapped, "SELECT 1", &[APART, "INSERT"]).unwrap();
        assert_eq!(script, ["BEGIN", "SELECT 1", "COMMIT", "INSERT", FRESH]);
    }

    #[test]
    fn one_simple_query_is_one_transaction_unless_the_file_says_otherwise() {
        let script = sent(Mode::Simple, "SELECT 1; SELECT 2;", &["INSERT"]).unwrap();
        assert_eq!(script, ["BEGIN", "SELECT 1", "SELECT 2", "COMMIT", "ROLLBACK", "INSERT", FRESH]);
        let script = sent(Mode::Simple, "BEGIN; SELECT 1; COMMIT;", &[]).unwrap();
        assert_eq!(script, ["BEGIN", "SELECT 1", "COMMIT", "ROLLBACK", FRESH]);
        let script = sent(Mode::PerStatement, "SELECT 1; SELECT 2;", &[]).unwrap();
        assert_eq!(script, ["SELECT 1", "SELECT 2", "ROLLBACK", FRESH]);
    }

    #[test]
    fn what_has_to_be_looked_at_while_it_runs_is_left_to_whoever_looks() {
        assert_eq!(sent(Mode::Simple, "COPY t FROM STDIN;\n1\n\\.\n", &[]), None);
        assert_eq!(sent(Mode::Simple, "CREATE EXTENSION hstore;", &[]), None);
        assert_eq!(sent(Mode::Simple, "SELECT 'unended", &[]), None);
    }
}
