//! Owns tests of memories, tables and globals from the host's side.
//! Does not own their operators.

use sterna::{
    Func, Global, GlobalType, Instance, Linker, Memory, MemoryAccessError, MemoryType, Module,
    Mutability, Ref, RefType, Store, Table, TableType, Trap, TrapCode, V128, Val, ValType,
};

use crate::{each_tier, instance};

#[test]
fn memories_are_read_written_and_grown() {
    each_tier(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module (memory (export "m") 1 3)
                (data (i32.const 8) "hello")
                (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))"#,
        );
        let memory = instance.get_memory(&mut store, "m").unwrap();
        let load = instance.get_typed_func::<i32, i32>(&mut store, "load").unwrap();
        assert_eq!(memory.ty(&store), MemoryType::new(1, Some(3)));
        assert_eq!((memory.size(&store), memory.data_size(&store)), (1, 65536));
        assert_eq!(&memory.data(&store)[8..13], b"hello");
        memory.data_mut(&mut store)[8] = b'j';
        assert_eq!(load.call(&mut store, 8).unwrap(), i32::from(b'j'));

        memory.write(&mut store, 65534, &[1, 2]).unwrap();
        let mut buffer = [0; 4];
        memory.read(&store, 65532, &mut buffer).unwrap();
        assert_eq!(buffer, [0, 0, 1, 2]);
        let error: MemoryAccessError = memory.read(&store, 65533, &mut buffer).unwrap_err();
        assert_eq!(
            error.to_string(),
            "out of bounds: bytes 65533..65537 of a memory of 65536 bytes"
        );
        assert!(memory.write(&mut store, usize::MAX, &[1]).is_err());

        assert_eq!(
            load.call(&mut store, 65536).unwrap_err().downcast::<Trap>().unwrap().code(),
            TrapCode::MemoryOutOfBounds
        );
        assert_eq!(memory.grow(&mut store, 2).unwrap(), 1);
        assert_eq!(memory.data_size(&store), 3 << 16);
        assert_eq!(load.call(&mut store, 65536).unwrap(), 0);
        assert!(memory.grow(&mut store, 1).is_err());
    });
}

#[test]
fn host_memories_are_imported() {
    each_tier(|engine| {
        let mut store = Store::new(engine, 5u8);
        let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
        let (bytes, data) = memory.data_and_store_mut(&mut store);
        bytes[3] = *data;
        let module = Module::new(
            engine,
            r#"(module (import "h" "m" (memory 1))
                (func (export "load") (result i32) (i32.load8_u (i32.const 3))))"#,
        );
        let module = module.unwrap();
        let instance = Instance::new(&mut store, &module, &[memory.into()]).unwrap();
        let load = instance.get_typed_func::<(), i32>(&mut store, "load").unwrap();
        assert_eq!(load.call(&mut store, ()).unwrap(), 5);
        for ty in [
            MemoryType::new(2, Some(1)),
            MemoryType::new(1 << 17, None),
            MemoryType::new(1, None).with_page_size_log2(3),
        ] {
            assert!(Memory::new(&mut store, ty).is_err(), "{ty:?}");
        }
        let bytes = Memory::new(&mut store, MemoryType::new(5, None).with_page_size_log2(0));
        assert_eq!(bytes.unwrap().data_size(&store), 5);
        let wide = Memory::new(&mut store, MemoryType::new64(1, Some(2))).unwrap();
        assert!(wide.ty(&store).is_64());
        assert_eq!(wide.page_size(&store), 65536);
    });
}

