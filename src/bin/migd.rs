//! The `migd` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    migd::cli::main(std::env::args_os())
}
