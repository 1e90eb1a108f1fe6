//! `migd logs`: the daemon's log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::{Failure, note};
use crate::wire::Endpoint;

/// The options of `migd logs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Go on printing what is added
    #[arg(short, long)]
    follow: bool,
}

pub(super) fn run(args: &Args, endpoint: &Endpoint) -> Result<u8, Failure> {
    let path = endpoint.log();
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            note("there is no log yet: no daemon has run");
            return Ok(0);
        }
        Err(error) => {
            let help = "check who owns the file";
            return Err(Failure::broken(format!("cannot read {}: {error}", path.display()), help));
        }
    };
    loop {
        if copy(&mut file).is_err() || !args.follow {
            return Ok(0);
        }
        std::thread::sleep(Duration::from_millis(200));
        // The daemon puts a full log aside and begins another; somebody may have cut this one short.
        let (Ok(now), Ok(open)) = (std::fs::metadata(&path), file.metadata()) else { continue };
        if now.ino() != open.ino() {
            let _ = copy(&mut file);
            if let Ok(next) = File::open(&path) {
                file = next;
            }
        } else if file.stream_position().is_ok_and(|position| position > now.len()) {
            let _ = file.seek(SeekFrom::Start(0));
        }
    }
}

/// Copies the rest of `file` to standard output.
fn copy(file: &mut File) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut buffer = [0; 16384];
    loop {
        match file.read(&mut buffer)? {
            0 => return out.flush(),
            read => out.write_all(&buffer[..read])?,
        }
    }
}