#[test]
fn tables_hold_functions_of_guests_and_hosts() {
    each_tier(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module (table (export "t") 3 6 funcref) (elem (i32.const 0) $one)
                (func $one (result i32) (i32.const 1))
                (func (export "call") (param i32) (result i32)
                    (call_indirect (result i32) (local.get 0))))"#,
        );
        let table = instance.get_table(&mut store, "t").unwrap();
        let call = instance.get_typed_func::<i32, i32>(&mut store, "call").unwrap();
        assert_eq!(table.ty(&store), TableType::new(RefType::FUNCREF, 3, Some(6)));
        assert!(matches!(table.get(&store, 1), Some(Ref::Func(None))));
        assert!(table.get(&store, 3).is_none());
        let Some(Ref::Func(Some(one))) = table.get(&store, 0) else { panic!("a function") };
        let two = Func::wrap(&mut store, || 2i32);
        table.set(&mut store, 1, two.into()).unwrap();
        assert!(table.set(&mut store, 3, one.into()).is_err());
        assert_eq!(table.grow(&mut store, 2, two.into()).unwrap(), 3);
        assert!(table.grow(&mut store, 2, two.into()).is_err());
        table.copy(&mut store, 2, &table, 0, 2).unwrap();
        assert!(table.copy(&mut store, 4, &table, 0, 2).is_err());
        for _ in 0..3 {
            let mut calls = |index| call.call(&mut store, index).unwrap();
            assert_eq!([0, 1, 2, 3, 4].map(&mut calls), [1, 2, 1, 2, 2]);
            store.settle_tiers();
        }
        table.fill(&mut store, 1, Ref::Func(None), 4).unwrap();
        assert!(table.fill(&mut store, 1, Ref::Func(None), 5).is_err());
        let error = call.call(&mut store, 1).unwrap_err();
        assert_eq!(error.downcast_ref::<Trap>().unwrap().code(), TrapCode::UninitializedElement);

        let wrong = table.set(&mut store, 0, Ref::Extern(None)).unwrap_err();
        assert_eq!(wrong.to_string(), "type mismatch: expected funcref, found externref");
        let ty = TableType::new(RefType::EXTERNREF, 2, None);
        let externs = Table::new(&mut store, ty.clone(), Ref::Extern(None)).unwrap();
        assert!(table.copy(&mut store, 0, &externs, 0, 1).is_err());
        assert!(Table::new(&mut store, ty, two.into()).is_err());
    });
}

#[test]
fn globals_are_read_and_set() {
    each_tier(|engine| {
        let mut store = Store::new(engine, ());
        let ty = GlobalType::new(ValType::V128, Mutability::Var);
        let vector = Global::new(&mut store, ty, Val::V128(V128::from(1))).unwrap();
        let fixed = GlobalType::new(ValType::F32, Mutability::Const);
        let fixed = Global::new(&mut store, fixed, Val::from(1.5f32)).unwrap();
        assert!(Global::new(&mut store, ty, Val::I32(1)).is_err());
        let module = Module::new(
            engine,
            r#"(module
                (import "h" "v" (global $v (mut v128))) (import "h" "f" (global $f f32))
                (global (export "own") (mut i64) (i64.const -5))
                (func (export "add")
                    (global.set $v (i64x2.add (global.get $v) (v128.const i64x2 1 2))))
                (func (export "f") (result f32) (global.get $f)))"#,
        );
        let mut linker = Linker::new(engine);
        linker.define(&store, "h", "v", vector).unwrap();
        linker.define(&store, "h", "f", fixed).unwrap();
        let instance = linker.instantiate(&mut store, &module.unwrap()).unwrap();
        let add = instance.get_typed_func::<(), ()>(&mut store, "add").unwrap();
        for _ in 0..3 {
            add.call(&mut store, ()).unwrap();
        }
        assert_eq!(u128::from(vector.get(&mut store).unwrap_v128()), 4 | 6 << 64);
        vector.set(&mut store, Val::V128(V128::from(9))).unwrap();
        assert_eq!(u128::from(vector.get(&mut store).unwrap_v128()), 9);
        let f = instance.get_typed_func::<(), f32>(&mut store, "f").unwrap();
        assert_eq!(f.call(&mut store, ()).unwrap(), 1.5);
        let error = fixed.set(&mut store, Val::from(2f32)).unwrap_err();
        assert_eq!(error.to_string(), "the global is constant");
        let own = instance.get_global(&mut store, "own").unwrap();
        assert_eq!(own.get(&mut store).unwrap_i64(), -5);
        assert_eq!(own.ty(&store).mutability(), Mutability::Var);
        assert!(own.set(&mut store, Val::I32(1)).is_err());
        own.set(&mut store, 6i64.into()).unwrap();
        assert_eq!(own.get(&mut store).unwrap_i64(), 6);
    });
}

#[test]
fn exports_are_listed_in_order() {
    each_tier(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module (func (export "f")) (memory (export "m") 1) (global (export "g") i32 (i32.const 1))
                (table (export "t") 1 externref) (export "again" (func 0)))"#,
        );
        let exports: Vec<_> = instance.exports(&mut store).collect();
        let kinds = exports.iter().map(|export| (export.name(), export.value().ty(&store).kind()));
        assert_eq!(
            kinds.collect::<Vec<_>>(),
            [
                ("f", "function"),
                ("m", "memory"),
                ("g", "global"),
                ("t", "table"),
                ("again", "function")
            ]
        );
        assert!(instance.get_export(&mut store, "x").is_none());
        assert!(instance.get_func(&mut store, "m").is_none());
        assert!(Module::same(&instance.module(&store), &instance.module(&store)));
    });
}
