//! Owns tests of calling guest functions.
//! Does not own host functions (`hosts`).

use sterna::{Config, Engine, ExternRef, Func, Linker, Module, Store, Tier, V128, Val, ValType};

use crate::{each_tier, instance};

#[test]
fn typed_values_of_every_type() {
    each_tier(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (func (export "i32") (param i32) (result i32) local.get 0)
                (func (export "i64") (param i64) (result i64) local.get 0)
                (func (export "f32") (param f32) (result f32) local.get 0)
                (func (export "f64") (param f64) (result f64) local.get 0)
                (func (export "v128") (param v128) (result v128) local.get 0)
                (func (export "func") (param funcref) (result funcref) local.get 0)
                (func (export "extern") (param externref) (result externref) local.get 0))"#,
        );
        macro_rules! same {
            ($name:literal: $ty:ty = $value:expr) => {
                let func = instance.get_typed_func::<$ty, $ty>(&mut store, $name).unwrap();
                for _ in 0..4 {
                    assert_eq!(func.call(&mut store, $value).unwrap(), $value);
                }
            };
        }
        same!("i32": i32 = -7);
        same!("i32": u32 = 0xffff_fff9);
        same!("i64": i64 = i64::MIN);
        same!("i64": u64 = u64::MAX - 1);
        same!("f32": f32 = -0.5);
        same!("f64": f64 = 1e300);
        same!("v128": u128 = 0x0123_4567_89ab_cdef_1122_3344_5566_7788);
        same!("v128": V128 = V128::from(77));

        let same = instance.get_typed_func::<Option<Func>, Option<Func>>(&mut store, "func");
        let same = same.unwrap();
        assert!(same.call(&mut store, None).unwrap().is_none());
        let answer = Func::wrap(&mut store, || 42i32);
        let back = same.call(&mut store, Some(answer)).unwrap().unwrap();
        let back = back.typed::<(), i32>(&store).unwrap();
        assert_eq!(back.call(&mut store, ()).unwrap(), 42);

        type Extern = Option<ExternRef>;
        let same = instance.get_typed_func::<Extern, Extern>(&mut store, "extern").unwrap();
        assert!(same.call(&mut store, None).unwrap().is_none());
        let text = ExternRef::new(&mut store, String::from("host")).unwrap();
        let back = same.call(&mut store, Some(text)).unwrap().unwrap();
        assert_eq!(back.data(&store).unwrap().downcast_ref::<String>().unwrap(), "host");
    });
}

#[test]
fn many_parameters_and_results() {
    each_tier(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (func (export "many")
                    (param i32 i64 f32 f64 v128 i32 i64 f32 f64 v128 i32 i64 f32 f64 v128 i32)
                    (result i32 v128 f64 f32 i64 i32 v128 i64)
                    local.get 15 local.get 14 local.get 13 local.get 12
                    local.get 11 local.get 10 local.get 9 local.get 6)
                (func (export "none")))"#,
        );
        type Four = (i32, i64, f32, f64);
        #[allow(clippy::type_complexity)]
        let many =
            instance.get_typed_func::<(
                i32,
                i64,
                f32,
                f64,
                u128,
                i32,
                i64,
                f32,
                f64,
                u128,
                i32,
                i64,
                f32,
                f64,
                u128,
                i32,
            ), (i32, u128, f64, f32, i64, i32, u128, i64)>(&mut store, "many");
        let many = many.unwrap();
        let (a, b, c, d): Four = (1, 2, 3.0, 4.0);
        for _ in 0..4 {
            let params = (a, b, c, d, 5, a, b + 1, c, d, 6 << 70, 70, 80, 9.5, 10.5, 7 << 90, -1);
            let results = many.call(&mut store, params).unwrap();
            assert_eq!(results, (-1, 7 << 90, 10.5, 9.5, 80, 70, 6 << 70, 3));
        }
        instance
            .get_typed_func::<(), ()>(&mut store, "none")
            .unwrap()
            .call(&mut store, ())
            .unwrap();
    });
}

#[test]
fn untyped_calls_check_everything() {
    each_tier(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module (func (export "swap") (param i32 v128) (result v128 i32)
                local.get 1 local.get 0))"#,
        );
        let swap = instance.get_func(&mut store, "swap").unwrap();
        let ty = swap.ty(&store);
        assert_eq!(&*ty.params, [ValType::I32, ValType::V128]);
        assert_eq!(ty.to_string(), "(func (param i32 v128) (result v128 i32))");

        let mut results = [Val::I32(0), Val::I32(0)];
        let (one, two) = (Val::I32(1), Val::V128(V128::from(2 << 64)));
        swap.call(&mut store, &[one, two], &mut results).unwrap();
        assert_eq!(results[0].unwrap_v128(), V128::from(2 << 64));
        assert_eq!(results[1].unwrap_i32(), 1);

        let error = swap.call(&mut store, &[one], &mut results).unwrap_err();
        assert_eq!(error.to_string(), "expected 2 parameters, got 1");
        let error = swap.call(&mut store, &[one, two], &mut results[..1]).unwrap_err();
        assert_eq!(error.to_string(), "expected 2 results, got 1");
        let error = swap.call(&mut store, &[one, one], &mut results).unwrap_err();
        assert_eq!(error.to_string(), "parameter 1: type mismatch: expected v128, found i32");

        let error = swap.typed::<i32, i32>(&store).unwrap_err();
        assert_eq!(
            error.to_string(),
            "type mismatch: expected (func (param i32) (result i32)), \
             found (func (param i32 v128) (result v128 i32))"
        );
        let error = instance.get_typed_func::<(), ()>(&mut store, "sawp").unwrap_err();
        assert_eq!(error.to_string(), "there is no exported function `sawp`; did you mean `swap`?");
    });
}

