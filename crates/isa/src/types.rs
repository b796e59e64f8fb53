//! Value, reference and function types as the whole engine uses them.
//! Not here: struct and array types and subtyping, which need a type space (`module`).

use std::fmt;

/// The type of a value (core specification, 2.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 128-bit vector.
    V128,
    /// Reference.
    Ref(RefType),
}

impl ValType {
    /// `(ref null func)`.
    pub const FUNCREF: Self = Self::Ref(RefType::FUNCREF);
    /// `(ref null extern)`.
    pub const EXTERNREF: Self = Self::Ref(RefType::EXTERNREF);

    /// How many 8-byte slots of a canonical frame a value takes: 2 for a vector, else 1.
    pub const fn slots(self) -> usize {
        match self {
            Self::V128 => 2,
            _ => 1,
        }
    }

    /// Whether values are references.
    pub const fn is_ref(self) -> bool {
        matches!(self, Self::Ref(_))
    }

    /// Whether a local of this type has an initial value: all but non-null references.
    pub const fn is_defaultable(self) -> bool {
        match self {
            Self::Ref(ty) => ty.nullable,
            _ => true,
        }
    }
}

/// A reference type: a heap type, perhaps with null.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RefType {
    /// Whether null is a value of the type.
    pub nullable: bool,
    /// What references that are not null refer to.
    pub heap: HeapType,
}

impl RefType {
    /// `(ref null func)`.
    pub const FUNCREF: Self = Self::nullable(HeapType::Func);
    /// `(ref null extern)`.
    pub const EXTERNREF: Self = Self::nullable(HeapType::Extern);

    /// `(ref null heap)`.
    pub const fn nullable(heap: HeapType) -> Self {
        Self { nullable: true, heap }
    }

    /// `(ref heap)`.
    pub const fn non_null(heap: HeapType) -> Self {
        Self { nullable: false, heap }
    }
}

/// What a reference refers to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HeapType {
    /// Any function.
    Func,
    /// Any external value.
    Extern,
    /// Any internal value.
    Any,
    /// Any value that `ref.eq` compares.
    Eq,
    /// A 31-bit integer.
    I31,
    /// Any structure.
    Struct,
    /// Any array.
    Array,
    /// Any exception.
    Exn,
    /// No internal value.
    None,
    /// No function.
    NoFunc,
    /// No external value.
    NoExtern,
    /// No exception.
    NoExn,
    /// A defined type, by index in the type space of whoever holds this.
    Concrete(u32),
}

impl HeapType {
    const fn text(self) -> &'static str {
        match self {
            Self::Func => "func",
            Self::Extern => "extern",
            Self::Any => "any",
            Self::Eq => "eq",
            Self::I31 => "i31",
            Self::Struct => "struct",
            Self::Array => "array",
            Self::Exn => "exn",
            Self::None => "none",
            Self::NoFunc => "nofunc",
            Self::NoExtern => "noextern",
            Self::NoExn => "noexn",
            Self::Concrete(_) => "",
        }
    }

    /// The short name of the nullable reference to it: `funcref`, `nullref`, ….
    const fn ref_text(self) -> &'static str {
        match self {
            Self::Func => "funcref",
            Self::Extern => "externref",
            Self::Any => "anyref",
            Self::Eq => "eqref",
            Self::I31 => "i31ref",
            Self::Struct => "structref",
            Self::Array => "arrayref",
            Self::Exn => "exnref",
            Self::None => "nullref",
            Self::NoFunc => "nullfuncref",
            Self::NoExtern => "nullexternref",
            Self::NoExn => "nullexnref",
            Self::Concrete(_) => "",
        }
    }
}

/// The type of a function.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FuncType {
    /// Types of the parameters.
    pub params: Box<[ValType]>,
    /// Types of the results.
    pub results: Box<[ValType]>,
}

impl FuncType {
    /// A function type from its parts.
    pub fn new(params: impl Into<Box<[ValType]>>, results: impl Into<Box<[ValType]>>) -> Self {
        Self { params: params.into(), results: results.into() }
    }

    /// Slots that the parameters take in a canonical frame.
    pub fn param_slots(&self) -> usize {
        self.params.iter().map(|ty| ty.slots()).sum()
    }

    /// Slots that the results take in a canonical frame.
    pub fn result_slots(&self) -> usize {
        self.results.iter().map(|ty| ty.slots()).sum()
    }
}

impl fmt::Display for HeapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Concrete(index) => write!(f, "{index}"),
            _ => f.write_str(self.text()),
        }
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.nullable, self.heap) {
            (true, HeapType::Concrete(index)) => write!(f, "(ref null {index})"),
            (true, heap) => f.write_str(heap.ref_text()),
            (false, heap) => write!(f, "(ref {heap})"),
        }
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32 => f.write_str("i32"),
            Self::I64 => f.write_str("i64"),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::V128 => f.write_str("v128"),
            Self::Ref(ty) => ty.fmt(f),
        }
    }
}

impl fmt::Display for FuncType {
    /// `(func (param i32) (result i64))`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(func")?;
        for (keyword, types) in [("param", &self.params), ("result", &self.results)] {
            if !types.is_empty() {
                write!(f, " ({keyword}")?;
                for ty in types {
                    write!(f, " {ty}")?;
                }
                f.write_str(")")?;
            }
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::{FuncType, HeapType, RefType, ValType};

    #[test]
    fn display_is_the_text_format() {
        let concrete = ValType::Ref(RefType::non_null(HeapType::Concrete(3)));
        let ty = FuncType::new([ValType::I32, concrete], [ValType::V128, ValType::FUNCREF]);
        assert_eq!(ty.to_string(), "(func (param i32 (ref 3)) (result v128 funcref))");
        assert_eq!((ty.param_slots(), ty.result_slots()), (2, 3));
        assert_eq!(FuncType::default().to_string(), "(func)");
        assert_eq!(RefType::nullable(HeapType::None).to_string(), "nullref");
        assert_eq!(RefType::nullable(HeapType::Concrete(0)).to_string(), "(ref null 0)");
        assert!(!concrete.is_defaultable());
    }
}
