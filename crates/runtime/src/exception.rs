//! Owns exceptions: their objects, throwing them, where a throw came from, and handing them to the host and back.
//! Does not own the search for handlers (the interpreter's frames: `interp`; compiled ones: `landing`).
//!
//! An object that no reference was made of belongs to the throw in progress, and the next one takes its memory. All others stay until
//! no word on the guest's stacks, in globals, tables and other exceptions looks like a reference to them: see `Store::sweep`. This
//! ends when the garbage-collected heap takes over.

use std::collections::HashSet;
use std::ptr::NonNull;
use std::sync::Arc;

use sterna_abi::{Exn, InterpFrame, Slot, StoreCtx};
use sterna_isa::TrapCode;
use sterna_sys::activation::{CompiledFrames, stack_pointer};

use crate::code::trap_word;
use crate::engine::Engine;
use crate::gc::is_object;
use crate::store::Store;
use crate::tag::{Tag, TagOrigin};
use crate::trap::FrameInfo;
use crate::types::TypeInfo;

/// Most bytes that the exceptions of a store may take.
const MAX_BYTES: usize = 64 << 20;
/// Bytes from which on exceptions that nobody refers to are looked for.
const SWEEP_MIN: usize = 64 << 10;
/// Words of an object's header.
const HEADER: usize = Exn::OFF_PAYLOAD as usize / size_of::<Slot>();

/// An exception outside of the guest: what its tag is, and a copy of its payload.
#[derive(Clone)]
pub struct Exception {
    /// The tag.
    pub tag: NonNull<Tag>,
    /// The type of the tag.
    pub ty: Arc<TypeInfo>,
    /// The payload as parameters of that type lie in slots, but for references to objects: they are held, see [`Store::hold`].
    pub payload: Box<[Slot]>,
    /// The store's number.
    pub store: u64,
    /// The module that defines the tag, and its index there.
    origin: TagOrigin,
}

impl Exception {
    /// The tag's name in the module that defines it.
    pub fn tag_name(&self) -> Option<&str> {
        let (module, index) = self.origin.as_ref()?;
        module.module().names().tag(*index)
    }
}

impl std::fmt::Debug for Exception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exception of tag {:p}", self.tag)
    }
}

// SAFETY: a tag is immutable; whoever uses the pointer must know that its store lives.
unsafe impl Send for Exception {}
// SAFETY: as above.
unsafe impl Sync for Exception {}

/// A frame of a backtrace that nobody may ever want to see.
#[derive(Clone, Copy)]
pub(crate) enum RawFrame {
    Interp(InterpFrame),
    /// The address, and whether it is of the instruction itself.
    Compiled(usize, bool),
}

/// The exceptions of a store.
pub(crate) struct Exceptions {
    /// Header and payload of each. If one belongs to a throw in progress, it is the last.
    objects: Vec<Box<[u64]>>,
    bytes: usize,
    sweep_at: usize,
    /// Where the last one was thrown.
    origin: Vec<RawFrame>,
    /// Which that was.
    thrown: *mut Exn,
}

impl Default for Exceptions {
    fn default() -> Exceptions {
        Exceptions {
            objects: Vec::new(),
            bytes: 0,
            sweep_at: SWEEP_MIN,
            origin: Vec::new(),
            thrown: std::ptr::null_mut(),
        }
    }
}

/// The slots of a list of parameters that can refer to objects.
fn object_slots(engine: &Engine, ty: &TypeInfo) -> Vec<usize> {
    let mut slots = Vec::new();
    let mut at = 0;
    for &param in &ty.func().params {
        if is_object(engine, param) {
            slots.push(at);
        }
        at += param.slots();
    }
    slots
}

fn object(words: &mut Box<[u64]>) -> *mut Exn {
    words.as_mut_ptr().cast()
}

impl Store {
    /// A new exception, its payload zero. `None` if the store's exceptions take too much memory.
    pub(crate) fn new_exception(&mut self, tag: NonNull<Tag>, slots: usize) -> Option<*mut Exn> {
        let tag = tag.as_ptr().cast_const().cast();
        let header = Exn { tag, len: slots as u32, kept: 0, pinned: 0, reserved: 0 };
        self.exceptions.thrown = std::ptr::null_mut();
        if let Some(last) = self.exceptions.objects.last_mut() {
            let at = object(last);
            // SAFETY: objects begin with a header.
            let old = unsafe { &*at };
            let is_free = old.kept == 0 && old.pinned == 0;
            if is_free && old.len as usize == slots {
                // SAFETY: as above; nobody refers to it any more.
                unsafe { at.write(header) };
                return Some(at);
            }
            if is_free {
                let old = self.exceptions.objects.pop().map_or(0, |old| size_of_val(&*old));
                self.exceptions.bytes -= old;
            }
        }
        let size = (HEADER + slots) * size_of::<u64>();
        if self.exceptions.bytes + size > self.exceptions.sweep_at {
            self.sweep();
            if self.exceptions.bytes + size > MAX_BYTES {
                return None;
            }
        }
        self.exceptions.bytes += size;
        let mut words = vec![0; HEADER + slots].into_boxed_slice();
        let at = object(&mut words);
        // SAFETY: there is room for a header.
        unsafe { at.write(header) };
        self.exceptions.objects.push(words);
        Some(at)
    }

