//! Owns the bodies of the builtins that guest code calls, and their thunks.
//! Does not own the table of builtins (`abi`) nor allocation policy (`memory`, `table`).

use std::sync::atomic::Ordering;

use sterna_abi::{
    BuiltinBodies, BuiltinThunks, FuncEntry, HOST_CALLEE, HostCtx, PendingTail, RESUME_CALLEE,
    Slot, VmCtx,
};
use sterna_base::FuncIndex;
use sterna_gc::Ref;
use sterna_isa::TrapCode;
use sterna_module::ElemItems;
use sterna_sys::activation::{CompiledFrames, exit_thunk, preserve_all_thunk};

use crate::atomics::{self, Place};
use crate::controller;
use crate::gc::{barrier, gc, gc_slow, intern_func};
use crate::instance::{ElemState, Instance};
use crate::interrupt::SAMPLE;
use crate::limits;
use crate::memory::Memory;
use crate::shared_memory::Expected;
use crate::store::Store;
use crate::table::Table;

/// "Failed" as `memory.grow` and `table.grow` say it.
const FAILED: u64 = u64::MAX;

/// Store and instance of the guest code that called.
///
/// # Safety
/// `vmctx` must be the context that guest code passed to a builtin which is still running.
pub(crate) unsafe fn context<'a>(vmctx: *mut VmCtx) -> (&'a mut Store, &'a mut Instance) {
    // SAFETY: guest code is suspended in this builtin, so nobody else uses the store; see `Store`.
    let store = unsafe { store_of(vmctx) };
    // SAFETY: as above; a store's instances are boxed, separate allocations.
    let instance = unsafe { Instance::from_vmctx(vmctx) };
    (store, instance)
}

/// The store of the guest code that called, from the vmctx of an instance or of a host function.
///
/// # Safety
/// As [`context`].
unsafe fn store_of<'a>(vmctx: *mut VmCtx) -> &'a mut Store {
    // SAFETY: both kinds of vmctx start with the store's context.
    let ctx = unsafe { (*vmctx).store };
    // SAFETY: as in `context`.
    unsafe { Store::from_ctx(ctx) }
}

/// 0, after recording the trap if `done` is `None`.
fn or_trap(store: &mut Store, done: Option<()>, code: TrapCode) -> u64 {
    if done.is_none() {
        store.set_trap(code, None);
    }
    0
}

impl Store {
    /// Grows a memory of this store by `delta` pages. Returns the old size in pages; `None` if its type, the store's limits or
    /// the system forbid it.
    pub fn grow_memory(&mut self, memory: &mut Memory, delta: u64) -> Option<u64> {
        let limit = self.limits.memory_bytes;
        let budget = limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.usage.memory_bytes));
        let before = memory.counted();
        let old = memory.grow(delta, budget.saturating_add(before));
        limits::take(&mut self.usage.memory_bytes, memory.counted() - before, None);
        old
    }

    /// Grows a table of this store by `delta` elements `init`. Returns the old size; `None` if its type, the store's limits
    /// or memory forbid it.
    ///
    /// # Safety
    /// `init` must be a reference of the table's type and of this store.
    pub unsafe fn grow_table(&mut self, table: &mut Table, delta: u64, init: Slot) -> Option<u64> {
        let limit = self.limits.table_elements;
        let budget =
            limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.usage.table_elements));
        // SAFETY: passed on from the caller.
        let old = unsafe { table.grow(delta, init, budget) };
        if old.is_some() {
            limits::take(&mut self.usage.table_elements, delta, None);
        }
        old
    }
}

impl Instance {
    fn memory(&mut self, index: u32) -> &mut Memory {
        // SAFETY: objects of the store live at fixed addresses as long as it; guest code is suspended or not running.
        unsafe { self.memories[index as usize].as_mut() }
    }

    fn table(&mut self, index: u32) -> &mut Table {
        // SAFETY: as above.
        unsafe { self.tables[index as usize].as_mut() }
    }

