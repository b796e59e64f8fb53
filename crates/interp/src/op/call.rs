//! Owns calls and returns between interpreted functions, direct and indirect, and tail calls.
//! Does not own what happens at the callee's entry: `enter`.
//!
//! A call passes the return address in the integer accumulator and the callee's `FuncEntry` in that of f64. Interpreter code begins with an
//! instruction for callers of another instance (it loads the registers of memory 0), 8 bytes long; callers of the same instance skip it.

use std::marker::PhantomData;
use std::mem::size_of;
use std::sync::atomic::Ordering;

use sterna_abi::{CallCell, FuncEntry, FuncRef, Slot, TableDef, TypeRow, VmCtx};
use sterna_isa::TrapCode;

use crate::exit::{ReturnInfo, ReturnKind};
use crate::machine::{Handler, Op, Regs, Stop, step};
use crate::op::variable::copy_slots;
use crate::value::{A, I, S, Scalar, Source, Value};

/// Bytes of the first instruction of a function, for callers of another instance.
pub(crate) const FOREIGN_ENTRY: usize = 8;
/// Bytes of a `restore` instruction.
pub(crate) const RESTORE_SIZE: usize = 16;

/// Goes to `entry`'s code, `skip` bytes in, with the return address in the accumulator.
#[inline(always)]
pub(super) fn enter(r: &mut Regs, entry: *const FuncEntry, skip: usize) {
    r.f64 = f64::from_bits(entry as u64);
    // SAFETY: entries live as long as the instances that can name them.
    let code = unsafe { &(*entry).stack }.load(Ordering::Acquire);
    // SAFETY: interpreter code is longer than that.
    r.ip = unsafe { code.add(skip) };
}

/// The instruction's address plus `size`: a return address.
#[inline(always)]
fn after(r: &Regs, size: usize) -> u64 {
    r.ip.wrapping_add(size) as u64
}

#[inline(always)]
fn move_frame(r: &mut Regs, delta: usize) {
    r.fp = r.slot_ptr(delta);
}

/// With `PROFILE`, counts a call in the cell whose address is the operand at `at`.
#[inline(always)]
fn count_call<const PROFILE: bool>(r: &Regs, at: usize, callee: &FuncRef) {
    if PROFILE {
        let cell = r.u64(at) as *const CallCell;
        let is_own = callee.instance == r.vmctx;
        // SAFETY: translation wrote the address of a cell of the module's recorder, which lives as long as the code.
        unsafe { &*cell }.count(if is_own { callee.entry } else { std::ptr::null() });
    }
}

/// Calls a callable whose frame begins `delta` slots further. `foreign` and `direct` are the return addresses for another instance
/// and for this one.
#[inline(always)]
fn call_ref(r: &mut Regs, callee: &FuncRef, delta: usize, foreign: u64, direct: u64) {
    move_frame(r, delta);
    if callee.instance == r.vmctx {
        r.acc = direct;
        enter(r, callee.entry, FOREIGN_ENTRY);
    } else {
        r.acc = foreign;
        r.vmctx = callee.instance;
        enter(r, callee.entry, 0);
    }
}

/// Callee's entry at 8, return info at 16. With `RESTORE`, a [`Restore`] follows, for the case that the callee makes a tail call to
/// another instance.
pub(crate) struct Call<const RESTORE: bool>;

impl<const RESTORE: bool> Op for Call<RESTORE> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let entry = r.u64(8) as *const FuncEntry;
        r.acc = after(r, if RESTORE { 24 + RESTORE_SIZE } else { 24 });
        move_frame(r, r.u16(16));
        enter(r, entry, FOREIGN_ENTRY);
        Ok(())
    }
}

/// Offset of the import's `FuncRef` at 8, return info at 16; a [`Restore`] follows.
pub(crate) struct CallImport;

impl Op for CallImport {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let callee: FuncRef = r.vm_load(r.u32(8));
        let (delta, foreign) = (r.u16(16), after(r, 24));
        call_ref(r, &callee, delta, foreign, foreign + RESTORE_SIZE as u64);
        Ok(())
    }
}

/// The element of the table whose pointer's offset is at 8, if it is a function of the type with the index at 12.
#[inline(always)]
fn element(r: &Regs, index: u64) -> Result<FuncRef, Stop> {
    let table: *const TableDef = r.vm_load(r.u32(8));
    // SAFETY: tables live as long as the instances that can name them.
    let table = unsafe { &*table };
    if index >= table.len {
        return Err(Stop::Trap(TrapCode::UndefinedElement));
    }
    // SAFETY: `index` is below the length.
    let element = unsafe { table.base.cast::<FuncRef>().add(index as usize) };
    // SAFETY: as above.
    let element = unsafe { element.read() };
    // SAFETY: instances are live while their code runs.
    let types = unsafe { (*r.vmctx).type_ids };
    // SAFETY: there is an id for every type index.
    let wanted = unsafe { types.add(r.u32(12) as usize) };
    // SAFETY: as above.
    let wanted = unsafe { wanted.read() };
    if element.type_id == wanted {
        return Ok(element);
    }
    subtype_element(r, element, wanted)
}

