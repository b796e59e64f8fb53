//! Owns tests of finding imports.
//! Does not own tests of the objects found.

use sterna::{
    Caller, Engine, Extern, Func, Global, GlobalType, ImportMismatch, Instance, LinkError, Linker,
    Module, Mutability, Store, Trap, TrapCode, UnknownImportError, Val, ValType,
};

use crate::each_tier;

#[test]
fn unknown_imports_suggest_names() {
    let engine = Engine::default();
    let mut linker = Linker::<()>::new(&engine);
    linker
        .func_wrap("env", "print_i32", |_: i32| {})
        .unwrap()
        .func_wrap("env", "print_f64", |_: f64| {})
        .unwrap()
        .func_wrap("math", "sin", |x: f64| x.sin())
        .unwrap();
    for (import, message) in [
        (
            r#"(import "env" "print_i23" (func (param i32)))"#,
            "unknown import: function `env::print_i23` is not defined; did you mean `print_i32`?",
        ),
        (
            r#"(import "evn" "abort" (func))"#,
            "unknown import: function `evn::abort` is not defined; \
             nothing is defined in module `evn`; did you mean `env`?",
        ),
        (
            r#"(import "env" "sin" (func (param f64) (result f64)))"#,
            "unknown import: function `env::sin` is not defined; there is `print_f64`, `print_i32`",
        ),
        (
            r#"(import "maths" "sin" (memory 1))"#,
            "unknown import: memory `maths::sin` is not defined; did you mean `math::sin`?",
        ),
    ] {
        let module = Module::new(&engine, format!("(module {import})")).unwrap();
        let mut store = Store::new(&engine, ());
        let error = linker.instantiate(&mut store, &module).unwrap_err();
        assert_eq!(error.to_string(), message);
        let unknown = error.downcast_ref::<UnknownImportError>().unwrap();
        let import = module.imports().next().unwrap();
        assert_eq!((unknown.module(), unknown.name()), (import.module(), import.name()));
    }
}

#[test]
fn imports_must_match() {
    each_tier(|engine| {
        let mut linker = Linker::<()>::new(engine);
        linker.func_wrap("m", "f", |x: i64| x).unwrap();
        let module = Module::new(engine, r#"(module (import "m" "f" (func (param i32))))"#);
        let module = module.unwrap();
        let mut store = Store::new(engine, ());
        let error = linker.instantiate(&mut store, &module).unwrap_err();
        let Some(LinkError::Incompatible { mismatch, .. }) = error.downcast_ref() else {
            panic!("{error}");
        };
        let expected = ImportMismatch {
            expected: "(func (param i32))".into(),
            found: "(func (param i64) (result i64))".into(),
        };
        assert_eq!(*mismatch, expected);
        let error = Instance::new(&mut store, &module, &[]).unwrap_err();
        assert_eq!(error.to_string(), "expected 1 imports, got 0");
        let foreign = Func::wrap(Store::new(engine, ()), |_: i32| {});
        assert!(Instance::new(&mut store, &module, &[foreign.into()]).is_err());
        let own = Func::wrap(&mut store, |_: i32| {});
        Instance::new(&mut store, &module, &[own.into()]).unwrap();
        let elsewhere = Engine::default();
        let mut store = Store::new(&elsewhere, ());
        let error = Instance::new(&mut store, &module, &[]).unwrap_err();
        assert_eq!(error.to_string(), "the module was loaded into another engine than the store's");
        let error = linker.instantiate(&mut store, &module).unwrap_err();
        assert_eq!(error.to_string(), "the linker was made for another engine than the store's");
    });
}

#[test]
fn names_are_defined_once_unless_allowed() {
    let engine = Engine::default();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("m", "f", || 1i32).unwrap();
    let error = linker.func_wrap("m", "f", || 2i32).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "`m::f` is defined already");
    linker.allow_shadowing(true).func_wrap("m", "f", || 2i32).unwrap();
    linker.alias("m", "f", "m", "g").unwrap();
    linker.alias_module("m", "n").unwrap();
    assert!(linker.alias("m", "h", "m", "i").is_err());
    assert!(linker.alias_module("x", "y").is_err());
    let mut names: Vec<_> = linker.names().collect();
    names.sort_unstable();
    assert_eq!(names, [("m", "f"), ("m", "g"), ("n", "f"), ("n", "g")]);
    let mut store = Store::new(&engine, ());
    let g = linker.get(&mut store, "n", "g").and_then(Extern::into_func).unwrap();
    assert_eq!(g.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 2);
    assert!(linker.get(&mut store, "n", "h").is_none());
}

