//! Owns the values of scripts: arguments of invocations, and whether results are the expected ones.
//! Does not call anything and knows no engine: results come as plain `Value`s.

use std::fmt;
use wast::core::{NanPattern, V128Pattern, WastRetCore};
use wast::token::{F32, F64};

/// A result as a script can describe it. Floats are their bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// 32-bit float, by its bits.
    F32(u32),
    /// 64-bit float, by its bits.
    F64(u64),
    /// Vector, as little-endian bytes.
    V128([u8; 16]),
    /// A null reference of any type.
    Null,
    /// A reference to a function.
    Func,
    /// A reference to an exception.
    Exn,
    /// A reference to the host object with this number, when it has one.
    Extern(Option<u32>),
    /// An `i31`, sign-extended.
    I31(i32),
    /// A reference to a structure.
    Struct,
    /// A reference to an array.
    Array,
    /// An `anyref` to the host object with this number.
    Host(Option<u32>),
}

/// Checks all results of an invocation.
///
/// # Errors
/// A sentence with the expected and the actual results.
pub fn check(expected: &[WastRetCore<'_>], actual: &[Value]) -> Result<(), String> {
    if expected.len() == actual.len() && expected.iter().zip(actual).all(|(e, a)| matches(e, a)) {
        return Ok(());
    }
    let shown: Vec<String> = expected.iter().map(show).collect();
    let values: Vec<String> = actual.iter().map(ToString::to_string).collect();
    Err(format!("expected [{}], got [{}]", shown.join(", "), values.join(", ")))
}

fn matches(expected: &WastRetCore<'_>, actual: &Value) -> bool {
    match (expected, actual) {
        (WastRetCore::I32(e), Value::I32(a)) => e == a,
        (WastRetCore::I64(e), Value::I64(a)) => e == a,
        (WastRetCore::F32(e), Value::F32(a)) => f32_matches(e, *a),
        (WastRetCore::F64(e), Value::F64(a)) => f64_matches(e, *a),
        (WastRetCore::V128(e), Value::V128(a)) => v128_matches(e, a),
        (WastRetCore::RefNull(_), Value::Null) => true,
        (WastRetCore::RefFunc(None), Value::Func) => true,
        (WastRetCore::RefExtern(None), Value::Extern(_)) => true,
        (WastRetCore::RefExtern(Some(e)), Value::Extern(a)) => a == &Some(*e),
        (WastRetCore::RefI31 | WastRetCore::RefEq | WastRetCore::RefAny, Value::I31(_)) => true,
        (WastRetCore::RefStruct | WastRetCore::RefEq | WastRetCore::RefAny, Value::Struct) => true,
        (WastRetCore::RefArray | WastRetCore::RefEq | WastRetCore::RefAny, Value::Array) => true,
        (WastRetCore::RefAny, Value::Host(_)) => true,
        (WastRetCore::RefHost(e), Value::Host(a)) => a == &Some(*e),
        (WastRetCore::Either(cases), _) => cases.iter().any(|case| matches(case, actual)),
        _ => false,
    }
}

/// A canonical NaN has only the highest payload bit, an arithmetic NaN at least that one; either sign.
fn f32_matches(expected: &NanPattern<F32>, actual: u32) -> bool {
    const QUIET: u32 = 0x7fc0_0000;
    match expected {
        NanPattern::CanonicalNan => actual & 0x7fff_ffff == QUIET,
        NanPattern::ArithmeticNan => actual & QUIET == QUIET,
        NanPattern::Value(value) => value.bits == actual,
    }
}

fn f64_matches(expected: &NanPattern<F64>, actual: u64) -> bool {
    const QUIET: u64 = 0x7ff8_0000_0000_0000;
    match expected {
        NanPattern::CanonicalNan => actual & 0x7fff_ffff_ffff_ffff == QUIET,
        NanPattern::ArithmeticNan => actual & QUIET == QUIET,
        NanPattern::Value(value) => value.bits == actual,
    }
}

fn v128_matches(expected: &V128Pattern, actual: &[u8; 16]) -> bool {
    match expected {
        V128Pattern::I8x16(e) => e.iter().zip(actual).all(|(e, a)| e.to_le_bytes() == [*a]),
        V128Pattern::I16x8(e) => lanes(actual).zip(e).all(|(a, e)| e.to_le_bytes() == a),
        V128Pattern::I32x4(e) => lanes(actual).zip(e).all(|(a, e)| e.to_le_bytes() == a),
        V128Pattern::I64x2(e) => lanes(actual).zip(e).all(|(a, e)| e.to_le_bytes() == a),
        V128Pattern::F32x4(e) => {
            lanes(actual).zip(e).all(|(a, e)| f32_matches(e, u32::from_le_bytes(a)))
        }
        V128Pattern::F64x2(e) => {
            lanes(actual).zip(e).all(|(a, e)| f64_matches(e, u64::from_le_bytes(a)))
        }
    }
}

fn lanes<const N: usize>(vector: &[u8; 16]) -> impl Iterator<Item = [u8; N]> + '_ {
    vector.as_chunks().0.iter().copied()
}

