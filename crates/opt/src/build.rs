//! Owns making a graph from a function body: the driver and the state of the one pass over the operators.
//! Does not own its parts: control flow (`control`), locals (`locals`), plain operators (`operators`).
//!
//! # SSA from structure
//! Wasm control flow is structured, so no search over predecessors is needed to build SSA form:
//! * The current value of every local is at hand. A log records the value that a local had when the innermost open construct was
//!   entered; so a branch knows which locals have changed since its target's construct began, and only those can need
//!   parameters there.
//! * A forward label becomes a block at its `end`, when all edges to it are known: a local gets a parameter if and only if two
//!   edges disagree on its value.
//! * A loop header needs its parameters before its back edges are known: `scan` lists the locals that each loop assigns.
//!   Parameters that turn out superfluous are removed by `passes::params`, unused ones by `passes::dead`.

mod control;
mod counts;
mod enter;
mod exception;
mod inline;
mod joins;
mod locals;
mod nest;
mod objects;
mod operators;
mod scan;

use sterna_abi::{INLINED, Observed};
use sterna_base::FuncIndex;
use sterna_isa::{Op, ValType};
use sterna_module::Module;

use crate::graph::{Block, Edge, Graph, Inst, List, Opcode, Origin, StateData, Type, Value};
use crate::passes::PassSet;
use control::Frame;
use inline::Activation;
use locals::Locals;
use scan::Loops;

/// What to record besides the function itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildOptions<'a> {
    /// Emit [`Opcode::Poll`] at the entry (of functions that call) and at loop headers.
    pub polls: bool,
    /// Record the state at calls and polls.
    pub states: bool,
    /// What is not to be done: passes that are parts of building.
    pub disabled: PassSet,
    /// What the tiers below saw.
    pub observed: Observed<'a>,
    /// Make the graph of the function from the start of the loop whose operator is at this byte offset in the module.
    pub entry: Option<u32>,
}

/// Why there is no graph. Not an error of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// The function uses something the tier does not implement.
    Unsupported(String),
    /// The graph would be out of proportion to the body.
    TooLarge,
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BuildError::Unsupported(what) => {
                write!(f, "{what} is not supported by the optimizing tier yet")
            }
            BuildError::TooLarge => {
                f.write_str("its data flow is too large for the optimizing tier")
            }
        }
    }
}

impl std::error::Error for BuildError {}

/// Most parameters of a block.
const MAX_PARAMS: usize = u16::MAX as usize;

/// Most values in the pool: bounds memory and time for bodies whose data flow grows with the square of their size.
const MAX_POOL: usize = 1 << 23;

/// Most work spent on edges, for the same reason.
const MAX_WORK: usize = 1 << 24;

/// The scratch memory of building, to be kept and used for many functions.
#[derive(Default)]
pub struct Builder {
    stack: Vec<Value>,
    frames: Vec<Frame>,
    locals: Locals,
    loops: Loops,
    pending: joins::PendingEdges,
    /// Loops begun so far, in the scan's order.
    next_loop: u32,
    /// Parameters of open ifs, for their else halves.
    saved_params: Vec<Value>,
    /// Open bodies of `try`s.
    tries: Vec<exception::Try>,
    /// The function, and within it the functions that are being inlined.
    activations: Vec<Activation>,
    /// Clauses of open `try_table`s.
    catches: Vec<Box<[sterna_module::Catch]>>,
    /// Locals of dispatch blocks, for the clauses of legacy `try`s.
    saved_locals: Vec<(u32, Value)>,
    /// By label depth, the edge of the last `br_table` to it.
    label_edges: Vec<Option<Edge>>,
    /// How often operators of the function, and of those being inlined, ran.
    counts: Vec<counts::Counted>,
    result_params: Vec<u32>,
    scratch: Vec<Value>,
}

impl Builder {
    /// A builder.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Builds the graph of a defined function into `graph`, which is cleared first.
    ///
    /// # Errors
    /// The function uses something not implemented, or is too large; the graph is then unusable.
    pub fn build(
        &mut self,
        module: &Module,
        func: FuncIndex,
        options: &BuildOptions<'_>,
        graph: &mut Graph,
    ) -> Result<(), BuildError> {
        graph.clear();
        self.stack.clear();
        self.frames.clear();
        self.pending.clear();
        self.next_loop = 0;
        self.saved_params.clear();
        self.tries.clear();
        self.catches.clear();
        self.saved_locals.clear();
        self.label_edges.clear();
        self.activations.clear();
        self.counts.clear();
        self.loops.clear();
        let body = module.body(func);
        if body.offset() >= INLINED - MAX_POOL as u32 {
            return Err(BuildError::TooLarge);
        }
        let has_calls = self.loops.scan(body.operators(), 0)?.calls;
        let entry = graph.push_block();
        let mut build = Build {
            module,
            options,
            graph,
            cx: self,
            block: entry,
            reachable: true,
            skipped: 0,
            wasm: body.offset(),
            origin: Origin(body.offset()),
            loop_depth: 0,
            root_size: body.size(),
            inlined_size: 0,
            next_op: None,
            loop_entry: None,
        };
        build.enter(func, &body, options.polls && has_calls)?;
        build.operators(&body)?;
        match (options.entry, build.loop_entry) {
            (Some(_), entry) => enter::enter_loop(graph, entry),
            (None, _) => Ok(()),
        }
    }
}

