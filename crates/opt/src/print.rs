//! Owns the text form of a graph, as `Display`.
//! Does not read it back: `parse` does.
//!
//! ```text
//! function -> (i32)
//! block0(v0: i32):
//!     v1: i32 = i32.load[+8] v0 @0x2c
//!     br_if v1, block1(v1), block2
//! block1(v2: i32) loop cold:
//!     v3: i32 = call[5] v2, i64:7 {v0 | v2}
//! ```
//! Values are numbered in the order in which they appear; constants are written where they are used, as type and bits. `@` precedes the
//! origin; braces hold a recorded state, locals before the bar. `@0x10/5:0x20` is at 0x20 in function 5, which was inlined at 0x10.

use std::fmt::{self, Display, Formatter, Write};

use sterna_isa::{Class, ImmKind, Op};

use crate::graph::{Block, Edge, Graph, Inst, Opcode, Origin, Type, Value};

/// No number yet.
const NONE: u32 = u32::MAX;

impl Display for Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.val_type().fmt(f)
    }
}

impl Display for Graph {
    /// The alternate form leaves out origins.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let numbers = numbers(self);
        let mut out = String::new();
        let mut printer = Printer { graph: self, numbers: &numbers, out: &mut out };
        printer.function(!f.alternate())?;
        f.write_str(&out)
    }
}

/// Numbers values in the order of their definitions in the text.
fn numbers(graph: &Graph) -> Vec<u32> {
    let mut numbers = vec![NONE; graph.num_values()];
    let mut next = 0..;
    let mut define = |value: Value| numbers[value.index()] = next.next().unwrap_or(NONE);
    for block in graph.blocks() {
        graph.list(graph.block(block).params).iter().copied().for_each(&mut define);
        for inst in graph.block_insts(block) {
            if graph.inst(inst).op != Opcode::Wasm(Op::Nop) {
                graph.results(inst).for_each(&mut define);
            }
        }
    }
    numbers
}

struct Printer<'a> {
    graph: &'a Graph,
    numbers: &'a [u32],
    out: &'a mut String,
}

