//! Owns the adapters between calling conventions, one per signature and direction: compiled on demand, or taken from an artifact.
//! Does not own stubs of individual functions of a module (`linking`).

use std::io;
use std::sync::atomic::{AtomicPtr, Ordering};

use sterna_abi::{Compiler, Convention, FuncEntry, FunctionCode, HOST_CALLEE, VmCtx};
use sterna_isa::FuncType;
use sterna_sys::activation::{STUB_SIZE, StubConvention, write_lazy_stub};

use crate::engine::Engine;
use crate::linking::{self, Unlinked};
use crate::sites::PieceKind;
use crate::types::TypeInfo;

/// Direction of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdapterKind {
    /// Enters compiled code from slots.
    StackToReg,
    /// Reaches a function through slots, from code of the **reg** convention.
    RegToStack,
    /// As above, from code of the **tail** convention.
    TailToStack,
    /// Reaches a function of a module of the **reg** convention from code of the **tail** convention.
    TailToReg,
}

impl AdapterKind {
    pub(crate) const ALL: [AdapterKind; 4] = [
        AdapterKind::StackToReg,
        AdapterKind::RegToStack,
        AdapterKind::TailToStack,
        AdapterKind::TailToReg,
    ];

    /// Where a lazy stub leads that is called in convention `from`, for a function of a module of convention `to`.
    pub(crate) fn of_stub(from: Convention, to: Convention) -> AdapterKind {
        match (from, to) {
            (Convention::Reg, _) => AdapterKind::RegToStack,
            (Convention::Tail, Convention::Tail) => AdapterKind::TailToStack,
            // It makes no tail calls that could replace the adapter's frame, and its other entry is there before this one.
            (Convention::Tail, Convention::Reg) => AdapterKind::TailToReg,
        }
    }

    /// The convention in which it is called by compiled code.
    fn convention(self) -> Convention {
        match self {
            AdapterKind::StackToReg | AdapterKind::RegToStack => Convention::Reg,
            AdapterKind::TailToStack | AdapterKind::TailToReg => Convention::Tail,
        }
    }

    /// Makes an adapter.
    pub(crate) fn compile(self, compiler: &dyn Compiler, ty: &FuncType) -> FunctionCode {
        match self {
            AdapterKind::StackToReg => compiler.stack_to_reg(ty),
            AdapterKind::RegToStack => compiler.reg_to_stack(ty, Convention::Reg),
            AdapterKind::TailToStack => compiler.reg_to_stack(ty, Convention::Tail),
            AdapterKind::TailToReg => compiler.tail_to_reg(ty),
        }
    }
}

/// Addresses of a signature's adapters, by [`AdapterKind`]; null until made. A race makes one twice, which only wastes a few
/// bytes.
#[derive(Default)]
pub(crate) struct AdapterSlots([AtomicPtr<u8>; AdapterKind::ALL.len()]);

impl AdapterSlots {
    /// The address of an adapter, or null.
    pub(crate) fn get(&self, kind: AdapterKind) -> *const u8 {
        self.0[kind as usize].load(Ordering::Acquire)
    }
}

/// An adapter, made if it is new.
pub(crate) fn address(
    engine: &Engine,
    info: &TypeInfo,
    kind: AdapterKind,
) -> io::Result<*const u8> {
    let found = info.adapters.get(kind);
    if !found.is_null() {
        return Ok(found);
    }
    let compiler = engine.joiner();
    let compiler = compiler.ok_or_else(|| io::Error::other("no compiler is configured"))?;
    install(engine, vec![(info, kind, kind.compile(compiler, info.func()))])?;
    Ok(info.adapters.get(kind))
}

/// Publishes adapters, for as long as the engine lives.
pub(crate) fn install(
    engine: &Engine,
    adapters: Vec<(&TypeInfo, AdapterKind, FunctionCode)>,
) -> io::Result<()> {
    let (slots, pieces): (Vec<_>, Vec<_>) = adapters
        .into_iter()
        .map(|(info, kind, code)| {
            ((info, kind), Unlinked { kind: PieceKind::Adapter(kind), id: info.id, code })
        })
        .unzip();
    let linked = linking::link(&pieces, Convention::Reg)?;
    let image = engine.code().publish(engine.region()?, &linked, engine.code_tier())?;
    if let Some(listing) = engine.listing() {
        listing.adapters(image, slots.iter().map(|(info, _)| *info));
    }
    for (piece, (info, kind)) in image.tables().pieces().zip(slots) {
        let address = image.address(piece.start).cast_mut();
        info.adapters.0[kind as usize].store(address, Ordering::Release);
    }
    Ok(())
}

/// The adapter that enters compiled code of this type from slots.
pub(crate) fn stack_to_reg(engine: &Engine, info: &TypeInfo) -> io::Result<*const u8> {
    address(engine, info, AdapterKind::StackToReg)
}

/// A convention as stubs know it.
pub(crate) fn stub_convention(convention: Convention) -> StubConvention {
    match convention {
        Convention::Reg => StubConvention::C,
        Convention::Tail => StubConvention::Tail,
    }
}

/// Writes a lazy stub: it notes `callee` in the vmctx, then jumps to an adapter of the signature. `at` is where it will run.
pub(crate) fn write_stub(
    engine: &Engine,
    info: &TypeInfo,
    kind: AdapterKind,
    callee: u32,
    (bytes, at): (&mut [u8], usize),
) -> io::Result<()> {
    let target = address(engine, info, kind)?;
    write_lazy_stub(
        bytes,
        stub_convention(kind.convention()),
        callee,
        VmCtx::OFF_CALLEE_INDEX,
        target as usize,
        at,
    );
    Ok(())
}

/// Makes host functions of a type callable from compiled code of a convention.
pub(crate) fn set_host_stub(
    engine: &Engine,
    info: &TypeInfo,
    convention: Convention,
) -> io::Result<()> {
    let cell = entry_cell(&info.host_entry, convention);
    if !engine.has_compiler() || !cell.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let mut slot = engine.region()?.reserve(STUB_SIZE)?;
    let at = slot.address() as usize;
    let kind = AdapterKind::of_stub(convention, Convention::Tail);
    write_stub(engine, info, kind, HOST_CALLEE, (slot.bytes(), at))?;
    cell.store(slot.commit()?.cast_mut(), Ordering::Release);
    Ok(())
}

/// The `FuncEntry` field that code of a convention is called through.
pub(crate) fn entry_cell(entry: &FuncEntry, convention: Convention) -> &AtomicPtr<u8> {
    match convention {
        Convention::Reg => &entry.reg,
        Convention::Tail => &entry.tail,
    }
}