/// A function being built.
struct Build<'a> {
    module: &'a Module,
    options: &'a BuildOptions<'a>,
    graph: &'a mut Graph,
    cx: &'a mut Builder,
    /// The open block.
    block: Block,
    /// Whether the next operator can be reached; if not, nothing is emitted.
    reachable: bool,
    /// Constructs opened since the code became unreachable.
    skipped: u32,
    /// Byte offset of the operator in the module.
    wasm: u32,
    origin: Origin,
    /// Open loops.
    loop_depth: u32,
    /// Size of the function's own body in bytes, and of those inlined in it so far.
    root_size: u32,
    inlined_size: u32,
    /// The operator after the one being translated.
    next_op: Option<Op>,
    /// The loop that is the graph's entry, once it has begun.
    loop_entry: Option<enter::LoopEntry>,
}

impl Build<'_> {
    /// Sets up entry block, locals and the outermost label.
    fn enter(
        &mut self,
        func: FuncIndex,
        body: &sterna_module::Body<'_>,
        poll: bool,
    ) -> Result<(), BuildError> {
        let ty = self.module.func_type(func);
        self.cx.activations.push(Activation::outermost(func));
        self.open_counts(func, false);
        self.cx.locals.clear();
        for &param in &ty.params {
            let ty = self.supported(param)?;
            let value = self.graph.push_param(self.block, ty);
            self.cx.locals.declare(value);
        }
        self.declare_locals(body)?;
        for &result in &ty.results {
            let result = self.supported(result)?;
            self.graph.results.push(result);
        }
        self.open_block(self.block);
        if poll {
            self.poll();
        }
        self.cx.frames.push(Frame::function(ty.results.len()));
        Ok(())
    }

    /// Adds the locals that a body declares.
    fn declare_locals(&mut self, body: &sterna_module::Body<'_>) -> Result<(), BuildError> {
        for (count, ty) in body.local_groups() {
            let ty = self.supported(ty)?;
            let zero = self.graph.make_const(ty, 0);
            for _ in 0..count {
                self.cx.locals.declare(zero);
            }
        }
        Ok(())
    }

    /// Translates the operators of a body, to its end.
    fn operators(&mut self, body: &sterna_module::Body<'_>) -> Result<(), BuildError> {
        let mut operators = body.operators();
        let mut next = operators.next();
        while let Some(operator) = next {
            next = operators.next();
            self.next_op = next.as_ref().map(|next| next.op);
            self.wasm = operator.offset;
            self.origin = self.origin_of(&operator);
            self.operator(&operator)?;
            if self.graph.pool.len() > MAX_POOL || self.cx.pending.work() > MAX_WORK {
                return Err(BuildError::TooLarge);
            }
        }
        Ok(())
    }

    /// The graph type of a value type.
    fn supported(&self, ty: ValType) -> Result<Type, BuildError> {
        let unsupported = || BuildError::Unsupported(format!("the type {ty}"));
        Type::of(self.module, ty).ok_or_else(unsupported)
    }

    // ------------------------------------------------------------------------------------------ operand stack

    fn push(&mut self, value: Value) {
        self.cx.stack.push(value);
    }

    fn pop(&mut self) -> Value {
        self.cx.stack.pop().expect("validated: operands are on the stack")
    }

    /// Pops the topmost `count` operands into a list.
    fn pop_list(&mut self, count: usize) -> List {
        let at = self.cx.stack.len() - count;
        let list = self.graph.push_list(&self.cx.stack[at..]);
        self.cx.stack.truncate(at);
        list
    }

    // ------------------------------------------------------------------------------------------ instructions

    fn open_block(&mut self, block: Block) {
        let next = Inst::from_u32(self.graph.insts.len() as u32);
        self.graph.blocks[block.index()].insts = (next, next);
        self.block = block;
        self.reachable = true;
    }

    fn emit(&mut self, op: Op, args: List, imm: u64) -> Inst {
        self.graph.push_inst(Opcode::Wasm(op), args, imm, self.origin)
    }

    /// Pops `args` operands, emits the instruction and pushes its results.
    fn emit_stack(&mut self, op: Op, args: usize, imm: u64, results: &[Type]) -> Inst {
        let args = self.pop_list(args);
        let inst = self.emit(op, args, imm);
        for &ty in results {
            let value = self.graph.push_result(inst, ty);
            self.push(value);
        }
        inst
    }

    /// Ends the open block. What follows is unreachable.
    fn terminate(&mut self, op: Op, args: List, imm: u64) {
        let inst = self.emit(op, args, imm);
        self.graph.blocks[self.block.index()].insts.1 = Inst::from_u32(inst.as_u32() + 1);
        self.reachable = false;
    }

    /// Ends the open block with edges that were made one after the other.
    fn terminate_edges(&mut self, op: Op, args: List, first: Edge, count: u32) {
        self.terminate(op, args, u64::from(first.as_u32()) | u64::from(count) << 32);
    }

    fn poll(&mut self) {
        let inst = self.graph.push_inst(Opcode::Poll, List::default(), 0, self.origin);
        self.record_state(inst);
    }

    /// Records locals and operand stack at `inst`, whose operands are popped and whose results are not pushed yet; then those of the
    /// functions around it if it is in an inlined one.
    fn record_state(&mut self, inst: Inst) {
        if !self.options.states {
            return;
        }
        let (mut locals_end, mut stack_end) = (self.cx.locals.values().len(), self.cx.stack.len());
        for activation in self.cx.activations.iter().rev() {
            let (first_local, height) = (activation.locals as usize, activation.height as usize);
            let locals = &self.cx.locals.values()[first_local..locals_end];
            let start = self.graph.push_list(locals).start;
            let locals = locals.len() as u32;
            let stack = self.graph.push_list(&self.cx.stack[height..stack_end]);
            let values = List { start, len: locals + stack.len };
            self.graph.states.push(StateData { inst, values, locals });
            (locals_end, stack_end) = (first_local, height);
        }
    }
}