impl Printer<'_> {
    fn function(&mut self, origins: bool) -> fmt::Result {
        self.out.push_str("function -> (");
        for (i, ty) in self.graph.result_types().iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(self.out, "{comma}{ty}")?;
        }
        self.out.push_str(")\n");
        for block in self.graph.blocks() {
            self.block(block)?;
            for inst in self.graph.block_insts(block) {
                if self.graph.inst(inst).op != Opcode::Wasm(Op::Nop) {
                    self.inst(inst, origins)?;
                }
            }
        }
        Ok(())
    }

    fn block(&mut self, block: Block) -> fmt::Result {
        let data = self.graph.block(block);
        write!(self.out, "{block}")?;
        for (i, &param) in self.graph.list(data.params).iter().enumerate() {
            self.out.push_str(if i == 0 { "(" } else { ", " });
            self.definition(param)?;
        }
        if !data.params.is_empty() {
            self.out.push(')');
        }
        self.out.push_str(if data.is_loop { " loop" } else { "" });
        self.out.push_str(if data.is_cold { " cold:\n" } else { ":\n" });
        Ok(())
    }

    fn definition(&mut self, value: Value) -> fmt::Result {
        write!(self.out, "v{}: {}", self.numbers[value.index()], self.graph.ty(value))
    }

    fn operand(&mut self, value: Value) -> fmt::Result {
        let value = self.graph.resolve(value);
        match self.graph.constant(value) {
            Some(bits) if bits < 10 => write!(self.out, "{}:{bits}", self.graph.ty(value)),
            Some(bits) => write!(self.out, "{}:{bits:#x}", self.graph.ty(value)),
            None => write!(self.out, "v{}", self.numbers[value.index()]),
        }
    }

    fn operands(&mut self, values: &[Value]) -> fmt::Result {
        for (i, &value) in values.iter().enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            self.operand(value)?;
        }
        Ok(())
    }

    fn inst(&mut self, inst: Inst, origins: bool) -> fmt::Result {
        let graph = self.graph;
        let data = graph.inst(inst);
        self.out.push_str("    ");
        for (i, result) in graph.results(inst).enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            self.definition(result)?;
        }
        if data.results > 0 {
            self.out.push_str(" = ");
        }
        match data.op {
            Opcode::Poll => self.out.push_str("poll"),
            Opcode::CalleeIs => {
                let test = graph.callee_test(inst);
                write!(self.out, "callee.is[{}", test.func.as_u32())?;
                if let Some(table) = test.table {
                    write!(self.out, " table={table}")?;
                }
                self.out.push(']');
            }
            Opcode::Landed => self.out.push_str("exn.landed"),
            Opcode::ExnNew => write!(self.out, "exn.new[{}]", data.index())?,
            Opcode::ExnIs => write!(self.out, "exn.is[{}]", data.index())?,
            Opcode::ExnPayload => write!(self.out, "exn.payload[{}]", data.index())?,
            Opcode::Wasm(op) => {
                self.out.push_str(op.text());
                self.immediate(op, inst)?;
            }
        }
        if !data.args.is_empty() {
            self.out.push(' ');
            self.operands(graph.args(inst))?;
        }
        self.targets(inst)?;
        if let Some(landing) = graph.landing(inst) {
            self.out.push_str(" unwind ");
            self.edge(landing.edge)?;
        }
        self.state(inst)?;
        if origins {
            self.out.push_str(" @");
            self.origin(data.origin)?;
        }
        self.out.push('\n');
        Ok(())
    }

    /// `0x10/5:0x20`: at 0x20 in function 5, which was inlined at 0x10.
    fn origin(&mut self, origin: Origin) -> fmt::Result {
        match self.graph.inlined_at(origin) {
            Some((func, wasm, caller)) => {
                self.origin(caller)?;
                write!(self.out, "/{}:{wasm:#x}", func.as_u32())
            }
            None => write!(self.out, "{:#x}", origin.0),
        }
    }

    /// `[...]` after the operator, if it has immediates.
    fn immediate(&mut self, op: Op, inst: Inst) -> fmt::Result {
        let data = self.graph.inst(inst);
        match op.imm() {
            ImmKind::MemArg | ImmKind::MemArgLane => {
                let access = self.graph.access(inst);
                write!(self.out, "[+{}", access.offset)?;
                if access.memory != 0 {
                    write!(self.out, " memory={}", access.memory)?;
                }
                if op.imm() == ImmKind::MemArgLane {
                    write!(self.out, " lane={}", access.lane)?;
                }
                if access.is_near {
                    self.out.push_str(" near");
                }
                if access.in_bounds {
                    self.out.push_str(" in-bounds");
                }
                self.out.push(']');
                Ok(())
            }
            ImmKind::Shuffle => write!(self.out, "[{:#x}]", self.graph.shuffle(inst)),
            _ if has_indices(op) => {
                let (a, b) = data.index2();
                write!(self.out, "[{a} {b}]")
            }
            _ if has_index(op) => write!(self.out, "[{}]", data.index()),
            _ => Ok(()),
        }
    }

    fn targets(&mut self, inst: Inst) -> fmt::Result {
        let graph = self.graph;
        if graph.inst(inst).op == Opcode::Wasm(Op::BrTable) {
            let switch = graph.switch(inst);
            self.out.push_str(" [");
            for (i, edge) in graph.switch_table(switch).iter().enumerate() {
                let comma = if i == 0 { "" } else { " " };
                write!(self.out, "{comma}{}", edge.as_u32() - switch.edges.0.as_u32())?;
            }
            self.out.push(']');
        }
        for (i, edge) in graph.edges(inst).enumerate() {
            self.out.push_str(if i == 0 && graph.args(inst).is_empty() { " " } else { ", " });
            self.edge(edge)?;
        }
        Ok(())
    }

    fn edge(&mut self, edge: Edge) -> fmt::Result {
        let data = self.graph.edge(edge);
        write!(self.out, "{}", data.block)?;
        if !data.args.is_empty() {
            self.out.push('(');
            self.operands(self.graph.list(data.args))?;
            self.out.push(')');
        }
        Ok(())
    }

    fn state(&mut self, inst: Inst) -> fmt::Result {
        let graph = self.graph;
        for state in graph.states_at(inst) {
            let (locals, stack) = graph.list(state.values).split_at(state.locals as usize);
            self.out.push_str(" {");
            self.operands(locals)?;
            self.out.push_str(" | ");
            self.operands(stack)?;
            self.out.push('}');
        }
        Ok(())
    }
}

/// Whether an operator has two indices in its immediate.
pub(crate) fn has_indices(op: Op) -> bool {
    let pair = matches!(
        op.imm(),
        ImmKind::TypeTable
            | ImmKind::MemoryMemory
            | ImmKind::DataMemory
            | ImmKind::TableTable
            | ImmKind::ElemTable
    );
    pair || op.class() == Class::Gc && op.imm() != ImmKind::NoImm
}

/// Whether an operator has one index (or lane) in its immediate.
pub(crate) fn has_index(op: Op) -> bool {
    matches!(op.class(), Class::Global | Class::Builtin)
        || matches!(op, Op::Call | Op::ReturnCall | Op::RefFunc)
        || op.imm() == ImmKind::Lane
}
