//! Owns the validation of function bodies, spread over threads for large modules while the rest of the binary is decoded.
//! Does not own the rules: `wasmparser`'s validator applies them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread::Scope;

use wasmparser::{FuncToValidate, FuncValidatorAllocations, FunctionBody, ValidatorResources};

use crate::error::ModuleError;

/// Code sizes below this many bytes are validated on the calling thread: starting one costs about as much.
pub const PARALLEL_MIN_BYTES: u64 = 256 << 10;

/// A body waiting for validation.
pub(crate) type Pending<'a> = (FuncToValidate<ValidatorResources>, FunctionBody<'a>);

/// What validation learns about the bodies on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// Whether any body contains a tail call.
    pub has_tail_calls: bool,
    /// Whether any body contains a handler of exceptions.
    pub has_handlers: bool,
}

/// Bytes of bodies that a thread takes at once.
const RUN_BYTES: u64 = 128 << 10;

/// Takes the bodies that decoding comes across. Other threads validate them meanwhile, if they turn out to be many.
pub(crate) struct Bodies<'scope, 'env, 'a> {
    scope: &'scope Scope<'scope, 'env>,
    work: &'env Work<'a>,
    /// Threads that are still to be started.
    threads: usize,
    run: Vec<Pending<'a>>,
    run_bytes: u64,
    all_bytes: u64,
}

impl<'env, 'a: 'env> Bodies<'_, 'env, 'a> {
    /// Takes the next body.
    pub(crate) fn push(
        &mut self,
        func: FuncToValidate<ValidatorResources>,
        body: FunctionBody<'a>,
    ) {
        self.run_bytes += body.range().end - body.range().start;
        self.run.push((func, body));
        if self.run_bytes >= RUN_BYTES {
            self.close_run();
        }
    }

    fn close_run(&mut self) {
        self.all_bytes += std::mem::take(&mut self.run_bytes);
        self.work.add(std::mem::take(&mut self.run));
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
pub(crate) fn validate_while<'a>(
    bytes: &'a [u8],
    threads: usize,
    decode: impl FnOnce(&mut Bodies<'_, '_, 'a>) -> Result<(), ModuleError>,
) -> Result<BodyFacts, ModuleError> {
    let work = Work { bytes, state: Mutex::default(), more: Condvar::new() };
    std::thread::scope(|scope| {
        let threads = threads.saturating_sub(1);
        let (run, work) = (Vec::new(), &work);
        let mut bodies = Bodies { scope, work, threads, run, run_bytes: 0, all_bytes: 0 };
        let decoded = decode(&mut bodies);
        bodies.close_run();
        work.end(decoded.is_err());
        if decoded.is_ok() {
            work.join_in();
        }
        decoded
    })?;
    let state = work.state.into_inner().expect("validation does not panic");
    match state.error {
        Some(error) => Err(error),
        None => Ok(state.facts),
    }
}

/// Runs of bodies to be validated, and what came out of it.
struct Work<'a> {
    bytes: &'a [u8],
    state: Mutex<State<'a>>,
    more: Condvar,
}

#[derive(Default)]
struct State<'a> {
    runs: VecDeque<Vec<Pending<'a>>>,
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

    fn add(&self, run: Vec<Pending<'a>>) {
        if !run.is_empty() {
            self.lock().runs.push_back(run);
            self.more.notify_one();
        }
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
            let result = validate_run(self.bytes, run, &mut allocations);
            let mut state = self.lock();
            match result {
                Ok(facts) => {
                    state.facts.has_tail_calls |= facts.has_tail_calls;
                    state.facts.has_handlers |= facts.has_handlers;
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

    fn next(&self) -> Option<Vec<Pending<'a>>> {
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

fn validate_run(
    bytes: &[u8],
    bodies: Vec<Pending<'_>>,
    allocations: &mut FuncValidatorAllocations,
) -> Result<BodyFacts, ModuleError> {
    let mut facts = BodyFacts::default();
    for (func, body) in bodies {
        let mut validator = func.into_validator(std::mem::take(allocations));
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader)?;
        reader.set_features(*validator.features());
        while !reader.eof() {
            let position = reader.original_position();
            // return_call, return_call_indirect, return_call_ref
            facts.has_tail_calls |=
                matches!(bytes.get(position as usize), Some(0x12 | 0x13 | 0x15));
            // try, try_table
            facts.has_handlers |= matches!(bytes.get(position as usize), Some(0x06 | 0x1f));
            reader.visit_operator(&mut validator.visitor(position))??;
        }
        reader.finish_expression(&validator.visitor(reader.original_position()))?;
        *allocations = validator.into_allocations();
    }
    Ok(facts)
}
