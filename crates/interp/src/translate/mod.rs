//! Owns translation: one pass over a function's operators that writes its code.
//! Does not own when functions are translated nor where code is kept: `code`.

mod asm;
mod atomic;
mod call;
mod control;
mod exception;
mod fuse;
mod gc;
mod memory;
mod probe;
mod roots;
mod scalar;
mod stack;
mod way_in;

use sterna_abi::{FuncEntry, InstanceLayout, InterpSettings, Recorder};
use sterna_base::FuncIndex;
use sterna_isa::{Class, Op, TrapCode, ValType};
use sterna_module::{Imm, Module, Operator};

use asm::{Asm, NONE};
use control::Control;
use fuse::Recent;
use scalar::Compare;
use stack::{Acc, Entry, Loc, Producer};

use crate::exit::RECORD_SLOTS;
use crate::machine::Handler;
use crate::op::atomic::FENCE;
use crate::op::enter::{BUDGET, ENTER, FOREIGN, LOOP_BUDGET, ZERO_COUNTS};
use crate::op::variable::{CONST128, NON_NULL, UNREACHABLE};

pub(crate) use exception::{Clause, Handlers, Reference};
pub(crate) use probe::{Found, Probe, Saved};
pub(crate) use roots::RootMap;
pub(crate) use way_in::{Entrance, way_in};

/// Most slots of a frame: operands of instructions have 16 bits.
const MAX_SLOTS: u32 = u16::MAX as u32;
/// Most bytes of the code of a function: distances have 31 bits.
const MAX_CODE: u32 = i32::MAX as u32 - 4096;
/// [`RECORD_SLOTS`].
const RECORD: u32 = RECORD_SLOTS as u32;

/// What a translation depends on.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The module.
    pub module: &'a Module,
    /// Its layout.
    pub layout: &'a InstanceLayout,
    /// Its entries, by function index.
    pub entries: *const FuncEntry,
    /// Settings.
    /// Where the targets of indirect calls are noted.
    pub recorder: &'a Recorder,
    pub settings: InterpSettings,
}

impl Source<'_> {
    /// Address of a function's entry.
    fn entry(&self, func: FuncIndex) -> u64 {
        self.entries.wrapping_add(func.index()) as u64
    }

    fn memory_register(&self) -> usize {
        usize::from(!self.module.memories().is_empty())
    }
}

/// A translated function.
pub(crate) struct Translated {
    /// The instructions.
    pub code: Box<[u64]>,
    /// What catches exceptions where.
    pub handlers: Handlers,
    /// Slot of the record: the number of slots of the locals.
    pub record: u32,
    /// Slots of the frame.
    pub frame_slots: u32,
}

/// A local.
#[derive(Clone, Copy)]
pub(crate) struct Local {
    pub ty: ValType,
    pub slot: u16,
}

/// State of one translation.
pub(crate) struct Translator<'a> {
    source: Source<'a>,
    func: FuncIndex,
    asm: Asm,
    locals: Vec<Local>,
    /// By local: the topmost entry that is it.
    heads: Vec<u32>,
    stack: Vec<Entry>,
    /// Entries below this one are in slots or constants.
    flushed: usize,
    acc: [Acc; 3],
    producers: [Option<Producer>; 3],
    /// Position and end of the last instruction with a vector result.
    vector: Option<(u32, u32)>,
    /// The last comparison.
    compare: Option<Compare>,
    /// The last pure binary instruction, and the one before if it is adjacent.
    recent: [Option<Recent>; 2],
    /// Position and end of the last copy of one slot.
    copied: Option<(u32, u32)>,
    controls: Vec<Control>,
    handlers: Handlers,
    reachable: bool,
    /// Blocks opened in unreachable code.
    dead: u32,
    record: u32,
    frame_slots: u32,
    too_large: bool,
    /// Byte offset of the current operator.
    offset: u32,
    probe: Option<&'a mut Probe>,
    roots: Option<&'a mut RootMap>,
    way_in: Option<&'a mut way_in::WayIn>,
}

/// Translates a function.
///
/// # Errors
/// The trap that calling the function raises: it exceeds a limit of this tier, or uses what it does not carry out.
pub(crate) fn translate(source: Source<'_>, func: FuncIndex) -> Result<Translated, TrapCode> {
    Translator::new(source, func, None).run()
}

/// Translates a function once more to see the state at an instruction.
pub(crate) fn probe(
    source: Source<'_>,
    func: FuncIndex,
    probe: &mut Probe,
) -> Result<Translated, TrapCode> {
    Translator::new(source, func, Some(probe)).run()
}

