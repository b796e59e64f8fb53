//! Owns turning a compiler's output into running code: joining functions to one stretch of code, placing it, publishing
//! entries; the stubs of functions that are not compiled yet.
//! Does not decide what to compile (`loaded`, `tiering`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sterna_abi::{
    CodeEntry, CodeReloc, CompileError, CompileRequest, Convention, FuncEntry, FunctionCode,
    RelocKind, VmCtx,
};
use sterna_base::FuncIndex;
use sterna_sys::activation::{STUB_SIZE, write_entry_stub};
use sterna_sys::code::{CODE_ALIGN, CodeRegion};

use crate::adapters::{self, AdapterKind, entry_cell};
use crate::code::{CodeImage, CodeTier};
use crate::engine::Engine;
use crate::loaded::LoadedModule;
use crate::sites::{PieceKind, Tables, TablesBuilder};

/// Generated code is rarely more than this many times the size of its wasm, stubs included.
const EXPANSION: usize = 32;
/// Address space of a module's region beyond that, in bytes.
const REGION_MIN: usize = 1 << 20;

/// Compiled functions in ascending order.
type Compiled = Vec<(FuncIndex, FunctionCode)>;

/// Compiles functions on the engine's threads. Results are in the order of `funcs`, whatever the number of threads.
pub(crate) fn compile_parallel(
    loaded: &LoadedModule,
    funcs: &[FuncIndex],
    progress: &(dyn Fn(usize, usize) + Sync),
) -> (Compiled, Vec<CompileError>) {
    let engine = loaded.engine();
    let Some(compiler) = engine.compiler() else { return (Vec::new(), Vec::new()) };
    let (observed, settings) = (loaded.observed(), &engine.settings().code);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = Mutex::new(Vec::with_capacity(funcs.len()));
    // Largest first, so that no thread ends up alone with a big one.
    let mut order: Vec<usize> = (0..funcs.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(loaded.module().body(funcs[at]).size()));
    let work = || {
        let mut own = Vec::new();
        while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let request = CompileRequest::new(loaded.module(), funcs[at], settings);
            let request = CompileRequest { observed, ..request };
            let counters = engine.compiler_counters();
            own.push((at, counters.count(&request, || compiler.compile(&request))));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, funcs.len());
        }
        results.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
    };
    let threads = engine.threads().min(funcs.len()).max(1);
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

/// The module's region, made on first use with room for at least `room` bytes, twice.
pub(crate) fn region(loaded: &LoadedModule, room: usize) -> io::Result<&CodeRegion> {
    let capacity = (loaded.module().code_range().len() * EXPANSION).max(room * 2) + REGION_MIN;
    let signals = !loaded.engine().settings().code.explicit_checks;
    loaded.code().region(capacity, signals, loaded.engine().listing().is_some())
}

/// Gives functions of a module entries of a convention that reach them through the interpreter or their other entry, where they have
/// none yet.
pub(crate) fn ensure_stubs(
    loaded: &LoadedModule,
    engine: &Engine,
    funcs: impl Iterator<Item = FuncIndex>,
    convention: Convention,
) -> io::Result<()> {
    let cell = |func: FuncIndex| entry_cell(&loaded.entries()[func.index()], convention);
    let funcs: Vec<FuncIndex> =
        funcs.filter(|&func| cell(func).load(Ordering::Acquire).is_null()).collect();
    if funcs.is_empty() || !engine.has_compiler() {
        return Ok(());
    }
    let mut slot = region(loaded, 0)?.reserve(funcs.len() * STUB_SIZE)?;
    let start = slot.address() as usize;
    let kind = AdapterKind::of_stub(convention, loaded.convention());
    for (place, &func) in funcs.iter().enumerate().map(|(at, func)| (at * STUB_SIZE, func)) {
        let bytes = &mut slot.bytes()[place..place + STUB_SIZE];
        let place = (bytes, start + place);
        adapters::write_stub(engine, loaded.func_type(func), kind, func.as_u32(), place)?;
    }
    let code = engine.listing().map(|listing| (listing, slot.bytes().to_vec()));
    let stubs = slot.commit()?;
    if let Some((listing, code)) = code {
        listing.other(start, &code, "lazy stubs");
    }
    for (at, &func) in funcs.iter().enumerate() {
        let stub = stubs.wrapping_add(at * STUB_SIZE).cast_mut();
        let null = std::ptr::null_mut();
        // A compiled body that was published meanwhile is better than the stub.
        let _ = cell(func).compare_exchange(null, stub, Ordering::AcqRel, Ordering::Acquire);
    }
    Ok(())
}

