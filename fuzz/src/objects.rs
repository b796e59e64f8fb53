//! Owns the plan of a generated program about objects, references and exceptions: its types, tags, functions.
//! Does not own the bodies (`body`), nor all other features: `generate` mixes those, but seldom brings an object to where it is used.
//!
//! Programs are text: names instead of indices, and a finding can be read.

mod body;
mod statements;

use std::fmt;

use crate::random::Random;
use body::Body;

/// Calls and loop iterations after which a program traps by itself.
const FUEL: u32 = 200;

/// A value type; all references are nullable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ty {
    I32,
    I64,
    F64,
    I31,
    Any,
    Extern,
    Exn,
    Struct(usize),
    Array(usize),
    /// Of the type of a function of the program.
    Func(usize),
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ty::I32 => f.write_str("i32"),
            Ty::I64 => f.write_str("i64"),
            Ty::F64 => f.write_str("f64"),
            Ty::I31 => f.write_str("i31ref"),
            Ty::Any => f.write_str("anyref"),
            Ty::Extern => f.write_str("externref"),
            Ty::Exn => f.write_str("exnref"),
            Ty::Struct(index) => write!(f, "(ref null $s{index})"),
            Ty::Array(index) => write!(f, "(ref null $a{index})"),
            Ty::Func(index) => write!(f, "(ref null $t_f{index})"),
        }
    }
}

/// What a field or an element holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    I8,
    I16,
    Value(Ty),
}

impl Field {
    /// The type of the values that are stored there.
    fn ty(self) -> Ty {
        match self {
            Field::I8 | Field::I16 => Ty::I32,
            Field::Value(ty) => ty,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::I8 => f.write_str("(mut i8)"),
            Field::I16 => f.write_str("(mut i16)"),
            Field::Value(ty) => write!(f, "(mut {ty})"),
        }
    }
}

#[derive(Clone, Debug)]
struct Struct {
    parent: Option<usize>,
    /// The parent's first.
    fields: Vec<Field>,
}

#[derive(Clone, Debug, Default)]
struct Signature {
    params: Vec<Ty>,
    results: Vec<Ty>,
}

/// What the bodies of a program can name.
#[derive(Debug, Default)]
struct Plan {
    structs: Vec<Struct>,
    arrays: Vec<Field>,
    tags: Vec<Vec<Ty>>,
    globals: Vec<Ty>,
    funcs: Vec<Signature>,
    /// Handlers are also written in the form before WebAssembly 3.0.
    legacy: bool,
}

/// The text of a program.
pub(crate) fn program(random: &mut Random) -> String {
    let plan = Plan::new(random);
    let mut text = String::from("(module\n");
    plan.types(&mut text);
    for (index, params) in plan.tags.iter().enumerate() {
        text += &format!("  (tag $t{index} (param{}))\n", list(params));
    }
    text += &format!("  (global $fuel (mut i32) (i32.const {FUEL}))\n");
    text += "  (global $digest (export \"digest\") (mut i32) (i32.const 0))\n";
    for (index, ty) in plan.globals.iter().enumerate() {
        let init = match ty {
            Ty::I32 | Ty::I64 | Ty::F64 => format!("{ty}.const {index}"),
            Ty::I31 | Ty::Any => format!("ref.i31 (i32.const {index})"),
            other => format!("ref.null {}", heap_type(*other)),
        };
        text += &format!("  (global $g{index} (export \"g{index}\") (mut {ty}) ({init}))\n");
    }
    for name in ["any", "extern", "exn"] {
        text += &format!("  (table ${name} (export \"{name}\") 6 12 {name}ref)\n");
    }
    text += "  (data $data \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\")\n";
    text += "  (elem $elem i31ref (ref.i31 (i32.const 1)) (ref.null i31) (ref.i31 (i32.const -3)) (ref.i31 (i32.const 4)))\n";
    for index in 0..plan.funcs.len() {
        text += &Body::new(&plan, index, random).text();
    }
    text + ")\n"
}