    /// A new exception like one that was outside of the guest.
    pub(crate) fn import_exception(&mut self, exception: &Exception) -> Option<*mut Exn> {
        let at = self.new_exception(exception.tag, exception.payload.len())?;
        let payload = self.exception_payload(exception);
        // SAFETY: the new object has as many slots.
        unsafe { Exn::payload(at).copy_from_nonoverlapping(payload.as_ptr(), payload.len()) };
        Some(at)
    }

    /// Throws an exception, or traps if it is null: the guest code that called must look for a handler.
    ///
    /// # Safety
    /// `exn` must be null or an exception of this store.
    pub(crate) unsafe fn throw(&mut self, exn: *mut Exn) {
        if exn.is_null() {
            return self.set_trap(TrapCode::NullExceptionReference, None);
        }
        if self.exceptions.thrown != exn {
            self.note_origin();
            self.exceptions.thrown = exn;
            self.pending = None;
        }
        let ctx = self.ctx();
        ctx.exception = exn;
        ctx.activation.trap = trap_word(TrapCode::UncaughtException);
    }

    /// Notes where the guest is, as cheaply as can be: mostly nobody asks.
    fn note_origin(&mut self) {
        let limit = self.engine.settings().backtrace_frames;
        let mut origin = std::mem::take(&mut self.exceptions.origin);
        origin.clear();
        if limit > 0 {
            let ctx: *const StoreCtx = self.ctx_ptr();
            // SAFETY: the caller runs inside a builtin or host function of this store.
            let mut compiled =
                unsafe { CompiledFrames::new(&self.ctx_ref().activation) }.peekable();
            let mut visit = |frame: InterpFrame| {
                while let Some(next) = compiled.next_if(|next| next.fp < frame.native_sp) {
                    if origin.len() == limit {
                        return false;
                    }
                    origin.push(RawFrame::Compiled(next.pc, false));
                }
                if origin.len() < limit {
                    origin.push(RawFrame::Interp(frame));
                }
                origin.len() < limit
            };
            let engine: *const crate::engine::Engine = &*self.engine;
            // SAFETY: the store keeps its engine alive.
            let interp = unsafe { &*engine }.interp();
            // SAFETY: as above.
            unsafe { interp.frames(ctx, &mut visit) };
            let rest = limit - origin.len();
            origin.extend(compiled.take(rest).map(|frame| RawFrame::Compiled(frame.pc, false)));
        }
        self.exceptions.origin = origin;
    }

    /// What [`Store::note_origin`] noted.
    pub(crate) fn origin(&mut self) -> Vec<FrameInfo> {
        let origin = std::mem::take(&mut self.exceptions.origin);
        let frames = origin.iter().filter_map(|frame| self.resolve_frame(*frame)).collect();
        self.exceptions.origin = origin;
        frames
    }

    /// Takes the pending exception out of the guest.
    pub(crate) fn take_exception(&mut self) -> Option<Exception> {
        let exn = std::mem::replace(&mut self.ctx().exception, std::ptr::null_mut());
        NonNull::new(exn)?;
        // SAFETY: a pending exception is live.
        Some(unsafe { self.exception(exn as Slot) })
    }

    /// A copy of an exception for the host. Exceptions that it refers to stay.
    ///
    /// # Safety
    /// `exn` must be an exception of this store.
    pub unsafe fn exception(&mut self, exn: Slot) -> Exception {
        let exn = exn as *mut Exn;
        // SAFETY: the caller's promise.
        let header = unsafe { &*exn };
        let payload = Exn::payload(exn);
        // SAFETY: as above: it has so many slots.
        let payload: Box<[Slot]> =
            unsafe { std::slice::from_raw_parts(payload, header.len as usize) }.into();
        let known: HashSet<Slot> =
            self.exceptions.objects.iter().map(|words| words.as_ptr() as Slot).collect();
        for slot in payload.iter().filter(|slot| known.contains(slot)) {
            // SAFETY: one of this store's exceptions.
            unsafe { pin(*slot) };
        }
        let tag = NonNull::new(header.tag.cast_mut().cast()).expect("exceptions have a tag");
        self.host_exception(tag, payload)
    }

