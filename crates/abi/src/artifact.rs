//! Owns what a compiler produces: machine code, relocations, and the site table that every consumer of code reads.
//! Does not own its storage or linking (runtime) nor how it is made (tiers).

use sterna_base::FuncIndex;
use sterna_isa::{TrapCode, ValType};

/// How the functions of a module call each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convention {
    /// The module has neither tail calls nor handlers of exceptions: bodies follow the **reg** convention.
    Reg,
    /// The module has some: bodies follow the **tail** convention, `FuncEntry::reg` is an adapter's stub.
    Tail,
}

/// Machine code of one function or adapter, position independent up to its relocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionCode {
    /// The instructions and constants, to be placed 32-byte aligned.
    pub bytes: Vec<u8>,
    /// Places to patch when the code is linked.
    pub relocs: Vec<CodeReloc>,
    /// The site table.
    pub sites: Sites,
}

/// One place to patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeReloc {
    /// Byte offset in [`FunctionCode::bytes`].
    pub offset: u32,
    /// What to write.
    pub kind: RelocKind,
    /// The function of the same module to call, in the module's [`Convention`].
    pub target: FuncIndex,
    /// Added to the target address.
    pub addend: i64,
}

/// How an address is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelocKind {
    /// 32-bit displacement relative to its own address (x86-64 `call`/`jmp rel32`).
    PcRel32,
    /// 26-bit word displacement (AArch64 `bl`/`b`).
    Arm64Branch26,
    /// Absolute 64-bit address.
    Abs64,
}

/// The site table of one function: machine pc → wasm offset, trap code, values. All offsets in bytes from the start of the
/// function's code; lists sorted by offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sites {
    /// Instructions that fault to raise a trap.
    pub traps: Vec<TrapSite>,
    /// Return addresses of calls.
    pub calls: Vec<CallSite>,
    /// Value locations, referred to by [`CallSite::state`].
    pub states: Vec<FrameState>,
    /// Places of references to objects, referred to by [`CallSite::roots`]: bytes relative to the frame pointer.
    pub roots: Vec<Box<[i32]>>,
    /// Calls that exceptions do not pass.
    pub landings: Vec<LandingSite>,
    /// Where the prologue saved the caller's callee-saved registers.
    pub saved: Vec<SavedReg>,
    /// Positions in inlined functions, referred to by positions of sites, callers before callees.
    pub inlined: Vec<InlinedSite>,
}

/// Set in a position that is an index into [`Sites::inlined`]. A position without it is the byte offset in the module of an
/// operator of the compiled function itself; compilers leave functions beyond the first 2 GiB alone.
pub const INLINED: u32 = 1 << 31;

/// A position in a function that was inlined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InlinedSite {
    /// The function.
    pub func: FuncIndex,
    /// Byte offset of the operator in the module.
    pub wasm: u32,
    /// Position of its call: in the compiled function, or an earlier element.
    pub caller: u32,
}

/// An instruction that may fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSite {
    /// Address of the faulting instruction.
    pub code: u32,
    /// Position of the operator: its byte offset in the module, or see [`INLINED`].
    pub wasm: u32,
    /// The trap it stands for.
    pub trap: TrapCode,
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// The return address.
    pub code: u32,
    /// Position of the operator: its byte offset in the module, or see [`INLINED`].
    pub wasm: u32,
    /// Index into [`Sites::states`] if the code was compiled with state capture. In an inlined function it is that function's state;
    /// its caller's follows, and so on outwards.
    pub state: Option<u32>,
    /// Index into [`Sites::roots`] if the frame holds references to objects while the call is pending. Each is in 8 bytes.
    pub roots: Option<u32>,
}

/// A call with a landing pad: where control goes with every exception that the callee throws, its address in the first register of a
/// result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LandingSite {
    /// The return address.
    pub code: u32,
    /// The landing pad.
    pub pad: u32,
    /// Bytes from the frame's stack pointer to its frame pointer.
    pub below: u32,
}

/// The wasm-level state of a frame at a call: all locals, then the operand stack below the call's arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameState {
    /// How many of [`FrameState::values`] are locals.
    pub locals: u32,
    /// Type and place of each value.
    pub values: Vec<(ValType, ValuePlace)>,
    /// How the frame can be left at this call, if it can. Of functions that are inlined, `None`: the frame is their caller's.
    pub leave: Option<Leave>,
}

/// What it takes to replace a frame by another one that does the rest of its work and returns in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {
    /// The function's vmctx.
    pub vmctx: ValuePlace,
    /// The address where the caller expects results: those beyond registers, or, of code that begins at a loop, all. If there is
    /// none, any constant.
    pub results: ValuePlace,
    /// Where the pending call leaves what results it has beyond registers: the first of them. If there are none, any place.
    pub area: ValuePlace,
}

/// Where a live value is while its frame is suspended in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValuePlace {
    /// Bytes relative to the frame pointer (negative: below it).
    Frame(i32),
    /// In a callee-saved register: its hardware number.
    Register(u8),
    /// A constant, low bits first.
    Const(u128),
}

/// A callee-saved register stored by a prologue, in 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedReg {
    /// Hardware number; of a vector register, whose low half is preserved, [`SavedReg::VECTORS`] is added.
    pub register: u8,
    /// Bytes relative to the frame pointer.
    pub offset: i32,
}

impl SavedReg {
    /// The number of the first vector register.
    pub const VECTORS: u8 = 32;
}