#[test]
fn objects_of_another_store_are_refused() {
    each_tier(|engine| {
        let text = r#"(module
            (func (export "f") (param funcref externref))
            (table (export "t") 1 funcref)
            (global (export "g") (mut funcref) (ref.null func))
            (memory (export "m") 1))"#;
        let (mut ours, here) = instance(engine, text);
        let (mut theirs, there) = instance(engine, text);
        let foreign = there.get_func(&mut theirs, "f").unwrap();
        let nulls = [Val::NULL_FUNC, Val::NULL_EXTERN];
        let refused = "the object belongs to another store";

        let error = foreign.call(&mut ours, &nulls, &mut []).unwrap_err();
        assert_eq!(error.to_string(), refused);
        assert!(foreign.typed::<(), ()>(&ours).is_err());
        let value = Val::ExternRef(Some(ExternRef::new(&mut theirs, 1u8).unwrap()));
        let f = here.get_func(&mut ours, "f").unwrap();
        assert!(f.call(&mut ours, &[foreign.into(), Val::NULL_EXTERN], &mut []).is_err());
        assert!(f.call(&mut ours, &[Val::NULL_FUNC, value], &mut []).is_err());
        let typed = f.typed::<(Option<Func>, Option<ExternRef>), ()>(&ours).unwrap();
        assert_eq!(typed.call(&mut ours, (Some(foreign), None)).unwrap_err().to_string(), refused);
        assert!(typed.call(&mut theirs, (None, None)).is_err());
        typed.call(&mut ours, (None, None)).unwrap();

        let table = here.get_table(&mut ours, "t").unwrap();
        assert!(table.set(&mut ours, 0, foreign.into()).is_err());
        assert!(table.set(&mut theirs, 0, f.into()).is_err());
        let global = here.get_global(&mut ours, "g").unwrap();
        assert!(global.set(&mut ours, foreign.into()).is_err());
        let memory = there.get_memory(&mut theirs, "m").unwrap();
        let panic = std::panic::catch_unwind(|| memory.data(&ours).len()).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&refused));
        // Stores of another engine count as other stores.
        let mut other = Store::new(&sterna::Engine::default(), ());
        assert!(f.call(&mut other, &nulls, &mut []).is_err());
    });
}

#[test]
fn a_store_keeps_and_returns_its_data() {
    each_tier(|engine| {
        let mut store = Store::new(engine, vec![1]);
        store.data_mut().push(2);
        assert_eq!(store.data(), &[1, 2]);
        assert!(sterna::Engine::same(store.engine(), engine));
        assert_eq!(store.into_data(), [1, 2]);
    });
}

/// One function is compiled, the other is not yet: tail calls between them must not pile up on the native stack. They differ in
/// their parameters, memories and instances.
#[test]
fn tail_calls_between_tiers_keep_no_frames() {
    let engine = Engine::new(Config::new().tier(Tier::Auto).hot_budget(1000)).unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let cold = Module::new(
        &engine,
        r#"(module
            (type $warm (func (param i32 i64) (result i64 f32)))
            (memory 1) (data (i32.const 0) "\02")
            (table (export "t") 1 funcref)
            (func (export "cold") (param i64 f64 i32 i64) (result i64 f32)
                (return_call_indirect (type $warm)
                    (local.get 2)
                    (i64.add (local.get 3) (i64.load8_u (i32.const 0)))
                    (i32.const 0))))"#,
    );
    let cold = linker.instantiate(&mut store, &cold.unwrap()).unwrap();
    linker.instance(&mut store, "lib", cold).unwrap();
    let warm = Module::new(
        &engine,
        r#"(module
            (import "lib" "cold" (func $cold (param i64 f64 i32 i64) (result i64 f32)))
            (import "lib" "t" (table 1 funcref))
            (memory 1) (data (i32.const 0) "\01")
            (elem (i32.const 0) $warm)
            (func $warm (export "warm") (param i32 i64) (result i64 f32)
                (if (i32.eqz (local.get 0))
                    (then (return (local.get 1) (f32.const 0.5))))
                (return_call $cold (i64.const 7) (f64.const 7) (i32.sub (local.get 0) (i32.const 1))
                    (i64.add (local.get 1) (i64.load8_u (i32.const 0)))))
            (func (export "sum") (param i32) (result i64)
                (drop (call $warm (local.get 0) (i64.const 0)))
                (i64.add (i64.mul (i64.const 1000000) (i64.load8_u (i32.const 0))))))"#,
    );
    let warm = linker.instantiate(&mut store, &warm.unwrap()).unwrap();
    let returning = warm.get_typed_func::<(i32, i64), (i64, f32)>(&mut store, "warm").unwrap();
    for _ in 0..1000 {
        assert_eq!(returning.call(&mut store, (0, 4)).unwrap(), (4, 0.5));
    }
    store.settle_tiers();
    let sum = warm.get_typed_func::<i32, i64>(&mut store, "sum").unwrap();
    for _ in 0..3 {
        assert_eq!(sum.call(&mut store, 200_000).unwrap(), 1_000_000 + 600_000);
        assert_eq!(returning.call(&mut store, (200_001, 0)).unwrap(), (600_003, 0.5));
        store.settle_tiers();
    }
}