#[test]
fn modules_link_to_modules() {
    each_tier(|engine| {
        let counter = Module::new(
            engine,
            r#"(module
                (global $n (export "n") (mut i32) (i32.const 0))
                (func (export "_initialize") (global.set $n (i32.const 10)))
                (func (export "next") (result i32)
                    (global.set $n (i32.add (global.get $n) (i32.const 1)))
                    (global.get $n)))"#,
        );
        let user = Module::new(
            engine,
            r#"(module
                (import "counter" "next" (func $next (result i32)))
                (import "counter" "n" (global $n (mut i32)))
                (func (export "run") (result i32)
                    (global.set $n (i32.mul (call $next) (i32.const 2)))
                    (call $next)))"#,
        );
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker.module(&mut store, "counter", &counter.unwrap()).unwrap();
        let instance = linker.instantiate(&mut store, &user.unwrap()).unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        for expected in [23, 49, 101, 205] {
            assert_eq!(run.call(&mut store, ()).unwrap(), expected);
        }
        let n = linker.get(&mut store, "counter", "n").and_then(Extern::into_global).unwrap();
        assert_eq!(n.get(&mut store).unwrap_i32(), 205);
        assert!(linker.instance(Store::new(engine, ()), "other", instance).is_err());
    });
}

#[test]
fn unknown_functions_can_be_errors_when_called() {
    each_tier(|engine| {
        let text = r#"(module
            (import "env" "missing" (func $missing (param i32) (result f64)))
            (func (export "run") (param i32) (result i32)
                (if (local.get 0) (then (drop (call $missing (i32.const 1)))))
                (i32.const 7)))"#;
        let module = Module::new(engine, text).unwrap();
        let mut linker = Linker::<()>::new(engine);
        linker.define_unknown_imports_as_traps(&module).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, 0).unwrap(), 7);
        let error = run.call(&mut store, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown import: function `env::missing` is not defined; \
             nothing is defined in module `env`"
        );
        let global = Module::new(engine, r#"(module (import "env" "g" (global i32)))"#).unwrap();
        let error = linker.define_unknown_imports_as_traps(&global).unwrap_err();
        assert!(error.to_string().starts_with("unknown import: global `env::g`"));
        let ty = GlobalType::new(ValType::I32, Mutability::Const);
        let g = Global::new(&mut store, ty, Val::I32(1)).unwrap();
        linker.define(&store, "env", "g", g).unwrap();
        linker.define_unknown_imports_as_traps(&global).unwrap();
        linker.instantiate(&mut store, &global).unwrap();
        assert!(linker.instantiate(Store::new(engine, ()), &global).is_err());
    });
}

#[test]
fn start_functions_and_segments_may_trap() {
    each_tier(|engine| {
        let linker = Linker::<()>::new(engine);
        for (text, code) in [
            ("(module (start 0) (func unreachable))", TrapCode::Unreachable),
            (r#"(module (memory 0) (data (i32.const 0) "x"))"#, TrapCode::MemoryOutOfBounds),
            (
                "(module (table 0 funcref) (elem (i32.const 0) 0) (func))",
                TrapCode::TableOutOfBounds,
            ),
        ] {
            let module = Module::new(engine, text).unwrap();
            let error = linker.instantiate(Store::new(engine, ()), &module).unwrap_err();
            assert_eq!(error.downcast_ref::<Trap>().unwrap().code(), code);
        }
    });
}

#[test]
fn imports_are_found_once_for_many_instances() {
    each_tier(|engine| {
        let text = r#"(module (import "host" "id" (func $id (result i32)))
            (func (export "run") (result i32) (call $id)))"#;
        let module = Module::new(engine, text).unwrap();
        let mut linker = Linker::<i32>::new(engine);
        let error = linker.instantiate_pre(&module).unwrap_err();
        assert!(error.is::<UnknownImportError>());
        linker.func_wrap("host", "id", |caller: Caller<'_, i32>| *caller.data()).unwrap();
        let pre = linker.instantiate_pre(&module).unwrap();
        drop(linker);
        for id in 0..5 {
            let mut store = Store::new(engine, id);
            for _ in 0..2 {
                let instance = pre.instantiate(&mut store).unwrap();
                let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
                assert_eq!(run.call(&mut store, ()).unwrap(), id);
            }
        }
        assert!(pre.instantiate(Store::new(&Engine::default(), 1)).is_err());
        assert!(Linker::<i32>::new(&Engine::default()).instantiate_pre(&module).is_err());
        // Objects of a store limit it to that store.
        let mut store = Store::new(engine, 0);
        let mut linker = Linker::new(engine);
        let func = Func::wrap(&mut store, || 9i32);
        linker.define(&store, "host", "id", func).unwrap();
        let pre = linker.instantiate_pre(&module).unwrap();
        pre.instantiate(&mut store).unwrap();
        assert!(pre.instantiate(Store::new(engine, 0)).is_err());
    });
}
