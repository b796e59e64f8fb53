//! Owns what the driver knows of a machine: registers by role, operands of instructions, the instructions that it emits itself.
//! Does not own how a machine carries out operators: each one's folder does.
//!
//! The driver speaks the language of a machine with two operands and memory operands everywhere; a machine that has none puts such an instruction together
//! from several, with a register that belongs to its assembler alone.

use std::fmt::Debug;

use sterna_abi::{Convention, RelocKind};
use sterna_isa::{MemType, Op};
use sterna_module::{Imm, MemArg};

use crate::driver::values::Val;
use crate::driver::{Done, Gen};
use crate::signature::Registers;
use crate::stack::{Cond, Ty};

/// A general-purpose register by its hardware number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gpr(pub u8);

/// A vector register by its hardware number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Vreg(pub u8);

/// A memory operand: `base + (index << scale) + disp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mem {
    pub base: Gpr,
    pub index: Option<Gpr>,
    /// log2 of the factor.
    pub scale: u8,
    pub disp: i32,
}

impl Mem {
    pub fn new(base: Gpr, disp: i32) -> Mem {
        Mem { base, index: None, scale: 0, disp }
    }

    pub fn indexed(base: Gpr, index: Gpr, scale: u8, disp: i32) -> Mem {
        Mem { base, index: Some(index), scale, disp }
    }

    pub fn plus(self, disp: i32) -> Mem {
        Mem { disp: self.disp + disp, ..self }
    }
}

/// A register or memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rm {
    Reg(Gpr),
    Mem(Mem),
}

/// Operand width of an integer instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum W {
    W32,
    W64,
}
pub(crate) use W::{W32, W64};

/// Two-operand arithmetic, by the numbers of x86.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Alu {
    Add = 0,
    Or = 1,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts, by the numbers of x86.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Shift {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// A condition, by the numbers of x86: an odd one is the opposite of the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Cc {
    O = 0,
    No = 1,
    B = 2,
    Ae = 3,
    E = 4,
    Ne = 5,
    Be = 6,
    A = 7,
    S = 8,
    Ns = 9,
    P = 10,
    Np = 11,
    L = 12,
    Ge = 13,
    Le = 14,
    G = 15,
}

impl Cc {
    /// True exactly when this one is false.
    pub fn inverted(self) -> Cc {
        const ALL: [Cc; 16] = [
            Cc::O,
            Cc::No,
            Cc::B,
            Cc::Ae,
            Cc::E,
            Cc::Ne,
            Cc::Be,
            Cc::A,
            Cc::S,
            Cc::Ns,
            Cc::P,
            Cc::Np,
            Cc::L,
            Cc::Ge,
            Cc::Le,
            Cc::G,
        ];
        ALL[self as usize ^ 1]
    }

    /// The condition after the operands of the comparison were exchanged.
    pub fn swapped(self) -> Cc {
        match self {
            Cc::B => Cc::A,
            Cc::A => Cc::B,
            Cc::Ae => Cc::Be,
            Cc::Be => Cc::Ae,
            Cc::L => Cc::G,
            Cc::G => Cc::L,
            Cc::Le => Cc::Ge,
            Cc::Ge => Cc::Le,
            other => other,
        }
    }
}

/// A place in the code that jumps lead to, before or after it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Label {
    /// Where it is, if bound; else where the last jump says where the one before it is, or `u32::MAX`.
    pub at: u32,
    pub bound: bool,
}

impl Label {
    pub const NEW: Label = Label { at: u32::MAX, bound: false };

    /// Whether its place is known.
    pub fn is_bound(&self) -> bool {
        self.bound
    }

    /// Whether anything jumps here, not being bound.
    pub fn is_used(&self) -> bool {
        self.at != u32::MAX
    }
}

/// A short forward jump to be bound by [`Assembler::bind_short`]: where it is.
#[derive(Clone, Copy)]
#[must_use]
pub(crate) struct Short(pub u32);

/// The code of a function as it grows, and the instructions that the driver knows.
///
/// Unless one says otherwise, it may change the flags. An instruction on 32 bits clears the upper half of its destination.
pub(crate) trait Assembler: Default {
    /// Begins the code of a function. If `far`, conditional jumps reach as far as others, where that costs something.
    fn begin(&mut self, far: bool);

    /// Bytes so far.
    fn pos(&self) -> u32;

    fn code(&self) -> &[u8];

    /// Whether all jumps reach where they lead: else the code must not be used.
    fn is_linked(&self) -> bool {
        true
    }

    /// Makes room for `count` bytes and one instruction.
    fn ensure(&mut self, count: usize);

    // ------------------------------------------------------------------------------------------ jumps and calls