/// How the entry of a function is called.
pub(crate) struct Addresses {
    stack: *mut u8,
    reg: *mut u8,
    /// Null where it is not a convention of the module's code: then it stays as it is.
    tail: *mut u8,
}

// SAFETY: code and stubs are immutable, and live as long as their module.
unsafe impl Send for Addresses {}

impl Addresses {
    /// Makes calls use these from now on; those that they used.
    pub(crate) fn exchange(self, loaded: &LoadedModule, func: FuncIndex) -> Addresses {
        let entry = &loaded.entries()[func.index()];
        let tail = match self.tail.is_null() {
            true => self.tail,
            false => entry.tail.swap(self.tail, Ordering::AcqRel),
        };
        let reg = entry.reg.swap(self.reg, Ordering::AcqRel);
        Addresses { stack: entry.stack.swap(self.stack, Ordering::AcqRel), reg, tail }
    }
}

/// How a function is called in the interpreter, whatever its entry says.
pub(crate) fn addresses_below(loaded: &LoadedModule, func: FuncIndex) -> io::Result<Addresses> {
    let stub = |convention| {
        let mut slot = region(loaded, 0)?.reserve(STUB_SIZE)?;
        let at = slot.address() as usize;
        let kind = AdapterKind::of_stub(convention, loaded.convention());
        let (info, place) = (loaded.func_type(func), (&mut slot.bytes()[..STUB_SIZE], at));
        adapters::write_stub(loaded.engine(), info, kind, func.as_u32(), place)?;
        Ok::<_, io::Error>(slot.commit()?.cast_mut())
    };
    let stack = loaded.interp().interpreted(&loaded.entries()[func.index()]);
    let tail = match loaded.convention() {
        Convention::Reg => std::ptr::null_mut(),
        Convention::Tail => stub(Convention::Tail)?,
    };
    Ok(Addresses { stack, reg: stub(Convention::Reg)?, tail })
}

/// Joins functions of a module, in ascending order, and what else its code needs to one stretch of code.
pub(crate) fn link_module(loaded: &LoadedModule, codes: Compiled) -> io::Result<Linked<'static>> {
    link(&module_pieces(loaded, codes), loaded.convention())
}

/// Functions of a module, in ascending order, and what else its code needs.
fn module_pieces(loaded: &LoadedModule, codes: Compiled) -> Vec<Unlinked> {
    let convention = loaded.convention();
    let bridge = |func| {
        let compiler = loaded.engine().joiner()?;
        let code = compiler.bridge(loaded.module(), func, Convention::Reg);
        Some(Unlinked { kind: PieceKind::Bridge, id: func.as_u32(), code })
    };
    let bridges: Vec<Unlinked> = match convention {
        Convention::Reg => Vec::new(),
        Convention::Tail => codes.iter().filter_map(|&(func, _)| bridge(func)).collect(),
    };
    let bodies = codes.into_iter().map(|(func, code)| Unlinked {
        kind: PieceKind::Body,
        id: func.as_u32(),
        code,
    });
    bodies.chain(bridges).collect()
}

/// Compiles one function, from its beginning or from a loop on, and publishes the code. From the moment this returns calls of the function
/// reach it; the address is for entering the loop.
///
/// # Errors
/// The compiler does not take it, or there is no room: the function stays where it is.
pub(crate) fn compile_one(
    loaded: &LoadedModule,
    func: FuncIndex,
    entry: CodeEntry,
) -> io::Result<*const u8> {
    let engine = loaded.engine();
    let compiler = engine.compiler().ok_or(io::ErrorKind::Unsupported)?;
    let settings = &engine.settings().code;
    let request = CompileRequest {
        entry,
        observed: loaded.observed(),
        ..CompileRequest::new(loaded.module(), func, settings)
    };
    let code = engine.compiler_counters().count(&request, || compiler.compile(&request));
    let code = code.map_err(io::Error::other)?;
    if entry == CodeEntry::Function {
        publish(loaded, vec![(func, code)])?;
        return Ok(std::ptr::null());
    }
    let piece = Unlinked { kind: PieceKind::Loop, id: func.as_u32(), code };
    Ok(place(loaded, &[piece], engine.code_tier())?.address(0))
}

