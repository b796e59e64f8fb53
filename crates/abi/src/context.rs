//! Owns the structures that generated code, interpreter and runtime share, field by field with their offsets.
//! Does not own the per-module part of a vmctx behind the fixed header: that is `layout`.

use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use sterna_gc::AllocArea;
use sterna_sys::activation::Activation;

use crate::builtins::{BuiltinBodies, BuiltinThunks};
use crate::type_rows::TypeRow;

/// One 8-byte cell of the value stack. See the crate documentation for how values lie in slots.
pub type Slot = u64;

/// Slots past [`StoreCtx::value_limit`] that are still mapped: an adapter may write this many argument slots before
/// anybody has compared with the limit (wasm allows at most 1000 parameters, of two slots each).
pub const VALUE_STACK_SLACK: usize = 4096;

/// Bytes of native stack below [`Activation::native_limit`] that stay usable: for leaf functions that do not
/// check, thunks, builtin bodies and host functions.
pub const NATIVE_STACK_RESERVE: usize = 512 * 1024;

/// Per-store context, at a fixed address for the store's whole life. Not `Sync`; only [`StoreCtx::interrupt`] may be
/// touched by other threads.
#[repr(C)]
pub struct StoreCtx {
    /// Links between compiled code and Rust. Must stay first: thunks reach it through the first word of a vmctx.
    pub activation: Activation,
    /// Interruption flag: 0 = run on. Compiled loops and function entries poll it with one byte load.
    pub interrupt: AtomicU8,
    /// First free slot of the value stack: whoever leaves guest code (or enters the interpreter) sets it.
    pub value_sp: *mut Slot,
    /// One past the last slot that a frame may use ([`VALUE_STACK_SLACK`] more are mapped).
    pub value_limit: *mut Slot,
    /// Interpreter-owned: its current innermost frame record (null when it is not running).
    pub interp_frame: *mut u8,
    /// Function that the interpreter must call in place of the compiled one that has just returned, its results being meaningless:
    /// arguments at [`StoreCtx::value_sp`]. `entry` is null when there is none.
    pub pending_tail: PendingTail,
    /// Where objects are allocated; empty as long as the store has no heap.
    pub heap: AllocArea,
    /// The exception that was thrown, while `activation.trap` says `UncaughtException`: nobody has caught it so far. Otherwise 0.
    pub exception: Slot,
    /// Rust bodies of the builtins, for callers that follow the C convention and check `activation.trap` themselves.
    pub bodies: *const BuiltinBodies,
    /// Builtins as adapters call them: a host function's vmctx has no [`VmCtx::thunks`], but it has a store.
    pub thunks: *const BuiltinThunks,
    /// Where [`crate::Interpreter::write_frames`] has left frames for [`crate::Interpreter::resume_entry`].
    pub resume: *mut Slot,
    /// Runtime-owned: the store this context belongs to.
    pub runtime: *mut u8,
}

/// A tail call on its way from compiled code to the interpreter.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PendingTail {
    /// How to enter the function.
    pub entry: *const FuncEntry,
    /// Its instance.
    pub instance: *mut VmCtx,
}

impl PendingTail {
    /// Byte offset of [`PendingTail::entry`].
    pub const OFF_ENTRY: u32 = offset_of!(PendingTail, entry) as u32;
    /// Byte offset of [`PendingTail::instance`].
    pub const OFF_INSTANCE: u32 = offset_of!(PendingTail, instance) as u32;

    /// No tail call.
    pub const NONE: PendingTail =
        PendingTail { entry: core::ptr::null(), instance: core::ptr::null_mut() };
}

impl StoreCtx {
    /// Byte offset of the interruption flag.
    pub const OFF_INTERRUPT: u32 = offset_of!(StoreCtx, interrupt) as u32;
    /// Byte offset of [`StoreCtx::value_sp`].
    pub const OFF_VALUE_SP: u32 = offset_of!(StoreCtx, value_sp) as u32;
    /// Byte offset of [`StoreCtx::value_limit`].
    pub const OFF_VALUE_LIMIT: u32 = offset_of!(StoreCtx, value_limit) as u32;
    /// Byte offset of [`StoreCtx::pending_tail`].
    pub const OFF_PENDING_TAIL: u32 = offset_of!(StoreCtx, pending_tail) as u32;
    /// Byte offset of [`StoreCtx::heap`].
    pub const OFF_HEAP: u32 = offset_of!(StoreCtx, heap) as u32;
    /// Byte offset of [`StoreCtx::thunks`].
    pub const OFF_THUNKS: u32 = offset_of!(StoreCtx, thunks) as u32;
}

