//! migd judges PostgreSQL migrations at commit time, on a real, warm server.
//!
//! The code map, lowest layer first. Imports point down only; `tests/it/layers.rs` holds that.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`verdict`] | the verdict and its findings: plain data |
//! | [`wire`] | messages, framing, endpoint, blocking client: all that `migd-hook` needs |
//! | [`sql`] | statement splitter with byte ranges, directives; pure |
//! | [`config`] | the layered configuration |
//! | [`layout`] | the runners' file conventions, order, plan and prefix hashes; pure |
//! | [`catalog`] | snapshots of a database's schema and their comparison in words |
//! | [`engine`] | what provides PostgreSQL: container, local, url |
//! | [`repo`] | git: the staged tree, the base |
//! | [`watch`] | changes to files, as they happen |
//! | [`hooks`] | git's hooks: migd's part in them |
//! | [`pool`] | templates by prefix hash, clones made ahead, leases |
//! | [`trace`] | apply a migration and observe |
//! | [`rows`] | rows that the schema before accepts and that make a migration fail |
//! | [`scenario`] | the user's own cases: migrate, put rows in, migrate on, assert |
//! | [`check`] | pure functions from a trace to findings, and the codes |
//! | [`judge`] | plan, lease, trace, checks, verdict |
//! | [`setup`] | setting a repository up |
//! | [`render`] | a verdict as text or JSON |
//! | [`daemon`] | lock, listener, sessions, the warm engine, idling |
//! | [`lsp`] | verdicts in editors: a client of the daemon |
//! | [`cli`] | the command line |
//!
//! Without the feature `full` there is only [`wire`], and of the programs only `migd-hook`.

#[cfg(feature = "full")]
pub mod catalog;
#[cfg(feature = "full")]
pub mod check;
#[cfg(feature = "full")]
pub mod cli;
#[cfg(feature = "full")]
pub mod config;
#[cfg(feature = "full")]
pub mod daemon;
#[cfg(feature = "full")]
pub mod engine;
#[cfg(feature = "full")]
pub mod hooks;
#[cfg(feature = "full")]
pub mod judge;
#[cfg(feature = "full")]
pub mod layout;
#[cfg(feature = "full")]
pub mod lsp;
#[cfg(feature = "full")]
pub mod pool;
#[cfg(feature = "full")]
pub mod render;
#[cfg(feature = "full")]
pub mod repo;
#[cfg(feature = "full")]
pub mod rows;
#[cfg(feature = "full")]
pub mod scenario;
#[cfg(feature = "full")]
pub mod setup;
#[cfg(feature = "full")]
pub mod sql;
#[cfg(feature = "full")]
pub mod trace;
#[cfg(feature = "full")]
pub mod verdict;
#[cfg(feature = "full")]
pub mod watch;
pub mod wire;
