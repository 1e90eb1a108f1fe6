//! What the daemon gives back to the system while it has nothing to do.
//!
//! The system maps a program's pages in groups around each one that is needed, so that in time nearly all of the program
//! stands among the process's memory, and is kept longer than what nobody has mapped. Once the process has rested they are
//! unmapped: they stay in the page cache as long as there is room, and come back without a disk when they are needed.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// The process has rested when it has worked less than this between two looks: what somebody asked has been answered.
const IDLE: Duration = Duration::from_millis(5);

/// Whoever has worked less than this between two looks has looked, and done nothing else.
const LOOK: Duration = Duration::from_micros(300);

/// What is known of the process's work.
#[derive(Default)]
pub(super) struct Rest {
    /// The processor time that it had taken at the last look.
    worked: Duration,
    /// Whether its program was unmapped at the last look or before, and little has been done since.
    unmapped: bool,
}

impl Rest {
    /// Looks whether the process has rested since the last look, and if so has its program unmapped, where it is not yet.
    pub(super) fn look(&mut self) {
        let work = worked().saturating_sub(self.worked);
        let rested = work < IDLE;
        if rested && (!self.unmapped || work > LOOK) {
            program::unmap();
        }
        self.unmapped = rested;
        // What unmapping has taken is no work.
        self.worked = worked();
    }
}

/// The processor time that this process has taken.
fn worked() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::MAX };
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| Duration::new(time.tv_sec().cast_unsigned(), (time.tv_usec() as u32) * 1000))
        .sum()
}

#[cfg(not(target_os = "linux"))]
mod program {
    /// Other systems map what is needed and no more.
    pub(super) fn unmap() {}
}

#[cfg(target_os = "linux")]
mod program {
    use std::ffi::c_void;
    use std::ops::Range;

    use rustix::mm::{Advice, madvise};

    /// Unmaps the pages of the program and of its libraries that nobody can have written to.
    pub(super) fn unmap() {
        let Ok(text) = std::fs::read_to_string("/proc/self/smaps") else { return };
        for range in clean(&text) {
            // SAFETY: the range is a whole mapping of this process, of a file, private, and not writable, with no page of
            // its own: every page of it is the file's, which is where the next access finds the same again. Nothing is
            // written to it meanwhile, for it is not writable; and nothing that this process runs unmaps a library.
            #[allow(unsafe_code)]
            let advised =
                unsafe { madvise(range.start as *mut c_void, range.end - range.start, Advice::LinuxDontNeed) };
            if let Err(error) = advised {
                tracing::debug!(%error, "a part of the program stays mapped");
            }
        }
    }

    /// The mappings, as `/proc/PID/smaps` has them, whose pages are all a file's.
    fn clean(smaps: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut current = None;
        for line in smaps.lines() {
            match line.split_once(' ') {
                Some(("Anonymous:", kib)) => {
                    // Relocated addresses, constants that were written once: lost if they were let go.
                    let own = kib.trim() != "0 kB";
                    found.extend(current.take().filter(|_| !own));
                }
                Some((name, _)) if name.ends_with(':') => {}
                _ => current = file(line),
            }
        }
        found
    }

    /// The addresses of a mapping by its first line, if it is a file's, private, and not writable.
    fn file(line: &str) -> Option<Range<usize>> {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let rights = words.next()?;
        let (inode, path) = (words.nth(2)?, words.next()?);
        let address = |text| usize::from_str_radix(text, 16).ok();
        let private = rights.starts_with('r') && rights.ends_with('p') && !rights.contains('w');
        (private && inode != "0" && path.starts_with('/')).then_some(address(start)?..address(end)?)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_mappings_of_files_that_nobody_has_written_to_are_let_go() {
            let rest = "Size: 8 kB\nRss: 8 kB\nAnonymous: ";
            let mapping = |head: &str, own: &str| format!("{head}\n{rest}{own} kB\nVmFlags: rd mr\n");
            let smaps = [
                mapping("1000-3000 r--p 00000000 fe:00 7 /usr/bin/migd", "0"),
                mapping("3000-5000 r-xp 00002000 fe:00 7 /usr/bin/migd (deleted)", "0"),
                mapping("5000-7000 r--p 00004000 fe:00 7 /usr/bin/migd", "4"),
                mapping("7000-9000 rw-p 00006000 fe:00 7 /usr/bin/migd", "0"),
                mapping("9000-b000 r--s 00000000 fe:00 8 /dev/shm/x", "0"),
                mapping("b000-d000 r--p 00000000 00:00 0", "0"),
                mapping("d000-f000 r-xp 00000000 00:00 0 [vdso]", "0"),
            ];
            assert_eq!(clean(&smaps.concat()), [0x1000..0x3000, 0x3000..0x5000]);
        }

        #[test]
        fn a_program_goes_on_after_it_was_unmapped() {
            let mapped = || {
                let text = std::fs::read_to_string("/proc/self/status").unwrap();
                let line = text.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
                line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
            };
            let before = mapped();
            unmap();
            let after = mapped();
            assert!(after < before, "{before} kB before, {after} kB after");
        }
    }
}
