//! Owns tests of structures, arrays and `i31` that the host makes and uses.
//! Does not own tests of how long references live (`references`).

use sterna::{
    AnyRef, ArrayRef, ArrayType, Engine, ExternRef, FieldType, Func, FuncType, GcStress, HeapType,
    I31, Limits, RefType, StorageType, Store, StructRef, StructType, TrapCode, Val, ValType,
};

use crate::{each_config, each_tier, instance};

fn field(storage: StorageType, mutable: bool) -> FieldType {
    FieldType { storage, mutable }
}

fn value(ty: ValType) -> StorageType {
    StorageType::Val(ty)
}

const ANY: ValType = ValType::Ref(RefType::nullable(HeapType::Any));

#[test]
fn fields_of_all_types_hold_what_is_put_there() {
    let stress = |config: &mut sterna::Config| _ = config.gc_stress(GcStress::Alternate);
    each_config(stress, |engine| {
        let types = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];
        let refs = [ValType::FUNCREF, ValType::EXTERNREF, ANY];
        let fields = types.into_iter().chain(refs).map(|ty| field(value(ty), true));
        let packed = [StorageType::I8, StorageType::I16].map(|storage| field(storage, true));
        let ty = StructType::new(engine, fields.chain(packed)).unwrap();
        let mut store = Store::new(engine, ());
        let func = Func::wrap(&mut store, || 5);
        let outside = ExternRef::new(&mut store, "outside").unwrap();
        let nulls = [Val::NULL_FUNC, Val::NULL_EXTERN, Val::NULL_ANY];
        let zero: Vec<Val> = types.into_iter().filter_map(Val::default_for).chain(nulls).collect();
        let zero: Vec<Val> = zero.into_iter().chain([Val::I32(0), Val::I32(0)]).collect();
        let object = StructRef::new(&mut store, &ty, &zero).unwrap();
        let set = [
            Val::I32(-1),
            Val::I64(i64::MIN),
            Val::from(1.5f32),
            Val::from(-2.5f64),
            Val::from(u128::MAX - 1),
            func.into(),
            outside.into(),
            object.into(),
            Val::I32(0x1ff),
            Val::I32(-2),
        ];
        for (index, value) in set.iter().enumerate() {
            object.set_field(&mut store, index, *value).unwrap();
        }
        // Once by `set_field`, once by `new`.
        let copy = StructRef::new(&mut store, &ty, &set).unwrap();
        for object in [object, copy] {
            store.gc();
            let found = object.fields(&store).unwrap();
            assert_eq!(found[0].i32(), Some(-1));
            assert_eq!(found[1].i64(), Some(i64::MIN));
            assert_eq!((found[2].f32(), found[3].f64()), (Some(1.5), Some(-2.5)));
            assert_eq!(found[4].unwrap_v128().as_u128(), u128::MAX - 1);
            let func = found[5].unwrap_func_ref().unwrap();
            assert_eq!(func.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 5);
            assert!(found[6].unwrap_extern_ref().unwrap().ref_eq(&store, &outside).unwrap());
            let inner = found[7].unwrap_any_ref().unwrap();
            assert_eq!(inner.as_struct(&store).unwrap().unwrap().ty(&store).unwrap(), ty);
            assert_eq!((found[8].i32(), found[9].i32()), (Some(0xff), Some(0xfffe)));
        }
    });
}

const SHAPES: &str = r#"
    (type $point (struct (field $x i32) (field $y (mut i64))))
    (type $bytes (array (mut i8)))
    (func (export "sum") (param (ref $point)) (result i64)
        (i64.add
            (i64.extend_i32_s (struct.get $point $x (local.get 0)))
            (struct.get $point $y (local.get 0))))
    (func (export "point") (param i32 i64) (result (ref $point))
        (struct.new $point (local.get 0) (local.get 1)))
    (func (export "second") (param (ref $bytes)) (result i32)
        (array.get_s $bytes (local.get 0) (i32.const 1)))
    (func (export "half") (param (ref i31)) (result (ref i31))
        (ref.i31 (i32.div_s (i31.get_s (local.get 0)) (i32.const 2))))
    (func (export "is_struct") (param anyref) (result i32)
        (ref.test (ref struct) (local.get 0)))
    (func (export "struct") (param (ref struct)) (result (ref struct)) (local.get 0))"#;

