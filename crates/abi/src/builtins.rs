//! Owns the one table of runtime services that guest code calls, and the two structs of function pointers made from it.
//! Does not own their bodies: the runtime does.

use crate::context::{Slot, VmCtx};

/// Calls `$mac! { rows }` with one row per builtin: `name (param: type, …) -> result, trap|total;`
/// A `trap` builtin may set `activation.trap` (its result is then meaningless): thunks raise by themselves, callers of
/// the bodies must check. All parameters after the vmctx are integers; at most six in all.
#[macro_export]
macro_rules! for_each_builtin {
    ($mac:ident) => {
        $mac! {
            /// Grows a memory by `delta` pages of its page size; the old size in pages, or `u64::MAX`.
            memory_grow(memory: u32, delta: u64) -> u64, total;
            /// `memory.fill`.
            memory_fill(memory: u32, dst: u64, value: u32, len: u64) -> u64, trap;
            /// `memory.copy`.
            memory_copy(dst_memory: u32, src_memory: u32, dst: u64, src: u64, len: u64) -> u64, trap;
            /// `memory.init`.
            memory_init(memory: u32, segment: u32, dst: u64, src: u32, len: u32) -> u64, trap;
            /// `data.drop`.
            data_drop(segment: u32) -> u64, total;
            /// `table.get`: the reference.
            table_get(table: u32, index: u64) -> u64, trap;
            /// `table.set`.
            table_set(table: u32, index: u64, value: u64) -> u64, trap;
            /// `table.grow`: the old size, or `u64::MAX`.
            table_grow(table: u32, init: u64, delta: u64) -> u64, total;
            /// `table.fill`.
            table_fill(table: u32, dst: u64, value: u64, len: u64) -> u64, trap;
            /// `table.copy`.
            table_copy(dst_table: u32, src_table: u32, dst: u64, src: u64, len: u64) -> u64, trap;
            /// `table.init`.
            table_init(table: u32, segment: u32, dst: u64, src: u32, len: u32) -> u64, trap;
            /// `elem.drop`.
            elem_drop(segment: u32) -> u64, total;
            /// `ref.func`: the reference to a function of this module.
            ref_func(func: u32) -> u64, total;
            /// Called when `StoreCtx::interrupt` was seen nonzero: may trap, run host work, or just return.
            /// Compiled code calls its thunk with `CallConv::PreserveAll`.
            poll() -> u64, trap;
            /// Raises trap `code` (`TrapCode as u8`). Its thunk never returns; the body returns with `trap` set.
            raise(code: u32) -> u64, trap;
            /// Stack-convention call made by a `reg → stack` adapter: function `VmCtx::callee_index` of this vmctx
            /// (a host function if [`crate::HOST_CALLEE`]), parameters and results at `fp`.
            call_stack(fp: u64) -> u64, trap;
            /// As `call_stack`, from code with tail calls. Where a tail call has replaced every compiled frame since the interpreter,
            /// it notes [`crate::StoreCtx::pending_tail`] instead of calling.
            call_stack_tail(fp: u64) -> u64, trap;
            /// Operator `op` on structures, arrays, `i31` and casts: operands in slots at `operands`, its result at the same place;
            /// `a` and `b` are its immediates, see [`crate::gc`].
            gc(op: u32, a: u32, b: u32, operands: u64) -> u64, trap;
            /// As `gc`, off the likely path: compiled code calls its thunk with `CallConv::PreserveAll`.
            gc_slow(op: u32, a: u32, b: u32, operands: u64) -> u64, trap;
            /// The write barrier: a reference is about to be stored into `object` at byte `offset` from it. Compiled code calls its thunk
            /// with `CallConv::PreserveAll`.
            barrier(object: u64, offset: u64) -> u64, total;
            /// What stands for a function reference, which is not null, in fields of objects; also noted in [`crate::FuncRef::heap_index`].
            intern_func(func: u64) -> u64, trap;
            /// A new exception of tag `tag` of this instance, its payload in slots at `payload`.
            exn_new(tag: u32, payload: u64) -> u64, trap;
            /// Copies the payload of an exception into slots at `to`.
            exn_payload(exn: u64, to: u64) -> u64, total;
            /// Throws an exception: sets `StoreCtx::exception` and the trap `UncaughtException`, or traps if it is null. The caller, in the
            /// interpreter, looks for the handler.
            exn_throw(exn: u64) -> u64, trap;
            /// As `exn_throw`, from compiled code: continues at the handler if one of the frames since the interpreter has it.
            exn_unwind(exn: u64) -> u64, trap;
            /// Code below the top tier reports that function `func` used up its budget, at its entry (`position` 0) or at the start of
            /// the loop whose operator is at byte `position` of the module. What it should do now: go on (0); at an entry, call the
            /// function anew in its place (1); at a loop, enter the code at this address, see [`crate::CodeEntry::Loop`].
            hot(func: u32, position: u32) -> u64, total;
            /// `memory.atomic.wait32` at `address + offset`: 0 = woken, 1 = another value, 2 = timed out.
            memory_wait32(memory: u32, address: u64, offset: u64, expected: u32, timeout: u64) -> u64, trap;
            /// `memory.atomic.wait64`, likewise.
            memory_wait64(memory: u32, address: u64, offset: u64, expected: u64, timeout: u64) -> u64, trap;
            /// `memory.atomic.notify` at `address + offset`: the number of threads woken.
            memory_notify(memory: u32, address: u64, offset: u64, count: u32) -> u64, trap;
        }
    };
}

