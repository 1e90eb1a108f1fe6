//! The whole way, with the real programs: `git commit`, the hook, the daemon, PostgreSQL, the verdict.

mod access;
mod cli;
mod codes;
mod commit;
mod containment;
mod conventions;
mod copied;
mod files;
mod following;
mod history;
mod hostile;
mod isolation;
mod kept;
mod life;
mod lsp;
mod polite;
mod protocol;
mod repositories;
mod reverts;
mod rights;
mod rows;
mod scenarios;
mod session;
mod tour;
mod unavailable;
mod watch;
