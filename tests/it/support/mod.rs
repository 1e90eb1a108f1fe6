//! What integration tests share.

pub mod cluster;
pub mod editor;
pub mod git;
pub mod processes;
pub mod realm;
pub mod sandbox;
pub mod watching;
