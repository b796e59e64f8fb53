//! Holds the operator table against `wasmparser` and `wat`: names, features, texts, encodings, types.
//! Not here: what operators compute, which `eval` tests.

#![allow(clippy::unwrap_used, reason = "a failure is the test's result")]

use std::collections::{BTreeMap, BTreeSet};

use sterna_isa::{Class, ImmKind, Op, Ty};
use wasmparser::{Operator, Parser, Payload, Validator, WasmFeatures};

macro_rules! wasmparser_names {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        /// (Operator, proposal, visitor function) of all that `wasmparser` knows.
        const KNOWN: &[(&str, &str, &str)] =
            &[$((stringify!($op), stringify!($proposal), stringify!($visit))),*];

        fn operator_name(operator: &Operator) -> &'static str {
            match operator {
                $(Operator::$op { .. } => stringify!($op),)*
                _ => "(unknown)",
            }
        }
    };
}
wasmparser::for_each_operator! { wasmparser_names }

/// Proposals that are neither in WebAssembly 3.0 nor on our list.
const EXCLUDED_PROPOSALS: &[&str] = &[
    "acquire_release_atomics",
    "custom_descriptors",
    "memory_control",
    "shared_everything_threads",
    "stack_switching",
];

/// Operators that no valid module contains.
const EXCLUDED_OPERATORS: &[&str] = &["TypedSelectMulti"];

#[test]
fn same_operators_as_wasmparser() {
    let known: BTreeMap<&str, (&str, &str)> = KNOWN
        .iter()
        .filter(|(op, proposal, _)| {
            !EXCLUDED_PROPOSALS.contains(proposal) && !EXCLUDED_OPERATORS.contains(op)
        })
        .map(|&(op, proposal, visit)| (op, (proposal, visit)))
        .collect();
    let ours: BTreeSet<String> = Op::ALL.iter().map(|op| format!("{op:?}")).collect();
    let theirs: BTreeSet<String> = known.keys().map(|op| op.to_string()).collect();
    assert_eq!(ours.symmetric_difference(&theirs).collect::<Vec<_>>(), Vec::<&String>::new());

    for &op in Op::ALL {
        let (proposal, visit) = known[format!("{op:?}").as_str()];
        assert_eq!(op.feature().name().replace('-', "_"), proposal, "feature of {op:?}");
        assert_eq!(format!("visit_{}", op.name().trim_end_matches('_')), visit, "name of {op:?}");
    }
    for excluded in EXCLUDED_PROPOSALS {
        assert!(KNOWN.iter().any(|(_, proposal, _)| proposal == excluded), "{excluded} is stale");
    }
}

#[test]
fn columns_are_consistent() {
    for (index, &op) in Op::ALL.iter().enumerate() {
        assert_eq!(op as usize, index);
        let (prefix, code) = op.encoding();
        assert_eq!(Op::from_encoding(prefix, code), Some(op), "{op:?} shares its encoding");
        let class = op.class();
        let single = matches!(
            class,
            Class::Pure | Class::Trapping | Class::Lane | Class::Const | Class::Load
        );
        if single {
            assert_eq!(op.signature().expect("fixed").1.len(), 1, "{op:?}");
        }
        if matches!(class, Class::Pure | Class::Trapping | Class::Wide) {
            assert_eq!(op.imm(), ImmKind::NoImm, "{op:?}");
        }
        let memarg = matches!(op.imm(), ImmKind::MemArg | ImmKind::MemArgLane);
        assert_eq!(op.mem_type().is_some(), memarg && class != Class::AtomicWait, "{op:?}");
        assert_eq!(op.rmw_op().is_some(), class == Class::AtomicRmw, "{op:?}");
    }
    assert_eq!(Op::from_encoding(0, 0xff), None);
    assert_eq!(Op::from_encoding(0xfd, 0x114), None);
    let count = |class| Op::ALL.iter().filter(|op| op.class() == class).count();
    assert_eq!(count(Class::Pure), 338);
    assert_eq!(count(Class::Trapping), 16);
}

