//! Owns reading the text form of a graph, for tests.
//! Does not verify the graph beyond what it needs to read it: write correct ones.

use std::collections::HashMap;

use sterna_base::FuncIndex;
use sterna_isa::{ImmKind, Op};

use crate::graph::{
    Block, CalleeTest, Edge, Graph, Inst, LandingData, List, MemAccess, Opcode, Origin, StateData,
    Switch, Type, Value,
};
use crate::print::{has_index, has_indices};

/// What is wrong, and in which line (from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line.
    pub line: usize,
    /// What was expected there.
    pub message: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Reads what `Display` writes, with or without origins.
///
/// # Errors
/// The text is not of that form, with the line.
pub fn parse(text: &str) -> Result<Graph, ParseError> {
    let mut parser = Parser {
        graph: Graph::default(),
        values: HashMap::new(),
        ops: ops(),
        uses: Vec::new(),
        line: 0,
        open: None,
    };
    for (i, line) in text.lines().enumerate() {
        parser.line = i + 1;
        let wrap = |message| ParseError { line: i + 1, message };
        if !line.trim().is_empty() {
            parser.read_line(&mut Cursor { rest: line.trim() }).map_err(wrap)?;
        }
    }
    parser.close();
    for (position, name, line) in std::mem::take(&mut parser.uses) {
        let value = parser
            .values
            .get(&name)
            .ok_or_else(|| ParseError { line, message: format!("v{name} is not defined") })?;
        parser.graph.pool[position] = *value;
    }
    Ok(parser.graph)
}

/// A message without its line.
type Parsed<T> = Result<T, String>;

fn ops() -> HashMap<&'static str, Op> {
    // The first of two operators with one name is the one that graphs contain.
    Op::ALL.iter().rev().map(|&op| (op.text(), op)).collect()
}

/// The unread part of a line.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Parsed<()> {
        if self.eat(token) { Ok(()) } else { Err(format!("expected `{token}` at `{}`", self.rest)) }
    }

    /// A run of characters that `accept` takes.
    fn word(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn number(&mut self) -> Parsed<u128> {
        let word = self.word(|c| c.is_ascii_alphanumeric());
        let parsed = match word.strip_prefix("0x") {
            Some(hex) => u128::from_str_radix(hex, 16),
            None => word.parse(),
        };
        parsed.map_err(|_| format!("expected a number at `{word}{}`", self.rest))
    }

    fn number_after(&mut self, prefix: &str) -> Parsed<u32> {
        self.expect(prefix)?;
        self.number().map(|number| number as u32)
    }

    /// Whether `v7` is next; `v128` can be a value too, `v128:` begins a constant.
    fn at_value(&self) -> bool {
        let digits = self.rest.strip_prefix('v').unwrap_or("");
        digits.starts_with(|c: char| c.is_ascii_digit()) && !self.at_constant()
    }

    fn at_constant(&self) -> bool {
        self.rest.split_once(':').is_some_and(|(ty, _)| type_named(ty).is_some())
    }

    fn ty(&mut self) -> Parsed<Type> {
        let word = self.word(|c| c.is_ascii_alphanumeric());
        type_named(word).ok_or_else(|| format!("expected a type at `{word}`"))
    }
}

fn type_named(name: &str) -> Option<Type> {
    Some(match name {
        "i32" => Type::I32,
        "i64" => Type::I64,
        "f32" => Type::F32,
        "f64" => Type::F64,
        "v128" => Type::V128,
        "funcref" => Type::FuncRef,
        "externref" => Type::ExternRef,
        "anyref" => Type::AnyRef,
        "objectref" => Type::ObjectRef,
        "exnref" => Type::ExnRef,
        _ => return None,
    })
}

struct Parser {
    graph: Graph,
    values: HashMap<u32, Value>,
    ops: HashMap<&'static str, Op>,
    /// Pool positions to fill with the values of these numbers, and their lines.
    uses: Vec<(usize, u32, usize)>,
    line: usize,
    open: Option<Block>,
}

impl Parser {
    fn read_line(&mut self, line: &mut Cursor<'_>) -> Parsed<()> {
        if line.eat("function -> (") {
            while !line.eat(")") {
                let ty = line.ty()?;
                self.graph.results.push(ty);
                line.eat(",");
            }
            return Ok(());
        }
        if line.rest.starts_with("block") { self.block(line) } else { self.inst(line) }
    }