    /// `memory.init`; `None` if out of bounds, with nothing written.
    pub(crate) fn memory_init(
        &mut self,
        memory: u32,
        segment: u32,
        dst: u64,
        src: u32,
        len: u32,
    ) -> Option<()> {
        let module = self.module().clone();
        let data = match self.data_dropped[segment as usize] {
            true => &[],
            false => module.module().data(&module.module().data_segments()[segment as usize]),
        };
        let source = data.get(src as usize..(src as usize).checked_add(len as usize)?)?;
        self.memory(memory).write(dst, source)
    }

    /// `table.init`; `None` if out of bounds, with nothing written.
    pub(crate) fn table_init(
        &mut self,
        table: u32,
        segment: u32,
        dst: u64,
        src: u64,
        len: u64,
    ) -> Option<()> {
        let values = self.elem_values(segment, src, len)?;
        // SAFETY: the segment has the table's element type (validated), its references are of this store.
        unsafe { self.table(table).write(dst, values.into_iter()) }
    }

    /// References of an element segment; `None` if out of bounds.
    pub(crate) fn elem_values(&self, segment: u32, src: u64, len: u64) -> Option<Vec<Slot>> {
        let range = usize::try_from(src).ok()?..usize::try_from(src.checked_add(len)?).ok()?;
        let items = &self.module().module().elems()[segment as usize].items;
        Some(match (&self.elems[segment as usize], items) {
            (ElemState::Dropped, _) => [].get(range)?.to_vec(),
            (ElemState::Values(values), _) => values.get(range)?.to_vec(),
            (ElemState::Funcs, ElemItems::Funcs(funcs)) => {
                funcs.get(range)?.iter().map(|&func| self.func(func).as_ptr() as Slot).collect()
            }
            (ElemState::Funcs, ElemItems::Exprs(_)) => {
                unreachable!("expressions are evaluated at instantiation")
            }
        })
    }
}

unsafe extern "C" fn memory_grow(vmctx: *mut VmCtx, memory: u32, delta: u64) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    store.grow_memory(instance.memory(memory), delta).unwrap_or(FAILED)
}

unsafe extern "C" fn memory_fill(
    vmctx: *mut VmCtx,
    memory: u32,
    dst: u64,
    value: u32,
    len: u64,
) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    let done = instance.memory(memory).fill(dst, value as u8, len);
    or_trap(store, done, TrapCode::MemoryOutOfBounds)
}

unsafe extern "C" fn memory_copy(
    vmctx: *mut VmCtx,
    dst_memory: u32,
    src_memory: u32,
    dst: u64,
    src: u64,
    len: u64,
) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    // SAFETY: objects of the store live at fixed addresses as long as it; guest code is suspended.
    let to = unsafe { instance.memories[dst_memory as usize].as_ref() };
    // SAFETY: as above.
    let from = unsafe { instance.memories[src_memory as usize].as_ref() };
    let done = Memory::copy(from, to, src, dst, len);
    or_trap(store, done, TrapCode::MemoryOutOfBounds)
}

unsafe extern "C" fn memory_init(
    vmctx: *mut VmCtx,
    memory: u32,
    segment: u32,
    dst: u64,
    src: u32,
    len: u32,
) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    let done = instance.memory_init(memory, segment, dst, src, len);
    or_trap(store, done, TrapCode::MemoryOutOfBounds)
}

unsafe extern "C" fn memory_wait32(
    vmctx: *mut VmCtx,
    memory: u32,
    address: u64,
    offset: u64,
    expected: u32,
    timeout: u64,
) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    let place = Place { address, offset, size: 4 };
    atomics::wait(store, instance.memory(memory), place, &Expected::Word(expected), timeout as i64)
}

unsafe extern "C" fn memory_wait64(
    vmctx: *mut VmCtx,
    memory: u32,
    address: u64,
    offset: u64,
    expected: u64,
    timeout: u64,
) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    let place = Place { address, offset, size: 8 };
    atomics::wait(
        store,
        instance.memory(memory),
        place,
        &Expected::Double(expected),
        timeout as i64,
    )
}

