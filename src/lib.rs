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

pub mod catalog;
pub mod check;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod engine;
pub mod hooks;
pub mod judge;
pub mod layout;
pub mod lsp;
pub mod pool;
pub mod render;
pub mod repo;
pub mod rows;
pub mod scenario;
pub mod setup;
pub mod sql;
pub mod trace;
pub mod verdict;
pub mod watch;
pub mod wire;
