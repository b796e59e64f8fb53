//! Owns the validation of function bodies, spread over threads for large modules while the rest of the binary is decoded.
//! Does not own the rules: `wasmparser`'s validator applies them.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread::Scope;

use wasmparser::{BinaryReader, FuncToValidate, FuncValidatorAllocations, ValidatorResources};

use crate::error::ModuleError;

/// Code sizes below this many bytes are validated on the calling thread: starting one costs about as much.
pub const PARALLEL_MIN_BYTES: u64 = 256 << 10;

/// A body waiting for validation, and where in the binary it is.
type Pending = (FuncToValidate<ValidatorResources>, Range<usize>);

/// Bodies that one thread validates.
struct Run<'a> {
    bodies: Vec<Pending>,
    /// The binary from the first body to the last: borrowed, or copied while it is still arriving.
    bytes: Cow<'a, [u8]>,
}

/// What validation learns about the bodies on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// Whether any body contains a tail call.
    pub has_tail_calls: bool,
    /// Whether any body contains a handler of exceptions.
    pub has_handlers: bool,
    /// Whether any body contains an operator that changes a table.
    pub writes_tables: bool,
}

/// Bytes of bodies that a thread takes at once.
const RUN_BYTES: usize = 128 << 10;

/// Takes the bodies that decoding comes across. Other threads validate them meanwhile, if they turn out to be many.
pub(crate) struct Bodies<'scope, 'env, 'a> {
    scope: &'scope Scope<'scope, 'env>,
    work: &'env Work<'a>,
    /// Threads that are still to be started.
    threads: usize,
    run: Vec<Pending>,
    run_bytes: usize,
    all_bytes: u64,
}

impl<'env, 'a: 'env> Bodies<'_, 'env, 'a> {
    /// Takes the next body. `share` gives a range of the binary.
    pub(crate) fn push(
        &mut self,
        func: FuncToValidate<ValidatorResources>,
        range: Range<usize>,
        share: impl FnOnce(Range<usize>) -> Cow<'a, [u8]>,
    ) {
        self.run_bytes += range.len();
        self.run.push((func, range));
        if self.run_bytes >= RUN_BYTES {
            self.close_run(share);
        }
    }

    /// Passes on what was pushed. To be called after the last body.
    pub(crate) fn close_run(&mut self, share: impl FnOnce(Range<usize>) -> Cow<'a, [u8]>) {
        self.all_bytes += std::mem::take(&mut self.run_bytes) as u64;
        let bodies = std::mem::take(&mut self.run);
        if let (Some((_, first)), Some((_, last))) = (bodies.first(), bodies.last()) {
            let bytes = share(first.start..last.end);
            self.work.add(Run { bodies, bytes });
        }
        if self.all_bytes >= PARALLEL_MIN_BYTES {
            let work = self.work;
            for _ in 0..std::mem::take(&mut self.threads) {
                // What cannot be started is done by the others.
                let _ = std::thread::Builder::new().spawn_scoped(self.scope, || work.join_in());
            }
        }
    }
}

/// Decodes with `decode`, and validates the bodies that it passes on, on up to `threads` threads including this one. Of several invalid
/// bodies the one with the lowest offset is reported, as a sequential validator would; an error of `decode` comes first.
pub(crate) fn validate_while<'a, E: From<ModuleError>>(
    threads: usize,
    decode: impl FnOnce(&mut Bodies<'_, '_, 'a>) -> Result<(), E>,
) -> Result<BodyFacts, E> {
    let work = Work { state: Mutex::default(), more: Condvar::new() };
    std::thread::scope(|scope| {
        let threads = threads.saturating_sub(1);
        let (run, work) = (Vec::new(), &work);
        let mut bodies = Bodies { scope, work, threads, run, run_bytes: 0, all_bytes: 0 };
        let decoded = decode(&mut bodies);
        work.end(decoded.is_err());
        if decoded.is_ok() {
            work.join_in();
        }
        decoded
    })?;
    let state = work.state.into_inner().expect("validation does not panic");
    match state.error {
        Some(error) => Err(error.into()),
        None => Ok(state.facts),
    }
}

/// Runs of bodies to be validated, and what came out of it.
struct Work<'a> {
    state: Mutex<State<'a>>,
    more: Condvar,
}

#[derive(Default)]
struct State<'a> {
    runs: VecDeque<Run<'a>>,
    /// No more will come.
    ended: bool,
    facts: BodyFacts,
    /// The one with the lowest offset so far.
    error: Option<ModuleError>,
}

impl<'a> Work<'a> {
    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().expect("validation does not panic")
    }

    fn add(&self, run: Run<'a>) {
        self.lock().runs.push_back(run);
        self.more.notify_one();
    }

    /// No more will come; `useless`: and what is there need not be done.
    fn end(&self, useless: bool) {
        let mut state = self.lock();
        state.ended = true;
        if useless {
            state.runs.clear();
        }
        self.more.notify_all();
    }

    /// Validates runs until there are none.
    fn join_in(&self) {
        let mut allocations = FuncValidatorAllocations::default();
        while let Some(run) = self.next() {
            let result = validate_run(run, &mut allocations);
            let mut state = self.lock();
            match result {
                Ok(facts) => {
                    state.facts.has_tail_calls |= facts.has_tail_calls;
                    state.facts.has_handlers |= facts.has_handlers;
                    state.facts.writes_tables |= facts.writes_tables;
                }
                Err(error) => {
                    // Others may be working on earlier bodies, but nobody has to begin with later ones.
                    state.runs.clear();
                    let first = state.error.take().filter(|first| first.offset <= error.offset);
                    state.error = Some(first.unwrap_or(error));
                }
            }
        }
    }

    fn next(&self) -> Option<Run<'a>> {
        let mut state = self.lock();
        loop {
            if state.error.is_some() {
                return None;
            }
            match state.runs.pop_front() {
                Some(run) => return Some(run),
                None if state.ended => return None,
                None => state = self.more.wait(state).expect("validation does not panic"),
            }
        }
    }
}

/// Whether an operator that begins here changes a table.
fn writes_table(code: &[u8]) -> bool {
    match code {
        // table.set
        [0x26, ..] => true,
        // table.init, table.copy, table.grow, table.fill; longer forms of a number count as one of them.
        [0xfc, op, ..] => matches!(op, 12 | 14 | 15 | 17 | 0x80..),
        _ => false,
    }
}

fn validate_run(
    run: Run<'_>,
    allocations: &mut FuncValidatorAllocations,
) -> Result<BodyFacts, ModuleError> {
    let mut facts = BodyFacts::default();
    let start = run.bodies.first().map_or(0, |(_, range)| range.start);
    for (func, range) in run.bodies {
        let bytes = &run.bytes[range.start - start..range.end - start];
        let mut validator = func.into_validator(std::mem::take(allocations));
        let mut reader = BinaryReader::new(bytes, range.start as u64);
        reader.set_features(*validator.features());
        validator.read_locals(&mut reader)?;
        while !reader.eof() {
            let position = reader.original_position();
            let at = position as usize - range.start;
            let byte = bytes.get(at);
            // return_call, return_call_indirect, return_call_ref
            facts.has_tail_calls |= matches!(byte, Some(0x12 | 0x13 | 0x15));
            // try, try_table
            facts.has_handlers |= matches!(byte, Some(0x06 | 0x1f));
            facts.writes_tables |= writes_table(&bytes[at..]);
            reader.visit_operator(&mut validator.visitor(position))??;
        }
        reader.finish_expression(&validator.visitor(reader.original_position()))?;
        *allocations = validator.into_allocations();
    }
    Ok(facts)
}
