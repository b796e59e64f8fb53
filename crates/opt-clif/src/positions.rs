//! Owns the way back from machine code to operators: positions of traps and calls, and what traps mean.
//! Does not own the sites that are made of them (`artifact`).
//!
//! Cranelift makes one machine instruction of several of its own: a load becomes an operand of an addition, a comparison, a store. The result
//! has the source location of the last of them and the trap code of the access. Both are chosen here, between Cranelift's optimizations and
//! its selection of instructions, such that they tell who traps ([`Positions::number`]):
//! 1. What can trap, and each call, is an *effect* and has a number, in the order of the layout. Source locations are these numbers; what has
//!    no effect has the number of the last effect before it.
//! 2. An access that can trap has a trap code out of a cycle. Cranelift moves a load down to the instruction that it becomes a part of only
//!    where nothing with an effect lies between. So a trap with such a code is that of the nearest effect with this code, from the source
//!    location upwards; a trap with another code is that of the effect at the source location.
//! 3. A store right behind a load of the same bytes cannot trap: the load would have. It has the load's code and number, for Cranelift makes
//!    one instruction of the two only if their flags are the same.
//!
//! Two optimizations would blur this, so [`Positions::prepare`] runs before them:
//! 4. A store that the next one overwrites is removed, and the next one traps in its place, unless their trap codes differ: so they do.
//! 5. A branch to a block that only traps becomes a conditional trap, with the location of the branch: that tells where the trap was.

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{self, Function, Inst, InstructionData, Opcode, SourceLoc};
use sterna_isa::TrapCode;

use crate::artifact::engine_trap;

/// The first of the trap codes that tell accesses apart. The others are traps themselves.
const FIRST_CODE: u8 = 32;

/// How many there are: Cranelift uses those above for itself.
const CODES: usize = 251 - FIRST_CODE as usize;

/// The traps of stores. Those of a kind have every second code.
const STORE_TRAPS: [TrapCode; 2] = [TrapCode::MemoryOutOfBounds, TrapCode::NullStructureReference];

/// Added to an index into [`Positions::branches`] it is the location of a branch. No operator has a position that large.
const BRANCH: u32 = 7 << 29;

/// What source locations and trap codes of a function stand for.
#[derive(Default)]
pub(crate) struct Positions {
    effects: Vec<Effect>,
    /// Where the traps are to which branches lead: if the condition is not zero, and if it is.
    branches: Vec<[SourceLoc; 2]>,
}

/// What can trap, or a call.
struct Effect {
    inst: Inst,
    /// Its operator.
    at: SourceLoc,
    /// The code that it has, as an access, and the trap that this means.
    access: Option<(ir::TrapCode, TrapCode)>,
}

impl Effect {
    fn position(&self) -> Option<u32> {
        (!self.at.is_default()).then(|| self.at.bits())
    }
}

impl Positions {
    /// Of a function that has been lowered and not been optimized.
    pub(crate) fn prepare(func: &mut Function) -> Positions {
        let mut positions = Positions::default();
        let mut stores = 0;
        let mut pos = FuncCursor::new(func);
        while pos.next_block().is_some() {
            while let Some(inst) = pos.next_inst() {
                match pos.func.dfg.insts[inst] {
                    InstructionData::Store { .. } => {
                        let trap = trap_of(pos.func, inst).map(engine_trap);
                        let kind = STORE_TRAPS.iter().position(|&kind| Some(kind) == trap);
                        if let Some(kind) = kind {
                            let kinds = STORE_TRAPS.len();
                            set_trap(pos.func, inst, code(stores * kinds + kind));
                            // The last code is of no whole group.
                            stores = (stores + 1) % (CODES / kinds);
                        }
                    }
                    InstructionData::Brif { .. } => positions.note_branch(pos.func, inst),
                    _ => {}
                }
            }
        }
        positions
    }

