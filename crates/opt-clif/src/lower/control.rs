//! Owns the lowering of terminators.
//! Does not own tail calls (`calls`).

use cranelift_codegen::ir::{InstBuilder, JumpTableData};
use sterna_isa::{Op, TrapCode};
use sterna_opt::{Edge, Inst, Opcode, Value};

use super::Lower;
use crate::signature::ResultPlace;

impl Lower<'_> {
    /// Lowers an operator of class Control.
    pub(super) fn control(&mut self, op: Op, inst: Inst) {
        match op {
            Op::Br => {
                let edge = self.first_edge(inst);
                let block = self.edge(edge);
                self.pos.ins().jump(block, &self.cx.block_args);
            }
            Op::BrIf => self.br_if(inst),
            Op::BrTable => self.br_table(inst),
            Op::Return => self.return_(inst),
            Op::Unreachable => self.trap(TrapCode::Unreachable),
            _ => unreachable!("{op} is gone once the graph is built"),
        }
    }

    fn first_edge(&self, inst: Inst) -> Edge {
        self.input.graph.edges(inst).next().expect("branches have an edge")
    }

    fn br_if(&mut self, inst: Inst) {
        let mut edges = self.input.graph.edges(inst);
        let mut taken = edges.next().expect("br_if has two edges");
        let mut not_taken = edges.next().expect("br_if has two edges");
        let mut condition = self.input.graph.args(inst)[0];
        // A branch on `x == 0` is the opposite branch on `x`.
        while let Some(inner) = self.zero_tested(condition) {
            condition = inner;
            std::mem::swap(&mut taken, &mut not_taken);
        }
        let condition = self.condition(condition);
        let taken = self.edge(taken);
        let taken_args = std::mem::take(&mut self.cx.block_args);
        let not_taken = self.edge(not_taken);
        let not_taken_args = &self.cx.block_args;
        self.pos.ins().brif(condition, taken, &taken_args, not_taken, not_taken_args);
        if taken_args.capacity() > self.cx.block_args.capacity() {
            self.cx.block_args = taken_args;
        }
    }

    /// The operand of `value` if that is an `eqz`.
    fn zero_tested(&self, value: Value) -> Option<Value> {
        let inst = self.input.graph.def_inst(value)?;
        let is_eqz =
            matches!(self.input.graph.inst(inst).op, Opcode::Wasm(Op::I32Eqz | Op::I64Eqz));
        is_eqz.then(|| self.input.graph.args(inst)[0])
    }

    /// Edges with arguments get a block of their own, so that the table does not repeat the arguments per entry.
    fn br_table(&mut self, inst: Inst) {
        let graph = self.input.graph;
        let index = self.arg(inst, 0);
        let switch = *graph.switch(inst);
        let mut calls = Vec::with_capacity(switch.edges.1 as usize);
        let mut landings = Vec::new();
        for edge in graph.edges(inst) {
            let data = graph.edge(edge);
            let block = if data.args.is_empty() {
                self.cx.blocks[data.block.index()]
            } else {
                let landing = self.new_block();
                landings.push((landing, edge));
                landing
            };
            calls.push(self.pos.func.dfg.block_call(block, &[]));
        }
        let entries: Vec<_> = graph
            .switch_table(&switch)
            .iter()
            .map(|edge| calls[(edge.as_u32() - switch.edges.0.as_u32()) as usize])
            .collect();
        let (&default, entries) = entries.split_last().expect("a br_table has a default");
        let table = self.pos.func.create_jump_table(JumpTableData::new(default, entries));
        self.pos.ins().br_table(index, table);
        for (landing, edge) in landings {
            self.open(landing);
            let block = self.edge(edge);
            self.pos.ins().jump(block, &self.cx.block_args);
        }
    }

    fn return_(&mut self, inst: Inst) {
        let graph = self.input.graph;
        if let Some(frame) = self.frame {
            self.store_slots(graph.args(inst), frame);
            self.pos.ins().return_(&[]);
            return;
        }
        let mut values = std::mem::take(&mut self.cx.args);
        values.clear();
        for (i, &arg) in graph.args(inst).iter().enumerate() {
            let value = self.value(arg);
            let value = self.canonical(value);
            match self.cx.places[i] {
                ResultPlace::Register => values.push(value),
                ResultPlace::Area(offset) => {
                    let area = self.result_area.expect("signatures with such results have an area");
                    self.pos.ins().store(self.flags.results, value, area, offset as i32);
                }
            }
        }
        self.pos.ins().return_(&values);
        self.cx.args = values;
    }
}
