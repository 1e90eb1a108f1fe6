//! The catalog: what a database's schema is, and how two states of it differ, in words.