#[test]
fn guests_and_hosts_see_the_same_structures() {
    each_tier(|engine| {
        let (mut store, guest) = instance(engine, SHAPES);
        let sum = guest.get_func(&mut store, "sum").unwrap();
        // The type of the guest, from its function, is the one that the host makes.
        let ValType::Ref(RefType { heap, .. }) = sum.ty(&store).params[0] else { panic!() };
        let point = StructType::from_heap_type(engine, heap).unwrap();
        let fields = [field(value(ValType::I32), false), field(value(ValType::I64), true)];
        assert_eq!(point, StructType::new(engine, fields).unwrap());
        assert_eq!(point.fields(), fields);
        assert!(ArrayType::from_heap_type(engine, heap).is_none());
        assert!(StructType::from_heap_type(engine, HeapType::Struct).is_none());
        assert!(StructType::from_heap_type(engine, HeapType::Concrete(99_999)).is_none());

        let object = StructRef::new(&mut store, &point, &[Val::I32(-2), Val::I64(44)]).unwrap();
        let mut results = [Val::I64(0)];
        sum.call(&mut store, &[object.into()], &mut results).unwrap();
        assert_eq!(results[0].i64(), Some(42));

        let make = guest.get_func(&mut store, "point").unwrap();
        let mut results = [Val::NULL_ANY];
        make.call(&mut store, &[Val::I32(7), Val::I64(8)], &mut results).unwrap();
        let any = results[0].unwrap_any_ref().unwrap();
        assert_eq!(any.ty(&store).unwrap(), point.heap_type());
        assert!(any.as_array(&store).unwrap().is_none() && any.i31().is_none());
        let object = any.as_struct(&store).unwrap().unwrap();
        assert_eq!(object.field(&store, 0).unwrap().i32(), Some(7));
        object.set_field(&mut store, 1, Val::I64(-7)).unwrap();
        let mut results = [Val::I64(1)];
        sum.call(&mut store, &[object.into()], &mut results).unwrap();
        assert_eq!(results[0].i64(), Some(0));
    });
}

#[test]
fn typed_functions_take_references_of_all_kinds() {
    each_tier(|engine| {
        let (mut store, guest) = instance(engine, SHAPES);
        let bytes = ArrayType::new(engine, field(StorageType::I8, true)).unwrap();
        let array = [1, 0x80, 3].map(Val::I32);
        let array = ArrayRef::new_fixed(&mut store, &bytes, &array).unwrap();
        let second = guest.get_func(&mut store, "second").unwrap();
        let mut results = [Val::I32(0)];
        second.call(&mut store, &[array.into()], &mut results).unwrap();
        assert_eq!(results[0].i32(), Some(-128));
        assert_eq!(array.get(&store, 1).unwrap().i32(), Some(128));

        let half = guest.get_typed_func::<I31, I31>(&mut store, "half").unwrap();
        assert_eq!(half.call(&mut store, I31::wrapping(-10)).unwrap(), I31::wrapping(-5));
        let is = guest.get_typed_func::<Option<AnyRef>, i32>(&mut store, "is_struct").unwrap();
        let object = StructType::new(engine, []).unwrap();
        let object = StructRef::new(&mut store, &object, &[]).unwrap();
        assert_eq!(is.call(&mut store, Some(object.into())).unwrap(), 1);
        assert_eq!(is.call(&mut store, Some(array.into())).unwrap(), 0);
        assert_eq!(is.call(&mut store, None).unwrap(), 0);
        let outside = ExternRef::new(&mut store, 1).unwrap();
        let inside = AnyRef::from_extern(&store, outside).unwrap();
        assert_eq!(inside.ty(&store).unwrap(), HeapType::Any);
        assert_eq!(is.call(&mut store, Some(inside)).unwrap(), 0);
        let same = guest.get_typed_func::<StructRef, StructRef>(&mut store, "struct").unwrap();
        let same = same.call(&mut store, object).unwrap();
        assert!(same.ref_eq(&store, &object).unwrap());
    });
}

