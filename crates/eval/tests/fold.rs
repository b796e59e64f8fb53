//! `fold` and `fold_lane` over the whole table: reach, types, and the NaN rules of every operator.
//! Not here: particular results, which are in `edges` and `properties`.

use sterna_eval::{NanShape, V128, Value, canonicalize, fold, fold_lane, nan_shape};
use sterna_isa::{Class, ImmKind, Op, Ty, ValType};

fn zero(ty: Ty) -> Value {
    match ty {
        Ty::I32 => 0i32.into(),
        Ty::I64 => 0i64.into(),
        Ty::F32 => 0f32.into(),
        Ty::F64 => 0f64.into(),
        Ty::V128 => V128::ZERO.into(),
        other => panic!("{other:?} is no type of a pure operator"),
    }
}

fn is_computed(op: Op) -> bool {
    matches!(op.class(), Class::Pure | Class::Wide | Class::Trapping)
}

#[test]
fn every_computed_operator_folds_to_its_result_types() {
    for &op in Op::ALL {
        let Some((params, results)) = op.signature().filter(|_| is_computed(op)) else {
            let args = [Value::I32(0)];
            assert_eq!(fold(op, &args), None, "{op:?}");
            assert!(!is_computed(op), "{op:?} has no signature");
            continue;
        };
        let args: Vec<Value> = params.iter().map(|&ty| zero(ty)).collect();
        let folded = fold(op, &args).unwrap_or_else(|| panic!("{op:?} does not fold"));
        if let Ok(values) = folded {
            let types: Vec<ValType> = values.iter().map(|value| value.ty()).collect();
            let expected: Vec<ValType> = results.iter().map(|&ty| zero(ty).ty()).collect();
            assert_eq!(types, expected, "{op:?}");
        }
        assert_eq!(fold(op, &args[1..]), None, "{op:?} with an operand too few");
        assert_eq!(fold(op, &[args.clone(), vec![args[0]]].concat()), None, "{op:?} too many");
        let mut mistyped = args.clone();
        mistyped[0] = if args[0].ty() == ValType::I32 { 0i64.into() } else { 0i32.into() };
        assert_eq!(fold(op, &mistyped), None, "{op:?} mistyped");
    }
}

#[test]
fn every_lane_operator_folds() {
    for &op in Op::ALL.iter().filter(|op| op.class() == Class::Lane) {
        let (params, results) = op.signature().expect("lane operators have fixed signatures");
        let args: Vec<Value> = params.iter().map(|&ty| zero(ty)).collect();
        let lanes: &[u8] = if op.imm() == ImmKind::Shuffle { &[31; 16] } else { &[1] };
        let value = fold_lane(op, lanes, &args).unwrap_or_else(|| panic!("{op:?} does not fold"));
        assert_eq!(value.ty(), zero(results[0]).ty());
        assert_eq!(fold_lane(op, &[], &args), None);
        assert_eq!(fold_lane(op, lanes, &[]), None);
        assert!(fold_lane(op, &vec![255; lanes.len()], &args).is_some(), "no panic out of range");
    }
    assert_eq!(fold_lane(Op::I32Add, &[0], &[Value::I32(0)]), None);
}

const F32: &[u32] = &[
    0,
    0x8000_0000,
    0x3f80_0000,
    0xbfc0_0000,
    0x7f80_0000,
    0xff80_0000,
    0x0000_0001,
    0x7f7f_ffff,
    0x7fc0_0000,
    0xffc0_0000,
    0x7fa0_0000,
    0xff80_0001,
    0x7fff_ffff,
];

fn f64_samples() -> Vec<u64> {
    let widen = |bits: u32| match bits & 0x7fff_ffff {
        0x7f80_0001..=0x7fff_ffff => {
            u64::from(bits >> 31) << 63 | 0x7ff << 52 | u64::from(bits & 0x7f_ffff) << 29
        }
        _ => f64::from(f32::from_bits(bits)).to_bits(),
    };
    F32.iter().map(|&bits| widen(bits)).collect()
}

