//! A migration is a stranger's program: what it may not do to the machine, to the server and to other repositories, tried
//! on the container engine and on the local one.

mod gains;
mod ground;
mod refusals;
