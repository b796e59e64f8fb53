//! Owns the translation of `wasmparser`'s types and operators into `isa`'s, by name.
//! Does not interpret them. The only place where the two vocabularies meet.

use sterna_base::{TagIndex, TypeIndex};
use sterna_isa::{
    CompositeType, FieldType, FuncType, HeapType, Op, RefType, StorageType, SubType, ValType,
};
use wasmparser as w;

use crate::body::{BlockType, BrTable, Catch, Imm, MemArg, TryTable};
use crate::items::{GlobalType, MemoryType, TableType};

pub(crate) fn val_type(ty: w::ValType) -> ValType {
    match ty {
        w::ValType::I32 => ValType::I32,
        w::ValType::I64 => ValType::I64,
        w::ValType::F32 => ValType::F32,
        w::ValType::F64 => ValType::F64,
        w::ValType::V128 => ValType::V128,
        w::ValType::Ref(ty) => ValType::Ref(ref_type(ty)),
    }
}

pub(crate) fn ref_type(ty: w::RefType) -> RefType {
    RefType { nullable: ty.is_nullable(), heap: heap_type(ty.heap_type()) }
}

pub(crate) fn heap_type(ty: w::HeapType) -> HeapType {
    use w::AbstractHeapType as A;
    match ty {
        w::HeapType::Abstract { ty, .. } => match ty {
            A::Func => HeapType::Func,
            A::Extern => HeapType::Extern,
            A::Any => HeapType::Any,
            A::None => HeapType::None,
            A::NoExtern => HeapType::NoExtern,
            A::NoFunc => HeapType::NoFunc,
            A::Eq => HeapType::Eq,
            A::Struct => HeapType::Struct,
            A::Array => HeapType::Array,
            A::I31 => HeapType::I31,
            A::Exn => HeapType::Exn,
            A::NoExn => HeapType::NoExn,
            A::Cont | A::NoCont => unreachable!("stack switching is never enabled in validation"),
        },
        w::HeapType::Concrete(index) | w::HeapType::Exact(index) => {
            HeapType::Concrete(module_index(index))
        }
    }
}

pub(crate) fn sub_type(ty: &w::SubType) -> SubType {
    let composite = match &ty.composite_type.inner {
        w::CompositeInnerType::Func(ty) => CompositeType::Func(func_type(ty)),
        w::CompositeInnerType::Struct(ty) => {
            CompositeType::Struct(ty.fields.iter().copied().map(field_type).collect())
        }
        w::CompositeInnerType::Array(ty) => CompositeType::Array(field_type(ty.0)),
        w::CompositeInnerType::Cont(_) => {
            unreachable!("stack switching is never enabled in validation")
        }
    };
    let supertype = ty.supertype_idxs.first().map(|index| module_index(index.unpack()));
    SubType { is_final: ty.is_final, supertype, composite }
}

fn field_type(ty: w::FieldType) -> FieldType {
    let storage = match ty.element_type {
        w::StorageType::I8 => StorageType::I8,
        w::StorageType::I16 => StorageType::I16,
        w::StorageType::Val(ty) => StorageType::Val(val_type(ty)),
    };
    FieldType { storage, mutable: ty.mutable }
}

/// As decoded from a module, all indices are the module's.
fn module_index(index: w::UnpackedIndex) -> u32 {
    index.as_module_index().unwrap_or(u32::MAX)
}

fn func_type(ty: &w::FuncType) -> FuncType {
    let list = |types: &[w::ValType]| types.iter().copied().map(val_type).collect();
    FuncType { params: list(ty.params()), results: list(ty.results()) }
}

/// All but the initializer, which the caller decodes.
pub(crate) fn table_type(ty: &w::TableType) -> TableType {
    TableType {
        element: ref_type(ty.element_type),
        is_64: ty.table64,
        min: ty.initial,
        max: ty.maximum,
        init: None,
    }
}

pub(crate) fn memory_type(ty: w::MemoryType) -> MemoryType {
    MemoryType {
        is_64: ty.memory64,
        shared: ty.shared,
        min: ty.initial,
        max: ty.maximum,
        page_size_log2: ty.page_size_log2.unwrap_or(16),
    }
}

pub(crate) fn global_type(ty: w::GlobalType) -> GlobalType {
    GlobalType { ty: val_type(ty.content_type), mutable: ty.mutable }
}

/// Builds the immediates of an operator from its fields.
trait IntoImm<'a> {
    fn into_imm(self) -> Imm<'a>;
}