impl Plan {
    fn new(random: &mut Random) -> Plan {
        let mut plan = Plan { legacy: random.one_in(3), ..Plan::default() };
        let (structs, arrays) = (2 + random.below(5) as usize, 2 + random.below(4) as usize);
        let funcs = 3 + random.below(5) as usize;
        let ty = |random: &mut Random| any_type(random, structs, arrays, funcs);
        for index in 0..structs {
            let parent =
                (index > 0 && !random.one_in(3)).then(|| random.below(index as u64) as usize);
            let mut fields: Vec<Field> = parent.map_or_else(Vec::new, |parent| {
                let parent: &Struct = &plan.structs[parent];
                parent.fields.clone()
            });
            for _ in 0..random.below(5) {
                fields.push(field(random, ty));
            }
            plan.structs.push(Struct { parent, fields });
        }
        plan.arrays = (0..arrays).map(|_| field(random, ty)).collect();
        let types = |random: &mut Random, most: u64| -> Vec<Ty> {
            (0..random.below(most + 1)).map(|_| ty(random)).collect()
        };
        plan.tags = (0..1 + random.below(4)).map(|_| types(random, 3)).collect();
        plan.globals = (0..2 + random.below(6)).map(|_| ty(random)).collect();
        plan.funcs = (0..funcs)
            .map(|_| Signature { params: types(random, 3), results: types(random, 2) })
            .collect();
        plan
    }

    /// All in one recursion group, so that they can refer to each other.
    fn types(&self, text: &mut String) {
        *text += "  (rec\n";
        for (index, Struct { parent, fields }) in self.structs.iter().enumerate() {
            let parent = parent.map_or_else(String::new, |parent| format!("$s{parent} "));
            let fields: String = fields.iter().map(|field| format!(" (field {field})")).collect();
            *text += &format!("    (type $s{index} (sub {parent}(struct{fields})))\n");
        }
        for (index, field) in self.arrays.iter().enumerate() {
            *text += &format!("    (type $a{index} (array {field}))\n");
        }
        for (index, Signature { params, results }) in self.funcs.iter().enumerate() {
            let (params, results) = (list(params), list(results));
            *text += &format!("    (type $t_f{index} (func (param{params}) (result{results})))\n");
        }
        *text += "  )\n";
    }

    /// Whether a value of one type is one of the other, too.
    fn matches(&self, sub: Ty, ty: Ty) -> bool {
        match (sub, ty) {
            (Ty::I31 | Ty::Struct(_) | Ty::Array(_), Ty::Any) => true,
            (Ty::Struct(sub), Ty::Struct(ty)) => {
                sub == ty
                    || self.structs[sub]
                        .parent
                        .is_some_and(|up| self.matches(Ty::Struct(up), Ty::Struct(ty)))
            }
            _ => sub == ty,
        }
    }
}

/// Any type, references more often than numbers.
fn any_type(random: &mut Random, structs: usize, arrays: usize, funcs: usize) -> Ty {
    match random.below(15) {
        0..3 => Ty::I32,
        3 => Ty::I64,
        4 => Ty::F64,
        5 => Ty::I31,
        6 | 7 => Ty::Any,
        8 => Ty::Extern,
        9 => Ty::Exn,
        10 => Ty::Func(random.below(funcs as u64) as usize),
        11 | 12 => Ty::Array(random.below(arrays as u64) as usize),
        _ => Ty::Struct(random.below(structs as u64) as usize),
    }
}

fn field(random: &mut Random, ty: impl Fn(&mut Random) -> Ty) -> Field {
    match random.below(8) {
        0 => Field::I8,
        1 => Field::I16,
        _ => Field::Value(ty(random)),
    }
}

/// The heap type of a reference.
fn heap_type(ty: Ty) -> String {
    match ty {
        Ty::Struct(index) => format!("$s{index}"),
        Ty::Array(index) => format!("$a{index}"),
        Ty::Func(index) => format!("$t_f{index}"),
        other => other.to_string().trim_end_matches("ref").to_owned(),
    }
}

fn list(types: &[Ty]) -> String {
    types.iter().map(|ty| format!(" {ty}")).collect()
}
