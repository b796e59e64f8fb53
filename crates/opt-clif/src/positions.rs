//! Owns the way back from machine code to operators: positions of traps and calls, and what traps mean.
//! Does not own the sites that are made of them (`artifact`).
//!
//! Cranelift makes one machine instruction of several of its own: a load becomes an operand of an addition, a comparison, a store. The result
//! has the source location of the last of them and the trap code of the access. Both are chosen here, between Cranelift's optimizations and
//! its selection of instructions, such that they tell who traps ([`Positions::number`]):
//! 1. The location of each instruction is its number, in the order of the layout.
//! 2. An access that can trap has a trap code out of a cycle. What Cranelift makes one machine instruction of is an instruction and operands of
//!    it, and their operands, as far as they have no other effect than to read memory. So a trap with such a code is that of the instruction at the
//!    location, or of the last load with this code among its operands: a load moves down past other loads only if those move farther.
//!    A trap with another code is that of the instruction at the location.
//! 3. A store right behind a load of the same bytes cannot trap: the load would have. It has the load's code and position, for Cranelift makes
//!    one instruction of the two only if their flags are the same.
//!
//! Two optimizations would blur this, so [`Positions::prepare`] runs before them:
//! 4. A store that the next one overwrites is removed, and the next one traps in its place, unless their trap codes differ: so they do.
//! 5. A branch to a block that only traps becomes a conditional trap, with the location of the branch: that tells where the trap was.

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{self, Function, Inst, InstructionData, Opcode, SourceLoc};
use sterna_isa::TrapCode;

use crate::artifact::engine_trap;

/// The first of the trap codes that tell accesses apart. The others are traps themselves.
const FIRST_CODE: u8 = 32;

/// How many there are: Cranelift uses those above for itself.
const CODES: usize = 251 - FIRST_CODE as usize;

/// The traps of stores. Those of a kind have every second code.
const STORE_TRAPS: [TrapCode; 2] = [TrapCode::MemoryOutOfBounds, TrapCode::NullStructureReference];

/// What passing a block costs a value, in instructions.
const BLOCK: u32 = 16;

/// Functions with fewer instructions are small.
const SMALL: usize = 1 << 13;

/// Added to an index into [`Positions::branches`] it is the location of a branch. No operator has a position that large.
const BRANCH: u32 = 7 << 29;

/// How many operands of operands are looked at: more than any instruction that is selected is made of.
const DEPTH: usize = 8;

/// What source locations and trap codes of a function stand for.
#[derive(Default)]
pub(crate) struct Positions {
    places: Vec<Place>,
    /// Where the traps are to which branches lead: if the condition is not zero, and if it is.
    branches: Vec<[SourceLoc; 2]>,
}

/// An instruction.
struct Place {
    inst: Inst,
    /// Its operator.
    at: SourceLoc,
    /// The trap that an access raises.
    access: Option<TrapCode>,
}

impl Place {
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

    /// Numbers the instructions of a function that is optimized.
    pub(crate) fn number(&mut self, func: &mut Function) {
        let mut accesses = 0;
        let mut pos = FuncCursor::new(func);
        while pos.next_block().is_some() {
            // The load that is the last access of the block so far: the code and number it has got.
            let mut load: Option<(Inst, ir::TrapCode, usize)> = None;
            while let Some(inst) = pos.next_inst() {
                let mut place = Place { inst, at: self.origin(pos.func, inst), access: None };
                if let Some(old) = trap_of(pos.func, inst) {
                    let merged = load.filter(|&(load, ..)| is_update(pos.func, load, inst));
                    let new = if let Some((_, code, number)) = merged {
                        place = Place { inst, ..self.places[number] };
                        code
                    } else {
                        place.access = Some(store_trap(old).unwrap_or_else(|| engine_trap(old)));
                        accesses += 1;
                        code(accesses % CODES)
                    };
                    set_trap(pos.func, inst, new);
                    let is_load = pos.func.dfg.insts[inst].opcode() == Opcode::Load;
                    load = is_load.then_some((inst, new, self.places.len()));
                }
                pos.func.set_srcloc(inst, SourceLoc::new(self.places.len() as u32));
                self.places.push(place);
            }
        }
    }

    /// The number of instructions between definitions and last uses of all values of a numbered function, in the order of the layout, where
    /// a block counts as some more; 0 if it is small anyway.
    pub(crate) fn live_area(&self, func: &Function) -> u64 {
        if self.places.len() < SMALL {
            return 0;
        }
        let mut last: SecondaryMap<ir::Value, u32> = SecondaryMap::new();
        let (mut area, mut now, mut block) = (0, 0, None);
        for place in &self.places {
            let inside = func.layout.inst_block(place.inst);
            now += 1;
            if let Some(new) = inside.filter(|_| inside != block) {
                block = inside;
                now += BLOCK;
                func.dfg.block_params(new).iter().for_each(|&param| last[param] = now);
            }
            for value in func.dfg.inst_values(place.inst) {
                area += u64::from(now.saturating_sub(last[value]));
                last[value] = last[value].max(now);
            }
            func.dfg.inst_results(place.inst).iter().for_each(|&result| last[result] = now);
        }
        area
    }

    /// The location that an instruction has got from its operator.
    fn origin(&self, func: &Function, inst: Inst) -> SourceLoc {
        let at = func.srcloc(inst);
        if at.is_default() || at.bits() < BRANCH {
            return at;
        }
        let if_zero = func.dfg.insts[inst].opcode() == Opcode::Trapz;
        self.branches[(at.bits() - BRANCH) as usize][usize::from(if_zero)]
    }

    /// The instruction at a location, and its position; `None` where there is none.
    pub(crate) fn inst(&self, location: SourceLoc) -> (Option<Inst>, Option<u32>) {
        let place = self.place(location);
        (place.map(|place| place.inst), place.and_then(Place::position))
    }

    /// The position of the trap with a code at a location, and what it means; `None` if no access has this code.
    pub(crate) fn trap(
        &self,
        func: &Function,
        location: SourceLoc,
        code: ir::TrapCode,
    ) -> Option<(Option<u32>, TrapCode)> {
        let root = self.place(location);
        if !is_access(code) {
            return Some((root.and_then(Place::position), engine_trap(code)));
        }
        let root = root?.inst;
        let block = func.layout.inst_block(root);
        let (mut found, mut level) = (None, vec![root]);
        for _ in 0..DEPTH {
            let mut operands = Vec::new();
            for inst in level.drain(..) {
                if trap_of(func, inst) == Some(code) {
                    found = found.max(Some(func.srcloc(inst).bits()));
                }
                let opcode = func.dfg.insts[inst].opcode();
                if inst == root || !(opcode.can_load() || opcode.can_trap() || opcode.is_call()) {
                    let args = func.dfg.inst_args(inst).iter();
                    operands.extend(args.filter_map(|&arg| func.dfg.value_def(arg).inst()));
                }
            }
            operands.retain(|&inst| func.layout.inst_block(inst) == block);
            operands.sort_unstable();
            operands.dedup();
            level = operands;
        }
        let place = &self.places[found? as usize];
        Some((place.position(), place.access?))
    }

    fn place(&self, location: SourceLoc) -> Option<&Place> {
        self.places.get(location.bits() as usize)
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
