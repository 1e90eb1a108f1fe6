//! What integration tests share.

pub mod cluster;
pub mod realm;
pub mod sandbox;
