//! Owns `spectest`, the module that the test suite expects from its host.
//! Does not print: the suite's print functions are called for their types.

use sterna::{
    Error, Global, GlobalType, Linker, Memory, MemoryType, Mutability, Ref, RefType, SharedMemory,
    Store, Table, TableType, Val,
};

const MODULE: &str = "spectest";

/// Defines the module in a linker.
pub(crate) fn define(linker: &mut Linker<()>, store: &mut Store<()>) -> Result<(), Error> {
    define_functions(linker)?;
    for (name, value) in [
        ("global_i32", Val::I32(666)),
        ("global_i64", Val::I64(666)),
        ("global_f32", Val::F32(666.6_f32.to_bits())),
        ("global_f64", Val::F64(666.6_f64.to_bits())),
    ] {
        let global =
            Global::new(&mut *store, GlobalType::new(value.ty(), Mutability::Const), value)?;
        linker.define(&mut *store, MODULE, name, global)?;
    }
    let table = TableType::new(RefType::FUNCREF, 10, Some(20));
    let table = Table::new(&mut *store, table, Ref::Func(None))?;
    linker.define(&mut *store, MODULE, "table", table)?;
    let table64 = TableType::new64(RefType::FUNCREF, 10, Some(20));
    let table64 = Table::new(&mut *store, table64, Ref::Func(None))?;
    linker.define(&mut *store, MODULE, "table64", table64)?;
    let memory = Memory::new(&mut *store, MemoryType::new(1, Some(2)))?;
    linker.define(&mut *store, MODULE, "memory", memory)?;
    let shared = SharedMemory::new(store.engine(), MemoryType::new(1, Some(2)).shared())?;
    linker.define(&mut *store, MODULE, "shared_memory", shared)?;
    Ok(())
}

fn define_functions(linker: &mut Linker<()>) -> Result<(), Error> {
    linker.func_wrap(MODULE, "print", || {})?;
    linker.func_wrap(MODULE, "print_i32", |_: i32| {})?;
    linker.func_wrap(MODULE, "print_i64", |_: i64| {})?;
    linker.func_wrap(MODULE, "print_f32", |_: f32| {})?;
    linker.func_wrap(MODULE, "print_f64", |_: f64| {})?;
    linker.func_wrap(MODULE, "print_i32_f32", |_: i32, _: f32| {})?;
    linker.func_wrap(MODULE, "print_f64_f64", |_: f64, _: f64| {})?;
    Ok(())
}
