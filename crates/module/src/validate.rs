//! Owns the validation of function bodies, spread over threads for large modules.
//! Does not own the rules: `wasmparser`'s validator applies them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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

/// Validates all bodies on up to `threads` threads. Of several errors the one with the lowest offset is reported, as a
/// sequential validator would.
pub(crate) fn validate_bodies(
    bytes: &[u8],
    bodies: Vec<Pending<'_>>,
    threads: usize,
) -> Result<BodyFacts, ModuleError> {
    let size: u64 = bodies.iter().map(|(_, body)| body.range().end - body.range().start).sum();
    if threads <= 1 || size < PARALLEL_MIN_BYTES {
        return validate_run(bytes, bodies);
    }
    let (tail_calls, handlers) = (AtomicBool::new(false), AtomicBool::new(false));
    let next = AtomicUsize::new(0);
    let chunks = split(bodies, size / (threads as u64 * 8));
    let slots: Vec<_> =
        chunks.into_iter().map(|chunk| std::sync::Mutex::new(Some(chunk))).collect();
    let work = || -> Result<(), ModuleError> {
        while let Some(slot) = slots.get(next.fetch_add(1, Ordering::Relaxed)) {
            let chunk = slot.lock().expect("no validator panics while holding a chunk").take();
            let facts = validate_run(bytes, chunk.unwrap_or_default())?;
            tail_calls.fetch_or(facts.has_tail_calls, Ordering::Relaxed);
            handlers.fetch_or(facts.has_handlers, Ordering::Relaxed);
        }
        Ok(())
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let others =
            handles.into_iter().map(|handle| handle.join().expect("validation does not panic"));
        std::iter::once(own).chain(others).collect()
    });
    match results.into_iter().filter_map(Result::err).min_by_key(|error| error.offset) {
        Some(error) => Err(error),
        None => Ok(BodyFacts {
            has_tail_calls: tail_calls.into_inner(),
            has_handlers: handlers.into_inner(),
        }),
    }
}

/// Cuts the bodies into runs of about `target` bytes.
fn split(bodies: Vec<Pending<'_>>, target: u64) -> Vec<Vec<Pending<'_>>> {
    let mut runs = vec![Vec::new()];
    let mut size = 0;
    for pending in bodies {
        size += pending.1.range().end - pending.1.range().start;
        runs.last_mut().expect("starts with one run").push(pending);
        if size > target {
            runs.push(Vec::new());
            size = 0;
        }
    }
    runs
}

fn validate_run(bytes: &[u8], bodies: Vec<Pending<'_>>) -> Result<BodyFacts, ModuleError> {
    let mut allocations = FuncValidatorAllocations::default();
    let mut facts = BodyFacts::default();
    for (func, body) in bodies {
        let mut validator = func.into_validator(allocations);
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
        allocations = validator.into_allocations();
    }
    Ok(facts)
}