    /// An exception made by the host. The tag must be of this store, the payload of its type.
    pub fn host_exception(&self, tag: NonNull<Tag>, payload: Box<[Slot]>) -> Exception {
        // SAFETY: tags live as long as their store.
        let Tag { type_id, origin } = unsafe { tag.as_ref() };
        let ty = self.engine.type_info(*type_id);
        let mut payload = payload;
        for at in object_slots(&self.engine, &ty) {
            payload[at] = self.hold(payload[at]);
        }
        Exception { tag, ty, payload, store: self.id(), origin: origin.clone() }
    }

    /// The payload of an exception, as it would lie in slots now.
    pub fn exception_payload(&self, exception: &Exception) -> Box<[Slot]> {
        let mut payload = exception.payload.clone();
        for at in object_slots(&self.engine, &exception.ty) {
            payload[at] = self.held(payload[at]);
        }
        payload
    }

    /// Visits the references to objects in all exceptions.
    pub(crate) fn exception_roots(&mut self, visit: &mut dyn FnMut(*mut Slot)) {
        for words in &mut self.exceptions.objects {
            let at = object(words);
            // SAFETY: objects begin with a header.
            let tag: *const Tag = unsafe { (*at).tag }.cast();
            // SAFETY: tags live as long as their store.
            let ty = self.engine.type_info(unsafe { (*tag).type_id });
            for slot in object_slots(&self.engine, &ty) {
                visit(Exn::payload(at).wrapping_add(slot));
            }
        }
    }

    /// Frees exceptions to which nothing can refer: every word where a reference may be is taken for one.
    fn sweep(&mut self) {
        let mut marks = Marks { found: HashSet::new(), work: Vec::new() };
        for words in &mut self.exceptions.objects {
            let at = object(words);
            marks.found.insert(at as Slot);
            // SAFETY: objects begin with a header.
            if unsafe { (*at).pinned } != 0 {
                marks.word(at as Slot);
            }
        }
        self.scan_roots(&mut marks);
        while let Some(at) = marks.work.pop() {
            let exn = at as *mut Exn;
            // SAFETY: only addresses of objects are put there.
            let len = unsafe { (*exn).len } as usize;
            // SAFETY: as above.
            unsafe { marks.words(Exn::payload(exn), len) };
        }
        let unmarked = marks.found;
        let exceptions = &mut self.exceptions;
        exceptions.objects.retain(|words| !unmarked.contains(&(words.as_ptr() as Slot)));
        exceptions.bytes = exceptions.objects.iter().map(|words| size_of_val(&**words)).sum();
        exceptions.sweep_at = (exceptions.bytes * 2).clamp(SWEEP_MIN, MAX_BYTES);
    }

    #[inline(never)]
    fn scan_roots(&mut self, marks: &mut Marks) {
        if let Some(stack) = &self.stack {
            let sp = stack_pointer().next_multiple_of(size_of::<Slot>());
            let words = (stack.native_top() as usize).saturating_sub(sp) / size_of::<Slot>();
            let (base, value_sp) = (stack.value_base().cast::<Slot>(), self.ctx_ref().value_sp);
            // SAFETY: the native stack from the stack pointer on is in use. What guest code kept in registers, thunks have pushed.
            unsafe { marks.words(sp as *const Slot, words) };
            let used = (value_sp as usize).saturating_sub(base as usize) / size_of::<Slot>();
            // SAFETY: the value stack is mapped and initialized.
            unsafe { marks.words(base, used) };
        }
        let heap = self.gc.heap.as_deref();
        heap.into_iter().flat_map(|heap| heap.native_pointers()).for_each(|&word| marks.word(word));
        for cell in &self.globals {
            cell.0.iter().for_each(|&word| marks.word(word));
        }
        for instance in &self.instances {
            let (at, words) = instance.words();
            // SAFETY: a vmctx is initialized memory; guest code is suspended.
            unsafe { marks.words(at, words) };
        }
        for table in &self.tables {
            table.words().iter().for_each(|&word| marks.word(word));
        }
    }
}

/// Marks an exception that the host refers to.
///
/// # Safety
/// `exn` must be an exception of a live store whose guest code is not running.
pub unsafe fn pin(exn: Slot) {
    // SAFETY: the caller's promise.
    unsafe { (*(exn as *mut Exn)).pinned = 1 };
}

/// Objects not reached so far, and reached ones whose payload was not looked at.
struct Marks {
    found: HashSet<Slot>,
    work: Vec<Slot>,
}

impl Marks {
    fn word(&mut self, word: Slot) {
        if self.found.remove(&word) {
            self.work.push(word);
        }
    }

    /// # Safety
    /// The words must be readable.
    unsafe fn words(&mut self, at: *const Slot, count: usize) {
        for i in 0..count {
            // SAFETY: the caller's promise.
            let word = unsafe { at.wrapping_add(i).read_volatile() };
            self.word(word);
        }
    }
}
