//! Owns the generation of modules: which features, how large.
//! Does not own programs about objects (`objects`), calls (`callees`), loops (`loops`) and what is shared (`edges`), nor run any.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};
use wasmparser::{Operator, Parser, Payload};

use crate::Finding;
use crate::callees;
use crate::edges;
use crate::loops;
use crate::objects;
use crate::random::Random;

/// Loop iterations and calls after which a generated module traps by itself.
const FUEL: u32 = 2_000;

/// A valid, terminating module.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The binary.
    pub wasm: Vec<u8>,
    /// Another module, whose exports are its imports.
    pub owner: Option<Vec<u8>>,
    /// Whether the module is instantiated once more with the same imports, to leave functions of that instance in tables.
    pub sibling: bool,
}

impl Generated {
    /// The module that a random sequence stands for.
    ///
    /// # Panics
    /// If the generator makes an invalid module, which would be its bug.
    pub fn new(random: &mut Random) -> Generated {
        let kind = random.below(16);
        // Numbers that no seed of `seeds.txt` has that once showed a difference: they stay what they are.
        if matches!(kind, 2 | 11 | 13 | 14) {
            let (owner, program) = edges::programs(random);
            let (wasm, owner) = (binary(&program), Some(binary(&owner)));
            return Generated { wasm, owner, sibling: random.one_in(3) };
        }
        if kind.is_multiple_of(2) {
            let text = match random.below(3) {
                0 => callees::program(random),
                1 => loops::program(random),
                _ => objects::program(random),
            };
            return Generated { wasm: binary(&text), owner: None, sibling: false };
        }
        loop {
            let size = 1_000 + random.below(40_000) as usize;
            let bytes = random.bytes(size);
            let config = config(random);
            // A sequence that is too short for what was begun is replaced by the next one.
            let Ok(mut module) = Module::new(config, &mut Unstructured::new(&bytes)) else {
                continue;
            };
            if module.ensure_termination(FUEL).is_err() {
                continue;
            }
            let wasm = module.to_bytes();
            if has_functions(&wasm) && !waits(&wasm) {
                return Generated { wasm, owner: None, sibling: false };
            }
        }
    }
}

fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

impl Generated {
    /// What is wrong with it.
    pub(crate) fn finding(&self, message: String) -> Finding {
        Finding { message, wasm: self.wasm.clone(), owner: self.owner.clone() }
    }
}

/// Without function types there are no functions.
fn has_functions(wasm: &[u8]) -> bool {
    let mut payloads = Parser::new(0).parse_all(wasm);
    payloads.any(|payload| matches!(payload, Ok(Payload::FunctionSection(_))))
}

/// Whether a module may wait on a shared memory: for ever, as there is nobody to notify it.
fn waits(wasm: &[u8]) -> bool {
    let mut shared = false;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.expect("the generator's modules can be read") {
            Payload::MemorySection(memories) => {
                shared = memories.into_iter().any(|memory| memory.is_ok_and(|ty| ty.shared));
            }
            Payload::CodeSectionEntry(body) if shared => {
                let operators =
                    body.get_operators_reader().expect("the generator's bodies can be read");
                let mut operators = operators.into_iter().map_while(Result::ok);
                if operators.any(|operator| {
                    matches!(
                        operator,
                        Operator::MemoryAtomicWait32 { .. } | Operator::MemoryAtomicWait64 { .. }
                    )
                }) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
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
        exceptions_enabled: random.one_in(2),
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
        min_types: 3,
        memory64_enabled: random.one_in(3),
        memory_max_size_required: true,
        memory_offset_choices: wasm_smith::MemoryOffsetChoices(90, 9, 1),
        min_memories: u32::from(!random.one_in(4)),
        reference_types_enabled: true,
        relaxed_simd_enabled: random.one_in(2),
        simd_enabled: random.one_in(2),
        table_max_size_required: true,
        tail_call_enabled: random.one_in(3),
        threads_enabled: random.one_in(3),
        wide_arithmetic_enabled: true,
        extended_const_enabled: true,
        ..Config::default()
    }
}