    /// Rule 5.
    fn note_branch(&mut self, func: &mut Function, branch: Inst) {
        let blocks = func.dfg.insts[branch]
            .branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables);
        let trap = |i: usize| {
            let last = func.layout.last_inst(blocks[i].block(&func.dfg.value_lists))?;
            (func.dfg.insts[last].opcode() == Opcode::Trap).then(|| func.srcloc(last))
        };
        let traps = [trap(0), trap(1)];
        if traps != [None, None] {
            let at = BRANCH + self.branches.len() as u32;
            self.branches.push(traps.map(Option::unwrap_or_default));
            func.set_srcloc(branch, SourceLoc::new(at));
        }
    }

    /// Gives numbers to the effects of a function that is optimized.
    pub(crate) fn number(&mut self, func: &mut Function) {
        let mut accesses = 0;
        let mut pos = FuncCursor::new(func);
        while pos.next_block().is_some() {
            // The load that is the last effect of the block so far.
            let mut load = None;
            while let Some(inst) = pos.next_inst() {
                let opcode = pos.func.dfg.insts[inst].opcode();
                if let Some(trap) = trap_of(pos.func, inst) {
                    let merged = load.take().filter(|&load| is_update(pos.func, load, inst));
                    if let Some(code) = merged.and_then(|load| trap_of(pos.func, load)) {
                        set_trap(pos.func, inst, code);
                    } else {
                        let trap = store_trap(trap).unwrap_or_else(|| engine_trap(trap));
                        let code = code(accesses % CODES);
                        accesses += 1;
                        set_trap(pos.func, inst, code);
                        self.add(pos.func, inst, Some((code, trap)));
                        load = (opcode == Opcode::Load).then_some(inst);
                    }
                } else if opcode.can_trap() || opcode.is_call() {
                    self.add(pos.func, inst, None);
                    load = None;
                }
                let number = self.effects.len().checked_sub(1);
                let number = number.map(|number| SourceLoc::new(number as u32));
                pos.func.set_srcloc(inst, number.unwrap_or_default());
            }
        }
    }

    fn add(&mut self, func: &Function, inst: Inst, access: Option<(ir::TrapCode, TrapCode)>) {
        let mut at = func.srcloc(inst);
        if !at.is_default() && at.bits() >= BRANCH {
            let if_zero = func.dfg.insts[inst].opcode() == Opcode::Trapz;
            at = self.branches[(at.bits() - BRANCH) as usize][usize::from(if_zero)];
        }
        self.effects.push(Effect { inst, at, access });
    }

    /// What has a location, itself and its position; `None` where there is none.
    pub(crate) fn effect(&self, location: SourceLoc) -> (Option<Inst>, Option<u32>) {
        let effect = self.index(location).map(|index| &self.effects[index]);
        (effect.map(|effect| effect.inst), effect.and_then(Effect::position))
    }

    /// The position of the trap with a code at a location, and what it means; `None` if no access has this code.
    pub(crate) fn trap(
        &self,
        location: SourceLoc,
        code: ir::TrapCode,
    ) -> Option<(Option<u32>, TrapCode)> {
        if !is_access(code) {
            return Some((self.effect(location).1, engine_trap(code)));
        }
        let before = &self.effects[..=self.index(location)?];
        before.iter().rev().take(CODES).find_map(|effect| {
            let (_, trap) = effect.access.filter(|&(own, _)| own == code)?;
            Some((effect.position(), trap))
        })
    }

    fn index(&self, location: SourceLoc) -> Option<usize> {
        let index = (!location.is_default()).then(|| location.bits() as usize);
        index.filter(|&index| index < self.effects.len())
    }
}

/// A trap code that tells accesses apart.
fn code(number: usize) -> ir::TrapCode {
    ir::TrapCode::unwrap_user(FIRST_CODE + number as u8)
}

fn is_access(code: ir::TrapCode) -> bool {
    (FIRST_CODE..).contains(&code.as_raw().get())
        && usize::from(code.as_raw().get() - FIRST_CODE) < CODES
}

/// The trap of a store that has a code of [`Positions::prepare`].
fn store_trap(code: ir::TrapCode) -> Option<TrapCode> {
    is_access(code)
        .then(|| STORE_TRAPS[usize::from(code.as_raw().get() - FIRST_CODE) % STORE_TRAPS.len()])
}

/// The trap code of an access.
fn trap_of(func: &Function, inst: Inst) -> Option<ir::TrapCode> {
    let data = &func.dfg.insts[inst];
    let accesses = data.opcode().can_load() || data.opcode().can_store();
    data.memflags_trap_code(&func.dfg).filter(|_| accesses)
}

fn set_trap(func: &mut Function, inst: Inst, code: ir::TrapCode) {
    let dfg = &mut func.dfg;
    let flags = dfg.insts[inst].memflags_data(dfg).expect("an access has flags");
    let flags = dfg.mem_flags.insert(flags.with_trap_code(Some(code)));
    let flags = flags.expect("kinds of accesses, even times trap codes, are few");
    *dfg.insts[inst].memflags_mut().expect("an access has flags") = flags;
}

/// Whether a store writes the bytes that a load read, with flags that differ at most in the trap code.
fn is_update(func: &Function, load: Inst, store: Inst) -> bool {
    let dfg = &func.dfg;
    let flags = |inst: Inst| dfg.insts[inst].memflags_data(dfg).map(|flags| flags.with_notrap());
    let (
        InstructionData::Load { opcode: Opcode::Load, arg, offset, .. },
        InstructionData::Store {
            opcode: Opcode::Store, args: [value, address], offset: to, ..
        },
    ) = (dfg.insts[load], dfg.insts[store])
    else {
        return false;
    };
    let loaded = dfg.first_result(load);
    (address, to) == (arg, offset)
        && dfg.value_type(loaded) == dfg.value_type(value)
        && flags(load) == flags(store)
}
