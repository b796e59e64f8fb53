//! Owns tests of traps and host errors on their way through guests.
//! Does not own errors of loading and linking.

use std::cell::RefCell;
use std::fmt::{self, Write};

use sterna::{Caller, Engine, Error, Extern, Linker, Module, Result, Store, Trap, TrapCode};

use crate::{each_config, each_tier, instance};

#[derive(Debug, PartialEq)]
struct Refusal(i32);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused {}", self.0)
    }
}

impl std::error::Error for Refusal {}

#[test]
fn traps_have_code_and_backtrace() {
    each_tier(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module $calc
                (func $div (param i32 i32) (result i32)
                    (i32.div_s (local.get 0) (local.get 1)))
                (func (param i32) (result i32)
                    (i32.add (i32.const 1) (call $div (i32.const 7) (local.get 0))))
                (func $run (export "run") (param i32) (result i32)
                    (i32.add (i32.const 1) (call 1 (local.get 0)))))"#,
        );
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        for _ in 0..6 {
            assert_eq!(run.call(&mut store, 2).unwrap(), 5);
            let error = run.call(&mut store, 0).unwrap_err();
            let trap = error.downcast_ref::<Trap>().unwrap();
            assert_eq!(trap.code(), TrapCode::IntegerDivideByZero);
            let names: Vec<_> =
                trap.frames().iter().map(|frame| (frame.func_index(), frame.func_name())).collect();
            assert_eq!(names, [(0, Some("div")), (1, None), (2, Some("run"))]);
            let bytes = trap.frames()[0].module();
            let operator = |at: usize| bytes.bytes()[trap.frames()[at].wasm_offset() as usize];
            assert_eq!([operator(0), operator(1), operator(2)], [0x6d, 0x10, 0x10]);

            let text = error.to_string();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines[..2], ["wasm trap: integer divide by zero", "wasm backtrace:"]);
            let offset = trap.frames()[0].wasm_offset();
            assert_eq!(lines[2], format!("    0: {offset:#8x} - calc!div"));
            assert!(lines[3].ends_with("calc!<wasm function 1>"), "{text}");
            assert!(lines[4].ends_with("calc!run"), "{text}");
            store.settle_tiers();
        }
    });
}

/// Machine instructions that a load or several operators became a part of.
#[test]
fn merged_instructions_trap_where_their_operators_are() {
    // Only the load with the number of the argument traps.
    let mut loads = String::new();
    for number in 0..1000 {
        let address =
            format!("(i32.mul (i32.eq (local.get 0) (i32.const {number})) (i32.const -4))");
        writeln!(loads, "(local.set 1 (i32.xor (local.get 1) (i32.load {address})))").unwrap();
    }
    let text = format!(
        r#"(module (memory 1)
            (func (export "loads") (param i32) (result i32) (local i32) {loads} (local.get 1))
            (func (export "overwritten") (param i32) (result i32)
                (i32.store (local.get 0) (i32.const 1))
                (i32.store (local.get 0) (i32.const 2))
                (i32.const 0))
            (func (export "updated") (param i32) (result i32)
                (i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (i32.const 1)))
                (i32.const 0))
            (func (export "branch") (param i32) (result i32)
                (if (result i32) (i32.eqz (i32.load (local.get 0)))
                    (then (if (result i32) (local.get 0) (then unreachable) (else (i32.const 0))))
                    (else unreachable))))"#
    );
    let seen = RefCell::new(Vec::new());
    each_tier(|engine| {
        let (mut store, instance) = instance(engine, &text);
        let mut positions = Vec::new();
        for (name, arguments) in [
            ("loads", &[0, 1, 218, 219, 220, 437, 438, 999][..]),
            ("overwritten", &[-1]),
            ("updated", &[-1]),
            ("branch", &[-1, 4]),
        ] {
            let func = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
            for _ in 0..6 {
                let _ = func.call(&mut store, -2);
            }
            store.settle_tiers();
            for &argument in arguments {
                let error = func.call(&mut store, argument).unwrap_err();
                let trap = error.downcast_ref::<Trap>().unwrap();
                let frame = &trap.frames()[0];
                let operator = frame.module().bytes()[frame.wasm_offset() as usize];
                positions.push((name, argument, frame.wasm_offset(), operator));
            }
        }
        let mut seen = seen.borrow_mut();
        if seen.is_empty() {
            let operators: Vec<u8> = positions.iter().map(|&(.., operator)| operator).collect();
            assert_eq!(operators, [[0x28; 8].as_slice(), &[0x36, 0x28, 0x28, 0x00]].concat());
            *seen = positions;
        } else {
            assert_eq!(positions, *seen);
        }
    });
}

