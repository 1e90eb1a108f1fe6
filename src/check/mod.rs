//! (to be written)

pub mod codes;

pub use codes::{CODES, Code, code};
