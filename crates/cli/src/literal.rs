//! Owns values on the command line: the arguments of `--invoke` and how results are printed.
//! Does not know functions; it is told the type of each value.

use sterna_isa::ValType;
use wast::core::V128Const;
use wast::parser::{Parse, ParseBuffer, parse};
use wast::token::{F32, F64};

/// A value that can be written as text. Floats are their bits, so that NaN payloads survive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Literal {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    /// Little-endian bytes.
    V128([u8; 16]),
    Null,
    /// From -2^30 to 2^30-1.
    I31(i32),
    /// A value of the host.
    Extern(u32),
}

/// Reads a value of a type in the syntax of the text format: `-1`, `0xff`, `1.5`, `0x1p-3`, `nan:0x1`, `inf`,
/// `i32x4 1 2 3 4`, `null`, `(ref.i31 5)`, `(ref.extern 7)`.
pub fn parse_literal(text: &str, ty: ValType) -> Result<Literal, String> {
    let literal = match ty {
        ValType::I32 => read(text).map(Literal::I32),
        ValType::I64 => read(text).map(Literal::I64),
        ValType::F32 => read::<F32>(text).map(|value| Literal::F32(value.bits)),
        ValType::F64 => read::<F64>(text).map(|value| Literal::F64(value.bits)),
        ValType::V128 => read::<V128Const>(text).map(|value| Literal::V128(value.to_le_bytes())),
        ValType::Ref(_) => reference(text),
    };
    literal.ok_or_else(|| format!("`{text}` is not {}", expectation(ty)))
}

fn reference(text: &str) -> Option<Literal> {
    if text == "null" {
        return Some(Literal::Null);
    }
    let (kind, number) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(' ')?;
    match kind {
        "ref.i31" => {
            let value: i32 = read(number)?;
            (-1 << 30..1 << 30).contains(&value).then_some(Literal::I31(value))
        }
        "ref.extern" => read(number).map(Literal::Extern),
        _ => None,
    }
}

fn read<T>(text: &str) -> Option<T>
where
    T: for<'a> Parse<'a>,
{
    parse(&ParseBuffer::new(text).ok()?).ok()
}

fn expectation(ty: ValType) -> &'static str {
    match ty {
        ValType::I32 => "an i32: an integer from -2147483648 to 4294967295, or hexadecimal with 0x",
        ValType::I64 => "an i64: an integer from -2^63 to 2^64-1, or hexadecimal with 0x",
        ValType::F32 | ValType::F64 => "a float, such as 1.5, -2e9, 0x1p-3, inf, nan or nan:0x1",
        ValType::V128 => "a v128: a shape and its lanes as one word, such as \"i32x4 1 2 3 4\"",
        ValType::Ref(_) => "a reference: null, \"(ref.i31 5)\" or \"(ref.extern 7)\"",
    }
}

impl std::fmt::Display for Literal {
    /// In the syntax that `parse_literal` reads.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::I32(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::F32(bits) => match f32::from_bits(bits) {
                value if value.is_nan() => {
                    nan(f, bits >> 31 != 0, u64::from(bits & 0x7f_ffff), 1 << 22)
                }
                value => write!(f, "{value}"),
            },
            Self::F64(bits) => match f64::from_bits(bits) {
                value if value.is_nan() => {
                    nan(f, bits >> 63 != 0, bits & 0xf_ffff_ffff_ffff, 1 << 51)
                }
                value => write!(f, "{value}"),
            },
            Self::V128(bytes) => {
                f.write_str("i32x4")?;
                let mut lanes = bytes.chunks_exact(4);
                lanes.try_for_each(|lane| {
                    write!(f, " 0x{:02x}{:02x}{:02x}{:02x}", lane[3], lane[2], lane[1], lane[0])
                })
            }
            Self::Null => f.write_str("null"),
            Self::I31(value) => write!(f, "(ref.i31 {value})"),
            Self::Extern(number) => write!(f, "(ref.extern {number})"),
        }
    }
}

fn nan(
    f: &mut std::fmt::Formatter<'_>,
    negative: bool,
    payload: u64,
    canonical: u64,
) -> std::fmt::Result {
    let sign = if negative { "-" } else { "" };
    if payload == canonical { write!(f, "{sign}nan") } else { write!(f, "{sign}nan:{payload:#x}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str, ty: ValType) -> String {
        parse_literal(text, ty).map_or_else(|error| error, |literal| literal.to_string())
    }

    #[test]
    fn integers_are_signed_or_unsigned() {
        assert_eq!(round_trip("-1", ValType::I32), "-1");
        assert_eq!(round_trip("4294967295", ValType::I32), "-1");
        assert_eq!(round_trip("0x10", ValType::I64), "16");
        assert!(parse_literal("4294967296", ValType::I32).is_err());
        assert!(
            parse_literal("1.0", ValType::I32).is_err() && parse_literal("", ValType::I64).is_err()
        );
        assert!(parse_literal("1 2", ValType::I32).is_err());
    }

    #[test]
    fn floats_keep_their_bits() {
        assert_eq!(round_trip("0x1p-3", ValType::F64), "0.125");
        assert_eq!(round_trip("-inf", ValType::F32), "-inf");
        assert_eq!(round_trip("nan", ValType::F32), "nan");
        assert_eq!(round_trip("-nan:0x1", ValType::F64), "-nan:0x1");
        assert_eq!(round_trip("-0", ValType::F64), "-0");
        assert_eq!(round_trip("7", ValType::F32), "7");
        assert!(parse_literal("one", ValType::F64).is_err());
    }

    #[test]
    fn vectors_and_references() {
        assert_eq!(
            round_trip("i32x4 1 2 3 -1", ValType::V128),
            "i32x4 0x00000001 0x00000002 0x00000003 0xffffffff"
        );
        assert_eq!(round_trip("null", ValType::EXTERNREF), "null");
        assert_eq!(round_trip("(ref.extern 7)", ValType::EXTERNREF), "(ref.extern 7)");
        assert_eq!(round_trip("(ref.i31 -0x10)", ValType::EXTERNREF), "(ref.i31 -16)");
        for wrong in ["0", "(ref.i31 0x40000000)", "(ref.i31)", "(ref.null any)", "(ref.extern -1)"]
        {
            assert!(parse_literal(wrong, ValType::FUNCREF).is_err(), "{wrong}");
        }
    }
}