/// Shared by all instances of a module (or owned by a host function): how to enter one function. Replacing code is one
/// release store into [`FuncEntry::reg`] or [`FuncEntry::stack`].
#[repr(C)]
pub struct FuncEntry {
    /// Address in the **reg** convention. Null only while there is no compiled code that could reach the function.
    pub reg: AtomicPtr<u8>,
    /// Address in the **tail** convention. Null only while there is no such code that could reach the function.
    pub tail: AtomicPtr<u8>,
    /// Interpreter code to run for a call in the **stack** convention; never null once the module is loaded.
    pub stack: AtomicPtr<u8>,
    /// The interpreter's per-module object, passed back to it: the same in *every* entry of a module, those of its imports
    /// included, so that the interpreter finds it from a vmctx (null for host functions).
    pub interp: *const u8,
    /// Calls and loop iterations left before the tiers below report the function as hot, through builtin `hot`, which gives it a
    /// new budget; 0 = they do not count. Counting loses some when threads do it at once.
    pub budget: AtomicU32,
    /// Calls counted so far.
    pub calls: AtomicU32,
    /// Index of the function in its module.
    pub func: u32,
    /// Slots taken by the parameters and by the results.
    pub param_slots: u32,
    /// See `param_slots`.
    pub result_slots: u32,
}

impl FuncEntry {
    /// Byte offset of [`FuncEntry::reg`].
    pub const OFF_REG: u32 = offset_of!(FuncEntry, reg) as u32;
    /// Byte offset of [`FuncEntry::tail`].
    pub const OFF_TAIL: u32 = offset_of!(FuncEntry, tail) as u32;
    /// Byte offset of [`FuncEntry::budget`], 32 bits.
    pub const OFF_BUDGET: u32 = offset_of!(FuncEntry, budget) as u32;
    /// Byte offset of [`FuncEntry::calls`], 32 bits.
    pub const OFF_CALLS: u32 = offset_of!(FuncEntry, calls) as u32;
    /// Size in bytes, the stride of a module's entry array.
    pub const SIZE: u32 = size_of::<FuncEntry>() as u32;
}

// SAFETY: `interp` points to an object that is `Sync` (`InterpModule: Send + Sync`) and outlives the entry.
unsafe impl Send for FuncEntry {}
// SAFETY: as above; all other fields are atomic or immutable after construction.
unsafe impl Sync for FuncEntry {}

/// A callable: what a `funcref` points to, what a function import and a function table's element hold by value.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FuncRef {
    /// How to enter the function. Null only in a null table element.
    pub entry: *const FuncEntry,
    /// First argument of the call: the callee's vmctx (an instance, or a host function's [`HostCtx`]).
    pub instance: *mut VmCtx,
    /// The canonical address of this function's reference, its identity (`ref.eq`, `table.get`). Null = null reference.
    pub this: *const FuncRef,
    /// Engine-wide canonical type; [`NULL_TYPE`] in a null element, so that a type check also catches null.
    pub type_id: u32,
    /// What stands for it in fields of objects, as far as one has referred to it; else 0. Only the one at its canonical address counts.
    pub heap_index: u32,
}

/// Type id that no function has.
pub const NULL_TYPE: u32 = u32::MAX;

impl FuncRef {
    /// The null table element.
    pub const NULL: FuncRef = FuncRef {
        entry: core::ptr::null(),
        instance: core::ptr::null_mut(),
        this: core::ptr::null(),
        type_id: NULL_TYPE,
        heap_index: 0,
    };
    /// Byte offset of [`FuncRef::entry`].
    pub const OFF_ENTRY: u32 = offset_of!(FuncRef, entry) as u32;
    /// Byte offset of [`FuncRef::instance`].
    pub const OFF_INSTANCE: u32 = offset_of!(FuncRef, instance) as u32;
    /// Byte offset of [`FuncRef::heap_index`].
    pub const OFF_HEAP_INDEX: u32 = offset_of!(FuncRef, heap_index) as u32;
    /// Byte offset of [`FuncRef::this`].
    pub const OFF_THIS: u32 = offset_of!(FuncRef, this) as u32;
    /// Byte offset of [`FuncRef::type_id`].
    pub const OFF_TYPE: u32 = offset_of!(FuncRef, type_id) as u32;
    /// log2 of the size in bytes: function tables are indexed by a shift.
    pub const LOG2_SIZE: u32 = 5;
}

const _: () = assert!(size_of::<FuncRef>() == 1 << FuncRef::LOG2_SIZE);

/// A linear memory. The base never moves for the life of the memory (address space is reserved), only `len` grows.
#[repr(C)]
pub struct MemoryDef {
    /// First byte.
    pub base: *mut u8,
    /// Accessible bytes. Other threads grow a shared memory: Rust reads with [`MemoryDef::len`], compiled code with a plain load,
    /// which the machine carries out whole since the field is aligned.
    pub len: AtomicUsize,
    /// Bytes behind `base` that are reserved for it and no more than it may grow to; constant. The guard region comes behind them.
    pub limit: usize,
}

impl MemoryDef {
    /// A memory of `len` bytes that may grow to `limit`.
    pub fn new(base: *mut u8, len: usize, limit: usize) -> MemoryDef {
        MemoryDef { base, len: AtomicUsize::new(len), limit }
    }

    /// Accessible bytes; that many are committed, also when another thread has just grown the memory.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Whether nothing is accessible.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Publishes a new length; its bytes must be committed.
    pub fn set_len(&self, len: usize) {
        self.len.store(len, Ordering::Release);
    }

