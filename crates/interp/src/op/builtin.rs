//! Owns the instructions that call the runtime's builtins, and the sizes of memories and tables.
//! Does not own the builtins: the runtime does.
//!
//! Layout: first operand (and result) slot at 8, first free slot at 10, immediates of 32 bits at 12 and 16; 24 bytes.

use std::marker::PhantomData;

use sterna_abi::{BuiltinBodies, MemoryDef, MemorySlot, TableDef, VmCtx};
use sterna_isa::Op as WasmOp;

use super::pure::Dests;
use crate::exit::{bodies_of, is_trapping, suspend};
use crate::machine::{Handler, Op, Regs, Stop, step};
use crate::value::{Dest, Scalar, ToAcc, ToSlot, Value};

/// A call of a builtin: operands in slots from `base` on.
trait Call {
    /// Makes the call, stores the result.
    fn call(r: &mut Regs, bodies: &BuiltinBodies, vmctx: *mut VmCtx, base: usize);
}

struct CallOp<O>(PhantomData<O>);

impl<O: Call> Op for CallOp<O> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        suspend(r, r.u16(10));
        O::call(r, bodies_of(r.vmctx), r.vmctx, r.u16(8));
        if is_trapping(r.vmctx) {
            return Err(Stop::Unwind);
        }
        r.advance(24);
        Ok(())
    }
}

/// The `i`th operand of any integer or reference type.
#[inline(always)]
fn word(r: &Regs, base: usize, i: usize) -> u64 {
    r.slot(base + i)
}

/// An operand of 32 bits.
#[inline(always)]
fn half(r: &Regs, base: usize, i: usize) -> u32 {
    word(r, base, i) as u32
}

macro_rules! calls {
    ($($op:ident = $body:ident($r:ident, $b:ident: $($arg:expr),*) $(=> |$result:ident| $store:expr)?;)*) => {$(
        struct $op;
        impl Call for $op {
            #[inline(always)]
            fn call($r: &mut Regs, bodies: &BuiltinBodies, vmctx: *mut VmCtx, $b: usize) {
                // SAFETY: the frame is suspended, operands have the types of the builtin's parameters.
                let _result = unsafe { (bodies.$body)(vmctx $(, $arg)*) };
                $(let $result = _result; $store)?
            }
        }
    )*};
}

calls! {
    MemoryFill = memory_fill(r, b: r.u32(12), word(r, b, 0), half(r, b, 1), word(r, b, 2));
    MemoryCopy = memory_copy(r, b: r.u32(12), r.u32(16), word(r, b, 0), word(r, b, 1), word(r, b, 2));
    // Immediates: segment, memory.
    MemoryInit = memory_init(r, b: r.u32(16), r.u32(12), word(r, b, 0), half(r, b, 1), half(r, b, 2));
    DataDrop = data_drop(r, _b: r.u32(12));
    TableGet = table_get(r, b: r.u32(12), word(r, b, 0)) => |value| (value as i64).put(r, b);
    TableSet = table_set(r, b: r.u32(12), word(r, b, 0), word(r, b, 1));
    TableFill = table_fill(r, b: r.u32(12), word(r, b, 0), word(r, b, 1), word(r, b, 2));
    TableCopy = table_copy(r, b: r.u32(12), r.u32(16), word(r, b, 0), word(r, b, 1), word(r, b, 2));
    // Immediates: segment, table.
    TableInit = table_init(r, b: r.u32(16), r.u32(12), word(r, b, 0), half(r, b, 1), half(r, b, 2));
    ElemDrop = elem_drop(r, _b: r.u32(12));
    RefFunc = ref_func(r, b: r.u32(12)) => |value| (value as i64).put(r, b);
    MemoryGrow32 = memory_grow(r, b: r.u32(12), word(r, b, 0)) => |pages| {
        (pages as i32).put(r, b);
        grown(r);
    };
    MemoryGrow64 = memory_grow(r, b: r.u32(12), word(r, b, 0)) => |pages| {
        (pages as i64).put(r, b);
        grown(r);
    };
    TableGrow32 = table_grow(r, b: r.u32(12), word(r, b, 0), word(r, b, 1)) => |len| (len as i32).put(r, b);
    TableGrow64 = table_grow(r, b: r.u32(12), word(r, b, 0), word(r, b, 1)) => |len| (len as i64).put(r, b);
}

/// After `memory.grow`: an instance that executes it has a memory.
#[inline(always)]
fn grown(r: &mut Regs) {
    r.load_memory();
}

/// The instruction of a builtin operator other than the sizes; `wide` if memory or table has 64-bit addresses.
pub(crate) fn handler(op: WasmOp, wide: bool) -> Option<Handler> {
    Some(match (op, wide) {
        (WasmOp::MemoryFill, _) => step::<CallOp<MemoryFill>>,
        (WasmOp::MemoryCopy, _) => step::<CallOp<MemoryCopy>>,
        (WasmOp::MemoryInit, _) => step::<CallOp<MemoryInit>>,
        (WasmOp::DataDrop, _) => step::<CallOp<DataDrop>>,
        (WasmOp::TableGet, _) => step::<CallOp<TableGet>>,
        (WasmOp::TableSet, _) => step::<CallOp<TableSet>>,
        (WasmOp::TableFill, _) => step::<CallOp<TableFill>>,
        (WasmOp::TableCopy, _) => step::<CallOp<TableCopy>>,
        (WasmOp::TableInit, _) => step::<CallOp<TableInit>>,
        (WasmOp::ElemDrop, _) => step::<CallOp<ElemDrop>>,
        (WasmOp::RefFunc, _) => step::<CallOp<RefFunc>>,
        (WasmOp::MemoryGrow, false) => step::<CallOp<MemoryGrow32>>,
        (WasmOp::MemoryGrow, true) => step::<CallOp<MemoryGrow64>>,
        (WasmOp::TableGrow, false) => step::<CallOp<TableGrow32>>,
        (WasmOp::TableGrow, true) => step::<CallOp<TableGrow64>>,
        _ => return None,
    })
}

/// Destination at 8, log2 of the page size at 10, offset of the memory's slot at 12.
struct MemorySize<D>(PhantomData<D>);

impl<D: Dest<i64>> Op for MemorySize<D> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let slot: MemorySlot = r.vm_load(r.u32(12));
        let def: *const MemoryDef = slot.def;
        // SAFETY: `def` points to the live memory for the life of the instance.
        let len = unsafe { (*def).len() } as u64;
        D::write(r, i64::from_slot(len >> r.u16(10)));
        r.advance(16);
        Ok(())
    }
}

/// Destination at 8, offset of the table's pointer at 12.
struct TableSize<D>(PhantomData<D>);

impl<D: Dest<i64>> Op for TableSize<D> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let table: *const TableDef = r.vm_load(r.u32(12));
        // SAFETY: tables live as long as the instances that can name them.
        let len = unsafe { (*table).len };
        D::write(r, i64::from_slot(len));
        r.advance(16);
        Ok(())
    }
}

/// `memory.size`.
pub(crate) static MEMORY_SIZE: Dests =
    Dests { acc: step::<MemorySize<ToAcc>>, slot: step::<MemorySize<ToSlot>> };
/// `table.size`.
pub(crate) static TABLE_SIZE: Dests =
    Dests { acc: step::<TableSize<ToAcc>>, slot: step::<TableSize<ToSlot>> };
