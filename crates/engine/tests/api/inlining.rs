//! Owns tests of inlined functions as the API shows them: backtraces, captured frames, exceptions must be those of the interpreter.
//! Does not own tests of what is inlined: `opt` and `opt-clif` do that.

use sterna::{
    Caller, CapturedFrame, Config, Engine, Func, Instance, Module, Store, Tier, Trap, Val,
};

/// What the host function captures: function, position, locals, operands.
type Captured = Vec<(u32, u32, Vec<u128>, Vec<u128>)>;

/// Calls `name` with `args` in every tier, with and without state capture and explicit checks; returns results or backtraces,
/// which must not differ from the interpreter's.
fn same_everywhere(text: &str, name: &str, args: &[Val]) -> String {
    let mut expected: Option<String> = None;
    for tier in [Tier::Interp, Tier::Opt] {
        for (capture, explicit) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut config = Config::new();
            config.tier(tier).capture_state(capture).explicit_checks(explicit);
            let engine = Engine::new(&config).unwrap();
            let found = transcript(&engine, text, name, args, tier == Tier::Interp || capture);
            let found = if capture { found } else { found.lines().next().unwrap().to_owned() };
            match &expected {
                Some(expected) if capture => assert_eq!(&found, expected, "{tier:?}"),
                Some(expected) => assert_eq!(Some(&*found), expected.lines().next(), "{tier:?}"),
                None if capture => expected = Some(found),
                None => {}
            }
        }
    }
    expected.unwrap()
}

fn transcript(engine: &Engine, text: &str, name: &str, args: &[Val], capture: bool) -> String {
    let mut store: Store<Captured> = Store::new(engine, Vec::new());
    let module = Module::new(engine, text).unwrap();
    let host = move |mut caller: Caller<'_, Captured>, value: i32| {
        if capture {
            let frames = caller.capture_frames();
            let frame = |frame: &CapturedFrame| {
                let bits = |values: &[sterna::CapturedValue]| {
                    values.iter().map(|value| value.bits).collect::<Vec<_>>()
                };
                (frame.func.as_u32(), frame.wasm_offset, bits(&frame.locals), bits(&frame.stack))
            };
            *caller.data_mut() = frames.iter().map(frame).collect();
        }
        value
    };
    let host = Func::wrap(&mut store, host);
    let instance = Instance::new(&mut store, &module, &[host.into()][..module.imports().len()]);
    let func = instance.unwrap().get_func(&mut store, name).unwrap();
    let mut results = vec![Val::I32(0)];
    let outcome = match func.call(&mut store, args, &mut results) {
        Ok(()) => format!("{results:?}"),
        Err(error) => match error.downcast_ref::<Trap>() {
            Some(trap) => {
                let frame = |frame: &sterna::FrameInfo| (frame.func_index(), frame.wasm_offset());
                format!(
                    "{:?} {:x?}",
                    trap.code(),
                    trap.frames().iter().map(frame).collect::<Vec<_>>()
                )
            }
            None => error.to_string(),
        },
    };
    format!("{outcome}\n{:x?}", store.data())
}

