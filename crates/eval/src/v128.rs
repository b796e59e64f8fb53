//! The 128-bit vector value and access to its lanes.
//! Not here: operators, which the `simd_*` files define with these helpers.
//!
//! Lanes are little-endian whatever the host is. The helpers turn vectors into arrays and back;
//! the optimizer makes vector instructions of that.

use std::array::from_fn;
use std::fmt;

/// A vector of 128 bits, lane 0 in the first bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct V128(pub [u8; 16]);

impl V128 {
    /// All bits zero.
    pub const ZERO: Self = Self([0; 16]);

    /// The vector whose lane 0 is in the lowest bits of the number.
    #[inline(always)]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits.to_le_bytes())
    }

    /// The number in whose lowest bits is lane 0.
    #[inline(always)]
    pub const fn to_bits(self) -> u128 {
        u128::from_le_bytes(self.0)
    }

    /// Lane `index`, modulo the number of lanes.
    #[inline(always)]
    pub(crate) fn lane<T: Lane<N>, const N: usize>(self, index: u8) -> T {
        T::split(self)[usize::from(index) % N]
    }

    /// This vector with lane `index`, modulo the number of lanes, replaced.
    #[inline(always)]
    pub(crate) fn with_lane<T: Lane<N>, const N: usize>(self, index: u8, value: T) -> Self {
        let mut lanes = T::split(self);
        lanes[usize::from(index) % N] = value;
        T::join(lanes)
    }
}

impl fmt::Debug for V128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V128({:#034x})", self.to_bits())
    }
}

/// A number of which a vector holds `N`.
pub(crate) trait Lane<const N: usize>: Copy {
    /// The lanes of a vector.
    fn split(vector: V128) -> [Self; N];
    /// The vector of these lanes.
    fn join(lanes: [Self; N]) -> V128;
}

macro_rules! lanes {
    ($($lane:ty, $count:literal, $bytes:literal;)*) => {$(
        impl Lane<$count> for $lane {
            #[inline(always)]
            fn split(vector: V128) -> [Self; $count] {
                let (lanes, _) = vector.0.as_chunks::<$bytes>();
                from_fn(|i| <$lane>::from_le_bytes(lanes[i]))
            }

            #[inline(always)]
            fn join(lanes: [Self; $count]) -> V128 {
                let mut vector = [0; 16];
                for (bytes, lane) in vector.as_chunks_mut::<$bytes>().0.iter_mut().zip(lanes) {
                    *bytes = lane.to_le_bytes();
                }
                V128(vector)
            }
        }

        impl From<[$lane; $count]> for V128 {
            #[inline]
            fn from(lanes: [$lane; $count]) -> Self {
                Lane::join(lanes)
            }
        }

        impl From<V128> for [$lane; $count] {
            #[inline]
            fn from(vector: V128) -> Self {
                Lane::split(vector)
            }
        }
    )*};
}

lanes! {
    i8, 16, 1;
    u8, 16, 1;
    i16, 8, 2;
    u16, 8, 2;
    i32, 4, 4;
    u32, 4, 4;
    f32, 4, 4;
    i64, 2, 8;
    u64, 2, 8;
    f64, 2, 8;
}

/// Applies `f` to every lane.
#[inline(always)]
pub(crate) fn map1<T: Lane<N>, R: Lane<N>, const N: usize>(a: V128, f: impl Fn(T) -> R) -> V128 {
    let a = T::split(a);
    R::join(from_fn(|i| f(a[i])))
}

/// Applies `f` to every pair of lanes.
#[inline(always)]
pub(crate) fn map2<T: Lane<N>, R: Lane<N>, const N: usize>(
    a: V128,
    b: V128,
    f: impl Fn(T, T) -> R,
) -> V128 {
    let (a, b) = (T::split(a), T::split(b));
    R::join(from_fn(|i| f(a[i], b[i])))
}

/// Applies `f` to every triple of lanes.
#[inline(always)]
pub(crate) fn map3<T: Lane<N>, const N: usize>(
    a: V128,
    b: V128,
    c: V128,
    f: impl Fn(T, T, T) -> T,
) -> V128 {
    let (a, b, c) = (T::split(a), T::split(b), T::split(c));
    T::join(from_fn(|i| f(a[i], b[i], c[i])))
}
