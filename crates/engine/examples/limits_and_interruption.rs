//! Keeping guests within limits of memory, stack and time.
//! `cargo run -p sterna --example limits_and_interruption`

use std::time::Duration;

use sterna::{Config, Engine, Limits, Linker, Module, Result, Store, Trap, TrapCode};

pub(crate) fn main() -> Result<()> {
    // Stacks are a matter of the engine. Deeper recursion is a trap.
    let mut config = Config::new();
    config.max_native_stack(256 << 10).max_value_stack(256 << 10);
    let engine = Engine::new(&config)?;
    let module = Module::new(
        &engine,
        r#"(module
            (memory 1)
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func $recurse (export "recurse") (call $recurse))
            (func (export "spin") (loop (br 0))))"#,
    )?;
    let mut store = Store::new(&engine, ());
    // Memory, tables and instances are a matter of the store.
    store.limits(Limits { memory_bytes: Some(10 << 16), ..Limits::default() });
    let instance = Linker::new(&engine).instantiate(&mut store, &module)?;

    // Beyond the limit, `memory.grow` fails as it does without memory: the guest can handle it.
    let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow")?;
    assert_eq!(grow.call(&mut store, 9)?, 1);
    assert_eq!(grow.call(&mut store, 1)?, -1);

    let recurse = instance.get_typed_func::<(), ()>(&mut store, "recurse")?;
    let error = recurse.call(&mut store, ()).expect_err("the stack is finite");
    assert!(error.downcast_ref::<Trap>().is_some_and(|t| t.code() == TrapCode::StackOverflow));

    // Time is a matter of another thread: it stops the guest at its next loop iteration or call.
    let handle = store.interrupt_handle();
    let timer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        handle.time_out();
    });
    let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
    let error = spin.call(&mut store, ()).expect_err("it never ends by itself");
    println!("{error}");
    assert!(error.downcast_ref::<Trap>().is_some_and(|t| t.code() == TrapCode::Timeout));
    timer.join().expect("the timer does not panic");

    // The store is as good as before.
    assert_eq!(grow.call(&mut store, 0)?, 10);
    Ok(())
}