#[test]
fn casts_of_host_values_fail_whatever_the_type() {
    each_tier(|engine| {
        let (mut store, guest) = instance(
            engine,
            r#"(type $open (sub (struct)))
            (type $deep (sub $open (struct (field i32))))
            (type $final (sub final $deep (struct (field i32))))
            (type $array (sub (array i8)))
            (func (export "any") (param anyref) (result i32)
                (i32.add
                    (i32.add (ref.test (ref $open) (local.get 0)) (ref.test (ref $deep) (local.get 0)))
                    (i32.add
                        (i32.add (ref.test (ref $final) (local.get 0)) (ref.test (ref $array) (local.get 0)))
                        (i32.add (ref.test (ref eq) (local.get 0)) (ref.test (ref i31) (local.get 0))))))"#,
        );
        let any = guest.get_typed_func::<Option<AnyRef>, i32>(&mut store, "any").unwrap();
        for _ in 0..5 {
            let outside = ExternRef::new(&mut store, "text").unwrap();
            let inside = AnyRef::from_extern(&store, outside).unwrap();
            assert_eq!(any.call(&mut store, Some(inside)).unwrap(), 0);
            assert!(!inside.is(&store, HeapType::Eq).unwrap());
            assert!(inside.as_struct(&store).unwrap().is_none());
        }
    });
}

#[test]
fn what_does_not_fit_is_refused() {
    each_tier(|engine| {
        let mut store = Store::new(engine, ());
        let not_null = ValType::Ref(RefType::non_null(HeapType::Any));
        let ty = [field(value(ValType::I32), false), field(value(not_null), true)];
        let ty = StructType::new(engine, ty).unwrap();
        let refused = |result: sterna::Result<StructRef>, why: &str| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(why), "{error} / {why}");
        };
        let i31 = Val::from(AnyRef::from_i31(&store, I31::wrapping(1)));
        refused(StructRef::new(&mut store, &ty, &[Val::I32(1)]), "expected 2 fields, got 1");
        let wrong = [Val::I64(1), i31];
        refused(StructRef::new(&mut store, &ty, &wrong), "field 0: type mismatch: expected i32");
        let wrong = [Val::I32(1), Val::NULL_ANY];
        refused(StructRef::new(&mut store, &ty, &wrong), "field 1: type mismatch");
        let mut other = Store::new(engine, ());
        let theirs = ExternRef::new(&mut other, 1).unwrap();
        let theirs = Val::from(AnyRef::from_extern(&other, theirs).unwrap());
        refused(StructRef::new(&mut store, &ty, &[Val::I32(1), theirs]), "another store");
        let engine2 = Engine::default();
        let mut foreign = Store::new(&engine2, ());
        refused(StructRef::new(&mut foreign, &ty, &[Val::I32(1), i31]), "another engine");

        let object = StructRef::new(&mut store, &ty, &[Val::I32(1), i31]).unwrap();
        let refused = |result: sterna::Result<()>, why: &str| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(why), "{error} / {why}");
        };
        refused(object.set_field(&mut store, 0, Val::I32(2)), "immutable");
        refused(object.set_field(&mut store, 1, Val::NULL_ANY), "type mismatch");
        refused(object.set_field(&mut store, 2, i31), "no field 2: the structure has 2");
        refused(object.field(&store, 2).map(drop), "no field 2");
        refused(object.field(&other, 0).map(drop), "another store");

        let chars = ArrayType::new(engine, field(StorageType::I16, false)).unwrap();
        let array = ArrayRef::new(&mut store, &chars, 2, Val::I32(-1)).unwrap();
        assert_eq!((array.len(&store).unwrap(), array.ty(&store).unwrap()), (2, chars.clone()));
        assert_eq!(array.get(&store, 1).unwrap().i32(), Some(0xffff));
        refused(array.get(&store, 2).map(drop), "element 2 of 2");
        refused(array.set(&mut store, 2, Val::I32(0)), "element 2 of 2");
        refused(array.set(&mut store, 1, Val::I32(0)), "immutable");
        let wrong = ArrayRef::new(&mut store, &chars, 2, Val::I64(0)).map(drop);
        refused(wrong, "type mismatch");
        let wrong = ArrayRef::new_fixed(&mut store, &chars, &[Val::I32(0), i31]).map(drop);
        refused(wrong, "element 1: type mismatch");

        let unknown = ValType::Ref(RefType::nullable(HeapType::Concrete(1 << 19)));
        assert!(StructType::new(engine, [field(value(unknown), true)]).is_err());
        assert!(ArrayType::new(engine, field(value(unknown), true)).is_err());
        let many = std::iter::repeat_n(field(StorageType::I8, true), 10_001);
        assert!(StructType::new(engine, many).is_err());
    });
}

