//! Owns the walk over compiled frames, innermost first, through any number of entries and exits.
//! Does not interpret a frame: it yields addresses, with the registers that are known where a segment was left.

use std::marker::PhantomData;

use super::{Activation, ENTRY_FP, EntryFrame};
use crate::arch::{AllRegs, CalleeSaved};

/// Tag in [`Activation::exit_regs`]: `exit_pc` is a trapping instruction, not a return address.
pub(crate) const TAG_EXACT: usize = 1;
/// Tag in [`Activation::exit_regs`]: all registers were saved, as the [`AllRegs`] that the callee-saved ones end.
pub const TAG_ALL: usize = 2;
const TAGS: usize = TAG_EXACT | TAG_ALL;

/// The registers of the innermost frame of a segment, as the thunk or trap that left it saved them.
#[derive(Clone, Copy, Debug)]
pub struct SavedRegs<'a> {
    tagged: usize,
    frames: PhantomData<&'a Activation>,
}

impl<'a> SavedRegs<'a> {
    /// The registers a C function preserves. The frame pointer is [`CompiledFrame::fp`].
    pub fn callee_saved(&self) -> &'a CalleeSaved {
        // SAFETY: `CompiledFrames::new` was promised that the exit is live: the thunk's pushed registers are still there.
        unsafe { &*((self.tagged & !TAGS) as *const CalleeSaved) }
    }

    /// All registers, if the segment was left by a trap or a `preserve_all_thunk!`.
    pub fn all(&self) -> Option<&'a AllRegs> {
        if self.tagged & TAG_ALL == 0 {
            return None;
        }
        let start = (self.tagged & !TAGS) - std::mem::offset_of!(AllRegs, saved);
        // SAFETY: the tag says that the callee-saved registers are the last field of an `AllRegs` on the live stack.
        Some(unsafe { &*(start as *const AllRegs) })
    }
}

/// One compiled frame.
#[derive(Clone, Copy, Debug)]
pub struct CompiledFrame<'a> {
    /// Return address into the function, or the trapping instruction if `exact`.
    pub pc: usize,
    /// Frame pointer of the function: `[fp]` is the caller's, `[fp + 8]` the return address into the caller.
    pub fp: usize,
    /// `pc` is the instruction itself rather than the one after a call.
    pub exact: bool,
    /// Address of the [`EntryFrame`] below this frame's segment: equal for the frames of one segment.
    pub entry: usize,
    /// On the innermost frame of each segment: its registers.
    pub regs: Option<SavedRegs<'a>>,
    /// On the others: where the callee keeps `pc`.
    pub return_slot: Option<*mut usize>,
}

/// Iterates over the live compiled frames of an activation, innermost first.
#[derive(Clone, Debug)]
pub struct CompiledFrames<'a> {
    pc: usize,
    fp: usize,
    regs: usize,
    first: bool,
    return_slot: *mut usize,
    entry_sp: usize,
    activation: &'a Activation,
}

impl<'a> CompiledFrames<'a> {
    /// Starts where compiled code was last left: at the call of the running thunk, or at the trap the hook is handling.
    ///
    /// # Safety
    /// The activation's compiled code must be suspended for `'a` (the caller runs, directly or not, in the body of a thunk or in the
    /// trap hook; or nothing is entered), and every compiled frame must keep the frame pointer chain.
    pub unsafe fn new(activation: &'a Activation) -> CompiledFrames<'a> {
        CompiledFrames {
            pc: activation.exit_pc,
            fp: activation.exit_fp,
            regs: activation.exit_regs,
            first: true,
            return_slot: std::ptr::null_mut(),
            entry_sp: activation.entry_sp,
            activation,
        }
    }

    /// Continues with the segment below the current one.
    fn leave_segment(&mut self) {
        // SAFETY: `entry_sp` is nonzero and was set by `enter_compiled`, whose frame is live while code above it is.
        let entry = unsafe { &*(self.entry_sp as *const EntryFrame) };
        self.pc = entry.exit_pc;
        self.fp = entry.exit_fp;
        self.regs = entry.exit_regs;
        self.first = true;
        self.entry_sp = entry.entry_sp;
    }
}

impl<'a> Iterator for CompiledFrames<'a> {
    type Item = CompiledFrame<'a>;

    fn next(&mut self) -> Option<CompiledFrame<'a>> {
        // A segment is empty when a thunk itself was entered as code.
        while self.entry_sp != 0 && self.fp == self.entry_sp + ENTRY_FP {
            self.leave_segment();
        }
        if self.entry_sp == 0 {
            return None;
        }
        let frame = CompiledFrame {
            pc: self.pc,
            fp: self.fp,
            exact: self.first && self.regs & TAG_EXACT != 0,
            entry: self.entry_sp,
            regs: self.first.then_some(SavedRegs { tagged: self.regs, frames: PhantomData }),
            return_slot: (!self.first).then_some(self.return_slot),
        };
        self.first = false;
        self.return_slot = (self.fp as *mut usize).wrapping_add(1);
        // SAFETY: compiled frames keep the frame pointer chain, and the chain has not reached the entry yet.
        let link = unsafe { &*(self.fp as *const [usize; 2]) };
        self.fp = link[0];
        self.pc = self.activation.detours.resolve(link[0], link[1]);
        Some(frame)
    }
}