    fn close(&mut self) {
        if let Some(block) = self.open.take() {
            let end = Inst::from_u32(self.graph.num_insts() as u32);
            self.graph.blocks[block.index()].insts.1 = end;
        }
    }

    fn block(&mut self, line: &mut Cursor<'_>) -> Parsed<()> {
        self.close();
        let block = Block::from_u32(line.number_after("block")?);
        self.make_blocks(block);
        if line.eat("(") {
            while !line.eat(")") {
                let (name, ty) = definition(line)?;
                let value = self.graph.push_param(block, ty);
                self.values.insert(name, value);
                line.eat(",");
            }
        }
        let data = &mut self.graph.blocks[block.index()];
        data.is_loop = line.eat("loop");
        data.is_cold = line.eat("cold");
        let next = Inst::from_u32(self.graph.insts.len() as u32);
        data.insts = (next, next);
        self.open = Some(block);
        line.expect(":")
    }

    /// Makes all blocks up to this one.
    fn make_blocks(&mut self, last: Block) {
        while self.graph.num_blocks() <= last.index() {
            self.graph.push_block();
        }
    }

    fn operand(&mut self, line: &mut Cursor<'_>) -> Parsed<()> {
        if line.at_value() {
            let name = line.number_after("v")?;
            self.uses.push((self.graph.pool.len(), name, self.line));
            self.graph.pool.push(Value::from_u32(0));
            return Ok(());
        }
        let ty = line.ty()?;
        line.expect(":")?;
        let bits = line.number()?;
        let value = self.graph.make_const(ty, bits);
        self.graph.pool.push(value);
        Ok(())
    }

    /// Operands up to something that is none.
    fn operands(&mut self, line: &mut Cursor<'_>) -> Parsed<List> {
        let start = self.graph.pool.len();
        while line.at_value() || line.at_constant() {
            self.operand(line)?;
            line.eat(",");
        }
        Ok(List { start: start as u32, len: (self.graph.pool.len() - start) as u32 })
    }

