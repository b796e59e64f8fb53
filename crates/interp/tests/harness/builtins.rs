//! Owns the builtin bodies of the test runtime.
//! Does not own their limits.

use sterna_abi::*;
use sterna_base::{MemoryIndex, TableIndex};
use sterna_interp::Interp;
use sterna_isa::{HeapType, TrapCode};

use super::{Instance, Memory, TABLE_RESERVE, World};

/// # Safety
/// `vmctx` must be live.
unsafe fn instance<'a>(vmctx: *mut VmCtx) -> &'a mut Instance {
    // SAFETY: the harness set it.
    unsafe { &mut *(*vmctx).runtime.cast::<Instance>() }
}

/// # Safety
/// `vmctx` must be live.
unsafe fn world<'a>(vmctx: *mut VmCtx) -> &'a mut World {
    // SAFETY: the harness set it.
    unsafe { &mut *(*(*vmctx).store).runtime.cast::<World>() }
}

/// # Safety
/// `vmctx` must be live.
unsafe fn trap(vmctx: *mut VmCtx, code: TrapCode) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { raise(vmctx, code as u32) }
}

/// # Safety
/// `vmctx` must be live.
unsafe fn memory<'a>(vmctx: *mut VmCtx, index: u32) -> &'a mut MemoryDef {
    // SAFETY: the caller's promise.
    let instance = unsafe { instance(vmctx) };
    let slot: MemorySlot = instance.read(instance.layout.memory(MemoryIndex::from_u32(index)));
    // SAFETY: memories live as long as instances.
    unsafe { &mut *slot.def }
}

fn table(instance: &Instance, index: u32) -> (&mut TableDef, bool) {
    let def: *mut TableDef = instance.read(instance.layout.table(TableIndex::from_u32(index)));
    let is_func = instance.module.tables()[index as usize].element.heap == HeapType::Func;
    // SAFETY: tables live as long as instances.
    (unsafe { &mut *def }, is_func)
}

fn in_bounds(at: u64, len: u64, size: u64) -> bool {
    at.checked_add(len).is_some_and(|end| end <= size)
}

/// # Safety
/// The element must exist, `value` must be a reference of the table's type.
pub unsafe fn set_element(instance: &Instance, index: u32, at: u64, value: u64) {
    let (def, is_func) = table(instance, index);
    // SAFETY: the caller's promise.
    unsafe {
        match (is_func, value) {
            (false, _) => *def.base.cast::<u64>().add(at as usize) = value,
            (true, 0) => *def.base.cast::<FuncRef>().add(at as usize) = FuncRef::NULL,
            (true, _) => *def.base.cast::<FuncRef>().add(at as usize) = *(value as *const FuncRef),
        }
    }
}

fn element(instance: &Instance, index: u32, at: u64) -> u64 {
    let (def, is_func) = table(instance, index);
    // SAFETY: callers checked the bounds.
    unsafe {
        match is_func {
            true => (*def.base.cast::<FuncRef>().add(at as usize)).this as u64,
            false => *def.base.cast::<u64>().add(at as usize),
        }
    }
}

unsafe extern "C" fn raise(vmctx: *mut VmCtx, code: u32) -> u64 {
    // SAFETY: builtins get live vmctxs.
    let world = unsafe { world(vmctx) };
    world.store.activation.trap = code;
    world.backtrace.clear();
    let mut frames = Vec::new();
    // SAFETY: guest code is suspended here.
    unsafe {
        Interp.frames(&raw const *world.store, &mut |frame| {
            frames.push((frame.describe)(&frame));
            true
        })
    };
    world.backtrace = frames;
    0
}

unsafe extern "C" fn memory_grow(vmctx: *mut VmCtx, index: u32, delta: u64) -> u64 {
    // SAFETY: builtins get live vmctxs.
    let def = unsafe { memory(vmctx, index) };
    let memory = std::ptr::from_mut(def).cast::<Memory>();
    // SAFETY: the definition is the first field of its memory.
    let (page, max) = unsafe { ((*memory).page, (*memory).max) };
    let old = (def.len() / page) as u64;
    match old.checked_add(delta) {
        Some(new) if new <= max as u64 => {
            def.set_len(new as usize * page);
            old
        }
        _ => u64::MAX,
    }
}

unsafe extern "C" fn memory_fill(
    vmctx: *mut VmCtx,
    index: u32,
    dst: u64,
    value: u32,
    len: u64,
) -> u64 {
    // SAFETY: builtins get live vmctxs; bounds are checked.
    unsafe {
        let def = memory(vmctx, index);
        if !in_bounds(dst, len, def.len() as u64) {
            return trap(vmctx, TrapCode::MemoryOutOfBounds);
        }
        def.base.add(dst as usize).write_bytes(value as u8, len as usize);
    }
    0
}

