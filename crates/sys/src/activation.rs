//! Owns the contract between compiled code and Rust: the [`Activation`] record, entering compiled code, leaving it through
//! thunks, raising traps, walking compiled frames.
//! Does not own hardware traps (`signal`), nor what lies in a compiled frame: code artifacts describe that.
//!
//! How control crosses the border, outermost first:
//!
//! ```text
//! Rust ── enter_compiled ──► compiled code ── thunk ──► Rust body ── enter_compiled ──► compiled code ...
//!         pushes EntryFrame                   sets exit_*            saves exit_* in its EntryFrame
//! ```
//!
//! A *segment* is the run of compiled frames between one entry and the exit (or trap) above it. [`raise`] unwinds exactly one
//! segment: it cuts the stack back to the innermost `EntryFrame` and makes that `enter_compiled` return the trap code; or, if
//! [`Activation::landing`] is set, back to that frame of the segment. Rust
//! frames are never unwound: a body that wants to trap sets [`Activation::trap`] and returns, its thunk raises.

use std::mem::offset_of;

mod detour;
mod frames;
mod stub;

pub use crate::arch::{AllRegs, CalleeSaved, enter_compiled, raise, stack_pointer};
pub use crate::{exit_thunk, preserve_all_thunk, raise_thunk, return_thunk};
pub use detour::{Detours, ReturnRegs};
#[doc(hidden)]
pub use frames::TAG_ALL;
pub(crate) use frames::TAG_EXACT;
pub use frames::{CompiledFrame, CompiledFrames, SavedRegs};
pub(crate) use stub::Writer;
pub use stub::{STUB_SIZE, StubConvention, write_entry_stub, write_lazy_stub};

/// Links between the compiled code and the Rust code of one store. The first field of the per-store context: *the first
/// word of every vmctx points to it*.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Activation {
    /// Address of the innermost live [`EntryFrame`]; 0 = no compiled code is entered.
    pub entry_sp: usize,
    /// Compiled prologues compare the stack pointer with this: below it, the stack has overflowed.
    pub native_limit: usize,
    /// Frame pointer of the compiled frame that last left through a thunk (or trapped).
    pub exit_fp: usize,
    /// Return address into that frame (or the address of the instruction that trapped).
    pub exit_pc: usize,
    /// Where that thunk pushed registers, tagged: see [`SavedRegs`].
    pub exit_regs: usize,
    /// 0 = none, else the code of a pending trap. Whoever sets it returns to a thunk, which raises; taken by [`raise`].
    pub trap: u32,
    /// If its `pc` is not 0: where [`raise`] is to go on instead of at the innermost entry. `trap` must be set too.
    pub landing: Landing,
    /// Address of the instruction that last trapped in hardware.
    pub trap_pc: usize,
    /// Frame pointer at that instruction.
    pub trap_fp: usize,
    /// The address it failed to access, for memory faults.
    pub trap_addr: usize,
    /// Calls that do not return where they were made.
    pub detours: Detours,
}

/// A place in a compiled function at which a call can continue other than by returning: for exceptions. The function expects no
/// register to be preserved.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Landing {
    /// The instruction.
    pub pc: usize,
    /// Stack pointer of the frame, at its calls.
    pub sp: usize,
    /// Frame pointer of the frame.
    pub fp: usize,
    /// What the first register of a result gets.
    pub value: usize,
}

/// How a frame is replaced: the registers with which `code` is entered as if the frame's caller had called it in place of the frame's
/// function. See [`Landing::instead_of`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Departure {
    /// What the frame's caller expects to be preserved.
    pub saved: CalleeSaved,
    /// The first two integer arguments.
    pub arguments: [usize; 2],
    /// What is entered.
    pub code: usize,
}

impl Landing {
    /// The landing that replaces a frame, given its frame pointer.
    ///
    /// # Safety
    /// `fp` must be the frame pointer of a live compiled frame. The departure must stay where it is until the landing is taken.
    pub unsafe fn instead_of(fp: usize, departure: &Departure) -> Landing {
        let pc = crate::arch::depart as *const () as usize;
        // SAFETY: compiled frames begin with the frame pointer of their caller.
        let caller = unsafe { *(fp as *const usize) };
        let value = (&raw const *departure) as usize;
        Landing { pc, sp: fp + crate::arch::DEPART_SP, fp: caller, value }
    }
}