    fn inst(&mut self, line: &mut Cursor<'_>) -> Parsed<()> {
        let mut results = Vec::new();
        while line.rest.starts_with('v') && !line.rest.starts_with("v128.") {
            results.push(definition(line)?);
            line.eat(",");
        }
        if !results.is_empty() {
            line.expect("=")?;
        }
        let name = line.word(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
        let op = match name {
            "poll" => Opcode::Poll,
            "callee.is" => Opcode::CalleeIs,
            "exn.landed" => Opcode::Landed,
            "exn.new" => Opcode::ExnNew,
            "exn.is" => Opcode::ExnIs,
            "exn.payload" => Opcode::ExnPayload,
            _ => {
                Opcode::Wasm(*self.ops.get(name).ok_or_else(|| format!("`{name}` is no operator"))?)
            }
        };
        let mut imm = match op {
            Opcode::Wasm(op) => self.immediate(op, line)?,
            Opcode::Poll | Opcode::Landed => 0,
            Opcode::CalleeIs => {
                let func = FuncIndex::from_u32(line.number_after("[")?);
                let table = line.eat("table=").then(|| line.number()).transpose()?;
                line.expect("]")?;
                CalleeTest { func, table: table.map(|table| table as u32) }.imm()
            }
            Opcode::ExnNew | Opcode::ExnIs | Opcode::ExnPayload => {
                let tag = line.number_after("[")?;
                line.expect("]")?;
                u64::from(tag)
            }
        };
        let args = self.operands(line)?;
        if let Some(targets) = self.targets(op, line)? {
            imm = targets;
        }
        let inst = Inst::from_u32(self.graph.num_insts() as u32);
        self.landing(inst, line)?;
        self.state(inst, line)?;
        let origin = self.origin(line)?;
        self.graph.push_inst(op, args, imm, origin);
        for (name, ty) in results {
            let value = self.graph.push_result(inst, ty);
            self.values.insert(name, value);
        }
        if line.rest.is_empty() { Ok(()) } else { Err(format!("unexpected `{}`", line.rest)) }
    }

    fn origin(&mut self, line: &mut Cursor<'_>) -> Parsed<Origin> {
        if !line.eat("@") {
            return Ok(Origin(0));
        }
        let mut origin = Origin(line.number()? as u32);
        while line.eat("/") {
            let func = FuncIndex::from_u32(line.number()? as u32);
            let wasm = line.number_after(":")?;
            origin = self.graph.push_inlined(func, wasm, origin);
        }
        Ok(origin)
    }

    fn immediate(&mut self, op: Op, line: &mut Cursor<'_>) -> Parsed<u64> {
        let two = has_indices(op);
        let imm = match op.imm() {
            ImmKind::MemArg | ImmKind::MemArgLane => {
                line.expect("[+")?;
                let mut access = MemAccess {
                    offset: line.number()? as u64,
                    memory: 0,
                    lane: 0,
                    in_bounds: false,
                    is_near: false,
                };
                if line.eat("memory=") {
                    access.memory = line.number()? as u32;
                }
                if line.eat("lane=") {
                    access.lane = line.number()? as u8;
                }
                access.is_near = line.eat("near");
                access.in_bounds = line.eat("in-bounds");
                self.graph.accesses.push(access);
                self.graph.accesses.len() as u64 - 1
            }
            ImmKind::Shuffle => {
                line.expect("[")?;
                let lanes = line.number()?;
                self.graph.consts.push(lanes);
                self.graph.consts.len() as u64 - 1
            }
            _ if two => {
                let first = line.number_after("[")?;
                u64::from(first) | (line.number()? as u64) << 32
            }
            _ if has_index(op) => u64::from(line.number_after("[")?),
            _ => return Ok(0),
        };
        line.expect("]")?;
        Ok(imm)
    }

    /// Table and edges of a branch.
    fn targets(&mut self, op: Opcode, line: &mut Cursor<'_>) -> Parsed<Option<u64>> {
        if !matches!(op, Opcode::Wasm(Op::Br | Op::BrIf | Op::BrTable)) {
            return Ok(None);
        }
        let table = self.graph.tables.len() as u32;
        let first = self.graph.edges.len() as u32;
        if line.eat("[") {
            while !line.eat("]") {
                let edge = first + line.number()? as u32;
                self.graph.tables.push(edge.into());
            }
            line.eat(",");
        }
        while line.rest.starts_with("block") {
            self.one_edge(line)?;
            line.eat(",");
        }
        let count = self.graph.edges.len() as u32 - first;
        if op != Opcode::Wasm(Op::BrTable) {
            return Ok(Some(u64::from(first) | u64::from(count) << 32));
        }
        let len = self.graph.tables.len() as u32 - table;
        self.graph.switches.push(Switch { edges: (first.into(), count), table: (table, len) });
        Ok(Some(self.graph.switches.len() as u64 - 1))
    }

    fn landing(&mut self, inst: Inst, line: &mut Cursor<'_>) -> Parsed<()> {
        if !line.eat("unwind") {
            return Ok(());
        }
        let edge = self.one_edge(line)?;
        let before = self.graph.insts.last().filter(|before| before.op == Opcode::Landed);
        let exn = before.ok_or("a call that unwinds follows an exn.landed")?.first_result;
        self.graph.landings.push(LandingData { inst, edge, exn });
        Ok(())
    }

    fn one_edge(&mut self, line: &mut Cursor<'_>) -> Parsed<Edge> {
        let block = Block::from_u32(line.number_after("block")?);
        self.make_blocks(block);
        let edge = self.graph.push_edge(block);
        if line.eat("(") {
            let args = self.operands(line)?;
            self.graph.edges[edge.index()].args = args;
            line.expect(")")?;
        }
        Ok(edge)
    }

    fn state(&mut self, inst: Inst, line: &mut Cursor<'_>) -> Parsed<()> {
        while line.eat("{") {
            let locals = self.operands(line)?;
            line.expect("|")?;
            let stack = self.operands(line)?;
            line.expect("}")?;
            let values = List { start: locals.start, len: locals.len + stack.len };
            self.graph.states.push(StateData { inst, values, locals: locals.len });
        }
        Ok(())
    }
}

/// `v3: i32`.
fn definition(line: &mut Cursor<'_>) -> Parsed<(u32, Type)> {
    let name = line.number_after("v")?;
    line.expect(":")?;
    Ok((name, line.ty()?))
}