/// An element of another type than the wanted one: it may have a subtype.
#[cold]
fn subtype_element(r: &Regs, element: FuncRef, wanted: u32) -> Result<FuncRef, Stop> {
    if element.this.is_null() {
        return Err(Stop::Trap(TrapCode::UninitializedElement));
    }
    // SAFETY: instances are live while their code runs.
    let rows = unsafe { (*r.vmctx).type_rows };
    // SAFETY: the engine's table; functions and types of a module have ids of that engine.
    match unsafe { TypeRow::is_subtype(rows, element.type_id, wanted) } {
        true => Ok(element),
        false => Err(Stop::Trap(TrapCode::IndirectCallTypeMismatch)),
    }
}

/// Offset of the table's pointer at 8, type index at 12, index at 16, with `PROFILE` the address of a [`CallCell`] at 24, then the
/// return info; a [`Restore`] follows.
pub(crate) struct CallIndirect<X, const PROFILE: bool>(PhantomData<X>);

impl<X: Source<i64>, const PROFILE: bool> Op for CallIndirect<X, PROFILE> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let callee = element(r, X::read(r, 16) as u64)?;
        count_call::<PROFILE>(r, 24, &callee);
        let info = if PROFILE { 32 } else { 24 };
        let (delta, foreign) = (r.u16(info), after(r, info + 8));
        call_ref(r, &callee, delta, foreign, foreign + RESTORE_SIZE as u64);
        Ok(())
    }
}

/// The function that a reference in a slot refers to.
#[inline(always)]
fn callee(r: &Regs, slot: usize) -> Result<FuncRef, Stop> {
    let reference: *const FuncRef = r.slot::<u64>(slot) as *const FuncRef;
    if reference.is_null() {
        return Err(Stop::Trap(TrapCode::NullFunctionReference));
    }
    // SAFETY: a reference to a function is null or the address of one of the store, whose functions live as long as it.
    Ok(unsafe { reference.read() })
}

/// Slot of the reference at 8, with `PROFILE` the address of a [`CallCell`] at 16, then the return info; a [`Restore`] follows.
pub(crate) struct CallRef<const PROFILE: bool>;

impl<const PROFILE: bool> Op for CallRef<PROFILE> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let callee = callee(r, r.u16(8))?;
        count_call::<PROFILE>(r, 16, &callee);
        let info = if PROFILE { 24 } else { 16 };
        let (delta, foreign) = (r.u16(info), after(r, info + 8));
        call_ref(r, &callee, delta, foreign, foreign + RESTORE_SIZE as u64);
        Ok(())
    }
}

/// Return info at 8: gives the caller its instance and memory back, when the callee was another instance's.
pub(crate) struct Restore<const MEMORY: bool>;

impl<const MEMORY: bool> Op for Restore<MEMORY> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        r.vmctx = r.slot::<u64>(r.u16(10) + 1) as *mut VmCtx;
        if MEMORY {
            r.load_memory();
        }
        r.advance(RESTORE_SIZE);
        Ok(())
    }
}

/// Prepares a tail call: moves the arguments (`count` slots from `from` on) to the start of the frame, whose record is `record`. The return
/// address of the frame goes to the accumulator.
#[inline(always)]
fn replace_frame(r: &mut Regs, record: usize, from: usize, count: usize) {
    r.acc = r.slot(record);
    copy_slots(r, from, 0, count);
}

/// Tail-calls a callable.
#[inline(always)]
fn tail_call_ref(r: &mut Regs, callee: &FuncRef) {
    match callee.instance == r.vmctx {
        true => enter(r, callee.entry, FOREIGN_ENTRY),
        false => tail_enter(r, callee.entry, callee.instance),
    }
}

/// Enters a function of any instance in place of the current one, loading its memory. When the instance changes, the return address
/// must be one that restores the caller's.
#[inline(always)]
pub(crate) fn tail_enter(r: &mut Regs, entry: *const FuncEntry, instance: *mut VmCtx) {
    let return_address = r.acc as *const u8;
    if instance != r.vmctx && ReturnInfo::of(return_address).kind == ReturnKind::Direct {
        r.acc = return_address.wrapping_sub(RESTORE_SIZE) as u64;
    }
    r.vmctx = instance;
    enter(r, entry, 0);
}

/// Callee's entry at 8; record, first argument, number of argument slots from 16.
pub(crate) struct TailCall;

impl Op for TailCall {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let entry = r.u64(8) as *const FuncEntry;
        replace_frame(r, r.u16(16), r.u16(18), r.u16(20));
        enter(r, entry, FOREIGN_ENTRY);
        Ok(())
    }
}

/// Offset of the import's `FuncRef` at 8, the rest as in [`TailCall`].
pub(crate) struct TailCallImport;

impl Op for TailCallImport {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let callee: FuncRef = r.vm_load(r.u32(8));
        replace_frame(r, r.u16(16), r.u16(18), r.u16(20));
        tail_call_ref(r, &callee);
        Ok(())
    }
}

