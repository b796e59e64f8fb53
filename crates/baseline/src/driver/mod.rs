//! Owns the compilation of a function: the state of the pass, its beginning and end, and the dispatch to the classes of operators.
//! Does not own the classes (one file each), nor what differs from machine to machine (`crate::machine`).
//!
//! # Registers
//! One holds the vmctx, one the base of memory 0, or else of the heap, one of each bank is free for any sequence of instructions of one step. Some
//! may hold pinned locals. The remaining ones hold operands. An integer of 32 bits in a register has zeros above.
//!
//! # Frame
//! Below the frame pointer: registers of the caller, vmctx and result area, homes (a slot's number grows downward), then what calls
//! need: arguments, results that do not fit registers, operands in memory.

pub(crate) mod adapters;
mod allocate;
mod atomic;
pub(crate) mod call;
pub(crate) mod control;
mod count;
mod enter;
mod exception;
pub(crate) mod gc;
pub(crate) mod integer;
pub(crate) mod memory;
mod pins;
pub(crate) mod record;
pub(crate) mod tables;
pub(crate) mod traps;
pub(crate) mod values;
pub(crate) mod variable;

pub(crate) use crate::machine::*;

use sterna_abi::{
    CodeEntry, CodeReloc, CodeSettings, Convention, FunctionCode, InstanceLayout, MemorySlot,
    Recorder,
};
use sterna_base::{FuncIndex, MemoryIndex};
use sterna_isa::{Class, FuncType, Op};
use sterna_module::{Compact, Form, Imm, Module, Operator};
use sterna_sys::activation::OFF_NATIVE_LIMIT;

use crate::scan::Scan;
use crate::signature::{Params, Place, Registers, area_size, stack_size};
use crate::sites::SiteBuilder;
use crate::stack::{Bank, Entry, Frame, FrameKind, Loc, Local, NO_ENTRY, NO_REG, Ty};
use call::Move;
use traps::PendingTrap;
use values::{BankState, Owner};

/// Largest frame of a function that calls nothing for which the stack is not checked.
const MAX_UNCHECKED: u32 = 64 << 10;
/// Largest frame.
const MAX_FRAME: u32 = 8 << 20;

/// Why a function stays below.
pub(crate) type Refusal = String;
pub(crate) type Done = Result<(), Refusal>;

/// What is kept from function to function.
#[derive(Default)]
pub(crate) struct Scratch<M: Machine> {
    pub asm: M::Asm,
    scan: Scan,
    operators: Vec<Compact>,
    pub stack: Vec<Entry>,
    locals: Vec<Local>,
    frames: Vec<Frame<Label>>,
    saved: Vec<Entry>,
    objects: Vec<u32>,
    root_locals: Vec<i32>,
    places: Vec<i32>,
    moves: Vec<Move>,
    register_moves: Vec<call::RegisterMove>,
    traps: Vec<PendingTrap>,
    polls: Vec<call::PendingPoll>,
    counts: Vec<count::PendingCount>,
    misses: Vec<record::PendingMiss>,
    news: Vec<allocate::PendingNew>,
    relocs: Vec<CodeReloc>,
    labels: Vec<(u32, Label)>,
    /// By label, its position in `labels` if it is there.
    stub_of: Vec<u32>,
    /// Locals that may be pinned, with their uses.
    best_locals: Vec<(u32, u32)>,
    /// Pinned locals that calls do not preserve.
    lost_pins: Vec<u32>,
    /// Open bodies of `try`s.
    handlers: Vec<exception::Handler>,
    /// Clauses of open `try_table`s.
    catches: Vec<Box<[sterna_module::Catch]>>,
    sites: SiteBuilder,
}

/// Everything that compiling reads.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a, M: Machine> {
    pub module: &'a Module,
    pub layout: &'a InstanceLayout,
    pub settings: &'a CodeSettings,
    pub convention: Convention,
    pub cpu: M::Cpu,
    /// The function, if its calls and loops are to be counted.
    pub counted: Option<FuncIndex>,
    /// Where it writes down what it sees, if that is wanted.
    pub recorder: Option<&'a Recorder>,
    /// Where the code begins.
    pub entry: CodeEntry,
}