unsafe extern "C" fn memory_copy(
    vmctx: *mut VmCtx,
    to: u32,
    from: u32,
    dst: u64,
    src: u64,
    len: u64,
) -> u64 {
    // SAFETY: builtins get live vmctxs; bounds are checked.
    unsafe {
        let (to, from) = (memory(vmctx, to), memory(vmctx, from));
        if !in_bounds(dst, len, to.len() as u64) || !in_bounds(src, len, from.len() as u64) {
            return trap(vmctx, TrapCode::MemoryOutOfBounds);
        }
        to.base.add(dst as usize).copy_from(from.base.add(src as usize), len as usize);
    }
    0
}

unsafe extern "C" fn memory_init(
    vmctx: *mut VmCtx,
    index: u32,
    segment: u32,
    dst: u64,
    src: u32,
    len: u32,
) -> u64 {
    // SAFETY: builtins get live vmctxs; bounds are checked.
    unsafe {
        let instance = instance(vmctx);
        let def = memory(vmctx, index);
        let mut data = instance.module.data(&instance.module.data_segments()[segment as usize]);
        if instance.dropped_data[segment as usize] {
            data = &[];
        }
        let (src, len) = (src as usize, len as usize);
        if !in_bounds(dst, len as u64, def.len() as u64)
            || !in_bounds(src as u64, len as u64, data.len() as u64)
        {
            return trap(vmctx, TrapCode::MemoryOutOfBounds);
        }
        def.base.add(dst as usize).copy_from(data[src..].as_ptr(), len);
    }
    0
}

// No memory of the harness is shared.
unsafe extern "C" fn memory_wait32(
    vmctx: *mut VmCtx,
    _memory: u32,
    _address: u64,
    _offset: u64,
    _expected: u32,
    _timeout: u64,
) -> u64 {
    // SAFETY: builtins get live vmctxs.
    unsafe { trap(vmctx, TrapCode::ExpectedSharedMemory) }
}

unsafe extern "C" fn memory_wait64(
    vmctx: *mut VmCtx,
    _memory: u32,
    _address: u64,
    _offset: u64,
    _expected: u64,
    _timeout: u64,
) -> u64 {
    // SAFETY: builtins get live vmctxs.
    unsafe { trap(vmctx, TrapCode::ExpectedSharedMemory) }
}

unsafe extern "C" fn memory_notify(
    _vmctx: *mut VmCtx,
    _memory: u32,
    _address: u64,
    _offset: u64,
    _count: u32,
) -> u64 {
    0
}

unsafe extern "C" fn data_drop(vmctx: *mut VmCtx, segment: u32) -> u64 {
    // SAFETY: builtins get live vmctxs.
    unsafe { instance(vmctx) }.dropped_data[segment as usize] = true;
    0
}

unsafe extern "C" fn table_get(vmctx: *mut VmCtx, index: u32, at: u64) -> u64 {
    // SAFETY: builtins get live vmctxs.
    unsafe {
        let instance = instance(vmctx);
        if at >= table(instance, index).0.len {
            return trap(vmctx, TrapCode::TableOutOfBounds);
        }
        element(instance, index, at)
    }
}

unsafe extern "C" fn table_set(vmctx: *mut VmCtx, index: u32, at: u64, value: u64) -> u64 {
    // SAFETY: builtins get live vmctxs.
    unsafe { table_fill(vmctx, index, at, value, 1) }
}

unsafe extern "C" fn table_grow(vmctx: *mut VmCtx, index: u32, init: u64, delta: u64) -> u64 {
    // SAFETY: builtins get live vmctxs; the reserve is checked.
    unsafe {
        let instance = instance(vmctx);
        let max = instance.module.tables()[index as usize]
            .max
            .unwrap_or(u64::MAX)
            .min(TABLE_RESERVE as u64);
        let (def, _) = table(instance, index);
        let old = def.len;
        if old.checked_add(delta).is_none_or(|new| new > max) {
            return u64::MAX;
        }
        def.len += delta;
        (old..old + delta).for_each(|at| set_element(instance, index, at, init));
        old
    }
}

unsafe extern "C" fn table_fill(
    vmctx: *mut VmCtx,
    index: u32,
    dst: u64,
    value: u64,
    len: u64,
) -> u64 {
    // SAFETY: builtins get live vmctxs; bounds are checked.
    unsafe {
        let instance = instance(vmctx);
        if !in_bounds(dst, len, table(instance, index).0.len) {
            return trap(vmctx, TrapCode::TableOutOfBounds);
        }
        (dst..dst + len).for_each(|at| set_element(instance, index, at, value));
    }
    0
}

