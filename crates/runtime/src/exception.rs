//! Owns throwing exceptions, where a throw came from, and handing exceptions to the host and back.
//! Does not own the objects (`gc::exceptions`) nor the search for handlers (the interpreter's frames: `interp`; compiled ones: `landing`).

use std::ptr::NonNull;
use std::sync::Arc;

use sterna_abi::{InterpFrame, Slot, StoreCtx};
use sterna_gc::{Owned, Ref};
use sterna_isa::TrapCode;
use sterna_sys::activation::CompiledFrames;

use crate::code::trap_word;
use crate::store::Store;
use crate::tag::{Tag, TagOrigin};
use crate::trap::FrameInfo;
use crate::types::TypeInfo;

/// An exception that the host holds.
#[derive(Clone)]
pub struct Exception {
    /// The tag.
    pub tag: NonNull<Tag>,
    /// The type of the tag.
    pub ty: Arc<TypeInfo>,
    /// The payload as parameters of that type lie in slots. References in it are only good for telling null: see
    /// [`Store::exception_payload`].
    pub numbers: Box<[Slot]>,
    /// The store's number.
    pub store: u64,
    /// The object.
    object: Owned,
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

/// The last throw of a store.
#[derive(Default)]
pub(crate) struct LastThrow {
    /// The exception, until the outermost call ends.
    pub(crate) exn: Slot,
    /// Where it was thrown first.
    origin: Vec<RawFrame>,
}

impl Store {
    /// Throws an exception, or traps if it is null: the guest code that called must look for a handler.
    pub(crate) fn throw(&mut self, exn: Slot) {
        if exn == 0 {
            return self.set_trap(TrapCode::NullExceptionReference, None);
        }
        if self.last_throw.exn != exn {
            self.note_origin();
            self.last_throw.exn = exn;
            self.pending = None;
        }
        let ctx = self.ctx();
        ctx.exception = exn;
        ctx.activation.trap = trap_word(TrapCode::UncaughtException);
    }

    /// Notes where the guest is, as cheaply as can be: mostly nobody asks.
    fn note_origin(&mut self) {
        let limit = self.engine.settings().backtrace_frames;
        let mut origin = std::mem::take(&mut self.last_throw.origin);
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
        self.last_throw.origin = origin;
    }

    /// What [`Store::note_origin`] noted.
    pub(crate) fn origin(&mut self) -> Vec<FrameInfo> {
        let origin = std::mem::take(&mut self.last_throw.origin);
        let limit = self.engine.settings().backtrace_frames;
        let frames = self.resolve_frames(&origin, limit);
        self.last_throw.origin = origin;
        frames
    }

    /// Takes the pending exception out of the guest.
    pub(crate) fn take_exception(&mut self) -> Option<Exception> {
        let exn = std::mem::take(&mut self.ctx().exception);
        (exn != 0).then(|| self.exception(exn))
    }

    /// An exception of this store, for the host.
    ///
    /// # Panics
    /// When the host holds 2^32 objects.
    pub fn exception(&mut self, exn: Slot) -> Exception {
        let exn = Ref::from_bits(exn as u32);
        let tag = self.tag_of(exn);
        let (ty, origin, tag) = (tag.ty.clone(), tag.origin.clone(), NonNull::from(tag));
        let mut numbers = vec![0; ty.func().param_slots()].into_boxed_slice();
        // SAFETY: there are as many slots as parameters take.
        unsafe { self.read_payload(exn, numbers.as_mut_ptr()) };
        let heap = self.gc.heap.as_mut().expect("an exception is in the heap");
        let object = heap.own(exn).expect("a host holds fewer than 2^32 objects");
        Exception { tag, ty, numbers, store: self.id(), object, origin }
    }

    /// An exception made by the host.
    ///
    /// # Errors
    /// When the heap is exhausted.
    ///
    /// # Safety
    /// The tag must be of this store, the payload of its type.
    pub unsafe fn host_exception(
        &mut self,
        tag: NonNull<Tag>,
        payload: &mut [Slot],
    ) -> Result<Exception, TrapCode> {
        // SAFETY: the caller's promise.
        let exn = unsafe { self.new_exception(tag, payload.as_mut_ptr()) }?;
        Ok(self.exception(exn.bits().into()))
    }

    /// The object of an exception that the host holds; `None` if it is of another store.
    pub(crate) fn exception_object(&self, exception: &Exception) -> Option<Slot> {
        let object = self.gc.heap.as_ref()?.owned(&exception.object)?;
        Some(object.bits().into())
    }

    /// The payload of an exception, as it would lie in slots now; `None` if the exception is of another store.
    pub fn exception_payload(&self, exception: &Exception) -> Option<Box<[Slot]>> {
        let exn = self.exception_object(exception)?;
        let mut payload = exception.numbers.clone();
        // SAFETY: there are as many slots as parameters take.
        unsafe { self.read_payload(Ref::from_bits(exn as u32), payload.as_mut_ptr()) };
        Some(payload)
    }
}