/// A function being compiled.
pub(crate) struct Gen<'a, M: Machine> {
    pub(crate) input: Input<'a, M>,
    ty: &'a FuncType,
    pub(crate) s: &'a mut Scratch<M>,
    pub(crate) banks: [BankState; 2],
    /// Entries at the bottom of the stack that are constants or in their homes.
    clean: usize,
    /// Slots of locals.
    local_slots: u32,
    /// Most slots in use so far.
    max_slots: u32,
    /// Bytes at the bottom of the frame for calls.
    out_size: u32,
    /// Position of the current operator in the module.
    wasm: u32,
    reachable: bool,
    /// Constructs opened in unreachable code.
    skipped: u32,
    /// The local that the next operator sets, or [`NO_ENTRY`].
    pub(crate) next_set: u32,
    /// Bytes of this function's arguments on the stack.
    own_stack: u32,
    /// Registers of the caller that are saved, by position in [`Machine::SAVES`].
    saves: u16,
    /// Root list of calls without references on the operand stack, once made.
    plain_roots: Option<u32>,
    /// Whether landing pads are possible: no local may be pinned then.
    has_handlers: bool,
    is_leaf: bool,
    /// In code that begins at a loop: where the loop's state is loaded.
    loop_entry: Label,
    /// What is counted, if anything.
    counting: Option<Box<record::Counting>>,
}

/// Compiles a function.
///
/// # Errors
/// What is not supported, or exceeds a limit.
pub(crate) fn compile<M: Machine>(
    input: Input<'_, M>,
    func: FuncIndex,
    s: &mut Scratch<M>,
) -> Result<FunctionCode, Refusal> {
    let compiled = attempt(input, func, s, false);
    if s.asm.is_linked() { compiled } else { attempt(input, func, s, true) }
}

/// Compiles it with long conditional jumps, or without.
fn attempt<M: Machine>(
    input: Input<'_, M>,
    func: FuncIndex,
    s: &mut Scratch<M>,
    far: bool,
) -> Result<FunctionCode, Refusal> {
    let body = input.module.body(func);
    let ty = input.module.func_type(func);
    s.asm.begin(far);
    s.sites.clear();
    s.stack.clear();
    s.locals.clear();
    s.frames.clear();
    s.saved.clear();
    s.objects.clear();
    s.root_locals.clear();
    s.traps.clear();
    s.polls.clear();
    s.counts.clear();
    s.misses.clear();
    s.news.clear();
    s.relocs.clear();
    s.lost_pins.clear();
    s.handlers.clear();
    s.catches.clear();
    let mut slot = 0;
    let declared = body.local_groups().map(|(count, ty)| (count, ty, false));
    let params = ty.params.iter().map(|&ty| (1, ty, true));
    for (count, ty, _) in params.chain(declared) {
        let ty = Ty::of(input.module, ty);
        for _ in 0..count {
            s.locals.push(Local { ty, slot, pin: NO_REG, cache: NO_REG, alias: NO_ENTRY });
            slot += ty.slots();
        }
    }
    let mut operators = crate::scan::Body::new(std::mem::take(&mut s.operators));
    s.scan.run(s.locals.len(), body.operators(), &mut operators);
    let registers = M::registers(input.convention);
    let own_stack = match input.entry {
        CodeEntry::Function => stack_size(registers, &ty.params, &ty.results),
        CodeEntry::Loop(_) => 0,
    };
    let is_leaf = !s.scan.has_calls && !s.scan.uses_objects && s.scan.clobbers == 0;
    let counting = input.recorder;
    let counting = counting.map(|to| record::Counting::new(to, func, body.offset(), s.scan.joins));
    let mut code = Gen {
        input,
        ty,
        banks: [BankState::new(M::OPERANDS[0]), BankState::new(M::OPERANDS[1])],
        clean: 0,
        local_slots: slot,
        max_slots: slot,
        out_size: 0,
        wasm: body.offset(),
        reachable: true,
        skipped: 0,
        next_set: NO_ENTRY,
        own_stack,
        saves: 0,
        plain_roots: None,
        has_handlers: s.scan.has_handlers,
        is_leaf,
        loop_entry: Label::NEW,
        counting,
        s: &mut *s,
    };
    let compiled = code.function(&operators);
    s.operators = operators.operators;
    compiled
}