impl<'a> Translator<'a> {
    fn new(source: Source<'a>, func: FuncIndex, probe: Option<&'a mut Probe>) -> Translator<'a> {
        Translator {
            source,
            func,
            asm: Asm::default(),
            locals: Vec::new(),
            heads: Vec::new(),
            stack: Vec::new(),
            flushed: 0,
            acc: [Acc::Unknown; 3],
            producers: [None; 3],
            vector: None,
            compare: None,
            recent: [None; 2],
            copied: None,
            controls: Vec::new(),
            handlers: Handlers::default(),
            reachable: true,
            dead: 0,
            record: 0,
            frame_slots: 0,
            too_large: false,
            offset: 0,
            probe,
            roots: None,
            way_in: None,
        }
    }

    fn run(mut self) -> Result<Translated, TrapCode> {
        let body = self.source.module.body(self.func);
        self.offset = body.offset();
        self.begin()?;
        for operator in body.operators() {
            self.offset = operator.offset;
            self.operator(operator)?;
            if self.too_large || self.asm.len() > MAX_CODE {
                return Err(TrapCode::LimitExceeded);
            }
        }
        self.finish_entry();
        Ok(Translated {
            code: self.asm.finish(),
            handlers: self.handlers,
            record: self.record,
            frame_slots: self.frame_slots,
        })
    }

    /// Declares locals, emits the entry.
    fn begin(&mut self) -> Result<(), TrapCode> {
        let module = self.source.module;
        let ty = module.func_type(self.func);
        let mut slot = 0;
        let declared = module.body(self.func).locals();
        for ty in ty.params.iter().copied().chain(declared) {
            self.locals.push(Local { ty, slot: slot as u16 });
            slot += ty.slots() as u32;
            if slot > MAX_SLOTS {
                return Err(TrapCode::LimitExceeded);
            }
        }
        self.heads = vec![NONE; self.locals.len()];
        self.record = slot;
        self.reach(slot + RECORD);
        // The results need no room: they begin where the parameters do, and the caller has it.
        self.controls.push(Control::function(self.func_results_start()));
        let params = ty.param_slots() as u32;
        self.emit(FOREIGN[self.source.memory_register()], 8);
        let zeros = slot - params;
        let position = ZERO_COUNTS
            .iter()
            .position(|&count| count >= zeros as usize)
            .unwrap_or(ENTER.len() - 1);
        // Rounding up may zero slots behind the record.
        self.reach(params + ZERO_COUNTS.get(position).map_or(zeros, |&count| count as u32));
        let enter = self.emit(ENTER[position], 16);
        self.asm.u16(enter, 8, self.record as u16);
        self.asm.u16(enter, 12, params as u16);
        self.asm.u16(enter, 14, zeros as u16);
        self.count_call();
        self.note_way_in(false);
        Ok(())
    }

    fn func_results_start(&self) -> u32 {
        self.record + RECORD
    }

    /// Counts a call, if anybody wants to know.
    fn count_call(&mut self) {
        if self.source.settings.hot_budget > 0 {
            self.count(BUDGET, 24);
        }
    }

    /// Counts a loop's iteration, if anybody wants to know. `position`: see builtin `hot`.
    fn count_iteration(&mut self, position: u32) {
        if self.source.settings.hot_budget > 0 {
            let pos = self.count(LOOP_BUDGET, 32);
            self.asm.u16(pos, 20, self.source.memory_register() as u16);
            self.asm.u32(pos, 24, position);
        }
    }

    fn count(&mut self, handler: Handler, size: usize) -> u32 {
        let top = self.top();
        let pos = self.emit(handler, size);
        self.asm.u64(pos, 8, self.source.entry(self.func));
        self.asm.u16(pos, 16, top as u16);
        self.asm.u16(pos, 18, self.record as u16);
        pos
    }

    /// Fills in what only the end of the translation knows.
    fn finish_entry(&mut self) {
        self.asm.u16(crate::op::call::FOREIGN_ENTRY as u32, 10, self.frame_slots as u16);
    }

    /// Appends an instruction.
    fn emit(&mut self, handler: Handler, size: usize) -> u32 {
        let pos = self.asm.op(handler, size);
        self.observed(pos, size);
        pos
    }

    /// Tells the probe, if there is one, of an instruction.
    fn observed(&mut self, pos: u32, size: usize) {
        if let Some(probe) = self.probe.take() {
            self.observe(probe, pos, size);
            self.probe = Some(probe);
        }
        if let Some(roots) = self.roots.take() {
            self.record_roots(roots, pos);
            self.roots = Some(roots);
        }
    }

    /// Translates an operator.
    // tidy: dispatch
    fn operator(&mut self, operator: Operator<'_>) -> Result<(), TrapCode> {
        let Operator { op, imm, .. } = operator;
        if !self.reachable {
            self.unreachable_operator(op, &imm);
            return Ok(());
        }
        if op == Op::RefEq || op.class() == Class::Gc {
            return self.object(op, &imm);
        }
        match (op, imm) {
            (Op::Nop, _) => {}
            (Op::Unreachable, _) => {
                self.emit(UNREACHABLE, 8);
                self.end_reachable();
            }
            (Op::Block | Op::Loop | Op::If, Imm::Block(ty)) => self.open(op, ty),
            (Op::Else, _) => self.else_(),
            (Op::End, _) => self.end(),
            (Op::Br, Imm::Index(depth)) => self.br(depth),
            (Op::BrIf, Imm::Index(depth)) => self.br_if(depth),
            (Op::BrTable, Imm::BrTable(table)) => self.br_table(&table),
            (Op::Return, _) => self.return_(),
            (Op::Call, Imm::Index(func)) => self.call(FuncIndex::from_u32(func)),
            (Op::CallIndirect, Imm::Index2(ty, table)) => self.call_indirect(ty, table),
            (Op::ReturnCall, Imm::Index(func)) => self.return_call(FuncIndex::from_u32(func)),
            (Op::ReturnCallIndirect, Imm::Index2(ty, table)) => {
                self.return_call_indirect(ty, table)
            }
            (Op::CallRef, Imm::Index(ty)) => self.call_ref(ty),
            (Op::ReturnCallRef, Imm::Index(ty)) => self.return_call_ref(ty),
            (Op::Throw, Imm::Index(tag)) => self.throw(tag),
            (Op::ThrowRef, _) => self.throw_ref(),
            (Op::TryTable, Imm::TryTable(table)) => self.try_table(&table),
            (Op::Try, Imm::Block(ty)) => self.try_(ty),
            (Op::Catch, Imm::Index(tag)) => self.catch(Some(tag)),
            (Op::CatchAll, _) => self.catch(None),
            (Op::Rethrow, Imm::Index(depth)) => self.rethrow(depth),
            (Op::Delegate, Imm::Index(depth)) => self.delegate(depth),
            (Op::Drop, _) => {
                self.pop();
            }
            (Op::Select | Op::TypedSelect, _) => self.select(),
            (Op::LocalGet, Imm::Index(local)) => {
                self.push(self.locals[local as usize].ty, Loc::Local(local))
            }
            (Op::LocalSet, Imm::Index(local)) => self.local_set(local),
            (Op::LocalTee, Imm::Index(local)) => {
                self.local_set(local);
                self.push(self.locals[local as usize].ty, Loc::Local(local));
            }
            (Op::GlobalGet, Imm::Index(global)) => self.global_get(global),
            (Op::GlobalSet, Imm::Index(global)) => self.global_set(global),
            (Op::I32Const, Imm::I32(value)) => {
                self.push(ValType::I32, Loc::Const(u64::from(value as u32)))
            }
            (Op::I64Const, Imm::I64(value)) => self.push(ValType::I64, Loc::Const(value as u64)),
            (Op::F32Const, Imm::F32(bits)) => self.push(ValType::F32, Loc::Const(u64::from(bits))),
            (Op::F64Const, Imm::F64(bits)) => self.push(ValType::F64, Loc::Const(bits)),
            (Op::V128Const, Imm::V128(bits)) => {
                let pos = self.produce_in_slot(ValType::V128, CONST128, 32);
                self.asm.u128(pos, 16, bits);
            }
            (Op::RefNull, Imm::HeapType(heap)) => {
                self.push(ValType::Ref(sterna_isa::RefType::nullable(heap)), Loc::Const(0));
            }
            (Op::RefIsNull, _) => self.compare_zero(Op::I64Eq),
            (Op::RefAsNonNull, _) => {
                let entry = self.pop();
                let slot = self.in_slot(&entry);
                let pos = self.emit(NON_NULL, 16);
                self.asm.u16(pos, 8, slot);
                self.push_again(&entry);
            }
            (Op::BrOnNull, Imm::Index(depth)) => self.br_on_null(depth),
            (Op::BrOnNonNull, Imm::Index(depth)) => self.br_on_non_null(depth),
            (Op::I32Eqz, _) => self.eqz(Op::I32Eq),
            (Op::I64Eqz, _) => self.eqz(Op::I64Eq),
            (Op::AtomicFence, _) => {
                self.emit(FENCE, 8);
            }
            (op, Imm::None) => self.plain(op)?,
            (op, Imm::MemArg(memarg)) => self.access(op, memarg)?,
            (op, Imm::MemArgLane(memarg, lane)) => self.lane_access(op, memarg, lane)?,
            (op, Imm::Lane(lane)) => self.lane(op, lane)?,
            (op, Imm::Shuffle(lanes)) => self.shuffle(op, lanes)?,
            (op, Imm::Index(index)) => self.builtin(op, index, 0)?,
            (op, Imm::Index2(a, b)) => self.builtin(op, a, b)?,
            _ => return Err(TrapCode::Unsupported),
        }
        Ok(())
    }
}