unsafe extern "C" fn memory_notify(
    vmctx: *mut VmCtx,
    memory: u32,
    address: u64,
    offset: u64,
    count: u32,
) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    let place = Place { address, offset, size: 4 };
    atomics::notify(store, instance.memory(memory), place, count)
}

unsafe extern "C" fn data_drop(vmctx: *mut VmCtx, segment: u32) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (_, instance) = unsafe { context(vmctx) };
    instance.data_dropped[segment as usize] = true;
    0
}

unsafe extern "C" fn table_get(vmctx: *mut VmCtx, table: u32, index: u64) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    let value = instance.table(table).get(index);
    or_trap(store, value.map(|_| ()), TrapCode::TableOutOfBounds);
    value.unwrap_or(0)
}

unsafe extern "C" fn table_set(vmctx: *mut VmCtx, table: u32, index: u64, value: u64) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    // SAFETY: guest code passes references of the table's type (validated).
    let done = unsafe { instance.table(table).set(index, value) };
    or_trap(store, done, TrapCode::TableOutOfBounds)
}

unsafe extern "C" fn table_grow(vmctx: *mut VmCtx, table: u32, init: u64, delta: u64) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    // SAFETY: guest code passes a reference of the table's type (validated).
    unsafe { store.grow_table(instance.table(table), delta, init) }.unwrap_or(FAILED)
}

unsafe extern "C" fn table_fill(
    vmctx: *mut VmCtx,
    table: u32,
    dst: u64,
    value: u64,
    len: u64,
) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    // SAFETY: guest code passes a reference of the table's type (validated).
    let done = unsafe { instance.table(table).fill(dst, value, len) };
    or_trap(store, done, TrapCode::TableOutOfBounds)
}

unsafe extern "C" fn table_copy(
    vmctx: *mut VmCtx,
    dst_table: u32,
    src_table: u32,
    dst: u64,
    src: u64,
    len: u64,
) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    let (to, from) = (instance.tables[dst_table as usize], instance.tables[src_table as usize]);
    let source = match to == from {
        true => None,
        // SAFETY: objects of the store live as long as it; distinct ones do not overlap.
        false => Some(unsafe { from.as_ref() }),
    };
    let done = instance.table(dst_table).copy(dst, source, src, len);
    or_trap(store, done, TrapCode::TableOutOfBounds)
}

unsafe extern "C" fn table_init(
    vmctx: *mut VmCtx,
    table: u32,
    segment: u32,
    dst: u64,
    src: u32,
    len: u32,
) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    let done = instance.table_init(table, segment, dst, u64::from(src), u64::from(len));
    or_trap(store, done, TrapCode::TableOutOfBounds)
}

unsafe extern "C" fn elem_drop(vmctx: *mut VmCtx, segment: u32) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (_, instance) = unsafe { context(vmctx) };
    instance.elems[segment as usize] = ElemState::Dropped;
    0
}

unsafe extern "C" fn ref_func(vmctx: *mut VmCtx, func: u32) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (_, instance) = unsafe { context(vmctx) };
    instance.func(FuncIndex::from_u32(func)).as_ptr() as u64
}

unsafe extern "C" fn poll(vmctx: *mut VmCtx) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let store = unsafe { store_of(vmctx) };
    let byte = store.ctx().interrupt.swap(0, Ordering::AcqRel);
    match TrapCode::from_byte(byte) {
        Some(code) => store.set_trap(code, None),
        None if byte == SAMPLE => store.note_sample(),
        None => {}
    }
    controller::watch(store);
    0
}

/// As [`poll`], called by compiled code, which can be left there.
unsafe extern "C" fn poll_compiled(vmctx: *mut VmCtx) -> u64 {
    // SAFETY: passed on.
    unsafe { poll(vmctx) };
    // SAFETY: called by guest code with its vmctx.
    let store = unsafe { store_of(vmctx) };
    if store.ctx().activation.trap == 0 && controller::leaves(store) {
        store.leave_innermost();
    }
    0
}