/// All sample values of a type; a vector has the same sample in every lane of the shape.
fn samples(ty: Ty, lane: NanShape) -> Vec<Value> {
    match (ty, lane) {
        (Ty::F32, _) => F32.iter().map(|&bits| Value::F32(bits)).collect(),
        (Ty::F64, _) => f64_samples().into_iter().map(Value::F64).collect(),
        (Ty::V128, NanShape::F32x4) => F32.iter().map(|&x| V128::from([x; 4]).into()).collect(),
        (Ty::V128, _) => f64_samples().into_iter().map(|x| V128::from([x; 2]).into()).collect(),
        (ty, _) => vec![zero(ty)],
    }
}

/// The shape of the lanes that an operator with NaN results reads.
fn operand_lanes(op: Op, result: NanShape) -> NanShape {
    match op {
        Op::F32x4DemoteF64x2Zero => NanShape::F64x2,
        Op::F64x2PromoteLowF32x4 => NanShape::F32x4,
        _ => result,
    }
}

/// Lane 0 of a float or float vector as (is NaN, is quiet, is canonical).
fn nan_kind(value: Value, lanes: NanShape) -> (bool, bool, bool) {
    let (bits, quiet) = match (value, lanes) {
        (Value::F32(bits), _) => (u64::from(bits) << 32, 22 + 32),
        (Value::F64(bits), _) => (bits, 51),
        (Value::V128(vector), NanShape::F32x4) => ((vector.to_bits() as u64) << 32, 22 + 32),
        (Value::V128(vector), _) => (vector.to_bits() as u64, 51),
        other => panic!("{other:?} is no float"),
    };
    let magnitude = bits & !(1 << 63);
    let infinity = (u64::MAX << (quiet + 1)) & !(1 << 63);
    let canonical = infinity | 1 << quiet;
    (magnitude > infinity, magnitude & 1 << quiet != 0, magnitude == canonical)
}

/// Core specification 4.3.3, "NaN propagation".
#[test]
fn nan_results_are_arithmetic_and_canonical_when_operands_are() {
    let mut made = 0;
    for &op in Op::ALL {
        let Some(shape) = nan_shape(op) else { continue };
        let lanes = operand_lanes(op, shape);
        let (params, _) = op.signature().expect("operators with NaN results are computed");
        let mut combinations: Vec<Vec<Value>> = vec![vec![]];
        for &ty in params {
            let values = samples(ty, lanes);
            combinations = combinations
                .iter()
                .flat_map(|args| values.iter().map(|&value| [args.clone(), vec![value]].concat()))
                .collect();
        }
        for args in combinations {
            let result = fold(op, &args).expect("computed").expect("no trap")[0];
            let (nan, quiet, canonical) = nan_kind(result, shape);
            let only_canonical = args.iter().all(|&arg| {
                let (nan, _, canonical) = nan_kind(arg, lanes);
                canonical || !nan
            });
            assert!(!nan || quiet, "{op:?} {args:?} = {result:?}");
            assert!(!nan || !only_canonical || canonical, "{op:?} {args:?} = {result:?}");
            let fixed = canonicalize(shape, result);
            assert!(if nan { nan_kind(fixed, shape).2 } else { fixed == result }, "{op:?}");
            made += usize::from(nan);
        }
    }
    assert!(made > 1000, "{made} NaNs");
}

/// An operator without a NaN shape whose result has float lanes only moves bits.
#[test]
fn nan_shapes_are_complete() {
    let moves = [
        "abs",
        "neg",
        "copysign",
        "convert",
        "reinterpret",
        "pmin",
        "pmax",
        "splat",
        "replace_lane",
        "extract_lane",
    ];
    for &op in Op::ALL.iter().filter(|&&op| is_computed(op) || op.class() == Class::Lane) {
        let (_, results) = op.signature().expect("computed");
        let compares = ["eq", "ne", "lt", "gt", "le", "ge"];
        let (prefix, rest) = op.text().split_once('.').expect("computed operators have a prefix");
        let float = matches!(prefix, "f32" | "f64") && matches!(results[0], Ty::F32 | Ty::F64)
            || matches!(prefix, "f32x4" | "f64x2") && !compares.contains(&rest);
        let expected = float && !moves.iter().any(|name| rest.starts_with(name));
        assert_eq!(nan_shape(op).is_some(), expected, "{op:?}");
    }
}
