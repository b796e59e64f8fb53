//! Owns the bodies of a generated program: expressions by type, and handlers.
//! Does not own statements (`statements`), nor what they name (the plan).

use super::{Field, Plan, Ty, heap_type, list};
use crate::random::Random;

/// Nested expressions at most.
pub(super) const DEPTH: u32 = 5;

/// A function under construction. Expressions are folded text.
pub(super) struct Body<'a> {
    pub(super) plan: &'a Plan,
    pub(super) index: usize,
    pub(super) random: &'a mut Random,
    pub(super) locals: Vec<Ty>,
    /// Locals that only count loops.
    pub(super) counters: u32,
    /// Labels that a branch can go to, with what it carries.
    pub(super) labels: Vec<(u32, Option<Ty>)>,
    /// Labels of the handlers around, in the form before WebAssembly 3.0.
    pub(super) handlers: Vec<u32>,
    next_label: u32,
    /// Expressions that may still be made.
    pub(super) budget: u32,
}

impl<'a> Body<'a> {
    pub fn new(plan: &'a Plan, index: usize, random: &'a mut Random) -> Body<'a> {
        let mut locals = plan.funcs[index].params.clone();
        for _ in 0..2 + random.below(8) {
            locals.push(super::any_type(
                random,
                plan.structs.len(),
                plan.arrays.len(),
                plan.funcs.len(),
            ));
        }
        let budget = 30 + random.below(250) as u32;
        Body {
            plan,
            index,
            random,
            locals,
            counters: 0,
            labels: Vec::new(),
            handlers: Vec::new(),
            next_label: 0,
            budget,
        }
    }

    /// The function.
    pub fn text(mut self) -> String {
        let signature = &self.plan.funcs[self.index];
        let statements = self.statements(8);
        let results: String =
            signature.results.iter().map(|ty| format!("    {}\n", self.expr(*ty, DEPTH))).collect();
        let locals: String = self.locals[signature.params.len()..]
            .iter()
            .map(|ty| format!(" {ty}"))
            .chain((0..self.counters).map(|_| " i32".to_owned()))
            .collect();
        let index = self.index;
        format!(
            "  (func $f{index} (export \"f{index}\") (type $t_f{index}) (param{}) (result{}) (local{locals})\n    {}\n{statements}{results}  )\n",
            list(&signature.params),
            list(&signature.results),
            burn(),
        )
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let len = choices.len() as u64;
        (len > 0).then(|| choices[self.random.below(len) as usize])
    }

    pub(super) fn label(&mut self) -> u32 {
        self.next_label += 1;
        self.next_label
    }

    pub(super) fn any_type(&mut self) -> Ty {
        let Plan { structs, arrays, funcs, .. } = self.plan;
        super::any_type(self.random, structs.len(), arrays.len(), funcs.len())
    }

    /// An expression of a type.
    pub(super) fn expr(&mut self, ty: Ty, depth: u32) -> String {
        self.budget = self.budget.saturating_sub(1);
        if depth == 0 || self.budget == 0 {
            return self.leaf(ty);
        }
        let depth = depth - 1;
        let made = match self.random.below(16) {
            0..3 => None,
            3 | 4 => self.field_of(ty, depth),
            5 => self.element_of(ty, depth),
            6 => self.call_for(ty, depth),
            7 => Some(self.choice(ty, depth)),
            8 => Some(self.guarded(ty, depth)),
            9 => self.table_of(ty, depth),
            10 => Some(self.block(ty, depth)),
            _ => Some(self.made(ty, depth)),
        };
        made.unwrap_or_else(|| self.leaf(ty))
    }

    /// Something short: a variable, a constant, null.
    fn leaf(&mut self, ty: Ty) -> String {
        let plan = self.plan;
        let fits = |types: &[Ty]| -> Vec<usize> {
            (0..types.len()).filter(|&at| plan.matches(types[at], ty)).collect()
        };
        let (locals, globals) = (fits(&self.locals), fits(&plan.globals));
        match self.random.below(8) {
            0..4 => {
                if let Some(local) = self.one_of(&locals) {
                    return format!("(local.get {local})");
                }
            }
            4 | 5 => {
                if let Some(global) = self.one_of(&globals) {
                    return format!("(global.get $g{global})");
                }
            }
            _ => {}
        }
        match ty {
            Ty::I32 => format!("(i32.const {})", self.random.edgy() as i32),
            Ty::I64 => format!("(i64.const {})", self.random.edgy() as i64),
            Ty::F64 => format!("(f64.const {})", self.random.edgy() as i32),
            _ if self.random.one_in(3) => format!("(ref.null {})", heap_type(ty)),
            Ty::I31 | Ty::Any => format!("(ref.i31 (i32.const {}))", self.random.edgy() as i32),
            Ty::Struct(index) => self.fresh_struct(index, 0),
            Ty::Array(index) => self.fresh_array(index, 0),
            Ty::Func(index) => format!("(ref.func $f{index})"),
            Ty::Extern | Ty::Exn => format!("(ref.null {})", heap_type(ty)),
        }
    }

    /// By an operator of the type's own.
    fn made(&mut self, ty: Ty, depth: u32) -> String {
        match ty {
            Ty::I32 => self.made_i32(depth),
            Ty::I64 => format!("(i64.extend_i32_s {})", self.expr(Ty::I32, depth)),
            Ty::F64 => format!("(f64.convert_i32_s {})", self.expr(Ty::I32, depth)),
            Ty::I31 => format!("(ref.i31 {})", self.expr(Ty::I32, depth)),
            Ty::Extern => format!("(extern.convert_any {})", self.expr(Ty::Any, depth)),
            Ty::Any if self.random.one_in(4) => {
                format!("(any.convert_extern {})", self.expr(Ty::Extern, depth))
            }
            Ty::Any => {
                let sub = self.any_type();
                self.expr(if self.plan.matches(sub, Ty::Any) { sub } else { Ty::I31 }, depth)
            }
            Ty::Exn => self.caught(depth),
            Ty::Func(_) => self.leaf(ty),
            Ty::Struct(_) | Ty::Array(_) if self.random.one_in(3) => self.cast(ty, depth),
            Ty::Struct(index) => {
                let subs: Vec<usize> = (0..self.plan.structs.len())
                    .filter(|&sub| self.plan.matches(Ty::Struct(sub), ty))
                    .collect();
                let index = self.one_of(&subs).unwrap_or(index);
                self.fresh_struct(index, depth)
            }
            Ty::Array(index) => self.fresh_array(index, depth),
        }
    }

    fn made_i32(&mut self, depth: u32) -> String {
        match self.random.below(8) {
            0 | 1 => {
                let op = self.one_of(&["add", "sub", "mul", "xor", "and", "shl", "lt_s", "eq"]);
                let (a, b) = (self.expr(Ty::I32, depth), self.expr(Ty::I32, depth));
                format!("(i32.{} {a} {b})", op.unwrap_or("add"))
            }
            2 => {
                let array = self.random.below(self.plan.arrays.len() as u64) as usize;
                format!("(array.len {})", self.non_null(Ty::Array(array), depth))
            }
            3 => {
                let target = self.reference(false);
                let null = if self.random.one_in(2) { "null " } else { "" };
                let value = self.expr(Ty::Any, depth);
                format!("(ref.test (ref {null}{target}) {value})")
            }
            4 => {
                let (a, b) = (self.eq_operand(depth), self.eq_operand(depth));
                format!("(ref.eq {a} {b})")
            }
            5 => {
                let ty = self.reference_type();
                format!("(ref.is_null {})", self.expr(ty, depth))
            }
            6 => {
                let sign = if self.random.one_in(2) { "s" } else { "u" };
                format!("(i31.get_{sign} {})", self.non_null(Ty::I31, depth))
            }
            _ => format!("(i32.wrap_i64 {})", self.expr(Ty::I64, depth)),
        }
    }

    /// Of the hierarchy below `eq`.
    fn eq_operand(&mut self, depth: u32) -> String {
        let ty = self.any_type();
        let fits = matches!(ty, Ty::I31 | Ty::Struct(_) | Ty::Array(_));
        self.expr(if fits { ty } else { Ty::I31 }, depth)
    }

    fn reference_type(&mut self) -> Ty {
        match self.any_type() {
            Ty::I32 | Ty::I64 | Ty::F64 => Ty::Any,
            other => other,
        }
    }

    /// A heap type below `any`; a defined one only if asked for.
    fn reference(&mut self, defined: bool) -> String {
        let kinds = if defined { 2 } else { 6 };
        match self.random.below(kinds) {
            0 => format!("$s{}", self.random.below(self.plan.structs.len() as u64)),
            1 => format!("$a{}", self.random.below(self.plan.arrays.len() as u64)),
            2 => "i31".to_owned(),
            3 => "struct".to_owned(),
            4 => "array".to_owned(),
            _ => "eq".to_owned(),
        }
    }

    /// A reference that is not null: mostly by another one instead, sometimes by trapping.
    pub(super) fn non_null(&mut self, ty: Ty, depth: u32) -> String {
        let value = self.expr(ty, depth);
        if self.random.one_in(12) {
            return format!("(ref.as_non_null {value})");
        }
        let fresh = match ty {
            Ty::Struct(index) => self.fresh_struct(index, 0),
            Ty::Array(index) => self.fresh_array(index, 0),
            Ty::Func(index) => format!("(ref.func $f{index})"),
            _ => "(ref.i31 (i32.const 77))".to_owned(),
        };
        let label = self.label();
        format!(
            "(block $l{label} (result (ref {})) (br_on_non_null $l{label} {value}) {fresh})",
            heap_type(ty)
        )
    }

    fn fresh_struct(&mut self, index: usize, depth: u32) -> String {
        if depth == 0 || self.random.one_in(4) {
            return format!("(struct.new_default $s{index})");
        }
        let fields: String = self.plan.structs[index]
            .fields
            .iter()
            .map(|field| format!(" {}", self.expr(field.ty(), depth - 1)))
            .collect();
        format!("(struct.new $s{index}{fields})")
    }

    fn fresh_array(&mut self, index: usize, depth: u32) -> String {
        let field = self.plan.arrays[index];
        let ty = field.ty();
        // Some are too large for the young space.
        let len = if self.random.one_in(200) { 9_000 } else { 4 + self.random.below(12) };
        let data =
            matches!(field, Field::I8 | Field::I16 | Field::Value(Ty::I32 | Ty::I64 | Ty::F64));
        match self.random.below(5) {
            _ if depth == 0 => format!("(array.new_default $a{index} (i32.const {len}))"),
            0 => format!("(array.new $a{index} {} (i32.const {len}))", self.expr(ty, depth - 1)),
            1 if data => {
                format!("(array.new_data $a{index} $data (i32.const {len}) (i32.const 4))")
            }
            1 if matches!(ty, Ty::I31 | Ty::Any) => {
                format!("(array.new_elem $a{index} $elem (i32.const 1) (i32.const 3))")
            }
            2 => {
                let len = format!("(i32.and {} (i32.const 31))", self.expr(Ty::I32, depth - 1));
                format!("(array.new $a{index} {} {len})", self.expr(ty, depth - 1))
            }
            _ => {
                let len = self.random.below(7) as usize;
                let elements: String =
                    (0..len).map(|_| format!(" {}", self.expr(ty, depth - 1))).collect();
                format!("(array.new_fixed $a{index} {len}{elements})")
            }
        }
    }

    /// An index that mostly lies inside of a fresh array.
    pub(super) fn position(&mut self, depth: u32) -> String {
        match self.random.below(10) {
            0 => self.expr(Ty::I32, depth),
            1..4 => format!("(i32.and {} (i32.const 3))", self.expr(Ty::I32, depth)),
            _ => format!("(i32.const {})", self.random.below(4)),
        }
    }

    fn field_of(&mut self, ty: Ty, depth: u32) -> Option<String> {
        let plan = self.plan;
        let all = plan.structs.iter().enumerate().flat_map(|(index, structure)| {
            let fields = structure.fields.iter().enumerate();
            fields.map(move |(at, field)| (index, at, *field))
        });
        let fit: Vec<_> = all.filter(|(_, _, field)| plan.matches(field.ty(), ty)).collect();
        let (index, at, field) = self.one_of(&fit)?;
        let sign = self.sign(field);
        Some(format!(
            "(struct.get{sign} $s{index} {at} {})",
            self.non_null(Ty::Struct(index), depth)
        ))
    }

    fn element_of(&mut self, ty: Ty, depth: u32) -> Option<String> {
        let fit: Vec<_> = (0..self.plan.arrays.len())
            .filter(|&index| self.plan.matches(self.plan.arrays[index].ty(), ty))
            .collect();
        let index = self.one_of(&fit)?;
        let sign = self.sign(self.plan.arrays[index]);
        let (array, at) = (self.non_null(Ty::Array(index), depth), self.position(depth));
        Some(format!("(array.get{sign} $a{index} {array} {at})"))
    }

    fn sign(&mut self, field: Field) -> &'static str {
        match field {
            Field::Value(_) => "",
            _ if self.random.one_in(2) => "_s",
            _ => "_u",
        }
    }

    /// Mostly a function further down, so that calls end.
    pub(super) fn callee(&mut self) -> usize {
        let count = self.plan.funcs.len();
        let below = count - 1 - self.index;
        match below > 0 && !self.random.one_in(8) {
            true => self.index + 1 + self.random.below(below as u64) as usize,
            false => self.random.below(count as u64) as usize,
        }
    }

    pub(super) fn arguments(&mut self, types: &[Ty], depth: u32) -> String {
        types.iter().map(|ty| format!(" {}", self.expr(*ty, depth))).collect()
    }

    fn call_for(&mut self, ty: Ty, depth: u32) -> Option<String> {
        let callee = self.callee();
        let signature = &self.plan.funcs[callee];
        let [result] = signature.results[..] else { return None };
        if !self.plan.matches(result, ty) {
            return None;
        }
        let arguments = self.arguments(&signature.params, depth);
        Some(match self.random.one_in(2) {
            true => format!("(call $f{callee}{arguments})"),
            false => {
                let func = self.non_null(Ty::Func(callee), depth);
                format!("(call_ref $t_f{callee}{arguments} {func})")
            }
        })
    }

    fn table_of(&mut self, ty: Ty, depth: u32) -> Option<String> {
        let name = match ty {
            Ty::Any => "any",
            Ty::Extern => "extern",
            Ty::Exn => "exn",
            _ => return None,
        };
        Some(format!("(table.get ${name} {})", self.position(depth)))
    }

    fn choice(&mut self, ty: Ty, depth: u32) -> String {
        let condition = self.expr(Ty::I32, depth);
        let (then, or) = (self.expr(ty, depth), self.expr(ty, depth));
        match ty {
            _ if self.random.one_in(2) => {
                format!("(if (result {ty}) {condition} (then {then}) (else {or}))")
            }
            _ => format!("(select (result {ty}) {then} {or} {condition})"),
        }
    }

    fn block(&mut self, ty: Ty, depth: u32) -> String {
        let label = self.label();
        self.labels.push((label, Some(ty)));
        let statements = self.statements(2);
        let value = self.expr(ty, depth);
        self.labels.pop();
        format!("(block $l{label} (result {ty})\n{statements}{value})")
    }

    /// From `any`, or something else if it is none.
    fn cast(&mut self, ty: Ty, depth: u32) -> String {
        let (heap, value) = (heap_type(ty), self.expr(Ty::Any, depth));
        let (label, inner) = (self.label(), self.label());
        let other = self.leaf(ty);
        match self.random.below(7) {
            0 => format!("(ref.cast (ref null {heap}) {value})"),
            1..4 => format!(
                "(block $l{label} (result {ty}) (br_on_cast $l{label} anyref {ty} {value}) drop {other})"
            ),
            _ => format!(
                "(block $l{label} (result {ty}) (block $l{inner} (result anyref) \
                 (br $l{label} (br_on_cast_fail $l{inner} anyref (ref {heap}) {value}))) drop {other})"
            ),
        }
    }

    /// An exception that is thrown and caught on the spot, or by a function that is called.
    fn caught(&mut self, depth: u32) -> String {
        let label = self.label();
        let statements = self.statements(2);
        let throw = self.throw(depth);
        format!(
            "(block $l{label} (result exnref) (try_table (catch_all_ref $l{label})\n{statements}{throw}) unreachable)"
        )
    }

    pub(super) fn throw(&mut self, depth: u32) -> String {
        if self.random.one_in(8) {
            return format!("(throw_ref {})", self.expr(Ty::Exn, depth));
        }
        let tag = self.random.below(self.plan.tags.len() as u64) as usize;
        let payload = self.arguments(&self.plan.tags[tag], depth);
        format!("(throw $t{tag}{payload})")
    }

    /// Takes the payload of a tag (and, of some handlers, a reference) from the operand stack.
    fn consume(&mut self, types: &[Ty]) -> String {
        let take = |ty: &Ty| {
            let fits: Vec<usize> = (0..self.locals.len())
                .filter(|&local| self.plan.matches(*ty, self.locals[local]))
                .collect();
            match self.one_of(&fits) {
                Some(local) => format!(" local.set {local}"),
                None => " drop".to_owned(),
            }
        };
        types.iter().rev().map(take).collect()
    }

    /// A value, or another one by a handler.
    pub(super) fn guarded(&mut self, ty: Ty, depth: u32) -> String {
        match self.plan.legacy && !self.random.one_in(4) {
            true => self.guarded_legacy(ty, depth),
            false => self.guarded_table(ty, depth),
        }
    }

    fn guarded_table(&mut self, ty: Ty, depth: u32) -> String {
        let (done, handler) = (self.label(), self.label());
        let tag = self.random.below(self.plan.tags.len() as u64) as usize;
        let mut types = self.plan.tags[tag].clone();
        let clause = match self.random.below(4) {
            0 => {
                types.push(Ty::Exn);
                format!("(catch_ref $t{tag} $l{handler})")
            }
            1 => {
                types.clear();
                format!("(catch_all $l{handler})")
            }
            2 => {
                types = vec![Ty::Exn];
                format!("(catch_all_ref $l{handler})")
            }
            _ => format!("(catch $t{tag} $l{handler})"),
        };
        // One more, for the same tag: never taken, or a tag of the same types.
        let twin = self.random.below(self.plan.tags.len() as u64) as usize;
        let second = match clause.starts_with("(catch $") && self.plan.tags[twin] == types {
            true => format!(" (catch $t{twin} $l{handler})"),
            false => String::new(),
        };
        self.labels.push((done, Some(ty)));
        let statements = self.statements(3);
        let value = self.expr(ty, depth);
        self.labels.pop();
        let consumed = self.consume(&types);
        let other = self.expr(ty, depth);
        format!(
            "(block $l{done} (result {ty}) (block $l{handler} (result{}) (try_table (result {ty}) {clause}{second}\n\
             {statements}{value})\n    br $l{done}){consumed} {other})",
            list(&types)
        )
    }

    fn guarded_legacy(&mut self, ty: Ty, depth: u32) -> String {
        let label = self.label();
        self.labels.push((label, Some(ty)));
        let statements = self.statements(3);
        let value = self.expr(ty, depth);
        // This form is not folded.
        let mut text =
            format!("(block (result {ty}) try $l{label} (result {ty})\n{statements}{value}");
        let outer: Vec<u32> =
            self.labels[..self.labels.len() - 1].iter().map(|label| label.0).collect();
        if let Some(outer) = self.one_of(&outer)
            && self.random.one_in(4)
        {
            self.labels.pop();
            return format!("{text} delegate $l{outer})");
        }
        self.handlers.push(label);
        for tag in 0..self.plan.tags.len() {
            if self.random.one_in(2) {
                let consumed = self.consume(&self.plan.tags[tag]);
                let statements = self.statements(1);
                text += &format!(" catch $t{tag}{consumed} {statements} {}", self.expr(ty, depth));
            }
        }
        if self.random.one_in(2) {
            let statements = self.statements(1);
            text += &format!(" catch_all {statements} {}", self.expr(ty, depth));
        }
        self.handlers.pop();
        self.labels.pop();
        text + " end)"
    }
}

/// Takes one unit of fuel.
pub(super) fn burn() -> &'static str {
    "(if (i32.eqz (global.get $fuel)) (then unreachable)) (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))"
}