#[test]
fn traps_name_the_functions_that_were_inlined() {
    let text = r#"(module (memory 1)
        (func $div (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
        (func $twice (param i32 i32) (result i32)
            (i32.add (call $div (local.get 0) (i32.const 1)) (call $div (local.get 0) (local.get 1))))
        (func (export "run") (param i32) (result i32)
            (i32.mul (call $twice (i32.const 7) (local.get 0)) (i32.const 3))))"#;
    let one = same_everywhere(text, "run", &[Val::I32(0)]);
    assert_eq!(one.matches('(').count(), 3, "{one}");
    same_everywhere(text, "run", &[Val::I32(2)]);
}

/// The machine instruction that traps may be that of an operator of the caller.
#[test]
fn merged_loads_trap_where_they_are() {
    let text = r#"(module (memory 1)
        (func $load (param i32) (result i32) (i32.load (local.get 0)))
        (func $store (param i32 i32) (i32.store (local.get 0) (local.get 1)))
        (func $is (param i32) (result i32) (i32.eq (call $load (local.get 0)) (i32.const 9)))
        (func (export "add") (param i32) (result i32)
            (i32.add (local.get 0) (call $load (local.get 0))))
        (func (export "divide") (param i32) (result i32)
            (i32.div_u (i32.const 100) (call $load (local.get 0))))
        (func (export "update") (param i32) (result i32)
            (call $store (local.get 0) (i32.add (call $load (local.get 0)) (i32.const 1)))
            (i32.const 1))
        (func (export "overwrite") (param i32) (result i32)
            (call $store (local.get 0) (i32.const 1))
            (i32.const 1))
        (func (export "both") (param i32) (result i32)
            (call $store (i32.const -1) (i32.add (call $load (local.get 0)) (i32.const 1)))
            (i32.const 1))
        (func (export "branch") (param i32) (result i32)
            (if (result i32) (call $is (local.get 0)) (then (i32.const 1)) (else (i32.const 2)))))"#;
    for name in ["add", "divide", "update", "overwrite", "both", "branch"] {
        for address in [0, -1] {
            let found = same_everywhere(text, name, &[Val::I32(address)]);
            let traps = address != 0 || matches!(name, "both" | "divide");
            assert_eq!(
                found.contains("MemoryOutOfBounds"),
                traps && name != "divide" || address != 0
            );
        }
    }
}

/// A branch to nothing but a trap becomes a conditional trap.
#[test]
fn unreachable_traps_where_it_is() {
    let text = r#"(module
        (func $fail unreachable)
        (func $check (param i32) (if (local.get 0) (then (call $fail))))
        (func (export "run") (param i32) (result i32)
            (call $check (local.get 0))
            (i32.const 1)))"#;
    same_everywhere(text, "run", &[Val::I32(0)]);
    let found = same_everywhere(text, "run", &[Val::I32(1)]);
    assert_eq!(found.lines().next().unwrap().matches('(').count(), 3, "{found}");
}

#[test]
fn captured_frames_list_inlined_functions() {
    let text = r#"(module
        (import "" "h" (func $h (param i32) (result i32)))
        (func $inner (param i32) (result i32) (local i64 i32)
            (local.set 1 (i64.const 5))
            (local.set 2 (i32.mul (local.get 0) (i32.const 3)))
            (i32.add (local.get 2) (call $h (local.get 0))))
        (func $middle (param f64 i32) (result i32)
            (i32.mul (i32.sub (local.get 1) (i32.const 2)) (call $inner (i32.const 4))))
        (func (export "run") (param i32) (result i32) (local i32)
            (local.set 1 (i32.add (local.get 0) (i32.const 1)))
            (i32.sub (local.get 1) (call $middle (f64.const 1.5) (local.get 0)))))"#;
    let found = same_everywhere(text, "run", &[Val::I32(10)]);
    assert_eq!(found.matches("[3ff8000000000000, a]").count(), 1, "the locals of middle: {found}");
}

#[test]
fn throws_in_inlined_functions_find_the_handlers_of_their_callers() {
    let text = r#"(module (tag $t (param i32)) (tag $u)
        (import "" "h" (func $h (param i32) (result i32)))
        (func $throw (param i32) (local i32)
            (local.set 1 (call $h (local.get 0)))
            (if (i32.gt_s (local.get 1) (i32.const 5)) (then (throw $t (local.get 1))))
            (if (i32.gt_s (local.get 1) (i32.const 3)) (then (throw $u))))
        (func $catch (param i32) (result i32)
            (block $b (result i32)
                (try_table (catch $t $b) (call $throw (local.get 0)))
                (i32.const -1)))
        (func (export "run") (param i32) (result i32)
            (block $all
                (try_table (catch_all $all) (return (call $catch (local.get 0)))))
            (i32.const -2))
        (func (export "escape") (param i32) (result i32) (call $catch (local.get 0))))"#;
    for (value, result) in [(1, "[I32(-1)]"), (4, "[I32(-2)]"), (8, "[I32(8)]")] {
        let found = same_everywhere(text, "run", &[Val::I32(value)]);
        assert!(found.starts_with(result), "{found}");
    }
    let found = same_everywhere(text, "escape", &[Val::I32(4)]);
    assert_eq!(found.lines().next().unwrap().matches('(').count(), 3, "{found}");
}