/// As [`compile_one`], with the baseline tier, counting. Calls reach the code unless `is_late` says no by then.
///
/// # Errors
/// As [`compile_one`].
pub(crate) fn compile_baseline(
    loaded: &LoadedModule,
    func: FuncIndex,
    entry: CodeEntry,
    is_late: impl FnOnce() -> bool,
) -> io::Result<*const u8> {
    let engine = loaded.engine();
    let compiler = engine.baseline().ok_or(io::ErrorKind::Unsupported)?;
    let request = CompileRequest::new(loaded.module(), func, &engine.settings().code);
    let request = CompileRequest { counts: true, entry, observed: loaded.observed(), ..request };
    let code = engine.counters.baseline.count(&request, || compiler.compile(&request));
    let code = code.map_err(io::Error::other)?;
    if entry == CodeEntry::Function {
        if !is_late() {
            place(loaded, &module_pieces(loaded, vec![(func, code)]), CodeTier::Baseline)?;
        }
        return Ok(std::ptr::null());
    }
    let piece = Unlinked { kind: PieceKind::Loop, id: func.as_u32(), code };
    Ok(place(loaded, &[piece], CodeTier::Baseline)?.address(0))
}

/// Links, publishes and enters pieces of code.
fn place<'a>(
    loaded: &'a LoadedModule,
    pieces: &[Unlinked],
    tier: CodeTier,
) -> io::Result<&'a CodeImage> {
    let linked = link(pieces, loaded.convention())?;
    let image = loaded.code().publish(region(loaded, linked.code.len())?, &linked, tier)?;
    enter(loaded, image)?;
    Ok(image)
}

/// Links and publishes compiled functions. From the moment this returns calls reach them.
pub(crate) fn publish(loaded: &LoadedModule, codes: Compiled) -> io::Result<()> {
    if codes.is_empty() {
        return Ok(());
    }
    let pieces = module_pieces(loaded, codes);
    place(loaded, &pieces, loaded.engine().code_tier())?;
    loaded.kept().add(pieces);
    Ok(())
}

/// Makes published code reachable.
pub(crate) fn enter(loaded: &LoadedModule, image: &CodeImage) -> io::Result<()> {
    let (engine, convention) = (loaded.engine(), loaded.convention());
    if let Some(listing) = engine.listing() {
        listing.module(loaded.module(), image);
    }
    engine.announce_code(convention)?;
    ensure_stubs(loaded, engine, image.tables().outside(), convention)?;
    let pieces = |kind| image.tables().pieces().filter(move |piece| piece.kind == kind);
    let entry = |id: u32| {
        let entry = loaded.entries().get(id as usize);
        entry.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "code of no function"))
    };
    for bridge in pieces(PieceKind::Bridge) {
        let address = image.address(bridge.start).cast_mut();
        entry(bridge.id)?.reg.store(address, Ordering::Release);
    }
    for body in pieces(PieceKind::Body) {
        let (entry, address) = (entry(body.id)?, image.address(body.start).cast_mut());
        entry_cell(entry, convention).store(address, Ordering::Release);
        let info = loaded.func_type(FuncIndex::from_u32(body.id));
        let adapter = adapters::stack_to_reg(engine, info)?;
        entry.stack.store(loaded.interp().compiled_stub(entry, adapter), Ordering::Release);
    }
    Ok(())
}

/// A piece of code before linking.
pub(crate) struct Unlinked {
    pub(crate) kind: PieceKind,
    /// See [`crate::sites::Piece::id`].
    pub(crate) id: u32,
    pub(crate) code: FunctionCode,
}

/// Pieces of code joined to one that runs at any address, once the absolute addresses listed in its tables are filled in.
pub(crate) struct Linked<'a> {
    pub(crate) code: Cow<'a, [u8]>,
    pub(crate) tables: Tables,
}

