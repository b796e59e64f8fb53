//! Owns the large-object space: which runs of pages hold which large objects.
//! Does not mark: `collect` does, in the collector word.

use crate::memory::Memory;
use crate::object::{MARKED, OFF_WORD};
use crate::pages::{Pages, Run, Use};

/// Large objects, each at the start of a run of its own.
#[derive(Debug, Default)]
pub(crate) struct Large {
    /// Allocated since the last collection. Their collector word is 0: stores need no barrier yet.
    pub young: Vec<Run>,
    /// The others.
    pub old: Vec<Run>,
    /// Bytes of runs in `young` and `old`.
    pub young_bytes: u64,
    pub old_bytes: u64,
}

impl Large {
    pub fn add(&mut self, run: Run) {
        self.young_bytes += u64::from(run.end - run.start);
        self.young.push(run);
    }

    /// Gives back what was not marked among the young objects, or among all; the others are old now, and not marked.
    pub fn sweep(&mut self, memory: &Memory, pages: &mut Pages, full: bool) {
        if full {
            self.old_bytes = 0;
            for run in std::mem::take(&mut self.old) {
                self.keep_or_release(run, memory, pages);
            }
        }
        for run in std::mem::take(&mut self.young) {
            pages.set(&run, Use::Large);
            self.keep_or_release(run, memory, pages);
        }
        self.young_bytes = 0;
    }

    fn keep_or_release(&mut self, run: Run, memory: &Memory, pages: &mut Pages) {
        let word = memory.load32(run.start + OFF_WORD);
        if word & MARKED == 0 {
            return pages.release(&run);
        }
        memory.store32(run.start + OFF_WORD, word & !MARKED);
        self.old_bytes += u64::from(run.end - run.start);
        self.old.push(run);
    }
}
