//! Owns calls that return elsewhere: a frame's pending call can be made to return to a stub, which has the frame replaced.
//! Does not decide what takes its place.
//!
//! The return address lies in the frame of the callee, which may hand it on by a tail call, so what it was is kept by the frame pointer of the
//! frame it belongs to. Walks over frames look it up and never see the stub.

use std::collections::BTreeMap;

use crate::arch;

/// The calls of a store's compiled frames that return to a stub.
#[derive(Debug, Default)]
pub struct Detours {
    /// The stub's address; 0 as long as there is no detour.
    stub: usize,
    /// Return addresses by frame pointer. Some are of frames that have gone, by a trap or an exception.
    calls: BTreeMap<usize, usize>,
}

/// What a call has left in registers when it returns to a stub, as the stub saved it.
#[repr(C)]
#[derive(Debug)]
pub struct ReturnRegs {
    /// The first two vector registers of results, low halves first.
    pub vectors: [[u64; 2]; 2],
    /// The registers of integer results: the first two in the C convention, then those in the tail convention.
    pub integers: [u64; 4],
    /// The registers of the frame.
    pub saved: arch::CalleeSaved,
    /// Where the stub is to go on if the frame is not replaced.
    pub pc: usize,
}

impl Detours {
    /// No detours.
    pub const fn new() -> Detours {
        Detours { stub: 0, calls: BTreeMap::new() }
    }

    /// Makes a pending call return to `stub`, made by `return_thunk!`, always the same. `fp` and `pc` are those of the frame that called, `slot` is where the
    /// callee keeps its return address.
    ///
    /// # Safety
    /// The frame must be live and suspended, and described truly: [`super::CompiledFrame`].
    pub unsafe fn add(&mut self, fp: usize, pc: usize, slot: *mut usize, stub: usize) {
        self.stub = stub;
        self.calls.insert(fp, pc);
        // SAFETY: the caller describes a live frame: this is the return address of its callee.
        unsafe { slot.write(stub) };
    }

    /// The detour of a frame has been taken: where the call would have returned to.
    pub fn take(&mut self, fp: usize) -> Option<usize> {
        self.calls.remove(&fp)
    }

    /// Forgets those of frames that have gone: all below the innermost live one.
    pub fn forget_below(&mut self, innermost: usize) {
        self.calls = self.calls.split_off(&innermost);
    }

    /// The return address of a call out of a frame, given what was found as such.
    pub(super) fn resolve(&self, fp: usize, pc: usize) -> usize {
        if pc != self.stub || self.stub == 0 {
            return pc;
        }
        self.calls.get(&fp).copied().unwrap_or(pc)
    }
}