    /// Makes a label the current place.
    fn bind(&mut self, label: &mut Label);

    fn jmp(&mut self, label: &mut Label);

    fn jcc(&mut self, cc: Cc, label: &mut Label);

    /// Jumps if any condition holds.
    fn jump_if(&mut self, cond: Cond, label: &mut Label);

    /// A conditional jump over a few instructions.
    fn jcc_short(&mut self, cc: Cc) -> Short;

    fn bind_short(&mut self, short: Short);

    /// Jumps to the label at an index in the table that follows. Changes the index and the driver's free register.
    fn jump_by_table(&mut self, index: Gpr);

    /// An entry of the table.
    fn table_entry(&mut self, label: &mut Label);

    /// A call of a function that linking finds; where its relocation is.
    fn call_func(&mut self) -> u32;

    /// A jump to one.
    fn jmp_func(&mut self) -> u32;

    fn call_label(&mut self, label: &mut Label);

    fn call_rm(&mut self, rm: Rm);

    fn jmp_rm(&mut self, rm: Rm);

    /// Stops; a trap in signal mode.
    fn stop(&mut self);

    // ------------------------------------------------------------------------------------------ frames

    /// Begins a frame of `size` bytes, a multiple of 16, below the frame pointer.
    fn enter(&mut self, size: u32);

    /// The same with a size to be filled in; where.
    fn enter_unknown(&mut self) -> u32;

    fn set_frame_size(&mut self, at: u32, size: u32);

    /// Goes back to the caller's frame.
    fn leave(&mut self);

    /// Returns, with so many bytes of arguments removed from the stack.
    fn ret(&mut self, pop: u32);

    /// Lowers the stack pointer.
    fn lower_stack(&mut self, bytes: u32);

    /// Loads the frame record, before arguments are written over it; into the driver's free register and one of the machine's choice, which holds no argument.
    fn take_record(&mut self);

    /// After that: goes back to the caller's frame, `up` bytes above the end of this one, for a tail call.
    fn leave_moved(&mut self, up: i32);

    /// Keeps registers on the stack, which stays aligned; how many bytes that takes.
    fn push_all(&mut self, registers: &[Gpr]) -> i32;

    fn pop_all(&mut self, registers: &[Gpr]);

    fn push(&mut self, reg: Gpr);

    fn pop(&mut self, reg: Gpr);

    // ------------------------------------------------------------------------------------------ integers

    /// Leaves the flags.
    fn mov(&mut self, w: W, dst: Gpr, src: Gpr);

    /// Leaves the flags.
    fn mov_i(&mut self, dst: Gpr, value: u64);

    /// Leaves the flags.
    fn load(&mut self, w: W, dst: Gpr, src: Mem);

    /// A move unless it would be to itself.
    fn mov_other(&mut self, dst: Gpr, src: Gpr) {
        if dst != src {
            self.mov(W64, dst, src);
        }
    }

    /// An operand that the next instruction, a load or store of so many bytes, or an instruction with an operand in memory, can use
    /// without any before it.
    fn direct(&mut self, mem: Mem, bytes: u32) -> Mem;

    /// Whether [`Assembler::store_i`] stores these bits in one instruction.
    fn is_stored(bytes: u32, bits: u64) -> bool;

    /// Loads an integer in memory, extended to a width. Leaves the flags.
    fn load_as(&mut self, ty: MemType, w: W, dst: Gpr, src: Mem);

    /// Leaves the flags.
    fn store(&mut self, w: W, dst: Mem, src: Gpr);

    /// Stores the low byte.
    fn store8(&mut self, dst: Mem, src: Gpr);

    /// Stores the low two bytes.
    fn store16(&mut self, dst: Mem, src: Gpr);

    /// Stores an immediate of 1, 2, 4 bytes, or 8 sign-extended. Leaves the flags.
    fn store_i(&mut self, bytes: u32, dst: Mem, imm: i32);

    /// Leaves the flags.
    fn lea(&mut self, w: W, dst: Gpr, mem: Mem);

    /// Sets the flags, but of [`Alu::Or`] and [`Alu::Xor`] not everywhere.
    fn alu(&mut self, op: Alu, w: W, dst: Gpr, src: Rm);

    /// The same with an immediate. To memory, only small numbers are added.
    fn alu_i(&mut self, op: Alu, w: W, dst: Rm, imm: i32);

    /// Compares a byte in memory.
    fn cmp8_i(&mut self, mem: Mem, imm: u8);

    /// Compares with zero.
    fn compare_zero(&mut self, w: W, reg: Gpr);

    /// Sets the flags to those of `a & b`: whether it is zero, or negative.
    fn test(&mut self, w: W, a: Gpr, b: Gpr);

