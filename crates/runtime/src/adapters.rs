//! Owns the adapters between calling conventions, one per signature and direction, made on demand.
//! Does not own stubs of individual functions of a module (`linking`).

use std::io;
use std::sync::atomic::{AtomicPtr, Ordering};

use sterna_abi::{Convention, FunctionCode, HOST_CALLEE, VmCtx};
use sterna_sys::activation::{STUB_SIZE, write_lazy_stub};
use sterna_sys::code::CodeRegion;

use crate::engine::Engine;
use crate::types::TypeInfo;

/// Addresses of a signature's adapters; null until made. A race makes one twice, which only wastes a few bytes.
#[derive(Default)]
pub(crate) struct AdapterSlots {
    stack_to_reg: AtomicPtr<u8>,
    reg_to_stack: AtomicPtr<u8>,
    tail_to_stack: AtomicPtr<u8>,
}

fn make(
    engine: &Engine,
    slot: &AtomicPtr<u8>,
    code: impl FnOnce() -> FunctionCode,
) -> io::Result<*const u8> {
    let found = slot.load(Ordering::Acquire);
    if !found.is_null() {
        return Ok(found);
    }
    let address = engine.region()?.publish(&code().bytes)?;
    slot.store(address.cast_mut(), Ordering::Release);
    Ok(address)
}

fn no_compiler() -> io::Error {
    io::Error::other("no compiler is configured")
}

/// The adapter that enters compiled code of this type from slots.
pub(crate) fn stack_to_reg(engine: &Engine, info: &TypeInfo) -> io::Result<*const u8> {
    let compiler = engine.compiler().ok_or_else(no_compiler)?;
    make(engine, &info.adapters.stack_to_reg, || compiler.stack_to_reg(&info.ty))
}

/// The adapter that compiled code calls to reach a function through slots.
pub(crate) fn to_stack(
    engine: &Engine,
    info: &TypeInfo,
    convention: Convention,
) -> io::Result<*const u8> {
    let compiler = engine.compiler().ok_or_else(no_compiler)?;
    let slot = match convention {
        Convention::Reg => &info.adapters.reg_to_stack,
        Convention::Tail => &info.adapters.tail_to_stack,
    };
    make(engine, slot, || compiler.reg_to_stack(&info.ty, convention))
}

/// Publishes a lazy stub: notes `callee` in the vmctx, then jumps to the signature's adapter.
pub(crate) fn lazy_stub(
    engine: &Engine,
    region: &CodeRegion,
    info: &TypeInfo,
    convention: Convention,
    callee: u32,
) -> io::Result<*mut u8> {
    let target = to_stack(engine, info, convention)?;
    let mut slot = region.reserve(STUB_SIZE)?;
    let at = slot.address() as usize;
    write_lazy_stub(slot.bytes(), callee, VmCtx::OFF_CALLEE_INDEX, target as usize, at);
    Ok(slot.commit()?.cast_mut())
}

/// Makes host functions of a type callable from compiled code.
pub(crate) fn set_host_stub(engine: &Engine, info: &TypeInfo) -> io::Result<()> {
    if info.has_host_stub() || engine.compiler().is_none() {
        return Ok(());
    }
    let region = engine.region()?;
    let entry = &info.host_entry;
    entry
        .tail
        .store(lazy_stub(engine, region, info, Convention::Tail, HOST_CALLEE)?, Ordering::Release);
    entry
        .reg
        .store(lazy_stub(engine, region, info, Convention::Reg, HOST_CALLEE)?, Ordering::Release);
    Ok(())
}
