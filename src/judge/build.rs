//! Building a chain: the migrations that are not judged, applied to make the database that one that is judged starts from.

use std::time::{Duration, Instant};

use super::Error;
use super::loss::no_room;
use super::run::{Work, fresh_session};
use crate::check;
use crate::engine::pace::Manner;
use crate::layout::Source;
use crate::pool::Held;
use crate::trace::apply::Bench;
use crate::trace::together::{run_together, script};
use crate::trace::{Limits, Run};
use crate::verdict::Finding;

/// A template may be kept at every so many migrations of a chain that has to be built,
const CHECKPOINT: usize = 64;
/// when it took this long to build what lies between: keeping one takes a part of that.
const WORTH_KEEPING: Duration = Duration::from_millis(500);
/// How many bytes of statements are sent ahead of their answers.
const AHEAD: usize = 256 << 10;

/// What becomes of the template that a chain is built from.
#[derive(Clone, Copy)]
enum Template {
    /// It is copied.
    Stays,
    /// It is what is built on, if it was made in passing.
    GoesOn,
}

/// What somebody waits for when a chain is built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The template, for which its catalog is read.
    Template,
    /// That the chain applies.
    Outcome,
}

/// How far a chain was built.
enum Built {
    /// To its end, on this database.
    Whole(Box<Held>),
    /// A migration does not apply.
    Broken(Box<Finding>),
    /// Something went wrong while nobody looked: it has to be built again, one by one.
    Unknown,
}