macro_rules! define {
    ($($(#[$doc:meta])* $name:ident($($param:ident: $ty:ty),*) -> $ret:ty, $kind:ident;)*) => {
        /// Addresses of the Rust bodies. They never unwind; a `trap` one reports through `activation.trap`.
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub struct BuiltinBodies {
            $($(#[$doc])* pub $name: unsafe extern "C" fn(*mut VmCtx $(, $ty)*) -> $ret,)*
        }

        /// Addresses of the thunks that compiled code calls (they record the exit and raise by themselves).
        /// The field order, and so the offset, of an entry is that of [`Builtin`].
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub struct BuiltinThunks {
            $($(#[$doc])* pub $name: unsafe extern "C" fn(),)*
        }

        /// A builtin by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(non_camel_case_types)]
        pub enum Builtin {
            $($(#[$doc])* $name,)*
        }

        impl Builtin {
            /// All builtins, in table order.
            pub const ALL: &'static [Builtin] = &[$(Builtin::$name,)*];

            /// Bytes of each parameter after the vmctx.
            pub fn param_sizes(self) -> &'static [u8] {
                match self { $(Builtin::$name => &[$(size_of::<$ty>() as u8),*],)* }
            }

            /// Whether it can trap.
            pub fn can_trap(self) -> bool {
                match self { $(Builtin::$name => kind!($kind),)* }
            }

            /// The name of the row.
            pub fn name(self) -> &'static str {
                match self { $(Builtin::$name => stringify!($name),)* }
            }

            /// Byte offset of its pointer in [`BuiltinThunks`].
            pub fn thunk_offset(self) -> u32 {
                self as u32 * size_of::<usize>() as u32
            }
        }
    };
}

macro_rules! kind {
    (trap) => {
        true
    };
    (total) => {
        false
    };
}

for_each_builtin!(define);

/// Reads slot `index` behind `fp`: the one place that spells out slot addressing for host bodies.
///
/// # Safety
/// `fp` must point to at least `index + 1` slots that are live for reading.
#[inline(always)]
pub unsafe fn read_slot(fp: *const Slot, index: usize) -> Slot {
    // SAFETY: the caller guarantees the slot exists.
    let at = unsafe { fp.add(index) };
    // SAFETY: as above, and slots are 8-byte aligned.
    unsafe { at.read() }
}