    /// Byte offset of the length in bytes.
    pub const OFF_LEN: u32 = offset_of!(MemoryDef, len) as u32;
    /// Byte offset of what it may grow to in bytes.
    pub const OFF_LIMIT: u32 = offset_of!(MemoryDef, limit) as u32;
}

/// A vmctx's view of one memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MemorySlot {
    /// Copy of [`MemoryDef::base`]: constant, so generated code may load it once per function.
    pub base: *mut u8,
    /// The memory itself, shared by all its importers.
    pub def: *mut MemoryDef,
}

impl MemorySlot {
    /// Byte offset of the base.
    pub const OFF_BASE: u32 = offset_of!(MemorySlot, base) as u32;
    /// Byte offset of the pointer to the [`MemoryDef`].
    pub const OFF_DEF: u32 = offset_of!(MemorySlot, def) as u32;
    /// Size in bytes.
    pub const SIZE: u32 = size_of::<MemorySlot>() as u32;
}

/// A table. Elements are [`FuncRef`]s (32 bytes) for `funcref` tables, else [`Slot`]s.
#[repr(C)]
pub struct TableDef {
    /// First element; moves when the table grows, so it is loaded at each use.
    pub base: *mut u8,
    /// Current number of elements.
    pub len: u64,
}

impl TableDef {
    /// Byte offset of the first-element pointer.
    pub const OFF_BASE: u32 = offset_of!(TableDef, base) as u32;
    /// Byte offset of the element count.
    pub const OFF_LEN: u32 = offset_of!(TableDef, len) as u32;
}

/// Storage of a global: one or two slots.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
pub struct GlobalCell(pub [Slot; 2]);

impl GlobalCell {
    /// Size in bytes.
    pub const SIZE: u32 = size_of::<GlobalCell>() as u32;
}

/// Fixed header of an instance's vmctx; the per-module arrays described by [`crate::InstanceLayout`] follow.
/// A host function's [`HostCtx`] starts with the same two fields.
#[repr(C, align(16))]
pub struct VmCtx {
    /// The store. Must stay first: it is also the address of the [`Activation`].
    pub store: *mut StoreCtx,
    /// Scratch: a lazy stub stores the index of the called function here before it jumps to an adapter.
    pub callee_index: u32,
    /// Unused; zero.
    pub reserved: u32,
    /// The module's function entries, by function index (imports included, theirs unused).
    pub entries: *const FuncEntry,
    /// Engine-wide type ids, by type index.
    pub type_ids: *const u32,
    /// Builtins as compiled code calls them.
    pub thunks: *const BuiltinThunks,
    /// Runtime-owned: the instance this context belongs to.
    pub runtime: *mut u8,
    /// The engine's table of types, by type id.
    pub type_rows: *const TypeRow,
}

impl VmCtx {
    /// Byte offset of [`VmCtx::store`].
    pub const OFF_STORE: u32 = offset_of!(VmCtx, store) as u32;
    /// Byte offset of [`VmCtx::callee_index`].
    pub const OFF_CALLEE_INDEX: u32 = offset_of!(VmCtx, callee_index) as u32;
    /// Byte offset of [`VmCtx::entries`].
    pub const OFF_ENTRIES: u32 = offset_of!(VmCtx, entries) as u32;
    /// Byte offset of [`VmCtx::type_ids`].
    pub const OFF_TYPE_IDS: u32 = offset_of!(VmCtx, type_ids) as u32;
    /// Byte offset of [`VmCtx::thunks`].
    pub const OFF_THUNKS: u32 = offset_of!(VmCtx, thunks) as u32;
    /// Byte offset of [`VmCtx::type_rows`].
    pub const OFF_TYPE_ROWS: u32 = offset_of!(VmCtx, type_rows) as u32;
    /// Size of the header in bytes.
    pub const SIZE: u32 = size_of::<VmCtx>() as u32;
}

/// Body of a host function in the stack convention: reads its parameters at `fp`, leaves its results there.
/// A trap or host error is reported by setting `activation.trap` before returning.
pub type HostBody = unsafe extern "C" fn(ctx: *mut HostCtx, fp: *mut Slot);

/// The vmctx of a host function.
#[repr(C, align(16))]
pub struct HostCtx {
    /// As [`VmCtx::store`].
    pub store: *mut StoreCtx,
    /// As [`VmCtx::callee_index`].
    pub callee_index: u32,
    /// Unused; zero.
    pub reserved: u32,
    /// Called in the stack convention.
    pub body: HostBody,
    /// Runtime-owned closure data.
    pub data: *mut u8,
}

const _: () = assert!(offset_of!(HostCtx, callee_index) == offset_of!(VmCtx, callee_index));
const _: () = assert!(offset_of!(StoreCtx, activation) == 0 && offset_of!(VmCtx, store) == 0);

/// [`VmCtx::callee_index`] of a host function's lazy stub.
pub const HOST_CALLEE: u32 = u32::MAX;

/// [`VmCtx::callee_index`] when an adapter stands for a frame that was left: the interpreter goes on with the frames at
/// [`StoreCtx::resume`].
pub const RESUME_CALLEE: u32 = u32::MAX - 1;