impl Work<'_> {
    /// Makes sure that there is a template with the first `end` migrations applied. A finding when one does not apply.
    pub(super) async fn advance(&self, end: usize) -> Result<Option<Finding>, Error> {
        self.pool.sealed().await;
        if self.pool.has(&self.prefixes[end]) {
            return Ok(None);
        }
        match self.apply(end, Template::Stays, Wanted::Template).await? {
            Ok(held) => self.pool.seal(held, self.prefixes[end]).await?,
            Err(finding) => return Ok(Some(finding)),
        }
        Ok(None)
    }

    /// The same for an audit, which comes by every prefix of the chain and needs each once: one database goes along.
    pub(super) async fn pass(&self, end: usize) -> Result<Option<Finding>, Error> {
        self.pool.sealed().await;
        if self.pool.has(&self.prefixes[end]) {
            return Ok(None);
        }
        let last = end == self.set.chain.migrations.len();
        match self.apply(end, Template::GoesOn, Wanted::Template).await? {
            Ok(held) if last || end.is_multiple_of(CHECKPOINT) => self.pool.seal(held, self.prefixes[end]).await?,
            Ok(held) => self.pool.seal_in_passing(held, self.prefixes[end]).await?,
            Err(finding) => return Ok(Some(finding)),
        }
        Ok(None)
    }

    /// The same for the whole chain, where nobody waits for the template: it is made aside.
    pub(super) async fn finish(&self) -> Result<Option<Finding>, Error> {
        self.pool.sealed().await;
        let end = self.set.chain.migrations.len();
        if self.pool.has(&self.prefixes[end]) {
            return Ok(None);
        }
        match self.apply(end, Template::Stays, Wanted::Outcome).await? {
            Ok(held) => self.pool.seal_later(held, self.prefixes[end]).await?,
            Err(finding) => return Ok(Some(finding)),
        }
        Ok(None)
    }

    /// A database with the first `end` migrations applied, or what is wrong with the first that does not apply.
    async fn apply(&self, end: usize, from: Template, wanted: Wanted) -> Result<Result<Held, Finding>, Error> {
        for (together, from) in [(true, from), (false, Template::Stays)] {
            match self.build(end, together, from, wanted).await? {
                Built::Whole(held) => return Ok(Ok(*held)),
                Built::Broken(finding) => return Ok(Err(*finding)),
                Built::Unknown => {}
            }
        }
        Err(Error::Lost("a chain could not be built".to_owned()))
    }

    async fn build(&self, end: usize, together: bool, from: Template, wanted: Wanted) -> Result<Built, Error> {
        let broken = |finding| Ok(Built::Broken(Box::new(finding)));
        let mut at = (0..end).rev().find(|at| self.pool.has(&self.prefixes[*at])).unwrap_or(0);
        let mut held = self.open(at, from).await?;
        if at == 0 && !self.pool.has(&self.prefixes[0]) {
            if let Some(finding) = self.setup(&held).await? {
                return broken(finding);
            }
            held = self.with_settings(held).await?;
            self.books(&held).await?;
        }
        let mut rehearsed = wanted != Wanted::Template;
        let chain = &self.set.chain.migrations;
        let (mut started, mut told) = (Instant::now(), at);
        while at < end {
            if at >= told + 16 && end - at > 16 {
                told = at;
                (self.order.progress)(&format!("building the chain: {}/{end}", at + 1));
            }
            let manner = self.give_way(&mut held).await;
            // Where nobody waits, one migration at a time: whoever comes next does not wait for many.
            let upto = if manner == Manner::Aside { at + 1 } else { end };
            let scripts = if together { self.scripts(at, upto) } else { Vec::new() };
            if scripts.is_empty() {
                let migration = &chain[at];
                if let Some(finding) = self.foreign(migration) {
                    return broken(finding);
                }
                let bookkeeping = self.set.layout.bookkeeping(migration).applied;
                let run = self.run_aside(&held, &migration.up, &bookkeeping).await?;
                if let Some(failure) = &run.failure {
                    if let Some(said) = no_room(&run) {
                        return Err(Error::Full(migration.up.path.clone(), said.to_owned()));
                    }
                    return broken(self.chain_fails(at, failure));
                }
                fresh_session(&held).await?;
                at += 1;
            } else {
                let limits = self.aside();
                let bench = Bench { runner: &held.runner, observer: &held.observer, limits: &limits };
                let ran = run_together(bench, &scripts);
                let ran = if std::mem::replace(&mut rehearsed, true) {
                    ran.await
                } else {
                    // The other session, which will read the catalog, has nothing to do meanwhile.
                    tokio::join!(ran, held.reader.rehearse(held.observer.client(), &held.before)).0
                };
                if ran.is_err() && self.order.halt.is_cancelled() {
                    return Err(Error::Halted);
                }
                if !ran? {
                    return Ok(Built::Unknown);
                }
                at += scripts.len();
            }
            if at < end && at.is_multiple_of(CHECKPOINT) && started.elapsed() >= WORTH_KEEPING {
                self.pool.seal(held, self.prefixes[at]).await?;
                held = self.open(at, Template::Stays).await?;
                started = Instant::now();
            }
        }
        Ok(Built::Whole(Box::new(held)))
    }

    /// What is sent for the migrations from `at` on, up to the next checkpoint and to the first that is not to be run so.
    fn scripts(&self, at: usize, end: usize) -> Vec<Vec<String>> {
        let end = end.min((at / CHECKPOINT + 1) * CHECKPOINT);
        let lend = self.lend();
        let mut bytes = 0;
        let scripts = self.set.chain.migrations[at..end].iter().map_while(|migration| {
            bytes += migration.up.text.len();
            let plain = migration.foreign.is_none() && bytes <= AHEAD;
            plain.then(|| script(&migration.up, &self.set.layout.bookkeeping(migration).applied, lend)).flatten()
        });
        scripts.collect()
    }

    /// A database with the first `at` migrations applied; for none of them, an empty one.
    async fn open(&self, at: usize, template: Template) -> Result<Held, Error> {
        let from = Some(&self.prefixes[at]).filter(|prefix| self.pool.has(prefix));
        let held = match (from, template) {
            (Some(from), Template::GoesOn) => self.pool.go_on(from).await?,
            _ => self.pool.open(from).await?,
        };
        held.ok_or_else(Error::no_template)
    }

    /// What production has before the first migration.
    async fn setup(&self, held: &Held) -> Result<Option<Finding>, Error> {
        for source in &self.set.setup {
            let run = self.run_aside(held, source, &[]).await?;
            if let Some(failure) = &run.failure {
                return Ok(Some(check::apply_failure(source, failure)));
            }
            fresh_session(held).await?;
        }
        Ok(None)
    }

    /// The same database in a session that has the settings which the setup has given the database: they hold from the next
    /// connection on, and the runner's comes after the setup.
    async fn with_settings(&self, held: Held) -> Result<Held, Error> {
        if self.set.setup.is_empty() {
            return Ok(held);
        }
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d
                       ON d.oid OPERATOR(pg_catalog.=) s.setdatabase
                   WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())";
        let row = held.observer.client().query_one(sql, &[]).await;
        let row = row.map_err(|error| Error::Lost(crate::engine::session::describe(&error)))?;
        if !row.get::<_, bool>(0) {
            return Ok(held);
        }
        let mut before = blake3::Hasher::new();
        before.update(self.prefixes[0].as_bytes()).update(b"before the runner");
        let before = before.finalize();
        self.pool.seal(held, before).await?;
        self.pool.open(Some(&before)).await?.ok_or_else(Error::no_template)
    }

    /// The runner's own table.
    async fn books(&self, held: &Held) -> Result<(), Error> {
        if let Some(first) = self.set.chain.migrations.first() {
            for statement in self.set.layout.bookkeeping(first).setup {
                let outcome = held.runner.client().batch_execute(&statement).await;
                outcome.map_err(|error| Error::Lost(crate::engine::session::describe(&error)))?;
            }
        }
        Ok(())
    }

    /// Runs a migration that is not judged: the time is the chain's.
    async fn run_aside(&self, held: &Held, source: &Source, bookkeeping: &[String]) -> Result<Run, Error> {
        self.run_within(self.aside(), held, source, bookkeeping).await
    }

    /// The limits of what is not judged.
    fn aside(&self) -> Limits {
        Limits { pace: self.order.pace.cloned(), ..self.limits(self.order.patience) }
    }

    /// Rests while a commit is made, where nobody waits for this, and has `held` go on at the priority that is due.
    async fn give_way(&self, held: &mut Held) -> Manner {
        let Some(pace) = self.order.pace else { return Manner::Hurry };
        let manner = pace.step().await;
        held.paced(manner).await;
        manner
    }
}