#[test]
fn out_of_memory_is_an_error_after_a_full_collection() {
    each_tier(|engine| {
        let mut store = Store::new(engine, ());
        store.limits(Limits { heap_bytes: Some(4 << 20), ..Limits::default() });
        let ty = ArrayType::new(engine, field(value(ANY), true)).unwrap();
        for _ in 0..2 {
            // Ten times what fits, but not at a time.
            for _ in 0..40 {
                store.scope(|store| {
                    ArrayRef::new(store, &ty, 250_000, Val::NULL_ANY).unwrap();
                });
            }
            let error = store.scope(|store| {
                loop {
                    if let Err(error) = ArrayRef::new(&mut *store, &ty, 10_000, Val::NULL_ANY) {
                        return error;
                    }
                }
            });
            assert_eq!(error.downcast_ref::<TrapCode>(), Some(&TrapCode::HeapExhausted));
            let huge = ArrayRef::new(&mut store, &ty, u32::MAX, Val::NULL_ANY);
            assert!(huge.is_err());
        }
    });
}

#[test]
fn host_functions_take_and_return_objects() {
    let stress = |config: &mut sterna::Config| _ = config.gc_stress(GcStress::Alternate);
    each_config(stress, |engine| {
        let ty = StructType::new(engine, [field(value(ANY), false)]).unwrap();
        let (mut store, guest) = instance(
            engine,
            r#"(table (export "table") 1 funcref)
            (type $wrap (func (param anyref) (result (ref struct))))
            (func (export "run") (param anyref) (result anyref)
                (call_indirect (type $wrap)
                    (call_indirect (type $wrap) (local.get 0) (i32.const 0))
                    (i32.const 0)))"#,
        );
        let made = ty.clone();
        let wrap = Func::wrap(
            &mut store,
            move |mut caller: sterna::Caller<'_, ()>, value: Option<AnyRef>| {
                StructRef::new(&mut caller, &made, &[value.into()])
            },
        );
        let any = ValType::Ref(RefType::nullable(HeapType::Any));
        let result = ValType::Ref(RefType::non_null(HeapType::Struct));
        assert_eq!(wrap.ty(&store), FuncType::new([any], [result]));
        let table = guest.get_table(&mut store, "table").unwrap();
        table.set(&mut store, 0, wrap.into()).unwrap();
        let run =
            guest.get_typed_func::<Option<AnyRef>, Option<AnyRef>>(&mut store, "run").unwrap();
        let innermost = AnyRef::from_i31(&store, I31::wrapping(9));
        let outer = run.call(&mut store, Some(innermost)).unwrap().unwrap();
        let inner = outer.as_struct(&store).unwrap().unwrap().field(&store, 0).unwrap();
        let inner = inner.unwrap_any_ref().unwrap().as_struct(&store).unwrap().unwrap();
        let innermost = inner.field(&store, 0).unwrap().unwrap_any_ref().unwrap();
        assert_eq!(innermost.i31(), I31::new(9));
    });
}
