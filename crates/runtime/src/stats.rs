//! Owns the counters of an engine: what each compiler did, and how often code was entered in the middle.
//! Does not decide anything; nothing but reports reads them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sterna_abi::{CodeEntry, CompileError, CompileRequest, FunctionCode};
use sterna_sys::cpu::now_nanos;

/// Counters that any thread adds to. Each is exact; together they are no snapshot of one moment.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// The compiler of the optimizing tier.
    pub(crate) optimizing: CompilerCounters,
    /// The compiler of the baseline tier.
    pub(crate) baseline: CompilerCounters,
    /// How often a running function went on in better code at a loop.
    pub(crate) loop_entries: AtomicU64,
    /// How often a running function went back to a lower tier.
    pub(crate) loop_exits: AtomicU64,
    /// Functions whose code came from a cache.
    pub(crate) cached_functions: AtomicU64,
    /// Bytes of that code.
    pub(crate) cached_bytes: AtomicU64,
}

/// Counters of one compiler.
#[derive(Debug, Default)]
pub(crate) struct CompilerCounters {
    functions: AtomicU64,
    refused: AtomicU64,
    nanos: AtomicU64,
    wasm_bytes: AtomicU64,
    code_bytes: AtomicU64,
}

impl CompilerCounters {
    /// Counts one compilation.
    pub(crate) fn count(
        &self,
        request: &CompileRequest<'_>,
        compile: impl FnOnce() -> Result<FunctionCode, CompileError>,
    ) -> Result<FunctionCode, CompileError> {
        let start = now_nanos();
        let result = compile();
        self.nanos.fetch_add(now_nanos().saturating_sub(start), Relaxed);
        match &result {
            Ok(code) => {
                self.functions.fetch_add(1, Relaxed);
                let wasm_bytes = request.module.body(request.func).size();
                self.wasm_bytes.fetch_add(u64::from(wasm_bytes), Relaxed);
                self.code_bytes.fetch_add(code.bytes.len() as u64, Relaxed);
            }
            Err(_) if request.entry != CodeEntry::Function => {}
            Err(_) => drop(self.refused.fetch_add(1, Relaxed)),
        }
        result
    }

    fn read(&self) -> CompilerStats {
        CompilerStats {
            functions: self.functions.load(Relaxed),
            refused: self.refused.load(Relaxed),
            time: Duration::from_nanos(self.nanos.load(Relaxed)),
            wasm_bytes: self.wasm_bytes.load(Relaxed),
            code_bytes: self.code_bytes.load(Relaxed),
        }
    }
}

impl Counters {
    pub(crate) fn read(&self) -> Stats {
        Stats {
            baseline: self.baseline.read(),
            optimizing: self.optimizing.read(),
            loop_entries: self.loop_entries.load(Relaxed),
            loop_exits: self.loop_exits.load(Relaxed),
            cached_functions: self.cached_functions.load(Relaxed),
            cached_bytes: self.cached_bytes.load(Relaxed),
        }
    }
}

/// What an engine's compilers did since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The baseline tier.
    pub baseline: CompilerStats,
    /// The optimizing tier.
    pub optimizing: CompilerStats,
    /// How often a running function went on in better code at a loop (on-stack replacement).
    pub loop_entries: u64,
    /// How often a running function went back to a lower tier.
    pub loop_exits: u64,
    /// Functions whose code came from a code cache.
    pub cached_functions: u64,
    /// Bytes of that code.
    pub cached_bytes: u64,
}

/// What one compiler did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompilerStats {
    /// Functions compiled; one that was compiled twice, or from a loop on, counts each time.
    pub functions: u64,
    /// Functions that it did not take: they stayed in the tier below. Loops that cannot be entered are not counted.
    pub refused: u64,
    /// Time on all threads together.
    pub time: Duration,
    /// Bytes of the bodies of the compiled functions.
    pub wasm_bytes: u64,
    /// Bytes of machine code that came out.
    pub code_bytes: u64,
}
