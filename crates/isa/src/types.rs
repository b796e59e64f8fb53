//! Value, reference and defined types as the whole engine uses them.
//! Not here: subtyping and equality of defined types, which need a type space (`module`, `runtime`).

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
    /// `(ref null exn)`.
    pub const EXNREF: Self = Self::Ref(RefType::EXNREF);

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

    /// The same with the index of a defined type replaced.
    #[must_use]
    pub fn map(self, f: impl FnOnce(u32) -> u32) -> Self {
        match self {
            Self::Ref(ty) => Self::Ref(ty.map(f)),
            number => number,
        }
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
    /// `(ref null exn)`.
    pub const EXNREF: Self = Self::nullable(HeapType::Exn);

    /// `(ref null heap)`.
    pub const fn nullable(heap: HeapType) -> Self {
        Self { nullable: true, heap }
    }

    /// `(ref heap)`.
    pub const fn non_null(heap: HeapType) -> Self {
        Self { nullable: false, heap }
    }

    /// The same with the index of a defined type replaced.
    #[must_use]
    pub fn map(self, f: impl FnOnce(u32) -> u32) -> Self {
        Self { heap: self.heap.map(f), ..self }
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
    /// Every type that is not defined by a module. Stored forms use positions in this list: add at its end.
    pub const ABSTRACT: [HeapType; 12] = [
        HeapType::Func,
        HeapType::Extern,
        HeapType::Any,
        HeapType::Eq,
        HeapType::I31,
        HeapType::Struct,
        HeapType::Array,
        HeapType::Exn,
        HeapType::None,
        HeapType::NoFunc,
        HeapType::NoExtern,
        HeapType::NoExn,
    ];

    /// Whether functions are what it speaks of, as far as that can be known without its type space: `None` for a defined type.
    pub const fn is_func(self) -> Option<bool> {
        match self {
            Self::Func | Self::NoFunc => Some(true),
            Self::Concrete(_) => None,
            _ => Some(false),
        }
    }

    /// The same with the index of a defined type replaced.
    #[must_use]
    pub fn map(self, f: impl FnOnce(u32) -> u32) -> Self {
        match self {
            Self::Concrete(index) => Self::Concrete(f(index)),
            abstract_ => abstract_,
        }
    }

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

    /// The same with all indices of defined types replaced.
    #[must_use]
    pub fn map(&self, mut f: impl FnMut(u32) -> u32) -> Self {
        let mut list = |types: &[ValType]| types.iter().map(|ty| ty.map(&mut f)).collect();
        Self { params: list(&self.params), results: list(&self.results) }
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

/// What a field of a structure or an element of an array holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StorageType {
    /// One byte.
    I8,
    /// Two bytes.
    I16,
    /// A value.
    Val(ValType),
}

impl StorageType {
    /// The type on the operand stack: `i32` for the packed ones.
    pub const fn unpacked(self) -> ValType {
        match self {
            Self::I8 | Self::I16 => ValType::I32,
            Self::Val(ty) => ty,
        }
    }

    /// Whether it is smaller in objects than on the operand stack.
    pub const fn is_packed(self) -> bool {
        matches!(self, Self::I8 | Self::I16)
    }
}

/// A field of a structure, or the elements of an array.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FieldType {
    /// What it holds.
    pub storage: StorageType,
    /// Whether it can be set.
    pub mutable: bool,
}

impl FieldType {
    /// The same with the index of a defined type replaced.
    #[must_use]
    pub fn map(self, f: impl FnOnce(u32) -> u32) -> Self {
        match self.storage {
            StorageType::Val(ty) => Self { storage: StorageType::Val(ty.map(f)), ..self },
            _ => self,
        }
    }
}

/// A type without its place among other types (core specification, 2.3, "Composite Types").
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CompositeType {
    /// Functions.
    Func(FuncType),
    /// Structures, by their fields.
    Struct(Box<[FieldType]>),
    /// Arrays, by their elements.
    Array(FieldType),
}

/// A defined type (core specification, 2.3, "Recursive Types").
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubType {
    /// Whether no other type can declare it as its supertype.
    pub is_final: bool,
    /// The declared supertype, by index in the same type space.
    pub supertype: Option<u32>,
    /// What values of the type are.
    pub composite: CompositeType,
}

impl SubType {
    /// A final type without a supertype.
    pub fn final_(composite: CompositeType) -> Self {
        Self { is_final: true, supertype: None, composite }
    }

    /// The function type, if it is one.
    pub fn as_func(&self) -> Option<&FuncType> {
        match &self.composite {
            CompositeType::Func(ty) => Some(ty),
            _ => None,
        }
    }

    /// The fields, if it is a structure.
    pub fn as_struct(&self) -> Option<&[FieldType]> {
        match &self.composite {
            CompositeType::Struct(fields) => Some(fields),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub fn as_array(&self) -> Option<FieldType> {
        match self.composite {
            CompositeType::Array(element) => Some(element),
            _ => None,
        }
    }

    /// The same with all indices of defined types replaced.
    #[must_use]
    pub fn map(&self, mut f: impl FnMut(u32) -> u32) -> Self {
        let supertype = self.supertype.map(&mut f);
        let composite = match &self.composite {
            CompositeType::Func(ty) => CompositeType::Func(ty.map(f)),
            CompositeType::Struct(fields) => {
                CompositeType::Struct(fields.iter().map(|field| field.map(&mut f)).collect())
            }
            CompositeType::Array(element) => CompositeType::Array(element.map(f)),
        };
        Self { is_final: self.is_final, supertype, composite }
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

impl fmt::Display for StorageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I8 => f.write_str("i8"),
            Self::I16 => f.write_str("i16"),
            Self::Val(ty) => ty.fmt(f),
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mutable {
            true => write!(f, "(mut {})", self.storage),
            false => self.storage.fmt(f),
        }
    }
}

impl fmt::Display for CompositeType {
    /// `(struct (field i8) (field (mut i32)))`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Func(ty) => ty.fmt(f),
            Self::Struct(fields) => {
                f.write_str("(struct")?;
                fields.iter().try_for_each(|field| write!(f, " (field {field})"))?;
                f.write_str(")")
            }
            Self::Array(element) => write!(f, "(array {element})"),
        }
    }
}

impl fmt::Display for SubType {
    /// `(sub final 3 (array i8))`; short for final types without a supertype.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_final && self.supertype.is_none() {
            return self.composite.fmt(f);
        }
        f.write_str(if self.is_final { "(sub final" } else { "(sub" })?;
        if let Some(supertype) = self.supertype {
            write!(f, " {supertype}")?;
        }
        write!(f, " {})", self.composite)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        CompositeType, FieldType, FuncType, HeapType, RefType, StorageType, SubType, ValType,
    };

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

    #[test]
    fn defined_types_are_shown_and_mapped() {
        let i8 = FieldType { storage: StorageType::I8, mutable: true };
        let link = ValType::Ref(RefType::nullable(HeapType::Concrete(2)));
        let link = FieldType { storage: StorageType::Val(link), mutable: false };
        let ty = SubType {
            is_final: false,
            supertype: Some(1),
            composite: CompositeType::Struct([i8, link].into()),
        };
        assert_eq!(ty.to_string(), "(sub 1 (struct (field (mut i8)) (field (ref null 2))))");
        let mapped = ty.map(|index| index + 10);
        assert_eq!(mapped.to_string(), "(sub 11 (struct (field (mut i8)) (field (ref null 12))))");
        let array = SubType::final_(CompositeType::Array(link));
        assert_eq!(array.map(|_| 0).to_string(), "(array (ref null 0))");
        let func =
            FuncType::new([ValType::I32], [ValType::Ref(RefType::nullable(HeapType::Concrete(4)))]);
        assert_eq!(func.map(|i| i * 2).to_string(), "(func (param i32) (result (ref null 8)))");
    }
}