unsafe extern "C" fn table_copy(
    vmctx: *mut VmCtx,
    to: u32,
    from: u32,
    dst: u64,
    src: u64,
    len: u64,
) -> u64 {
    // SAFETY: builtins get live vmctxs; bounds are checked.
    unsafe {
        let instance = instance(vmctx);
        if !in_bounds(dst, len, table(instance, to).0.len)
            || !in_bounds(src, len, table(instance, from).0.len)
        {
            return trap(vmctx, TrapCode::TableOutOfBounds);
        }
        let values: Vec<u64> = (src..src + len).map(|at| element(instance, from, at)).collect();
        values
            .into_iter()
            .enumerate()
            .for_each(|(i, value)| set_element(instance, to, dst + i as u64, value));
    }
    0
}

unsafe extern "C" fn table_init(
    vmctx: *mut VmCtx,
    index: u32,
    segment: u32,
    dst: u64,
    src: u32,
    len: u32,
) -> u64 {
    // SAFETY: builtins get live vmctxs; bounds are checked.
    unsafe {
        let instance = instance(vmctx);
        let items = match instance.dropped_elems[segment as usize] {
            true => 0,
            false => instance.module.elems()[segment as usize].items.len() as u64,
        };
        let (src, len) = (u64::from(src), u64::from(len));
        if !in_bounds(dst, len, table(instance, index).0.len) || !in_bounds(src, len, items) {
            return trap(vmctx, TrapCode::TableOutOfBounds);
        }
        for i in 0..len {
            let value = instance.elem_value(segment as usize, (src + i) as usize);
            set_element(instance, index, dst + i, value);
        }
    }
    0
}

unsafe extern "C" fn elem_drop(vmctx: *mut VmCtx, segment: u32) -> u64 {
    // SAFETY: builtins get live vmctxs.
    unsafe { instance(vmctx) }.dropped_elems[segment as usize] = true;
    0
}

unsafe extern "C" fn ref_func(vmctx: *mut VmCtx, func: u32) -> u64 {
    // SAFETY: builtins get live vmctxs.
    unsafe { instance(vmctx) }.reference(func.into())
}

unsafe extern "C" fn poll(vmctx: *mut VmCtx) -> u64 {
    // SAFETY: builtins get live vmctxs.
    let world = unsafe { world(vmctx) };
    world.polls += 1;
    if world.poll_traps {
        // SAFETY: as above.
        return unsafe { trap(vmctx, TrapCode::Interrupt) };
    }
    0
}

unsafe extern "C" fn gc(_: *mut VmCtx, _: u32, _: u32, _: u32, _: u64) -> u64 {
    panic!("these tests have no garbage-collected heap")
}

unsafe extern "C" fn call_stack(_: *mut VmCtx, _: u64) -> u64 {
    panic!("there is no compiled code")
}

unsafe extern "C" fn call_stack_tail(_: *mut VmCtx, _: u64) -> u64 {
    panic!("there is no compiled code")
}

unsafe extern "C" fn hot(vmctx: *mut VmCtx, func: u32, _: u32) -> u64 {
    // SAFETY: builtins get live vmctxs.
    unsafe { world(vmctx) }.hot.push(func);
    0
}

/// The harness has no heap.
unsafe extern "C" fn barrier(_: *mut VmCtx, _: u64, _: u64) -> u64 {
    0
}

/// As above.
unsafe extern "C" fn intern_func(vmctx: *mut VmCtx, _: u64) -> u64 {
    // SAFETY: builtins get live vmctxs.
    unsafe { trap(vmctx, TrapCode::Unsupported) }
}

/// The harness has no tags: exceptions are tested with the runtime.
unsafe extern "C" fn exn_new(vmctx: *mut VmCtx, _: u32, _: u64) -> u64 {
    // SAFETY: builtins get live vmctxs.
    unsafe { trap(vmctx, TrapCode::Unsupported) }
}

unsafe extern "C" fn exn_payload(_: *mut VmCtx, _: u64, _: u64) -> u64 {
    panic!("nothing was thrown")
}

unsafe extern "C" fn exn_throw(vmctx: *mut VmCtx, _: u64) -> u64 {
    // SAFETY: builtins get live vmctxs.
    unsafe { trap(vmctx, TrapCode::Unsupported) }
}

pub fn bodies() -> BuiltinBodies {
    BuiltinBodies {
        memory_grow,
        memory_fill,
        memory_copy,
        memory_init,
        data_drop,
        table_get,
        table_set,
        table_grow,
        table_fill,
        table_copy,
        table_init,
        elem_drop,
        ref_func,
        poll,
        raise,
        gc,
        gc_slow: gc,
        barrier,
        intern_func,
        call_stack,
        call_stack_tail,
        exn_new,
        exn_payload,
        exn_throw,
        exn_unwind: exn_throw,
        hot,
        memory_wait32,
        memory_wait64,
        memory_notify,
    }
}
