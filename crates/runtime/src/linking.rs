//! Owns turning a compiler's output into running code: placing, relocating, publishing entries; the stubs of functions
//! that are not compiled yet.
//! Does not decide what to compile (`loaded`, `tiering`).

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sterna_abi::{CodeReloc, CompileError, Convention, FuncEntry, FunctionCode, RelocKind};
use sterna_base::FuncIndex;
use sterna_sys::activation::{STUB_SIZE, write_jump_slot_stub};
use sterna_sys::code::CodeRegion;

use crate::adapters;
use crate::code::CodeObject;
use crate::engine::Engine;
use crate::loaded::LoadedModule;

/// Generated code is rarely more than this many times the size of its wasm, stubs included.
const EXPANSION: usize = 32;
/// Address space of a module's region beyond that, in bytes.
const REGION_MIN: usize = 1 << 20;

type Compiled = Vec<(FuncIndex, FunctionCode)>;

/// Compiles functions on the engine's threads. Results are in the order of `funcs`, whatever the number of threads.
pub(crate) fn compile_parallel(
    loaded: &LoadedModule,
    funcs: &[FuncIndex],
    progress: &(dyn Fn(usize, usize) + Sync),
) -> (Compiled, Vec<CompileError>) {
    let engine = loaded.engine();
    let Some(compiler) = engine.compiler() else { return (Vec::new(), Vec::new()) };
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = Mutex::new(Vec::with_capacity(funcs.len()));
    // Largest first, so that no thread ends up alone with a big one.
    let mut order: Vec<usize> = (0..funcs.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(loaded.module().body(funcs[at]).size()));
    let work = || {
        let mut own = Vec::new();
        while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            own.push((at, compiler.compile(loaded.module(), funcs[at], &engine.settings().code)));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, funcs.len());
        }
        results.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
    };
    let threads = engine.settings().threads.min(funcs.len()).max(1);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    let (mut codes, mut errors) = (Vec::new(), Vec::new());
    for (at, result) in results {
        match result {
            Ok(code) => codes.push((funcs[at], code)),
            Err(error) => errors.push(error),
        }
    }
    (codes, errors)
}

/// The `FuncEntry` field that code of a convention is called through.
fn entry_slot(entry: &FuncEntry, convention: Convention) -> &AtomicPtr<u8> {
    match convention {
        Convention::Reg => &entry.reg,
        Convention::Tail => &entry.tail,
    }
}

fn region(loaded: &LoadedModule) -> io::Result<&CodeRegion> {
    let size = loaded.module().code_range().len();
    let signals = !loaded.engine().settings().code.explicit_checks;
    loaded.code().region(size * EXPANSION + REGION_MIN, signals)
}