#[test]
fn backtraces_can_be_cut_or_switched_off() {
    let text = r#"(module (func $f (export "f") (param i32)
        (if (i32.eqz (local.get 0)) (then unreachable))
        (call $f (i32.sub (local.get 0) (i32.const 1)))))"#;
    for frames in [0, 3] {
        each_config(
            |config| {
                config.backtrace_frames(frames);
            },
            |engine| {
                let (mut store, instance) = instance(engine, text);
                let f = instance.get_typed_func::<i32, ()>(&mut store, "f").unwrap();
                let error = f.call(&mut store, 10).unwrap_err();
                let trap = error.downcast_ref::<Trap>().unwrap();
                assert_eq!(trap.frames().len(), frames);
                assert_eq!(error.backtrace().is_some(), frames > 0);
            },
        );
    }
}

#[test]
fn source_lines_come_from_dwarf() {
    each_tier(|engine| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/divide.wasm");
        let module = Module::from_file(engine, path).unwrap();
        let mut store = Store::new(engine, ());
        let instance = Linker::new(engine).instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, (9, 3)).unwrap(), 8);
        let error = run.call(&mut store, (9, 0)).unwrap_err();
        let trap = error.downcast_ref::<Trap>().unwrap();
        let places: Vec<_> = trap
            .frames()
            .iter()
            .flat_map(|frame| frame.sources())
            .map(|source| (source.function.as_deref().unwrap_or("?"), source.line.unwrap()))
            .collect();
        assert_eq!(places, [("divide", 4), ("middle", 8), ("run", 12)]);
        assert!(error.to_string().contains("divide.c:4:14"), "{error}");
    });
}

/// A guest that calls host function `fail` two frames deep.
fn failing(
    engine: &Engine,
    fail: impl Fn(Caller<'_, ()>, i32) -> Result<i32> + Send + Sync + 'static,
) -> (Store<()>, sterna::TypedFunc<i32, i32>) {
    let module = Module::new(
        engine,
        r#"(module
            (import "host" "fail" (func $fail (param i32) (result i32)))
            (func $inner (export "inner") (param i32) (result i32) (call $fail (local.get 0)))
            (func $run (export "run") (param i32) (result i32)
                (i32.add (i32.const 1) (call $inner (local.get 0)))))"#,
    );
    let mut linker = Linker::new(engine);
    linker.func_wrap("host", "fail", fail).unwrap();
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &module.unwrap()).unwrap();
    let run = instance.get_typed_func(&mut store, "run").unwrap();
    (store, run)
}

fn names(error: &Error) -> Vec<&str> {
    let frames = error.backtrace().unwrap().frames();
    frames.iter().map(|frame| frame.func_name().unwrap()).collect()
}

#[test]
fn host_errors_surface_as_themselves() {
    each_tier(|engine| {
        let (mut store, run) = failing(engine, |_, x| Err(Refusal(x).into()));
        for _ in 0..4 {
            let error = run.call(&mut store, 5).unwrap_err();
            assert_eq!(error.downcast_ref::<Refusal>(), Some(&Refusal(5)));
            assert_eq!(error.to_string(), "refused 5");
            assert_eq!(names(&error), ["inner", "run"]);
            assert!(!error.is::<Trap>());
            assert_eq!(error.downcast::<Refusal>().unwrap(), Refusal(5));
            store.settle_tiers();
        }
    });
}

#[test]
fn host_errors_pass_through_nested_guests() {
    each_tier(|engine| {
        // fail(n) calls the guest again until n is 0: four guests and hosts on top of each other.
        let (mut store, run) = failing(engine, |mut caller, x| {
            if x == 0 {
                return Err(Error::new(Refusal(7)).context("deep down"));
            }
            let inner = caller.get_export("inner").and_then(Extern::into_func).unwrap();
            inner.typed::<i32, i32>(&caller)?.call(&mut caller, x - 1)
        });
        for _ in 0..4 {
            let error = run.call(&mut store, 3).unwrap_err();
            assert_eq!(error.downcast_ref::<Refusal>(), Some(&Refusal(7)));
            assert_eq!(error.to_string(), "deep down");
            assert_eq!(format!("{error:#}"), "deep down: refused 7");
            assert_eq!(names(&error), ["inner", "inner", "inner", "inner", "run"]);
            store.settle_tiers();
        }
    });
}

