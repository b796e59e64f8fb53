//! Owns tests of types across modules: equality, subtyping at imports and at indirect calls.
//! Does not own tests of their validation.

use sterna::{Engine, Extern, FeatureSet, Instance, Module, Store, Trap, TrapCode};

use crate::each_config;

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

#[test]
fn what_no_tier_carries_out_is_refused_where_it_runs() {
    with_all_features(|engine| {
        let mut store = Store::new(engine, ());
        let text = "(module (type $s (struct (field i32))) (tag $t)
            (func (export \"new\") (drop (struct.new $s (i32.const 1))))
            (func (export \"throw\") (throw $t))
            (func (export \"fine\") (result i32)
              (return (i32.const 3)) (try_table (throw $t)) (drop (struct.new_default $s)) (i32.const 1)))";
        let instance = Instance::new(&mut store, &module(engine, text), &[]).unwrap();
        for name in ["new", "throw"] {
            let call = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            let error = call.call(&mut store, ()).unwrap_err();
            let code = error.downcast_ref::<Trap>().unwrap().code();
            assert_eq!(code, TrapCode::Unsupported, "{name}");
        }
        let fine = instance.get_typed_func::<(), i32>(&mut store, "fine").unwrap();
        assert_eq!(fine.call(&mut store, ()).unwrap(), 3);
    });
}
