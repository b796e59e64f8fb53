//! Owns listings of translated code, for tests and debugging.
//! Does not own translation.

use std::collections::HashMap;
use std::fmt::Write;

use sterna_abi::{InstanceLayout, InterpSettings, Recorder};
use sterna_base::FuncIndex;
use sterna_isa::Op;
use sterna_module::Module;

use crate::machine::Handler;
use crate::op::pure::{Dests, Forms};
use crate::op::{atomic, branch, builtin, call, enter, fused, memory, pure, simd, variable};
use crate::translate::{Probe, Source, probe};

/// The code of a function, an instruction per line: position, byte offset of the operator in the module, name, operands as 16-bit words.
///
/// A name is the operator's with its operand form: `s` slot, `a` accumulator, `i` immediate, in order; `>s` if the result goes to a slot
/// too. Handlers of equal machine code may share an address, and then a name.
pub fn dump(module: &Module, func: FuncIndex) -> String {
    let layout = InstanceLayout::new(module);
    let settings = InterpSettings { deterministic: false, hot_budget: 0 };
    let (entries, recorder) = (std::ptr::null(), &Recorder::default());
    let source = Source { module, layout: &layout, entries, recorder, settings };
    let mut listing = Probe { wanted: u32::MAX, found: None, starts: Some(Vec::new()) };
    let translated = match probe(source, func, &mut listing) {
        Ok(translated) => translated,
        Err(trap) => return format!("not translated: {trap}\n"),
    };
    let names = Names::new();
    let mut text = String::new();
    let starts = listing.starts.unwrap_or_default();
    let end = translated.code.len() as u32 * 8;
    for (i, &(start, offset)) in starts.iter().enumerate() {
        let next = starts.get(i + 1).map_or(end, |&(next, _)| next);
        let words = &translated.code[start as usize / 8..next as usize / 8];
        let name = names.map.get(&(words[0] as usize)).map_or("?", |name| name);
        // Writing to a string cannot fail.
        let _ = write!(text, "{start:5} {offset:#7x} {name:24}");
        for word in &words[1..] {
            for half in 0..4 {
                let _ = write!(text, " {}", (word >> (16 * half)) as u16);
            }
        }
        text.push('\n');
    }
    text
}

/// Names of handlers by address.
struct Names {
    map: HashMap<usize, String>,
}

impl Names {
    fn new() -> Names {
        let mut names = Names { map: HashMap::new() };
        for &op in Op::ALL {
            names.operator(op);
        }
        names.control();
        names.variables();
        names
    }

    fn add(&mut self, handler: Handler, name: String) {
        self.map.entry(handler as usize).or_insert(name);
    }

    fn dests(&mut self, dests: Dests, name: &str) {
        self.add(dests.acc, name.to_owned());
        self.add(dests.slot, format!("{name}>s"));
    }

    // tidy: dispatch
    fn operator(&mut self, op: Op) {
        let text = op.text();
        match pure::forms(op) {
            Some(Forms::Unary(forms)) => {
                self.dests(forms.s, &format!("{text}.s"));
                self.dests(forms.a, &format!("{text}.a"));
            }
            Some(Forms::Binary(forms)) => {
                let all = [(forms.ss, "ss"), (forms.si, "si"), (forms.as_, "as"), (forms.ai, "ai")];
                let rest = forms
                    .rest
                    .iter()
                    .flat_map(|rest| [(rest.sa, "sa"), (rest.is, "is"), (rest.ia, "ia")]);
                all.into_iter()
                    .chain(rest)
                    .for_each(|(dests, form)| self.dests(dests, &format!("{text}.{form}")));
            }
            None => {}
        }
        if let Some(forms) = memory::load(op) {
            let all = [(forms.s, "s"), (forms.a, "a"), (forms.i, "i")];
            all.into_iter().for_each(|(dests, form)| self.dests(dests, &format!("{text}.{form}")));
            self.add(forms.far, format!("{text}.far"));
            self.add(forms.shared, format!("{text}.shared"));
        }
        if let Some(forms) = memory::load_sum(op) {
            let all = [(forms.si, "s+i"), (forms.ai, "a+i"), (forms.ss, "s+s"), (forms.as_, "a+s")];
            all.into_iter().for_each(|(dests, form)| self.dests(dests, &format!("{text}.{form}")));
            for (i, (immediate, slot)) in forms.scaled_i.iter().zip(&forms.scaled_s).enumerate() {
                self.dests(*immediate, &format!("{text}.s<<{}+i", i + 1));
                self.dests(*slot, &format!("{text}.s<<{}+s", i + 1));
            }
        }
        for outer in [Op::I32Add, Op::I32Xor, Op::I32Or, Op::I64Add, Op::I64Xor, Op::I64Or] {
            self.fused(op, outer, true);
        }
        for outer in [Op::F32Add, Op::F64Add, Op::F32Sub, Op::F64Sub] {
            self.fused(op, outer, true);
            self.fused(op, outer, false);
        }
        for (immediate, form) in [(false, "s"), (true, "i")] {
            if let Some(handler) = fused::step_branch(op, immediate) {
                self.add(handler, format!("step br_if {text}.{form} back"));
            }
        }
        if let Some(forms) = memory::store(op) {
            for (values, address) in [(&forms.s, "s"), (&forms.a, "a"), (&forms.i, "i")] {
                let all = [(values.s, "s"), (values.a, "a"), (values.i, "i")];
                all.into_iter().for_each(|(handler, value)| {
                    self.add(handler, format!("{text}.{address}{value}"))
                });
            }
            self.add(forms.far, format!("{text}.far"));
            self.add(forms.shared, format!("{text}.shared"));
        }
        let single = [
            simd::handler(op),
            memory::lane(op, false),
            memory::lane(op, true),
            atomic::access(op),
            atomic::wait(op),
            builtin::handler(op, false),
            builtin::handler(op, true),
        ];
        single.into_iter().flatten().for_each(|handler| self.add(handler, text.to_owned()));
        for (not, prefix) in [(false, "br_if"), (true, "br_unless")] {
            if let Some(forms) = branch::compare_forms(op, not) {
                let all = [(forms.ss, "ss"), (forms.si, "si"), (forms.as_, "as"), (forms.ai, "ai")];
                for (directions, form) in all {
                    self.directions(directions, &format!("{prefix} {text}.{form}"));
                }
            }
        }
    }