#[test]
fn traps_pass_through_hosts() {
    each_tier(|engine| {
        let (mut store, run) = failing(engine, |_, x| match x {
            0 => Err(Trap::new(TrapCode::Unreachable).into()),
            1 => Err(Error::from(Trap::new(TrapCode::OutOfFuel)).context("no more")),
            _ => Err(Error::msg("just a message")),
        });
        let error = run.call(&mut store, 0).unwrap_err();
        assert_eq!(error.downcast_ref::<Trap>().unwrap().code(), TrapCode::Unreachable);
        assert_eq!(names(&error), ["inner", "run"]);
        let error = run.call(&mut store, 1).unwrap_err();
        assert_eq!(error.downcast_ref::<Trap>().unwrap().code(), TrapCode::OutOfFuel);
        assert_eq!(error.to_string(), "no more");
        assert_eq!(names(&error), ["inner", "run"]);
        let debug = format!("{error:?}");
        assert!(debug.starts_with("no more\n\nCaused by:\n    wasm trap: out of fuel"), "{debug}");
        let error = run.call(&mut store, 2).unwrap_err();
        assert_eq!(error.to_string(), "just a message");
        // A host may handle the error of a guest, and carry on.
        let (mut store, run) = failing(engine, |mut caller, x| {
            let inner = caller.get_export("inner").and_then(Extern::into_func).unwrap();
            let inner = inner.typed::<i32, i32>(&caller)?;
            match x {
                0 => Err(Trap::new(TrapCode::Unreachable).into()),
                x => Ok(inner.call(&mut caller, x - 1).unwrap_or(100)),
            }
        });
        assert_eq!(run.call(&mut store, 3).unwrap(), 101);
    });
}

#[test]
fn deep_recursion_is_a_trap() {
    each_tier(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (func $f (export "f") (param i64) (result i64)
                    (i64.add (i64.const 1) (call $f (local.get 0))))
                (func (export "ok") (result i32) (i32.const 1)))"#,
        );
        let f = instance.get_typed_func::<i64, i64>(&mut store, "f").unwrap();
        let ok = instance.get_typed_func::<(), i32>(&mut store, "ok").unwrap();
        for _ in 0..3 {
            let error = f.call(&mut store, 1).unwrap_err();
            let trap = error.downcast_ref::<Trap>().unwrap();
            assert_eq!(trap.code(), TrapCode::StackOverflow);
            assert_eq!(trap.frames().len(), 20);
            assert_eq!(ok.call(&mut store, ()).unwrap(), 1);
            store.settle_tiers();
        }
    });
}

#[test]
fn recursion_through_the_host_is_a_trap() {
    each_tier(|engine| {
        let (mut store, run) = failing(engine, |mut caller, x| {
            let inner = caller.get_export("inner").and_then(Extern::into_func).unwrap();
            inner.typed::<i32, i32>(&caller)?.call(&mut caller, x)
        });
        let error = run.call(&mut store, 0).unwrap_err();
        let trap = error.downcast_ref::<Trap>().unwrap();
        assert_eq!(trap.code(), TrapCode::StackOverflow);
    });
}

#[test]
fn errors_convert() {
    fn fails() -> Result<()> {
        Err(Refusal(1))?;
        Ok(())
    }
    fn boxed() -> Result<(), Box<dyn std::error::Error>> {
        fails()?;
        Ok(())
    }
    let error = fails().unwrap_err().context("second").context("first");
    assert_eq!(format!("{error}"), "first");
    assert_eq!(format!("{error:#}"), "first: second: refused 1");
    assert_eq!(format!("{error:?}"), "first\n\nCaused by:\n    second\n    refused 1");
    assert!(error.root_cause().is::<Refusal>());
    let error = error.downcast::<Trap>().unwrap_err();
    assert!(error.is::<Refusal>());
    assert_eq!(boxed().unwrap_err().to_string(), "refused 1");
}

/// Operators that tiers move or merge: where the trap is must not move with them.
#[test]
fn traps_are_where_their_operators_are() {
    let body = |text: &str| {
        format!(
            "(module (memory 1) (func (export \"f\") (param i32) (result i32)
                (local i32) {text}))"
        )
    };
    let cases = [
        // The division fills the local, whose old value is saved before it.
        (body("local.get 0 i32.const 7 local.get 1 i32.div_u local.set 0"), 0x2d),
        // The inner load becomes a part of the address of the outer one.
        (body("i32.const -8 local.get 0 i32.or i32.load i64.load i32.wrap_i64"), 0x2c),
        // The second load becomes a part of the multiplication, the first one cannot trap.
        (body("i32.const 3 i32.load local.get 0 i32.load offset=65535 i32.mul"), 0x2e),
        // The first store is overwritten by the second.
        (
            body(
                "i32.const -8 local.tee 1 i32.const 1 i32.store local.get 1 i32.const 2 i32.store local.get 0",
            ),
            0x2d,
        ),
    ];
    each_tier(|engine| {
        for (text, offset) in &cases {
            let (mut store, instance) = instance(engine, text);
            let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
            for _ in 0..4 {
                let error = f.call(&mut store, 1).unwrap_err();
                let frame = &error.backtrace().unwrap().frames()[0];
                assert_eq!(frame.wasm_offset(), *offset, "{text}");
                store.settle_tiers();
            }
        }
    });
}
