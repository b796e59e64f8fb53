//! Owns the representation of a reference.
//! Does not follow references: `Heap` does.

use std::fmt;

/// A reference into one heap, or an `i31`, or null. Good until the next collection unless the collector knows where it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct Ref(u32);

impl Ref {
    /// The null reference of every hierarchy.
    pub const NULL: Ref = Ref(0);

    /// The reference with these bits.
    #[inline(always)]
    pub const fn from_bits(bits: u32) -> Ref {
        Ref(bits)
    }

    /// What a field holds. Slots and registers hold it zero-extended.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// `ref.i31`: the low 31 bits of `value`.
    #[inline(always)]
    pub const fn from_i31(value: u32) -> Ref {
        Ref(value << 1 | 1)
    }

    /// The value of an `i31`, sign-extended (`i31.get_s`); meaningless for others.
    #[inline(always)]
    pub const fn i31_signed(self) -> i32 {
        self.0 as i32 >> 1
    }

    /// The value of an `i31`, zero-extended (`i31.get_u`); meaningless for others.
    #[inline(always)]
    pub const fn i31_unsigned(self) -> u32 {
        self.0 >> 1
    }

    /// Whether this is null.
    #[inline(always)]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// Whether this is an `i31`.
    #[inline(always)]
    pub const fn is_i31(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether this refers to an object. Numbers that are neither that nor null nor an `i31` mean what the embedder says; the
    /// collector leaves them alone.
    #[inline(always)]
    pub const fn is_object(self) -> bool {
        !self.is_null() && self.0 & 7 == 0
    }
}

impl fmt::Debug for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Ref::NULL => f.write_str("null"),
            value if value.is_i31() => write!(f, "i31({})", value.i31_signed()),
            Ref(offset) => write!(f, "@{offset:#x}"),
        }
    }
}