/// The operator as text, with immediates that fit `PRELUDE` and whatever must surround it.
fn text_of(op: Op) -> String {
    let immediates = match op.imm() {
        ImmKind::NoImm | ImmKind::Fence | ImmKind::MemArg | ImmKind::Block => "",
        ImmKind::TypeTable => "0 (type 0)",
        ImmKind::TypeField => "1 0",
        ImmKind::TypeCount | ImmKind::TypeData | ImmKind::TypeElem => "2 0",
        ImmKind::TypeType => "2 2",
        ImmKind::BrTable | ImmKind::MemoryMemory | ImmKind::TableTable => "0 0",
        ImmKind::DataMemory | ImmKind::ElemTable => "0 0",
        ImmKind::TryTable => "(catch_all 0)",
        ImmKind::BrOnCast => "0 anyref structref",
        ImmKind::HeapType => match op {
            Op::RefTestNonNull | Op::RefCastNonNull => "(ref eq)",
            Op::RefTestNullable | Op::RefCastNullable => "eqref",
            _ => "func",
        },
        ImmKind::SelectType => "(result i32)",
        ImmKind::Shuffle => "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
        ImmKind::V128Imm => "i64x2 1 2",
        ImmKind::Label
        | ImmKind::Local
        | ImmKind::Global
        | ImmKind::Func
        | ImmKind::Type
        | ImmKind::Tag
        | ImmKind::Memory
        | ImmKind::Data
        | ImmKind::Table
        | ImmKind::Elem
        | ImmKind::Lane
        | ImmKind::MemArgLane
        | ImmKind::I32Imm
        | ImmKind::I64Imm
        | ImmKind::F32Imm
        | ImmKind::F64Imm => "0",
    };
    let text = format!("{} {immediates}", op.text());
    match op {
        Op::Block | Op::Loop | Op::If | Op::TryTable => format!("{text} end"),
        Op::Else => format!("if {text} end"),
        Op::Try => "try catch_all end".into(),
        Op::Catch | Op::CatchAll => format!("try {text} end"),
        Op::Rethrow => format!("try catch_all {text} end"),
        Op::Delegate => format!("try {text}"),
        Op::End => format!("block {text}"),
        _ => text,
    }
}

const PRELUDE: &str = "(type (func)) (type (struct (field i32))) (type (array i32))
    (memory 1) (table 1 funcref) (tag) (data \"\") (elem func) (global i32 (i32.const 0))";

/// An operator's name and all its bytes.
type Encoded = (String, Vec<u8>);

/// (Operators of the function, whether the module is valid).
fn assemble(function: &str) -> (Vec<Encoded>, Result<(), String>) {
    let text = format!("(module {PRELUDE} (func {function}))");
    let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut operators = Vec::new();
    for payload in Parser::new(0).parse_all(&bytes) {
        if let Payload::CodeSectionEntry(body) = payload.unwrap() {
            let mut reader = body.get_operators_reader().unwrap();
            while !reader.eof() {
                let start = reader.original_position() as usize;
                let name = operator_name(&reader.read().unwrap()).to_string();
                operators.push((name, bytes[start..reader.original_position() as usize].to_vec()));
            }
        }
    }
    let valid = Validator::new_with_features(WasmFeatures::all()).validate_all(&bytes);
    (operators, valid.map(drop).map_err(|error| error.to_string()))
}

fn leb128(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[test]
fn texts_and_encodings_are_those_of_the_tools() {
    for &op in Op::ALL {
        let (operators, _) = assemble(&text_of(op));
        let name = format!("{op:?}");
        let (_, bytes) = operators
            .iter()
            .find(|(found, _)| *found == name)
            .unwrap_or_else(|| panic!("{name} is not in {operators:?}"));
        let (prefix, code) = op.encoding();
        let expected = match prefix {
            0 => vec![code as u8],
            _ => [vec![prefix], leb128(code)].concat(),
        };
        assert_eq!(bytes[..expected.len()], expected, "{name}");
        if op.imm() == ImmKind::NoImm {
            assert_eq!(bytes.len(), expected.len(), "{name} has immediates");
        }
    }
}

#[test]
fn fixed_signatures_are_valid() {
    let text = |ty: &Ty| match ty {
        Ty::I32 | Ty::Addr => "i32",
        Ty::I64 => "i64",
        Ty::F32 => "f32",
        Ty::F64 => "f64",
        Ty::V128 => "v128",
        Ty::EqRef => "eqref",
        Ty::ArrayRef => "arrayref",
        Ty::I31Ref => "(ref i31)",
        Ty::I31RefNull => "i31ref",
    };
    let list = |types: &[Ty]| types.iter().map(text).collect::<Vec<_>>().join(" ");
    for &op in Op::ALL {
        let Some((params, results)) = op.signature() else { continue };
        let operands: String = (0..params.len()).map(|i| format!("local.get {i} ")).collect();
        let (params, results) = (list(params), list(results));
        let function = format!("(param {params}) (result {results}) {operands} {}", text_of(op));
        let (_, valid) = assemble(&function);
        assert_eq!(valid, Ok(()), "{function}");
    }
}

macro_rules! rows_of {
    ($($head:ident)* ; $($op:ident, $name:ident, $encoding:tt, $text:literal, $class:ident
       $(($($detail:tt)*))?, $sig:tt $(-> $results:tt)?, $imm:ident, $feature:ident;)*) => {
        (stringify!($($head)*), vec![$(Op::$op),*])
    };
}

#[test]
fn callback_macros_pass_their_class_and_prefix() {
    let (prefix, pure) = sterna_isa::for_each_pure! { rows_of [one two ;] };
    assert_eq!(prefix, "one two");
    let expected: Vec<Op> =
        Op::ALL.iter().copied().filter(|op| op.class() == Class::Pure).collect();
    assert_eq!(pure, expected);
    let (_, all) = sterna_isa::for_each_op! { rows_of [;] };
    assert_eq!(all, Op::ALL);
    let (_, loads) = sterna_isa::for_each_load! { rows_of [;] };
    assert!(loads.iter().all(|op| op.class() == Class::Load));
}