    fn test_i(&mut self, w: W, a: Rm, imm: i32);

    fn shift_i(&mut self, op: Shift, w: W, dst: Gpr, by: u8);

    /// Multiplies 64 bits by a constant.
    fn multiply(&mut self, dst: Gpr, by: i32);

    /// Moves if a condition holds.
    fn cmov(&mut self, cc: Cc, w: W, dst: Gpr, src: Rm);

    /// 1 if a condition holds, else 0.
    fn set_bool(&mut self, cond: Cond, dst: Gpr);

    // ------------------------------------------------------------------------------------------ vectors

    /// A whole register.
    fn mov_v(&mut self, dst: Vreg, src: Vreg);

    fn zero_v(&mut self, dst: Vreg);

    /// Loads 4, 8 or 16 bytes, the rest becomes zero. Leaves the flags.
    fn load_v(&mut self, bytes: u32, dst: Vreg, src: Mem);

    /// Stores 4, 8 or 16 bytes. Leaves the flags.
    fn store_v(&mut self, bytes: u32, dst: Mem, src: Vreg);

    /// The bits of a float that is not zero. Leaves the flags.
    fn const_v(&mut self, w: W, dst: Vreg, bits: u64);

    /// Bits of a vector register to an integer register.
    fn mov_from_v(&mut self, w: W, dst: Gpr, src: Vreg);
}

/// A machine that the tier compiles for.
pub(crate) trait Machine: Copy + Default + 'static {
    type Asm: Assembler;
    /// What its processors may have beyond the architecture's first version.
    type Cpu: Copy + Debug;

    /// Of the processor this runs on; `None` if it is another machine.
    fn native() -> Option<Self::Cpu>;

    /// The frame pointer, with the caller's at its place and the return address behind.
    const FP: Gpr;
    const SP: Gpr;
    const VMCTX: Gpr;
    /// The base of memory 0, or else of the heap.
    const MEMORY: Gpr;
    /// Free in every step.
    const TEMP: Gpr;
    const TEMP_V: Vreg;
    /// Results of builtins, exceptions at landing pads, and, in either bank, what branches carry.
    const RESULT: Gpr;
    /// Addresses of functions to be called: holds no argument.
    const CALLEE: Gpr;
    /// Another register that holds neither arguments nor results.
    const SPARE: Gpr;
    /// Parameters of C functions.
    const C_PARAMS: &'static [Gpr];
    /// Registers that may hold operands, by bank.
    const OPERANDS: [u32; 2];
    /// Registers for pinned locals: that calls preserve, that they do not, and of vectors, which they never preserve.
    const KEPT_PINS: &'static [Gpr];
    const LOST_PINS: &'static [Gpr];
    const VECTOR_PINS: &'static [Vreg];
    /// Registers of the caller that a function may have to save, below the frame pointer downwards: those of [`Machine::KEPT_PINS`], then that of the vmctx, then
    /// that of the memory.
    const SAVES: &'static [Gpr];
    /// How calls of functions are linked: what is added to the distance from the relocation's place.
    const CALL: (RelocKind, i64);
    /// The condition that an addition has carried.
    const CARRY: Cc;

    /// Where functions in a convention have parameters and results.
    fn registers(convention: Convention) -> Registers;

    /// Stores zeros in `count` slots of 8 bytes from an address on, with any register but those of pinned locals.
    fn zero_slots(asm: &mut Self::Asm, from: Mem, count: u32);

    // ------------------------------------------------------------------------------------------ operators

    /// One on integers with an integer result.
    fn integer(code: &mut Gen<'_, Self>, op: Op) -> Done;

    /// One on floats with a result of their type.
    fn float(code: &mut Gen<'_, Self>, op: Op) -> Done;

    fn float_compare(code: &mut Gen<'_, Self>, op: Op) -> Done;

    fn convert(code: &mut Gen<'_, Self>, op: Op) -> Done;

    /// One that has vectors among its operands or results.
    fn vector(code: &mut Gen<'_, Self>, op: Op, imm: &Imm<'_>) -> Done;

    /// One on pairs of 64 bits.
    fn wide(code: &mut Gen<'_, Self>, op: Op);

    /// An atomic load, store, modification or exchange.
    fn atomic_access(code: &mut Gen<'_, Self>, op: Op, arg: &MemArg) -> Done;

    fn fence(asm: &mut Self::Asm);

    /// Replaces `dst` by `b`, which is no constant if it is an integer, unless a condition holds.
    fn select(code: &mut Gen<'_, Self>, ty: Ty, cond: Cond, dst: u8, b: Val);
}
