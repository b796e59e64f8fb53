//! Owns the decoding oracle: a damaged binary is accepted or refused exactly as `wasmparser` does, and never crashes anything.
//! Does not run damaged modules that stay valid; they only have to load.

use sterna::{Engine, Module};

use crate::random::Random;
use crate::{Finding, Tally};

/// Damaged copies per module.
const COPIES: u64 = 8;

pub(crate) fn check(engine: &Engine, wasm: &[u8], random: &mut Random) -> Result<Tally, Finding> {
    let mut tally = Tally::default();
    for _ in 0..COPIES {
        let damaged = damage(wasm, random);
        let expected = wasmparser::Validator::new_with_features(features()).validate_all(&damaged);
        let found = Module::new(engine, &damaged);
        tally.damaged += 1;
        tally.still_valid += u64::from(found.is_ok());
        let message = match (expected, found) {
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => continue,
            (Ok(_), Err(error)) => format!("valid, but refused: {error}"),
            (Err(error), Ok(_)) => format!("accepted, but invalid: {error}"),
        };
        return Err(Finding { message, wasm: damaged, owner: None });
    }
    Ok(tally)
}

/// The validator's settings that equal all of the engine's features.
fn features() -> wasmparser::WasmFeatures {
    use wasmparser::WasmFeatures as F;
    F::MUTABLE_GLOBAL
        | F::SIGN_EXTENSION
        | F::SATURATING_FLOAT_TO_INT
        | F::MULTI_VALUE
        | F::BULK_MEMORY
        | F::REFERENCE_TYPES
        | F::GC_TYPES
        | F::SIMD
        | F::RELAXED_SIMD
        | F::EXTENDED_CONST
        | F::TAIL_CALL
        | F::MULTI_MEMORY
        | F::MEMORY64
        | F::FUNCTION_REFERENCES
        | F::GC
        | F::EXCEPTIONS
        | F::LEGACY_EXCEPTIONS
        | F::THREADS
        | F::WIDE_ARITHMETIC
        | F::CUSTOM_PAGE_SIZES
        | F::COMPACT_IMPORTS
        | F::FLOATS
}

fn damage(wasm: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = wasm.to_vec();
    if random.one_in(4) {
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        return bytes;
    }
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len() as u64) as usize;
        match random.below(3) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next_u64() as u8,
            _ => bytes.insert(at, random.next_u64() as u8),
        }
    }
    bytes
}