unsafe extern "C" fn raise(vmctx: *mut VmCtx, code: u32) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let store = unsafe { store_of(vmctx) };
    let code = u8::try_from(code).ok().and_then(TrapCode::from_byte);
    store.set_trap(code.unwrap_or(TrapCode::Unsupported), None);
    0
}

unsafe extern "C" fn call_stack(vmctx: *mut VmCtx, fp: u64) -> u64 {
    let fp = fp as *mut Slot;
    // SAFETY: an adapter passes the callee's vmctx, instance or host: both start with these fields.
    let callee = unsafe { (*vmctx).callee_index };
    if callee == HOST_CALLEE {
        let host: *mut HostCtx = vmctx.cast();
        // SAFETY: only stubs of host functions store `HOST_CALLEE`.
        let body = unsafe { (*host).body };
        // SAFETY: the adapter has placed the arguments at `fp`.
        unsafe { body(host, fp) };
        // SAFETY: the calling code's store is live.
        unsafe { land(vmctx) };
        return 0;
    }
    // SAFETY: the calling code's store is live, and only looked at until guest code runs again.
    let store = unsafe { store_of(vmctx) };
    let engine: *const crate::engine::Engine = &*store.engine;
    // SAFETY: the engine outlives its stores, which outlive their running code.
    let interp = unsafe { &*engine }.interp();
    if callee == RESUME_CALLEE {
        let results = store.take_left_results();
        // SAFETY: the adapter stands for a frame that was left, above whose arguments, at the first free slot, the frames are.
        unsafe { interp.call(vmctx, interp.resume_entry(), fp) };
        if let Some((to, slots)) = results {
            // SAFETY: both are on the value stack, with room for the results of the function left.
            unsafe { std::ptr::copy(fp, to, slots) };
        }
    } else {
        // SAFETY: an instance's vmctx, as no host function's.
        let entry = unsafe { callee_entry(vmctx) };
        // SAFETY: the adapter has placed the arguments at `fp`, the value stack's first free slot.
        unsafe { interp.call(vmctx, entry, fp) };
    }
    // SAFETY: as above.
    unsafe { land(vmctx) };
    0
}

/// The function that a lazy stub noted in the vmctx.
///
/// # Safety
/// `vmctx` must be a live instance's, and a lazy stub of it must have run.
unsafe fn callee_entry(vmctx: *mut VmCtx) -> *const FuncEntry {
    // SAFETY: the vmctx is live.
    let callee = unsafe { (*vmctx).callee_index };
    // SAFETY: an instance's vmctx points to its module's entries.
    let entries = unsafe { (*vmctx).entries };
    // SAFETY: the lazy stub's function is one of them.
    unsafe { entries.add(callee as usize) }
}

unsafe extern "C" fn call_stack_tail(vmctx: *mut VmCtx, fp: u64) -> u64 {
    // SAFETY: an adapter passes the callee's vmctx.
    let callee = unsafe { (*vmctx).callee_index };
    // SAFETY: as above; its store is live.
    let ctx = unsafe { (*vmctx).store };
    let is_wasm = !matches!(callee, HOST_CALLEE | RESUME_CALLEE);
    // SAFETY: as above, and the calling code is suspended in this builtin's thunk.
    if !is_wasm || !replaces_entered(unsafe { Store::from_ctx(ctx) }) {
        // SAFETY: passed on.
        return unsafe { call_stack(vmctx, fp) };
    }
    // SAFETY: an instance's vmctx, as no host function's.
    let entry = unsafe { callee_entry(vmctx) };
    // SAFETY: the context is live; `fp` is its `value_sp`, as an adapter's arguments are.
    unsafe { (*ctx).pending_tail = PendingTail { entry, instance: vmctx } };
    0
}