fn show(expected: &WastRetCore<'_>) -> String {
    match expected {
        WastRetCore::I32(value) => Value::I32(*value).to_string(),
        WastRetCore::I64(value) => Value::I64(*value).to_string(),
        WastRetCore::F32(pattern) => show_nan("f32", pattern, |value| Value::F32(value.bits)),
        WastRetCore::F64(pattern) => show_nan("f64", pattern, |value| Value::F64(value.bits)),
        WastRetCore::V128(pattern) => format!("v128 {pattern:?}"),
        WastRetCore::RefNull(_) => "ref.null".to_owned(),
        WastRetCore::RefExtern(Some(number)) => format!("ref.extern {number}"),
        WastRetCore::Either(cases) => cases.iter().map(show).collect::<Vec<_>>().join(" or "),
        other => format!("{other:?}"),
    }
}

fn show_nan<T>(ty: &str, pattern: &NanPattern<T>, value: impl Fn(&T) -> Value) -> String {
    match pattern {
        NanPattern::CanonicalNan => format!("{ty} nan:canonical"),
        NanPattern::ArithmeticNan => format!("{ty} nan:arithmetic"),
        NanPattern::Value(v) => value(v).to_string(),
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32(value) => write!(f, "i32 {value} ({value:#x})"),
            Self::I64(value) => write!(f, "i64 {value} ({value:#x})"),
            Self::F32(bits) => write!(f, "f32 {} ({bits:#x})", f32::from_bits(*bits)),
            Self::F64(bits) => write!(f, "f64 {} ({bits:#x})", f64::from_bits(*bits)),
            Self::V128(bytes) => write!(f, "v128 {:#034x}", u128::from_le_bytes(*bytes)),
            Self::Null => f.write_str("ref.null"),
            Self::Func => f.write_str("ref.func"),
            Self::Exn => f.write_str("ref.exn"),
            Self::Extern(Some(number)) => write!(f, "ref.extern {number}"),
            Self::Extern(None) => f.write_str("ref.extern"),
            Self::I31(value) => write!(f, "ref.i31 {value}"),
            Self::Struct => f.write_str("ref.struct"),
            Self::Array => f.write_str("ref.array"),
            Self::Host(Some(number)) => write!(f, "ref.host {number}"),
            Self::Host(None) => f.write_str("ref.host"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wast::parser::{ParseBuffer, parse};

    fn holds(expected: &str, actual: Value) -> bool {
        let buffer = ParseBuffer::new(expected).unwrap();
        let expected: WastRetCore<'_> = parse(&buffer).unwrap();
        check(&[expected], &[actual]).is_ok()
    }

    #[test]
    fn nan_patterns() {
        assert!(holds("f32.const nan:canonical", Value::F32(0xffc0_0000)));
        assert!(!holds("f32.const nan:canonical", Value::F32(0x7fc0_0001)));
        assert!(holds("f32.const nan:arithmetic", Value::F32(0x7fc0_0001)));
        assert!(!holds("f32.const nan:arithmetic", Value::F32(0x7fa0_0000)));
        assert!(holds("f64.const nan:0x1", Value::F64(0x7ff0_0000_0000_0001)));
        assert!(!holds("f64.const 0", Value::F64(1 << 63)));
    }

    #[test]
    fn vectors_lane_by_lane() {
        let mut bytes = [0; 16];
        bytes[4..8].copy_from_slice(&0x7fc0_1234_u32.to_le_bytes());
        assert!(holds("v128.const f32x4 0 nan:arithmetic 0 0", Value::V128(bytes)));
        assert!(!holds("v128.const f32x4 nan:arithmetic 0 0 0", Value::V128(bytes)));
        assert!(holds("v128.const i16x8 0 0 0x1234 0x7fc0 0 0 0 0", Value::V128(bytes)));
        assert!(!holds("v128.const i8x16 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", Value::V128([0; 16])));
    }

    #[test]
    fn references_and_alternatives() {
        assert!(
            holds("ref.extern 1", Value::Extern(Some(1)))
                && !holds("ref.extern 1", Value::Extern(Some(2)))
        );
        assert!(holds("ref.null func", Value::Null) && !holds("ref.func", Value::Null));
        assert!(holds("either (i32.const 1) (i32.const 2)", Value::I32(2)));
        assert!(!holds("either (i32.const 1) (i32.const 2)", Value::I32(3)));
        assert!(!holds("i32.const 1", Value::I64(1)));
    }

    #[test]
    fn a_mismatch_shows_both_sides() {
        let error = check(&[WastRetCore::I32(1)], &[Value::I32(-1)]).unwrap_err();
        assert_eq!(error, "expected [i32 1 (0x1)], got [i32 -1 (0xffffffff)]");
        assert!(check(&[], &[Value::Null]).is_err());
    }
}
