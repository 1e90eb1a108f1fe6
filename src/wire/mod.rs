//! The wire between a client and the daemon: the lowest layer, and all that `migd-hook` links.
//!
//! One request a connection, then a stream of replies that ends with [`Reply::Done`]. `docs/protocol.md` describes it.

pub mod client;
pub mod copy;
pub mod endpoint;
pub mod env;
#[cfg(feature = "full")]
pub mod file;
pub mod frame;
pub mod message;
pub mod terminal;

pub use client::{Breaker, Client, ClientError};
pub use copy::Copied;
pub use endpoint::Endpoint;
pub use message::{CheckRequest, Envelope, Place, Reply, Request, Selection, Wanted};
pub use terminal::Terminal;