/// Whether a `tail → stack` adapter was reached by a tail call from the very function that the interpreter had called: then the
/// segment consists of the two adapters and the bridge between the conventions. Functions of the **reg** convention, which the
/// interpreter reaches without a bridge, never call such an adapter.
fn replaces_entered(store: &mut Store) -> bool {
    let engine = store.engine.clone();
    let activation = &store.ctx_ref().activation;
    // SAFETY: compiled code is suspended in a builtin's thunk.
    let frames = unsafe { CompiledFrames::new(activation) };
    let entry = activation.entry_sp;
    let (mut count, mut outermost) = (0, 0);
    for frame in frames.take(4).take_while(|frame| frame.entry == entry) {
        (count, outermost) = (count + 1, frame.pc);
    }
    // The outermost may also be code entered at a loop, which calls like any other.
    count == 3 && engine.code().contains(outermost)
}

/// After a call out of compiled code: if it has thrown, looks for the handler in that code.
///
/// # Safety
/// `vmctx` must be the context of a callee of compiled code that is suspended in the running builtin.
unsafe fn land(vmctx: *mut VmCtx) {
    // SAFETY: as of every vmctx.
    let ctx = unsafe { (*vmctx).store };
    // SAFETY: the store is live.
    if unsafe { (*ctx).activation.trap } != 0 {
        // SAFETY: the callee has returned, so nobody uses the store.
        unsafe { Store::from_ctx(ctx) }.land();
    }
}

unsafe extern "C" fn exn_new(vmctx: *mut VmCtx, tag: u32, payload: u64) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { context(vmctx) };
    let tag = instance.tags[tag as usize];
    // SAFETY: guest code passes slots with the payload (validated).
    match unsafe { store.new_exception(tag, payload as *mut Slot) } {
        Ok(exn) => exn.bits().into(),
        Err(code) => {
            store.set_trap(code, None);
            0
        }
    }
}

unsafe extern "C" fn exn_payload(vmctx: *mut VmCtx, exn: u64, to: u64) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let store = unsafe { store_of(vmctx) };
    // SAFETY: guest code passes an `exnref` that is not null, and room for the payload of its tag.
    unsafe { store.read_payload(Ref::from_bits(exn as u32), to as *mut Slot) };
    0
}

unsafe extern "C" fn exn_throw(vmctx: *mut VmCtx, exn: u64) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let store = unsafe { store_of(vmctx) };
    store.throw(exn);
    0
}

unsafe extern "C" fn exn_unwind(vmctx: *mut VmCtx, exn: u64) -> u64 {
    // SAFETY: passed on.
    unsafe { exn_throw(vmctx, exn) };
    // SAFETY: called by compiled code with its vmctx.
    unsafe { store_of(vmctx) }.land();
    0
}

unsafe extern "C" fn hot(vmctx: *mut VmCtx, func: u32, position: u32) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (_, instance) = unsafe { context(vmctx) };
    controller::hot(instance.module(), FuncIndex::from_u32(func), position)
}

macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident($($param:ident: $ty:ty),*) -> $ret:ty, $kind:ident;)*) => {
        pub(crate) static BODIES: BuiltinBodies = BuiltinBodies { $($name,)* };
        pub(crate) static THUNKS: BuiltinThunks = BuiltinThunks { $($name: thunks::$name,)* };

        mod thunks {
            use super::{exit_thunk, preserve_all_thunk};
            $(thunk!($name);)*
        }
    };
}

macro_rules! thunk {
    (poll) => {
        preserve_all_thunk!(pub(super) fn poll => super::poll_compiled);
    };
    (gc_slow) => {
        preserve_all_thunk!(pub(super) fn gc_slow => super::gc_slow);
    };
    (barrier) => {
        preserve_all_thunk!(pub(super) fn barrier => super::barrier);
    };
    ($name:ident) => {
        exit_thunk!(pub(super) fn $name => super::$name);
    };
}

sterna_abi::for_each_builtin!(bodies);