impl<M: Machine> Gen<'_, M> {
    /// Where the vmctx is kept for landing pads, below [`Machine::SAVES`].
    pub(crate) const AT_VMCTX: i32 = -8 * (M::SAVES.len() as i32 + 1);
    /// Where the address of the result area is.
    pub(crate) const AT_AREA: i32 = Self::AT_VMCTX - 8;
    /// Bytes below the frame pointer before the homes.
    const FIXED: u32 = (8 * (M::SAVES.len() as u32 + 2)).next_multiple_of(16);

    fn function(&mut self, body: &crate::scan::Body<'_>) -> Result<FunctionCode, Refusal> {
        let operators = &body.operators[..];
        self.assign_pins();
        let bound = (self.local_slots as usize + 2 * operators.len()) * 8;
        let checked = !self.is_leaf || bound > MAX_UNCHECKED as usize;
        let frame_at = self.prologue(checked);
        let results = self.ty.results.len() as u32;
        self.s.frames.push(Frame {
            kind: FrameKind::Block,
            ty: sterna_module::BlockType::Empty,
            height: 0,
            params: 0,
            results,
            label: Label::NEW,
            other: Label::NEW,
            saved: 0,
            runs: 0,
            lowest: 0,
        });
        let mut at = 0;
        while let Some(operator) = operators.get(at) {
            at += 1;
            self.s.asm.ensure(512);
            self.wasm = operator.offset;
            self.next_set = operators.get(at).and_then(Compact::sets_local).unwrap_or(NO_ENTRY);
            match operator.form {
                _ if !self.reachable => self.skip(&body.unpack(operator))?,
                Form::Local => {
                    self.unlock();
                    self.settle_flags();
                    self.local(operator.op, operator.index());
                }
                Form::Pure => self.plain(operator.op)?,
                Form::I32 => {
                    self.unlock();
                    self.settle_flags();
                    self.push_const(Ty::I32, operator.bits);
                }
                _ => {
                    self.compact(operator, body)?;
                    if self.s.sites.is_too_large() {
                        return Err("its site tables are too large for the baseline tier".into());
                    }
                }
            }
        }
        if self.begins_at_loop() && !self.loop_entry.is_bound() {
            return Err("the loop cannot be reached".to_owned());
        }
        // Most functions have few of these: what is not executed is not fetched.
        if !self.s.polls.is_empty() {
            self.flush_polls();
        }
        if !self.s.news.is_empty() {
            self.flush_news();
        }
        if !self.s.counts.is_empty() {
            self.flush_counts();
        }
        self.flush_misses();
        self.finish_counts();
        self.flush_traps();
        self.finish(frame_at)
    }

    /// Size of the frame below the frame pointer.
    fn frame_size(&self) -> u32 {
        (Self::FIXED + self.max_slots * 8 + self.out_size).next_multiple_of(16)
    }

    #[inline(never)]
    fn finish(&mut self, frame_at: u32) -> Result<FunctionCode, Refusal> {
        let size = self.frame_size();
        if size > MAX_FRAME {
            return Err(format!("its frame of {size} bytes is too large"));
        }
        if !self.s.asm.is_linked() {
            return Err("its jumps are too long".to_owned());
        }
        self.s.asm.set_frame_size(frame_at, size);
        for landing in &mut self.s.sites.landings {
            landing.below = size;
        }
        for (register, place) in self.saved() {
            let saved = sterna_abi::SavedReg { register: register.0, offset: place.disp };
            self.s.sites.saved.push(saved);
        }
        let bytes = self.s.asm.code().to_vec();
        let relocs = self.s.relocs.as_slice().to_vec();
        Ok(FunctionCode { bytes, relocs, sites: self.s.sites.finish(size) })
    }

    // ------------------------------------------------------------------------------------------ beginning and end

    /// Sets up the frame; where its size is to be filled in.
    #[inline(never)]
    fn prologue(&mut self, checked: bool) -> u32 {
        let vmctx = self.vmctx_param();
        self.s.asm.ensure(1024);
        let asm = &mut self.s.asm;
        let frame_at = asm.enter_unknown();
        if checked {
            asm.load(W64, M::TEMP, Mem::new(vmctx, sterna_abi::VmCtx::OFF_STORE as i32));
            let limit = Mem::new(M::TEMP, OFF_NATIVE_LIMIT as i32);
            asm.alu(Alu::Cmp, W64, M::SP, Rm::Mem(limit));
            self.trap_if(Cc::B, sterna_isa::TrapCode::StackOverflow);
        }
        self.saves |= 1 << M::KEPT_PINS.len();
        if self.has_handlers || self.begins_at_loop() {
            // Where an exception lands, none of them is what the caller left.
            self.saves = (1 << M::SAVES.len()) - 1;
        }
        if self.uses_memory_base() || self.has_heap_base() {
            self.saves |= 2 << M::KEPT_PINS.len();
        }
        for (register, place) in self.saved() {
            self.s.asm.store(W64, place, register);
        }
        let area = area_size(&self.ty.results) > 0;
        if self.has_handlers {
            self.s.asm.store(W64, Mem::new(M::FP, Self::AT_VMCTX), vmctx);
        }
        if self.begins_at_loop() {
            self.begin_at_loop();
            return frame_at;
        }
        if area {
            self.s.asm.store(W64, Mem::new(M::FP, Self::AT_AREA), Gpr(self.registers().params[1]));
        }
        self.params(area);
        self.load_base();
        self.zero_locals();
        self.note_root_locals();
        if self.s.scan.has_calls && self.input.settings.interruptible {
            self.poll();
        }
        self.count(false);
        self.count_start();
        frame_at
    }

    pub(crate) fn uses_memory_base(&self) -> bool {
        self.s.scan.uses_memory && !self.input.module.memories().is_empty()
    }

    /// Whether the register of memory 0 has the heap's base instead.
    pub(crate) fn has_heap_base(&self) -> bool {
        self.s.scan.uses_objects && !self.uses_memory_base()
    }

    /// Loads what the register of memory 0 is to hold.
    pub(crate) fn load_base(&mut self) {
        if self.has_heap_base() {
            self.load_heap_base(M::MEMORY);
        }
        if self.uses_memory_base() {
            let slot = self.input.layout.memory(MemoryIndex::from_u32(0));
            let at = Mem::new(M::VMCTX, (slot + MemorySlot::OFF_BASE) as i32);
            self.s.asm.load(W64, M::MEMORY, at);
        }
    }

    /// Takes the parameters from where the caller left them.
    fn params(&mut self, area: bool) {
        let mut places = Params::new(self.registers(), area);
        let ty = self.ty;
        self.s.moves.clear();
        self.s.moves.push(Move::int(M::VMCTX.0, self.vmctx_param().0, W64));
        for (index, &param) in ty.params.iter().enumerate() {
            let Local { ty, pin, .. } = self.s.locals[index];
            let home = self.local_home(index as u32);
            match places.next(param) {
                Place::Int(reg) | Place::Float(reg) if pin != NO_REG => {
                    self.s.moves.push(Move::reg(ty, pin, reg));
                }
                Place::Int(reg) | Place::Float(reg) => self.store_to(ty, home, reg),
                Place::Memory(offset) => {
                    let from = Mem::new(M::FP, 16 + offset as i32);
                    if pin != NO_REG {
                        self.s.moves.push(Move::load(ty, pin, from));
                    } else {
                        self.copy(ty, home, from);
                    }
                }
            }
        }
        self.do_moves();
        let mut places = Params::new(self.registers(), area);
        for (index, &param) in ty.params.iter().enumerate() {
            let Local { ty, pin, .. } = self.s.locals[index];
            let place = places.next(param);
            if pin == NO_REG
                && ty.bank() == Bank::Int
                && let Place::Int(reg) = place
                && self.banks[0].free >> reg & 1 != 0
            {
                if ty == Ty::I32 {
                    self.s.asm.mov(W32, Gpr(reg), Gpr(reg));
                }
                self.banks[0].set(reg, Owner::Local(index as u32));
                self.s.locals[index].cache = reg;
            }
        }
    }

    /// Gives declared locals their initial value.
    fn zero_locals(&mut self) {
        let first = self.ty.params.len();
        let mut slots = 0;
        for index in first..self.s.locals.len() {
            let Local { ty, pin, .. } = self.s.locals[index];
            match (pin, ty.bank()) {
                (NO_REG, _) => slots += ty.slots(),
                (_, Bank::Int) => self.s.asm.alu(Alu::Xor, W32, Gpr(pin), Rm::Reg(Gpr(pin))),
                (_, Bank::Float) => {
                    self.s.asm.zero_v(Vreg(pin));
                }
            }
        }
        if slots > 12 {
            return self.zero_all(first);
        }
        for index in first..self.s.locals.len() {
            let Local { ty, pin, .. } = self.s.locals[index];
            if pin == NO_REG {
                let home = self.local_home(index as u32);
                self.s.asm.store_i(8, home, 0);
                if ty == Ty::V128 {
                    self.s.asm.store_i(8, home.plus(8), 0);
                }
            }
        }
    }

    /// The same with a loop, for all locals from one on.
    fn zero_all(&mut self, first: usize) {
        let start = self.s.locals[first].slot;
        let count = self.local_slots - start;
        self.drop_caches();
        let from = Mem::new(M::FP, Self::slot_offset(self.local_slots - 1, 1));
        M::zero_slots(&mut self.s.asm, from, count);
    }

    /// Offset from the frame pointer of a home of `slots` slots.
    pub(crate) fn slot_offset(slot: u32, slots: u32) -> i32 {
        -((Self::FIXED + 8 * (slot + slots)) as i32)
    }

    pub(crate) fn registers(&self) -> Registers {
        M::registers(self.input.convention)
    }

    /// Where the vmctx arrives.
    fn vmctx_param(&self) -> Gpr {
        match self.input.entry {
            CodeEntry::Function => Gpr(self.registers().params[0]),
            CodeEntry::Loop(_) => M::C_PARAMS[0],
        }
    }

    fn note_root_locals(&mut self) {
        for index in 0..self.s.locals.len() {
            if self.s.locals[index].ty.is_object() {
                let home = self.local_home(index as u32);
                self.s.root_locals.push(home.disp);
            }
        }
    }

    /// Restores the caller's registers and returns.
    pub(crate) fn epilogue(&mut self) {
        self.restore_saved();
        self.s.asm.leave();
        let pop = match self.input.convention {
            Convention::Reg => 0,
            Convention::Tail => self.own_stack,
        };
        self.s.asm.ret(pop);
    }

    /// The registers of the caller that the frame saves, and where.
    fn saved(&self) -> impl Iterator<Item = (Gpr, Mem)> + use<M> {
        let saves = self.saves;
        let all = M::SAVES.iter().zip(1..).filter(move |(_, n)| saves >> (n - 1) & 1 != 0);
        all.map(|(&register, n)| (register, Mem::new(M::FP, -8 * n)))
    }

    pub(crate) fn restore_saved(&mut self) {
        for (register, place) in self.saved() {
            self.s.asm.load(W64, register, place);
        }
    }

    // ------------------------------------------------------------------------------------------ operators

    /// An operator without immediates and without effects besides traps.
    fn plain(&mut self, op: Op) -> Done {
        self.unlock();
        if op != Op::I32Eqz {
            self.settle_flags();
        }
        self.pure(op)
    }

    /// Any other operator. Those that are frequent are compiled as they are, which saves moving an [`Operator`].
    fn compact(&mut self, operator: &Compact, body: &crate::scan::Body<'_>) -> Done {
        let op = operator.op;
        self.unlock();
        if let Some(Entry { loc: Loc::Flags(_), .. }) = self.s.stack.last()
            && !matches!(op, Op::BrIf | Op::If | Op::Select | Op::TypedSelect | Op::I32Eqz)
        {
            self.settle_flags();
        }
        let (a, b) = (operator.index(), operator.second());
        match (op.class(), operator.form) {
            (Class::Call, _) => return self.call(op, a, b),
            (Class::Gc, Form::Index | Form::Index2) => return self.object_operator(op, a, b),
            (Class::Global, _) => self.global(op, a),
            (Class::Parametric, Form::None) => self.parametric(op),
            (Class::Control, Form::Index) => self.branch_operator(op, a),
            (Class::Control, Form::None) => self.plain_control(op),
            (Class::Ref, Form::None) => return self.reference(op, &Imm::None),
            _ => return self.operator(&body.unpack(operator)),
        }
        Ok(())
    }

    // tidy: dispatch
    fn operator(&mut self, operator: &Operator<'_>) -> Done {
        let op = operator.op;
        match op.class() {
            Class::Local | Class::Call | Class::Global => unreachable!("they come compact"),
            Class::Const => return self.constant(&operator.imm),
            Class::Pure | Class::Trapping => return self.pure(op),
            Class::Wide => M::wide(self, op),
            Class::Load => return self.load(op, &operator.imm),
            Class::Store => return self.store(op, &operator.imm),
            Class::Parametric => self.parametric(op),
            Class::Control => return self.control(operator),
            Class::Builtin => return self.builtin(op, &operator.imm),
            Class::Ref => return self.reference(op, &operator.imm),
            Class::Gc => return self.object(op, &operator.imm),
            Class::Exception => return self.exception(operator),
            Class::Lane | Class::LoadLane | Class::StoreLane => {
                return M::vector(self, op, &operator.imm);
            }
            Class::AtomicLoad
            | Class::AtomicStore
            | Class::AtomicRmw
            | Class::AtomicCmpxchg
            | Class::AtomicWait => return self.atomic(op, &operator.imm),
        }
        Ok(())
    }

    /// An operator without effects besides traps.
    fn pure(&mut self, op: Op) -> Done {
        let kind = kinds()[op as usize];
        if kind == Kind::Vector {
            return M::vector(self, op, &Imm::None);
        }
        if matches!(self.top().loc, Loc::Const(_)) && self.fold(op) {
            return Ok(());
        }
        match kind {
            Kind::Integer => self.integer_operator(op),
            Kind::Float => M::float(self, op),
            Kind::Comparison => M::float_compare(self, op),
            Kind::Conversion | Kind::Vector => M::convert(self, op),
        }
    }
}

/// What part of the compiler an operator without effects belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Integer,
    Float,
    /// Of floats.
    Comparison,
    Conversion,
    Vector,
}

/// The kind of every operator, meaningful for those without effects.
fn kinds() -> &'static [Kind] {
    static KINDS: std::sync::OnceLock<Box<[Kind]>> = std::sync::OnceLock::new();
    KINDS.get_or_init(|| Op::ALL.iter().map(|&op| kind(op)).collect())
}

fn kind(op: Op) -> Kind {
    use sterna_isa::{Feature, Ty as Fixed};
    let Some((params, results)) = op.signature() else { return Kind::Vector };
    let is_float = |ty: &Fixed| matches!(ty, Fixed::F32 | Fixed::F64);
    match (params.iter().any(is_float), results.iter().any(is_float)) {
        _ if matches!(op.feature(), Feature::Simd | Feature::RelaxedSimd) => Kind::Vector,
        (false, false) => Kind::Integer,
        (true, true) if params[0] == results[0] => Kind::Float,
        (true, false) if params.len() == 2 => Kind::Comparison,
        _ => Kind::Conversion,
    }
}

pub(crate) fn refused(op: Op) -> Refusal {
    format!("{op} is not supported by the baseline tier yet")
}
