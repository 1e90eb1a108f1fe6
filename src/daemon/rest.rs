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

    /// Unmaps the pages of the program that nobody can have written to.
    pub(super) fn unmap() {
        let Ok(text) = std::fs::read_to_string("/proc/self/smaps") else { return };
        for range in clean(&text, unmap as fn() as usize) {
            // SAFETY: the range is a whole mapping of the program that runs, private, not writable, and with no page of its
            // own: every page of it is the file's, which is where the next access finds the same again. The program stays
            // mapped as it is for as long as the process lives, so the range is nothing else meanwhile. What others map and
            // unmap as they please, libraries and a repository's files, is left alone.
            #[allow(unsafe_code)]
            let advised =
                unsafe { madvise(range.start as *mut c_void, range.end - range.start, Advice::LinuxDontNeed) };
            if let Err(error) = advised {
                tracing::debug!(%error, "a part of the program stays mapped");
            }
        }
    }

    /// One mapping of a file that is private and not writable.
    struct Mapping<'a> {
        range: Range<usize>,
        /// Device and inode.
        file: (&'a str, &'a str),
        /// Whether it has pages of its own: relocated addresses, constants that were written once.
        own: bool,
    }

    /// Of the mappings that `/proc/PID/smaps` has, those of the file that `inside` is an address in whose pages are all
    /// the file's.
    fn clean(smaps: &str, inside: usize) -> Vec<Range<usize>> {
        let mut all = Vec::new();
        let mut current: Option<Mapping<'_>> = None;
        for line in smaps.lines() {
            match line.split_once(' ') {
                Some(("Anonymous:", kib)) => {
                    let own = kib.trim() != "0 kB";
                    all.extend(current.take().map(|mapping| Mapping { own, ..mapping }));
                }
                Some((name, _)) if name.ends_with(':') => {}
                _ => current = mapping(line),
            }
        }
        let Some(program) = all.iter().find(|one| one.range.contains(&inside)).map(|one| one.file) else {
            return Vec::new();
        };
        all.into_iter().filter(|one| one.file == program && !one.own).map(|one| one.range).collect()
    }

    /// A mapping by its first line; none where it is another kind.
    fn mapping(line: &str) -> Option<Mapping<'_>> {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let rights = words.next()?;
        let (device, inode) = (words.nth(1)?, words.next()?);
        let address = |text| usize::from_str_radix(text, 16).ok();
        let private = rights.starts_with('r') && rights.ends_with('p') && !rights.contains('w');
        let mapping = Mapping { range: address(start)?..address(end)?, file: (device, inode), own: true };
        (private && inode != "0").then_some(mapping)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_what_nobody_has_written_to_of_the_program_itself_is_let_go() {
            let rest = "Size: 8 kB\nRss: 8 kB\nAnonymous: ";
            let mapping = |head: &str, own: &str| format!("{head}\n{rest}{own} kB\nVmFlags: rd mr\n");
            let smaps = [
                mapping("1000-3000 r--p 00000000 fe:00 7 /usr/bin/migd", "0"),
                mapping("3000-5000 r-xp 00002000 fe:00 7 /usr/bin/migd (deleted)", "0"),
                mapping("5000-7000 r--p 00004000 fe:00 7 /usr/bin/migd", "4"),
                mapping("7000-9000 rw-p 00006000 fe:00 7 /usr/bin/migd", "0"),
                mapping("9000-b000 r--s 00000000 fe:00 7 /usr/bin/migd", "0"),
                mapping("10000-13000 r-xp 00000000 fe:00 8 /usr/lib/libc.so.6", "0"),
                mapping("20000-23000 r--p 00000000 fe:01 7 /repo/.git/objects/pack/a.pack", "0"),
                mapping("b000-d000 r--p 00000000 00:00 0", "0"),
                mapping("d000-f000 r-xp 00000000 00:00 0 [vdso]", "0"),
            ];
            assert_eq!(clean(&smaps.concat(), 0x4000), [0x1000..0x3000, 0x3000..0x5000]);
            assert!(clean(&smaps.concat(), 0xff000).is_empty(), "an address of nothing that is known");
        }

        #[test]
        fn a_program_finds_itself_and_goes_on_after_it_was_unmapped() {
            let here = unmap as fn() as usize;
            let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            assert!(clean(&smaps, here).iter().any(|range| range.contains(&here)));
            // What is left is no measure here: other tests map it again at once.
            unmap();
        }
    }
}