    fn fused(&mut self, inner: Op, outer: Op, left: bool) {
        let Some(forms) = fused::fused(inner, outer, left) else { return };
        let all = [(forms.ss, "ss"), (forms.as_, "as"), (forms.si, "si"), (forms.ai, "ai")];
        for (dests, form) in all {
            if let Some(dests) = dests {
                let (inner, outer) = (inner.text(), outer.text());
                let name = if left {
                    format!("{outer}({inner}.{form})")
                } else {
                    format!("{outer}(s {inner}.{form})")
                };
                self.dests(dests, &name);
            }
        }
    }

    fn directions(&mut self, directions: branch::Directions, name: &str) {
        self.add(directions.forward, name.to_owned());
        self.add(directions.back, format!("{name} back"));
    }

    fn control(&mut self) {
        self.directions(branch::JUMP, "br");
        for (wide, ty) in [(false, "i32"), (true, "i64")] {
            for (not, name) in [(false, "eqz"), (true, "nez")] {
                let forms = branch::zero_forms(wide, not);
                self.directions(forms.s, &format!("br_if {ty}.{name}.s"));
                self.directions(forms.a, &format!("br_if {ty}.{name}.a"));
            }
        }
        let single = [
            (branch::TABLE[0], "br_table.s"),
            (branch::TABLE[1], "br_table.a"),
            (call::CALL[0], "call"),
            (call::CALL[1], "call"),
            (call::CALL_IMPORT, "call.import"),
            (call::CALL_INDIRECT[0][0], "call_indirect.s"),
            (call::CALL_INDIRECT[0][1], "call_indirect.a"),
            (call::RESTORE[0], "restore"),
            (call::RESTORE[1], "restore.memory"),
            (call::TAIL_CALL, "return_call"),
            (call::TAIL_CALL_IMPORT, "return_call.import"),
            (call::TAIL_CALL_INDIRECT[0], "return_call_indirect"),
            (call::RETURN, "return"),
            (call::RETURN_MANY, "return.many"),
            (enter::FOREIGN[0], "entry"),
            (enter::FOREIGN[1], "entry.memory"),
            (enter::BUDGET, "budget"),
            (enter::LOOP_BUDGET, "loop_budget"),
            (variable::UNREACHABLE, "unreachable"),
        ];
        single.into_iter().for_each(|(handler, name)| self.add(handler, name.to_owned()));
        for (i, handler) in enter::ENTER.iter().enumerate() {
            let count = enter::ZERO_COUNTS.get(i).map_or("many".to_owned(), ToString::to_string);
            self.add(*handler, format!("enter.{count}"));
        }
        for (forms, ty) in call::RETURN_VALUE.iter().zip(["i32", "i64", "f32", "f64"]) {
            let all = [(forms.s, "s"), (forms.a, "a"), (forms.i, "i")];
            all.into_iter()
                .for_each(|(handler, form)| self.add(handler, format!("return {ty}.{form}")));
        }
    }

    fn variables(&mut self) {
        let types = [
            (&variable::I32, "i32"),
            (&variable::I64, "i64"),
            (&variable::F32, "f32"),
            (&variable::F64, "f64"),
        ];
        for (forms, ty) in types {
            self.dests(forms.constant, &format!("{ty}.const"));
            for (i, place) in ["", ".imported"].into_iter().enumerate() {
                self.dests(forms.global_get[i], &format!("global.get {ty}{place}"));
                self.add(forms.global_set[i][0], format!("global.set {ty}.s{place}"));
                self.add(forms.global_set[i][1], format!("global.set {ty}.a{place}"));
            }
            for (select, condition) in forms.select.iter().zip(["s", "a"]) {
                let all = [
                    (select.ss, "ss"),
                    (select.si, "si"),
                    (select.is, "is"),
                    (select.as_, "as"),
                    (select.sa, "sa"),
                    (select.ai, "ai"),
                    (select.ia, "ia"),
                ];
                all.into_iter().for_each(|(dests, form)| {
                    self.dests(dests, &format!("select {ty}.{condition}{form}"))
                });
            }
        }
        self.dests(builtin::MEMORY_SIZE, "memory.size");
        self.dests(builtin::TABLE_SIZE, "table.size");
        let single = [
            (atomic::FENCE, "atomic.fence"),
            (variable::CONST32, "const32"),
            (variable::CONST64, "const64"),
            (variable::CONST128, "v128.const"),
            (variable::COPY[0], "copy1"),
            (variable::COPY[1], "copy2"),
            (variable::COPY[2], "copy3"),
            (variable::COPY_DOWN, "copy_down"),
            (variable::COPY_PAIR, "copy.pair"),
            (variable::STORE_ACC[0], "copy.a"),
            (variable::STORE_ACC[1], "copy.f32a"),
            (variable::STORE_ACC[2], "copy.f64a"),
            (variable::VECTOR_SELECT, "select v128"),
        ];
        single.into_iter().for_each(|(handler, name)| self.add(handler, name.to_owned()));
    }
}