/// Gives a defined function `reg` and `tail` entries that reach it through the interpreter, where it has none yet.
pub(crate) fn ensure_entry_stubs(
    loaded: &LoadedModule,
    engine: &Engine,
    func: FuncIndex,
) -> io::Result<()> {
    if engine.compiler().is_none() {
        return Ok(());
    }
    let (entry, info) = (&loaded.entries()[func.index()], loaded.func_type(func));
    for convention in [Convention::Tail, Convention::Reg] {
        let slot = entry_slot(entry, convention);
        if slot.load(Ordering::Acquire).is_null() {
            let stub =
                adapters::lazy_stub(engine, region(loaded)?, info, convention, func.as_u32())?;
            // A compiled body that was published meanwhile is better than the stub.
            let _ = slot.compare_exchange(
                std::ptr::null_mut(),
                stub,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
        }
    }
    Ok(())
}

/// Places, links and publishes compiled functions. From the moment this returns calls reach them.
pub(crate) fn publish(loaded: &LoadedModule, codes: Compiled) -> io::Result<()> {
    if codes.is_empty() {
        return Ok(());
    }
    let engine = loaded.engine();
    engine.announce_code()?;
    let region = region(loaded)?;
    let bridged = bridge(loaded, &codes);
    let mut slots = Vec::with_capacity(codes.len());
    let mut addresses = HashMap::with_capacity(codes.len());
    for (func, code) in &codes {
        let slot = region.reserve(code.bytes.len())?;
        addresses.insert(*func, slot.address() as usize);
        slots.push(slot);
    }
    let mut targets = Targets { loaded, region, addresses, stubs: HashMap::new() };
    for ((_, code), slot) in codes.iter().zip(&mut slots) {
        let at = slot.address() as usize;
        slot.bytes().copy_from_slice(&code.bytes);
        targets.relocate(slot.bytes(), at, &code.relocs)?;
    }
    let mut published = Vec::with_capacity(codes.len());
    for ((func, code), slot) in codes.into_iter().zip(slots) {
        let (start, len) = (slot.address() as usize, code.bytes.len());
        loaded.code().add(CodeObject { start, len, func, sites: code.sites });
        published.push((func, slot.commit()?));
    }
    for (func, bridge) in bridged {
        let mut slot = region.reserve(bridge.bytes.len())?;
        let at = slot.address() as usize;
        slot.bytes().copy_from_slice(&bridge.bytes);
        targets.relocate(slot.bytes(), at, &bridge.relocs)?;
        let address = slot.commit()?;
        loaded.entries()[func.index()].reg.store(address.cast_mut(), Ordering::Release);
    }
    for (func, address) in published {
        let entry = &loaded.entries()[func.index()];
        entry_slot(entry, loaded.convention()).store(address.cast_mut(), Ordering::Release);
        let adapter = adapters::stack_to_reg(engine, loaded.func_type(func))?;
        entry.stack.store(loaded.interp().compiled_stub(entry, adapter), Ordering::Release);
    }
    Ok(())
}

/// In a module of the tail convention, the `reg` entries of its functions.
fn bridge(loaded: &LoadedModule, codes: &Compiled) -> Compiled {
    let compiler = match loaded.engine().compiler() {
        Some(compiler) if loaded.convention() == Convention::Tail => compiler,
        _ => return Vec::new(),
    };
    codes
        .iter()
        .map(|(func, _)| (*func, compiler.bridge(loaded.module(), *func, Convention::Reg)))
        .collect()
}

/// Addresses that relocations refer to.
struct Targets<'a> {
    loaded: &'a LoadedModule,
    region: &'a CodeRegion,
    addresses: HashMap<FuncIndex, usize>,
    /// Stubs for functions not compiled in this batch: they jump to wherever the entry points by then.
    stubs: HashMap<FuncIndex, usize>,
}

impl Targets<'_> {
    fn address(&mut self, func: FuncIndex) -> io::Result<usize> {
        if let Some(&address) = self.addresses.get(&func).or_else(|| self.stubs.get(&func)) {
            return Ok(address);
        }
        ensure_entry_stubs(self.loaded, self.loaded.engine(), func)?;
        let cell = entry_slot(&self.loaded.entries()[func.index()], self.loaded.convention());
        let mut slot = self.region.reserve(STUB_SIZE)?;
        let at = slot.address() as usize;
        write_jump_slot_stub(slot.bytes(), std::ptr::from_ref(cell) as usize, at);
        slot.commit()?;
        self.stubs.insert(func, at);
        Ok(at)
    }

    fn relocate(&mut self, bytes: &mut [u8], at: usize, relocs: &[CodeReloc]) -> io::Result<()> {
        for reloc in relocs {
            let target = (self.address(reloc.target)? as i64).wrapping_add(reloc.addend);
            let offset = reloc.offset as usize;
            let distance = target.wrapping_sub((at + offset) as i64);
            match reloc.kind {
                RelocKind::PcRel32 => {
                    let distance = i32::try_from(distance).expect("a region spans less than 2 GiB");
                    bytes[offset..offset + 4].copy_from_slice(&distance.to_le_bytes());
                }
                RelocKind::Arm64Branch26 => {
                    let mut word = [0; 4];
                    word.copy_from_slice(&bytes[offset..offset + 4]);
                    let imm = (distance >> 2) as u32 & 0x03ff_ffff;
                    let word = u32::from_le_bytes(word) & 0xfc00_0000 | imm;
                    bytes[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
                }
                RelocKind::Abs64 => {
                    bytes[offset..offset + 8].copy_from_slice(&target.to_le_bytes())
                }
            }
        }
        Ok(())
    }
}
