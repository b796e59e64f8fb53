//! Owns tests of types across modules: equality, subtyping at imports and at indirect calls.
//! Does not own tests of their validation.

use sterna::{
    Caller, CapturedFrame, Engine, Extern, ExternType, FeatureSet, Func, FuncType, HeapType,
    Instance, Module, RefType, Store, Trap, TrapCode, Val, ValType,
};

use crate::{each_config, each_tier};

fn with_all_features(test: impl Fn(&Engine)) {
    each_config(|config| _ = config.features(FeatureSet::ALL), test);
}

fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, text).unwrap()
}

/// Instantiates with the exports of another instance, in order.
fn link(store: &mut Store<()>, from: Instance, text: &str) -> Result<Instance, sterna::Error> {
    let module = module(&store.engine().clone(), text);
    let imports: Vec<Extern> = module
        .imports()
        .map(|import| from.get_export(&mut *store, import.name()).unwrap())
        .collect();
    Instance::new(store, &module, &imports)
}

const CHAIN: &str =
    "(type $a (sub (func))) (type $b (sub $a (func))) (type $c (sub final $b (func)))";

#[test]
fn functions_are_imported_by_subtype() {
    with_all_features(|engine| {
        let mut store = Store::new(engine, ());
        let text = format!("(module {CHAIN} (func (export \"b\") (type $b)))");
        let from = Instance::new(&mut store, &module(engine, &text), &[]).unwrap();
        for (ty, fits) in [("$a", true), ("$b", true), ("$c", false)] {
            let text = format!("(module {CHAIN} (func (import \"\" \"b\") (type {ty})))");
            assert_eq!(link(&mut store, from, &text).is_ok(), fits, "{ty}");
        }
        // The shorthand is a final type: another one than the open type of the same shape.
        let error = link(&mut store, from, "(module (func (import \"\" \"b\")))").unwrap_err();
        assert!(error.to_string().contains("expected (func), found (sub "), "{error}");
    });
}

#[test]
fn recursion_groups_are_compared_as_a_whole() {
    with_all_features(|engine| {
        let mut store = Store::new(engine, ());
        let group =
            "(rec (type $x (func (param (ref null $y)))) (type $y (func (result (ref null $x)))))";
        let text = format!("(module {group} (func (export \"x\") (type $x)))");
        let from = Instance::new(&mut store, &module(engine, &text), &[]).unwrap();
        let import = "(func (import \"\" \"x\") (type $x))";
        let same = [
            format!("(module (type (func (param i32))) {group} {import})"),
            format!("(module (type $e (struct)) {} {import})", group.replace("$y", "$z")),
        ];
        for text in &same {
            link(&mut store, from, text).unwrap();
        }
        let other = [
            // Another order, another size, another member.
            "(rec (type $y (func (result (ref null $x)))) (type $x (func (param (ref null $y)))))",
            "(rec (type $x (func (param (ref null $y)))) (type $y (func (result (ref null $x)))) (type (func)))",
            "(rec (type $x (func (param (ref null $y)))) (type $y (func (result (ref null $y)))))",
        ];
        for group in other {
            assert!(
                link(&mut store, from, &format!("(module {group} {import})")).is_err(),
                "{group}"
            );
        }
    });
}