macro_rules! into_imm {
    ($($pattern:pat, $ty:ty => $imm:expr;)*) => {
        $(impl<'a> IntoImm<'a> for $ty {
            #[inline(always)]
            fn into_imm(self) -> Imm<'a> {
                let $pattern = self;
                $imm
            }
        })*
    };
}

into_imm! {
    (), () => Imm::None;
    (index,), (u32,) => Imm::Index(index);
    (a, b), (u32, u32) => Imm::Index2(a, b);
    (ty,), (w::BlockType,) => Imm::Block(block_type(ty));
    (table,), (w::BrTable<'a>,) => Imm::BrTable(BrTable(table));
    (arg,), (w::MemArg,) => Imm::MemArg(mem_arg(arg));
    (arg, lane), (w::MemArg, u8) => Imm::MemArgLane(mem_arg(arg), lane);
    (lane,), (u8,) => Imm::Lane(lane);
    (lanes,), ([u8; 16],) => Imm::Shuffle(lanes);
    // Of a fence: only sequential consistency validates.
    (_,), (w::Ordering,) => Imm::None;
    (value,), (i32,) => Imm::I32(value);
    (value,), (i64,) => Imm::I64(value);
    (value,), (w::Ieee32,) => Imm::F32(value.bits());
    (value,), (w::Ieee64,) => Imm::F64(value.bits());
    (value,), (w::V128,) => Imm::V128(value.i128() as u128);
    (ty,), (w::ValType,) => Imm::Select(val_type(ty));
    (ty,), (w::HeapType,) => Imm::HeapType(heap_type(ty));
    (label, from, to), (u32, w::RefType, w::RefType) =>
        Imm::BrOnCast { label, from: ref_type(from), to: ref_type(to) };
    (table,), (w::TryTable,) => Imm::TryTable(Box::new(try_table(&table)));
}

fn try_table(table: &w::TryTable) -> TryTable {
    let catch = |catch: &w::Catch| {
        let (tag, with_ref, label) = match *catch {
            w::Catch::One { tag, label } => (Some(tag), false, label),
            w::Catch::OneRef { tag, label } => (Some(tag), true, label),
            w::Catch::All { label } => (None, false, label),
            w::Catch::AllRef { label } => (None, true, label),
        };
        Catch { tag: tag.map(TagIndex::from_u32), with_ref, label }
    };
    TryTable { ty: block_type(table.ty), catches: table.catches.iter().map(catch).collect() }
}

fn block_type(ty: w::BlockType) -> BlockType {
    match ty {
        w::BlockType::Empty => BlockType::Empty,
        w::BlockType::Type(ty) => BlockType::Value(val_type(ty)),
        w::BlockType::FuncType(index) => BlockType::Func(TypeIndex::from_u32(index)),
    }
}

fn mem_arg(arg: w::MemArg) -> MemArg {
    let memory = match arg.target {
        w::MemArgTarget::Memory(index) => index,
        w::MemArgTarget::Array(_) => unreachable!("{}", NOT_ENABLED),
    };
    MemArg { offset: arg.offset, memory, align_log2: arg.align }
}

/// Maps an operator by its name; operators of proposals that validation never enables cannot get here.
macro_rules! define_operator {
    ($($(@$proposal:ident)? $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        #[inline]
        pub(crate) fn operator<'a>(operator: w::Operator<'a>) -> (Op, Imm<'a>) {
            match operator {
                $(w::Operator::$op $({ $($arg),* })? => convert!(@$($proposal)? $op ($($($arg),*)?)),)*
                _ => unreachable!("{}", NOT_ENABLED),
            }
        }
    };
}

const NOT_ENABLED: &str = "an operator of a proposal that is never enabled in validation";

macro_rules! convert {
    (@mvp $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@sign_extension $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@saturating_float_to_int $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@bulk_memory $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@reference_types $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@tail_call $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@simd $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@relaxed_simd $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@wide_arithmetic $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@function_references $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@gc $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@exceptions $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@legacy_exceptions $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@threads $($rest:tt)*) => { convert!(yes $($rest)*) };
    (@$never:ident $op:ident ($($arg:ident),*)) => {{ $(let _ = $arg;)* unreachable!("{}", NOT_ENABLED) }};
    (yes TypedSelectMulti ($($arg:ident),*)) => {{ $(let _ = $arg;)* unreachable!("multi-value select never validates") }};
    (yes $op:ident ($($arg:ident),*)) => { (Op::$op, ($($arg,)*).into_imm()) };
}

w::for_each_operator!(define_operator);
