//! Owns the generation of modules: which features, how large.
//! Does not run them.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

use crate::random::Random;

/// Loop iterations and calls after which a generated module traps by itself.
const FUEL: u32 = 2_000;

/// A valid, terminating module.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The binary.
    pub wasm: Vec<u8>,
}

impl Generated {
    /// The module that a random sequence stands for.
    ///
    /// # Panics
    /// If the generator makes an invalid module, which would be its bug.
    pub fn new(random: &mut Random) -> Generated {
        loop {
            let size = 1_000 + random.below(40_000) as usize;
            let bytes = random.bytes(size);
            let config = config(random);
            // A sequence that is too short for what was begun is replaced by the next one.
            let Ok(mut module) = Module::new(config, &mut Unstructured::new(&bytes)) else {
                continue;
            };
            if module.ensure_termination(FUEL).is_ok() {
                return Generated { wasm: module.to_bytes() };
            }
        }
    }
}

/// Everything that the tiers implement, with sizes that favour many small cases.
fn config(random: &mut Random) -> Config {
    Config {
        bulk_memory_enabled: true,
        canonicalize_nans: false,
        compact_imports_enabled: false,
        custom_page_sizes_enabled: random.one_in(4),
        // Without this most modules trap in a segment before anything of them runs.
        disallow_traps: !random.one_in(3),
        exceptions_enabled: false,
        export_everything: true,
        // Typed function references with it.
        gc_enabled: random.one_in(2),
        max_data_segments: 4,
        max_element_segments: 6,
        max_elements: 12,
        max_exports: 30,
        max_funcs: 4 + random.below(20) as usize,
        min_funcs: 4,
        max_globals: 8,
        max_imports: 0,
        max_instructions: 20 + random.below(600) as usize,
        max_memories: 1 + random.below(3) as usize,
        max_memory32_bytes: 4 << 20,
        max_memory64_bytes: 4 << 20,
        max_nesting_depth: 20,
        max_table_elements: 1_000,
        max_tables: 3,
        max_types: 12,
        memory64_enabled: random.one_in(3),
        memory_max_size_required: true,
        memory_offset_choices: wasm_smith::MemoryOffsetChoices(90, 9, 1),
        min_memories: u32::from(!random.one_in(4)),
        reference_types_enabled: true,
        relaxed_simd_enabled: random.one_in(2),
        simd_enabled: random.one_in(2),
        table_max_size_required: true,
        tail_call_enabled: random.one_in(3),
        threads_enabled: false,
        wide_arithmetic_enabled: true,
        extended_const_enabled: true,
        ..Config::default()
    }
}
