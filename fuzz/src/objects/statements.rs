//! Owns the statements of a generated program.
//! Does not own expressions (`body`).

use super::body::{Body, DEPTH, burn};
use super::{Field, Ty};

impl Body<'_> {
    /// Some statements, none when the budget is used up.
    pub(super) fn statements(&mut self, most: u64) -> String {
        let mut text = String::new();
        for _ in 0..1 + self.random.below(most) {
            if self.budget == 0 {
                break;
            }
            text += &format!("    {}\n", self.statement(DEPTH - 2));
        }
        text
    }

    fn statement(&mut self, depth: u32) -> String {
        self.budget = self.budget.saturating_sub(1);
        let plan = self.plan;
        match self.random.below(20) {
            0..4 => {
                let local = self.random.below(self.locals.len() as u64) as usize;
                format!("(local.set {local} {})", self.expr(self.locals[local], depth))
            }
            4 => {
                let global = self.random.below(plan.globals.len() as u64) as usize;
                format!("(global.set $g{global} {})", self.expr(plan.globals[global], depth))
            }
            5 | 6 => self.set_field(depth),
            7 | 8 => self.change_array(depth),
            9 => self.change_table(depth),
            10 => self.throw_if(depth),
            11 => self.repeat(),
            12 => {
                let (condition, then, or) =
                    (self.expr(Ty::I32, depth), self.statements(3), self.statements(2));
                format!("(if {condition} (then\n{then}) (else\n{or}))")
            }
            13 => self.branch(depth),
            14 => self.call(depth),
            15 => format!("(if {} (then {}))", self.expr(Ty::I32, depth), self.leave(depth)),
            16 => {
                let ty = self.any_type();
                format!("(drop {})", self.guarded(ty, depth))
            }
            _ => format!(
                "(global.set $digest (i32.add (i32.mul (global.get $digest) (i32.const 31)) {}))",
                self.expr(Ty::I32, depth)
            ),
        }
    }

    fn set_field(&mut self, depth: u32) -> String {
        let index = self.random.below(self.plan.structs.len() as u64) as usize;
        let fields = &self.plan.structs[index].fields;
        if fields.is_empty() {
            return String::new();
        }
        let at = self.random.below(fields.len() as u64) as usize;
        let object = self.non_null(Ty::Struct(index), depth);
        format!("(struct.set $s{index} {at} {object} {})", self.expr(fields[at].ty(), depth))
    }

    fn change_array(&mut self, depth: u32) -> String {
        let index = self.random.below(self.plan.arrays.len() as u64) as usize;
        let field = self.plan.arrays[index];
        let (array, at) = (self.non_null(Ty::Array(index), depth), self.position(depth));
        match self.random.below(6) {
            0 => {
                let len = self.random.below(4);
                format!(
                    "(array.fill $a{index} {array} {at} {} (i32.const {len}))",
                    self.expr(field.ty(), depth)
                )
            }
            1 | 2 => {
                let sources: Vec<usize> = (0..self.plan.arrays.len())
                    .filter(|&source| match (self.plan.arrays[source], field) {
                        (Field::Value(from), Field::Value(to)) => self.plan.matches(from, to),
                        (from, to) => from == to,
                    })
                    .collect();
                let source = self.one_of(&sources).unwrap_or(index);
                let from = self.non_null(Ty::Array(source), depth);
                let (start, len) = (self.position(depth), self.random.below(4));
                format!(
                    "(array.copy $a{index} $a{source} {array} {at} {from} {start} (i32.const {len}))"
                )
            }
            3 if matches!(field.ty(), Ty::I31 | Ty::Any) => {
                format!(
                    "(array.init_elem $a{index} $elem {array} {at} (i32.const 1) (i32.const 2))"
                )
            }
            3 if matches!(field.ty(), Ty::I32 | Ty::I64 | Ty::F64) => {
                format!(
                    "(array.init_data $a{index} $data {array} {at} (i32.const 3) (i32.const 2))"
                )
            }
            _ => format!("(array.set $a{index} {array} {at} {})", self.expr(field.ty(), depth)),
        }
    }

    fn change_table(&mut self, depth: u32) -> String {
        let (name, ty) = self
            .one_of(&[("any", Ty::Any), ("extern", Ty::Extern), ("exn", Ty::Exn)])
            .unwrap_or(("any", Ty::Any));
        let value = self.expr(ty, depth);
        match self.random.below(8) {
            0 => format!("(drop (table.grow ${name} {value} (i32.const 1)))"),
            1 => format!("(table.fill ${name} (i32.const 1) {value} (i32.const 3))"),
            2 => format!(
                "(table.copy ${name} ${name} {} (i32.const 2) (i32.const 2))",
                self.position(depth)
            ),
            _ => format!("(table.set ${name} {} {value})", self.position(depth)),
        }
    }

    fn throw_if(&mut self, depth: u32) -> String {
        let throw = match self.handlers.last() {
            Some(handler) if self.random.one_in(2) => format!("(rethrow $l{handler})"),
            _ => self.throw(depth),
        };
        match self.random.one_in(5) {
            true => throw,
            false => format!("(if {} (then {throw}))", self.expr(Ty::I32, depth)),
        }
    }

    /// A loop that ends by its counter.
    fn repeat(&mut self) -> String {
        let counter = self.locals.len() as u32 + self.counters;
        self.counters += 1;
        let (label, times) = (self.label(), 1 + self.random.below(12));
        let statements = self.statements(3);
        format!(
            "(local.set {counter} (i32.const {times}))\n    (loop $l{label} {}\n{statements}    \
             (br_if $l{label} (local.tee {counter} (i32.sub (local.get {counter}) (i32.const 1)))))",
            burn()
        )
    }

    fn branch(&mut self, depth: u32) -> String {
        let labels = self.labels.clone();
        let Some((label, carried)) = self.one_of(&labels) else { return String::new() };
        let value = carried.map_or_else(String::new, |ty| format!(" {}", self.expr(ty, depth)));
        format!("(if {} (then (br $l{label}{value})))", self.expr(Ty::I32, depth))
    }

    fn call(&mut self, depth: u32) -> String {
        let callee = self.callee();
        let signature = &self.plan.funcs[callee];
        let drops = " drop".repeat(signature.results.len());
        format!("(call $f{callee}{}){drops}", self.arguments(&signature.params, depth))
    }

    /// `return`, or a tail call.
    fn leave(&mut self, depth: u32) -> String {
        let results = &self.plan.funcs[self.index].results;
        let callee = self.callee();
        let signature = &self.plan.funcs[callee];
        match signature.results == *results && self.random.one_in(2) {
            true => format!("(return_call $f{callee}{})", self.arguments(&signature.params, depth)),
            false => format!("(return{})", self.arguments(results, depth)),
        }
    }
}