/// Offset of [`Activation::entry_sp`] in bytes.
pub const OFF_ENTRY_SP: usize = offset_of!(Activation, entry_sp);
/// Offset of [`Activation::native_limit`] in bytes.
pub const OFF_NATIVE_LIMIT: usize = offset_of!(Activation, native_limit);
/// Offset of [`Activation::exit_fp`] in bytes.
pub const OFF_EXIT_FP: usize = offset_of!(Activation, exit_fp);
/// Offset of [`Activation::exit_pc`] in bytes.
pub const OFF_EXIT_PC: usize = offset_of!(Activation, exit_pc);
/// Offset of [`Activation::exit_regs`] in bytes.
pub const OFF_EXIT_REGS: usize = offset_of!(Activation, exit_regs);
/// Offset of [`Activation::trap`] in bytes.
pub const OFF_TRAP: usize = offset_of!(Activation, trap);
/// Offset of [`Activation::landing`] in bytes.
pub const OFF_LANDING: usize = offset_of!(Activation, landing);

/// What [`enter_compiled`] leaves at [`Activation::entry_sp`], in the order of addresses: the links of the segment below
/// it, then what it must restore for its caller.
#[repr(C)]
#[derive(Debug)]
pub struct EntryFrame {
    /// The activation entered.
    pub activation: *mut Activation,
    /// [`Activation::entry_sp`] before.
    pub entry_sp: usize,
    /// [`Activation::exit_fp`] before: where the outer segment was left.
    pub exit_fp: usize,
    /// [`Activation::exit_pc`] before.
    pub exit_pc: usize,
    /// [`Activation::exit_regs`] before.
    pub exit_regs: usize,
    /// Registers of the caller.
    pub saved: CalleeSaved,
    /// Frame pointer of the caller. The outermost compiled frame's saved frame pointer is the address of this field.
    pub fp: usize,
    /// Where [`enter_compiled`] returns to.
    pub return_address: usize,
}

/// Offset of [`EntryFrame::fp`]: `entry_sp` plus this is the frame pointer that ends a segment's chain.
pub const ENTRY_FP: usize = offset_of!(EntryFrame, fp);

/// The part of an [`Activation`] that belongs to one thread of guest execution, kept here while that is suspended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// [`Activation::entry_sp`].
    pub entry_sp: usize,
    /// [`Activation::native_limit`].
    pub native_limit: usize,
    /// [`Activation::exit_fp`].
    pub exit_fp: usize,
    /// [`Activation::exit_pc`].
    pub exit_pc: usize,
    /// [`Activation::exit_regs`].
    pub exit_regs: usize,
}

impl Activation {
    /// An activation in which nothing is entered and no stack limit is set.
    pub const fn new() -> Activation {
        Activation {
            entry_sp: 0,
            native_limit: 0,
            exit_fp: 0,
            exit_pc: 0,
            exit_regs: 0,
            trap: 0,
            landing: Landing { pc: 0, sp: 0, fp: 0, value: 0 },
            trap_pc: 0,
            trap_fp: 0,
            trap_addr: 0,
            detours: Detours::new(),
        }
    }

    /// Exchanges the links with `other`'s: call it right before resuming a stack (with that stack's links) and right after it has
    /// suspended. A new stack starts with [`Links::default`] and its own limit.
    pub fn swap_links(&mut self, other: &mut Links) {
        let own = Links {
            entry_sp: self.entry_sp,
            native_limit: self.native_limit,
            exit_fp: self.exit_fp,
            exit_pc: self.exit_pc,
            exit_regs: self.exit_regs,
        };
        self.entry_sp = other.entry_sp;
        self.native_limit = other.native_limit;
        self.exit_fp = other.exit_fp;
        self.exit_pc = other.exit_pc;
        self.exit_regs = other.exit_regs;
        *other = own;
    }
}