/// Table and type as in [`CallIndirect`], the rest as in [`TailCall`], index slot at 22, with `PROFILE` a [`CallCell`] at 24.
pub(crate) struct TailCallIndirect<const PROFILE: bool>;

impl<const PROFILE: bool> Op for TailCallIndirect<PROFILE> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let callee = element(r, r.slot(r.u16(22)))?;
        count_call::<PROFILE>(r, 24, &callee);
        replace_frame(r, r.u16(16), r.u16(18), r.u16(20));
        tail_call_ref(r, &callee);
        Ok(())
    }
}

/// Slot of the reference at 22, the rest as in [`TailCall`], with `PROFILE` a [`CallCell`] at 24.
pub(crate) struct TailCallRef<const PROFILE: bool>;

impl<const PROFILE: bool> Op for TailCallRef<PROFILE> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let callee = callee(r, r.u16(22))?;
        count_call::<PROFILE>(r, 24, &callee);
        replace_frame(r, r.u16(16), r.u16(18), r.u16(20));
        tail_call_ref(r, &callee);
        Ok(())
    }
}

/// Goes back to the caller of a frame, whose return address is given.
#[inline(always)]
pub(crate) fn leave(r: &mut Regs, return_address: u64) {
    let return_address = return_address as *const u8;
    let delta = usize::from(ReturnInfo::of(return_address).delta);
    // SAFETY: the distance was laid out by the call that made the frame.
    r.fp = unsafe { r.fp.sub(delta) };
    r.ip = return_address;
}

/// Record at 8: returns nothing.
pub(crate) struct Return;

impl Op for Return {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let return_address = r.slot(r.u16(8));
        leave(r, return_address);
        Ok(())
    }
}

/// Record at 8, value at 10: returns it in the first slot and the accumulator.
pub(crate) struct ReturnValue<T, X>(PhantomData<(T, X)>);

impl<T: Scalar, X: Source<T>> Op for ReturnValue<T, X> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let return_address = r.slot(r.u16(8));
        X::read(r, 10).put(r, 0);
        leave(r, return_address);
        Ok(())
    }
}

/// Record at 8, first slot at 10, number of slots at 12.
pub(crate) struct ReturnMany;

impl Op for ReturnMany {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let return_address = r.slot(r.u16(8));
        copy_slots(r, r.u16(10), 0, r.u16(12));
        leave(r, return_address);
        Ok(())
    }
}

const _: () = assert!(size_of::<ReturnInfo>() == size_of::<Slot>());

/// [`Call`] without and with a [`Restore`] behind.
pub(crate) static CALL: [Handler; 2] = [step::<Call<false>>, step::<Call<true>>];
/// [`CallImport`].
pub(crate) static CALL_IMPORT: Handler = step::<CallImport>;
/// [`CallIndirect`] without and with profile, by place of the index: slot, accumulator.
pub(crate) static CALL_INDIRECT: [[Handler; 2]; 2] = [
    [step::<CallIndirect<S, false>>, step::<CallIndirect<A, false>>],
    [step::<CallIndirect<S, true>>, step::<CallIndirect<A, true>>],
];
/// [`CallRef`] without and with profile.
pub(crate) static CALL_REF: [Handler; 2] = [step::<CallRef<false>>, step::<CallRef<true>>];
/// [`Restore`] without and with memory.
pub(crate) static RESTORE: [Handler; 2] = [step::<Restore<false>>, step::<Restore<true>>];
/// [`TailCall`].
pub(crate) static TAIL_CALL: Handler = step::<TailCall>;
/// [`TailCallImport`].
pub(crate) static TAIL_CALL_IMPORT: Handler = step::<TailCallImport>;
/// [`TailCallIndirect`] without and with profile.
pub(crate) static TAIL_CALL_INDIRECT: [Handler; 2] =
    [step::<TailCallIndirect<false>>, step::<TailCallIndirect<true>>];
/// [`TailCallRef`] without and with profile.
pub(crate) static TAIL_CALL_REF: [Handler; 2] =
    [step::<TailCallRef<false>>, step::<TailCallRef<true>>];
/// [`Return`].
pub(crate) static RETURN: Handler = step::<Return>;
/// [`ReturnMany`].
pub(crate) static RETURN_MANY: Handler = step::<ReturnMany>;

/// [`ReturnValue`] by place of the value.
pub(crate) struct ReturnForms {
    pub s: Handler,
    pub a: Handler,
    pub i: Handler,
}

const fn return_forms<T: Scalar>() -> ReturnForms {
    ReturnForms {
        s: step::<ReturnValue<T, S>>,
        a: step::<ReturnValue<T, A>>,
        i: step::<ReturnValue<T, I>>,
    }
}

/// By type: i32, i64 or reference, f32, f64.
pub(crate) static RETURN_VALUE: [ReturnForms; 4] =
    [return_forms::<i32>(), return_forms::<i64>(), return_forms::<f32>(), return_forms::<f64>()];