/// Joins pieces: bodies first, in ascending order of their functions. Calls of functions that are not among them go through
/// their entries.
pub(crate) fn link(pieces: &[Unlinked], convention: Convention) -> io::Result<Linked<'static>> {
    let too_large = || io::Error::new(io::ErrorKind::OutOfMemory, "code exceeds 2 GiB");
    let mut starts = Vec::with_capacity(pieces.len());
    let mut size: usize = 0;
    for piece in pieces {
        let start = size.next_multiple_of(CODE_ALIGN);
        starts.push(start as u32);
        size = start + piece.code.bytes.len();
        i32::try_from(size).map_err(|_| too_large())?;
    }
    let (code, tables, stubs) = (vec![0; size], TablesBuilder::default(), HashMap::new());
    let mut linker = Linker { pieces, starts: &starts, convention, code, tables, stubs };
    for (piece, &start) in pieces.iter().zip(&starts) {
        let (at, Unlinked { kind, id, code }) = (start as usize, piece);
        linker.code[at..at + code.bytes.len()].copy_from_slice(&code.bytes);
        linker.tables.piece(*kind, *id, start, code.bytes.len() as u32, &code.sites);
        code.relocs.iter().try_for_each(|reloc| linker.relocate(start, reloc))?;
    }
    i32::try_from(linker.code.len()).map_err(|_| too_large())?;
    let tables = linker.tables.finish().ok_or_else(too_large)?;
    Ok(Linked { code: linker.code.into(), tables })
}

struct Linker<'a> {
    pieces: &'a [Unlinked],
    starts: &'a [u32],
    convention: Convention,
    code: Vec<u8>,
    tables: TablesBuilder,
    /// Where functions are called that are not among the pieces.
    stubs: HashMap<FuncIndex, u32>,
}

impl Linker<'_> {
    /// Offset to call a function at.
    fn target(&mut self, func: FuncIndex) -> u32 {
        let bodies = self.pieces.partition_point(|piece| piece.kind == PieceKind::Body);
        let body = self.pieces[..bodies].binary_search_by_key(&func.as_u32(), |piece| piece.id);
        if let Ok(at) = body {
            return self.starts[at];
        }
        *self.stubs.entry(func).or_insert_with(|| {
            let at = self.code.len().next_multiple_of(CODE_ALIGN);
            self.code.resize(at + STUB_SIZE, 0);
            let field = match self.convention {
                Convention::Reg => FuncEntry::OFF_REG,
                Convention::Tail => FuncEntry::OFF_TAIL,
            };
            let behind = func.as_u32() * FuncEntry::SIZE + field;
            let convention = adapters::stub_convention(self.convention);
            write_entry_stub(&mut self.code[at..], convention, VmCtx::OFF_ENTRIES, behind);
            self.tables.outside(func);
            at as u32
        })
    }

    fn relocate(&mut self, start: u32, reloc: &CodeReloc) -> io::Result<()> {
        let target = i64::from(self.target(reloc.target)) + reloc.addend;
        let place = start + reloc.offset;
        let distance = target - i64::from(place);
        let far = || io::Error::new(io::ErrorKind::OutOfMemory, "code is too large for its calls");
        let at = place as usize;
        match reloc.kind {
            RelocKind::PcRel32 => {
                let distance = i32::try_from(distance).map_err(|_| far())?;
                self.code[at..at + 4].copy_from_slice(&distance.to_le_bytes());
            }
            RelocKind::Arm64Branch26 => {
                if !(-(1 << 27)..1 << 27).contains(&distance) {
                    return Err(far());
                }
                let mut word = [0; 4];
                word.copy_from_slice(&self.code[at..at + 4]);
                let displacement = (distance >> 2) as u32 & 0x03ff_ffff;
                let word = u32::from_le_bytes(word) & 0xfc00_0000 | displacement;
                self.code[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
            RelocKind::Abs64 => {
                self.code[at..at + 8].fill(0);
                self.tables.absolute(place, u32::try_from(target).map_err(|_| far())?);
            }
        }
        Ok(())
    }
}