#[test]
fn globals_and_tables_are_imported_by_type() {
    with_all_features(|engine| {
        let mut store = Store::new(engine, ());
        let text = format!(
            "(module {CHAIN} (func $f (type $b)) (elem declare func $f)
               (global (export \"const\") (ref $b) (ref.func $f))
               (global (export \"var\") (mut (ref null $b)) (ref.null $b))
               (table (export \"table\") 1 (ref null $b))
               (tag (export \"tag\") (type $b)))"
        );
        let from = Instance::new(&mut store, &module(engine, &text), &[]).unwrap();
        let cases = [
            ("(global (import \"\" \"const\") (ref $b))", true),
            ("(global (import \"\" \"const\") (ref $a))", true),
            ("(global (import \"\" \"const\") funcref)", true),
            ("(global (import \"\" \"const\") (ref null $a))", true),
            ("(global (import \"\" \"const\") (ref $c))", false),
            ("(global (import \"\" \"const\") nullfuncref)", false),
            ("(global (import \"\" \"const\") externref)", false),
            ("(global (import \"\" \"var\") (mut (ref null $b)))", true),
            ("(global (import \"\" \"var\") (mut (ref null $a)))", false),
            ("(global (import \"\" \"var\") (mut funcref))", false),
            ("(table (import \"\" \"table\") 1 (ref null $b))", true),
            ("(table (import \"\" \"table\") 1 (ref null $a))", false),
            ("(table (import \"\" \"table\") 1 funcref)", false),
            ("(tag (import \"\" \"tag\") (type $b))", true),
            ("(tag (import \"\" \"tag\") (type $a))", false),
        ];
        for (import, fits) in cases {
            // A type in front, so that indices differ.
            let text = format!("(module (type (func (param i64))) {CHAIN} {import})");
            assert_eq!(link(&mut store, from, &text).is_ok(), fits, "{import}");
        }
    });
}

/// `call_indirect` with an expected type of every depth, of a function with a type of every depth.
#[test]
fn indirect_calls_accept_subtypes() {
    const DEPTH: usize = 40;
    let mut types = String::from("(type $t0 (sub (func (result i32))))");
    let mut funcs = String::new();
    for depth in 0..DEPTH {
        if depth > 0 {
            types += &format!("(type $t{depth} (sub $t{} (func (result i32))))", depth - 1);
        }
        funcs += &format!("(func $f{depth} (type $t{depth}) (i32.const {depth}))");
        funcs += &format!(
            "(func (export \"call{depth}\") (param i32) (result i32)
               (call_indirect (type $t{depth}) (local.get 0)))"
        );
        funcs += &format!(
            "(func (export \"tail{depth}\") (param i32) (result i32)
               (return_call_indirect (type $t{depth}) (local.get 0)))"
        );
    }
    let names: String = (0..DEPTH).map(|depth| format!(" $f{depth}")).collect();
    let text =
        format!("(module {types} (table {DEPTH} 50 funcref) {funcs} (elem (i32.const 0) {names}))");
    with_all_features(|engine| {
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module(engine, &text), &[]).unwrap();
        for kind in ["call", "tail"] {
            for expected in [0, 1, 11, 12, 13, DEPTH - 1] {
                let name = format!("{kind}{expected}");
                let call = instance.get_typed_func::<i32, i32>(&mut store, &name).unwrap();
                for actual in 0..DEPTH {
                    let result = call.call(&mut store, actual as i32);
                    match actual >= expected {
                        true => assert_eq!(result.unwrap(), actual as i32),
                        false => {
                            let error = result.unwrap_err();
                            let trap = error.downcast_ref::<Trap>().unwrap();
                            assert_eq!(trap.code(), TrapCode::IndirectCallTypeMismatch);
                        }
                    }
                }
            }
        }
    });
}

const REFERENCES: &str = r#"(module
            (type $ii (func (param i32) (result i32)))
            (import "" "pick" (func $pick (param i32) (result (ref null $ii))))
            (func $inc (export "inc") (type $ii) (i32.add (local.get 0) (i32.const 1)))
            (func (export "apply") (param (ref $ii) i32) (result i32)
              (call_ref $ii (local.get 1) (local.get 0)))
            (func (export "through") (param i32 i32) (result i32)
              (call_ref $ii (local.get 1) (call $pick (local.get 0))))
            (func (export "get") (result (ref $ii)) (ref.func $inc))
            (table (export "table") 1 (ref null $ii))
            (global (export "global") (mut (ref null $ii)) (ref.null $ii)))"#;

#[test]
fn function_types_have_one_index_in_an_engine() {
    each_tier(|engine| {
        let ii = FuncType::new([ValType::I32], [ValType::I32]);
        let heap = engine.func_heap_type(&ii);
        assert_eq!(engine.func_heap_type(&ii), heap);
        let HeapType::Concrete(index) = heap else { panic!("{heap}") };
        assert_eq!(engine.type_definition(index).as_func(), Some(&ii));
        let nullable = ValType::Ref(RefType::nullable(heap));
        assert!(engine.matches(nullable, ValType::FUNCREF));
        assert!(!engine.matches(ValType::FUNCREF, nullable));
        let module = module(engine, REFERENCES);
        let Some(ExternType::Func(apply)) = module.get_export("apply") else { panic!() };
        assert_eq!(*apply.params, [ValType::Ref(RefType::non_null(heap)), ValType::I32]);
    });
}

#[test]
fn references_of_any_function_type_pass_between_host_and_guest() {
    each_tier(|engine| {
        let mut store = Store::new(engine, ());
        let ii = engine.func_heap_type(&FuncType::new([ValType::I32], [ValType::I32]));
        let nullable = ValType::Ref(RefType::nullable(ii));
        let triple = Func::wrap(&mut store, |x: i32| x * 3);
        let other = Func::wrap(&mut store, |x: i64| x);
        let ty = FuncType::new([ValType::I32], [nullable]);
        let pick = Func::new(&mut store, ty, move |_, params, results| {
            results[0] = match params[0].unwrap_i32() {
                0 => Val::NULL_FUNC,
                1 => triple.into(),
                _ => other.into(),
            };
            Ok(())
        });
        let module = module(engine, REFERENCES);
        let instance = Instance::new(&mut store, &module, &[pick.into()]).unwrap();
        let inc = instance.get_func(&mut store, "inc").unwrap();
        assert_eq!(inc.heap_type(&store), ii);
        let mut call = |name: &str, params: &[Val]| {
            let func = instance.get_func(&mut store, name).unwrap();
            let mut results = [Val::I32(0)];
            func.call(&mut store, params, &mut results).map(|()| results[0])
        };
        for (func, expected) in [(inc, 8), (triple, 21)] {
            let result = call("apply", &[func.into(), Val::I32(7)]).unwrap();
            assert_eq!(result.unwrap_i32(), expected);
        }
        for wrong in [Val::NULL_FUNC, other.into(), Val::NULL_EXTERN] {
            let error = call("apply", &[wrong, Val::I32(7)]).unwrap_err();
            assert!(error.to_string().contains("type mismatch: expected (ref "), "{error}");
        }
        assert_eq!(call("through", &[Val::I32(1), Val::I32(5)]).unwrap().unwrap_i32(), 15);
        let null = call("through", &[Val::I32(0), Val::I32(5)]).unwrap_err();
        let code = null.downcast_ref::<Trap>().unwrap().code();
        assert_eq!(code, TrapCode::NullFunctionReference);
        let wrong = call("through", &[Val::I32(2), Val::I32(5)]).unwrap_err();
        assert!(
            format!("{wrong:#}").contains("a host function returned a wrong value"),
            "{wrong:#}"
        );

        // The result is a subtype of what the typed call asks for; what it takes must be one of the parameter's type.
        let get = instance.get_typed_func::<(), Func>(&mut store, "get").unwrap();
        let got = get.call(&mut store, ()).unwrap();
        assert_eq!(got.typed::<i32, i32>(&store).unwrap().call(&mut store, 1).unwrap(), 2);
        assert!(instance.get_typed_func::<(), Option<Func>>(&mut store, "get").is_ok());
        assert!(instance.get_typed_func::<(Func, i32), i32>(&mut store, "apply").is_err());

        let table = instance.get_table(&mut store, "table").unwrap();
        table.set(&mut store, 0, triple.into()).unwrap();
        assert!(table.set(&mut store, 0, other.into()).is_err());
        let global = instance.get_global(&mut store, "global").unwrap();
        global.set(&mut store, got.into()).unwrap();
        assert!(global.set(&mut store, other.into()).is_err());
        let found = global.get(&mut store).unwrap_func_ref().unwrap();
        assert_eq!(found.typed::<i32, i32>(&store).unwrap().call(&mut store, 4).unwrap(), 5);
    });
}

/// Types of captured values are the same in all tiers, whatever each knows of them.
#[test]
fn captured_references_have_the_top_type_of_their_hierarchy() {
    let text = r#"(module
        (type $t (func)) (type $i (func (param i32)))
        (import "" "capture" (func $capture))
        (func $f (type $t) (call $capture))
        (func (export "run") (local (ref null $t)) (local funcref (ref null $i))
          (local.set 0 (ref.func $f))
          (local.set 1 (local.get 0))
          (ref.as_non_null (local.get 0))
          (call_ref $t (local.get 0))
          (drop) (drop (local.get 1)) (drop (local.get 2)))
        (elem declare func $f))"#;
    each_config(
        |config| _ = config.capture_state(true),
        |engine| {
            let mut store = Store::new(engine, Vec::new());
            let capture = |mut caller: Caller<'_, Vec<CapturedFrame>>| {
                let frames = caller.capture_frames();
                *caller.data_mut() = frames;
            };
            let capture = Func::wrap(&mut store, capture);
            let instance = Instance::new(&mut store, &module(engine, text), &[capture.into()]);
            let run = instance.unwrap().get_typed_func::<(), ()>(&mut store, "run").unwrap();
            for _ in 0..4 {
                run.call(&mut store, ()).unwrap();

                let frames = std::mem::take(store.data_mut());
                let [_, run] = &frames[..] else { panic!("{frames:?}") };
                let types = run.locals.iter().chain(&run.stack).map(|value| value.ty);
                assert_eq!(types.collect::<Vec<_>>(), [ValType::FUNCREF; 4]);
                let bits: Vec<u128> = run.locals.iter().map(|value| value.bits).collect();
                assert!(bits[0] == bits[1] && bits[0] != 0 && bits[2] == 0, "{bits:?}");
                assert_eq!(run.stack[0].bits, bits[0]);
            }
        },
    );
}
