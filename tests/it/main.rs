//! The integration tests: one binary, real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod catalog;
mod catalog_cases;
mod data_cases;
mod e2e;
mod engine;
mod hooks;
mod layers;
mod layouts;
mod lending;
mod pool;
mod repo;
mod setup;
mod support;
