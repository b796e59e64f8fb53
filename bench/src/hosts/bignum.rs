//! Owns arithmetic on integers of any size as Hoot's programs import it, on values that are opaque to the guest.
//! Does not own how they get into the guest and back (`scheme`).

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};
use num_traits::{ToPrimitive, Zero};

/// An operand or a result.
#[derive(Clone, Debug)]
pub enum Number {
    Big(BigInt),
    I32(i32),
    I64(i64),
    F64(f64),
}

impl Number {
    /// As an integer; floats are truncated.
    fn big(&self) -> BigInt {
        match self {
            Number::Big(n) => n.clone(),
            Number::I32(n) => BigInt::from(*n),
            Number::I64(n) => BigInt::from(*n),
            Number::F64(n) => num_traits::FromPrimitive::from_f64(*n).unwrap_or_default(),
        }
    }

    /// Exact comparison; `None` with a NaN.
    fn compare(&self, other: &Number) -> Option<Ordering> {
        match (self, other) {
            (Number::F64(a), b) => b.compare(&Number::F64(*a)).map(Ordering::reverse),
            (a, Number::F64(b)) if b.is_finite() => {
                let whole = b.trunc();
                let by_whole = a.big().cmp(&Number::F64(whole).big());
                Some(by_whole.then_with(|| whole.partial_cmp(b).unwrap_or(Ordering::Equal)))
            }
            (_, Number::F64(b)) => 0.0.partial_cmp(b),
            (a, b) => Some(a.big().cmp(&b.big())),
        }
    }
}

fn gcd(mut a: BigInt, mut b: BigInt) -> BigInt {
    while !b.is_zero() {
        (a, b) = (b.clone(), a % b);
    }
    if a.sign() == Sign::Minus { -a } else { a }
}

/// How far to shift: no program that ends shifts further.
fn distance(n: &Number) -> u32 {
    n.big().to_u32().unwrap_or(0)
}

/// The function `bignum_NAME` of Hoot's interface; `None` if there is no such one.
pub fn apply(name: &str, operands: &[Number]) -> Option<Number> {
    let test = |holds: bool| Number::I32(holds.into());
    Some(match (name, operands) {
        ("from_i32" | "from_i64", [n]) => Number::Big(n.big()),
        ("from_u64", [Number::I64(n)]) => Number::Big(BigInt::from(*n as u64)),
        ("is_i64", [n]) => test(n.big().to_i64().is_some()),
        ("is_u64", [n]) => test(n.big().to_u64().is_some()),
        ("get_i64", [n]) => {
            let low = n.big() & BigInt::from(u64::MAX);
            Number::I64(low.to_u64().unwrap_or(0) as i64)
        }
        ("to_f64", [n]) => Number::F64(n.big().to_f64().unwrap_or(f64::NAN)),
        ("add" | "add_i32", [a, b]) => Number::Big(a.big() + b.big()),
        ("sub" | "sub_i32", [a, b]) => Number::Big(a.big() - b.big()),
        ("mul" | "mul_i32", [a, b]) => Number::Big(a.big() * b.big()),
        ("lsh" | "lsh_i32_i64", [a, b]) => Number::Big(a.big() << distance(b)),
        ("rsh", [a, b]) => Number::Big(a.big() >> distance(b)),
        ("quo", [a, b]) => Number::Big(a.big().checked_div(&b.big())?),
        ("rem", [_, b]) | ("mod", [_, b]) if b.big().is_zero() => return None,
        ("rem", [a, b]) => Number::Big(a.big() % b.big()),
        ("mod", [a, b]) => {
            let (rest, by) = (a.big() % b.big(), b.big());
            let differ = !rest.is_zero() && rest.sign() != by.sign();
            Number::Big(if differ { rest + by } else { rest })
        }
        ("gcd", [a, b]) => Number::Big(gcd(a.big(), b.big())),
        ("logand" | "logand_i32", [a, b]) => Number::Big(a.big() & b.big()),
        ("logior" | "logior_i32", [a, b]) => Number::Big(a.big() | b.big()),
        ("logxor" | "logxor_i32", [a, b]) => Number::Big(a.big() ^ b.big()),
        _ if name.starts_with("lt") => match operands {
            [a, b] => test(a.compare(b) == Some(Ordering::Less)),
            _ => return None,
        },
        _ if name.starts_with("le") => match operands {
            [a, b] => test(matches!(a.compare(b), Some(Ordering::Less | Ordering::Equal))),
            _ => return None,
        },
        _ if name.starts_with("eq") => match operands {
            [a, b] => test(a.compare(b) == Some(Ordering::Equal)),
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, operands: &[Number]) -> String {
        match apply(name, operands) {
            Some(Number::Big(n)) => n.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_sign_of_a_modulus_is_the_divisors() {
        let n = |n: i32| Number::I32(n);
        assert_eq!(shown("mod", &[n(-7), n(2)]), "1");
        assert_eq!(shown("mod", &[n(7), n(-2)]), "-1");
        assert_eq!(shown("rem", &[n(-7), n(2)]), "-1");
        assert_eq!(shown("gcd", &[n(-12), n(18)]), "6");
        assert_eq!(shown("rem", &[n(1), n(0)]), "None");
    }

    #[test]
    fn floats_compare_exactly() {
        let big = Number::Big(BigInt::from(1u64 << 53) + 1);
        let float = Number::F64((1u64 << 53) as f64);
        assert_eq!(shown("lt_f64_big", &[float.clone(), big.clone()]), "Some(I32(1))");
        assert_eq!(shown("eq_f64", &[big.clone(), float]), "Some(I32(0))");
        assert_eq!(shown("le_big_f64", &[big.clone(), Number::F64(f64::NAN)]), "Some(I32(0))");
        assert_eq!(shown("lt_big_f64", &[big, Number::F64(f64::INFINITY)]), "Some(I32(1))");
        let minus = Number::I32(-3);
        assert_eq!(shown("lt_big_f64", &[minus.clone(), Number::F64(-2.5)]), "Some(I32(1))");
        assert_eq!(shown("lt_f64_big", &[Number::F64(-3.5), minus]), "Some(I32(1))");
    }
}
