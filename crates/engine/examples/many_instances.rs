//! One module, many isolated instances, on all threads: a server's pattern.
//! `cargo run --release -p sterna --example many_instances`

use std::time::Instant;

use sterna::{Config, Engine, Linker, Module, Result, Store};

/// Requests a thread.
const REQUESTS: u32 = 500;

pub(crate) fn main() -> Result<()> {
    let mut config = Config::new();
    // Memories of finished instances are kept for the next ones.
    config.warm_memories(8);
    let engine = Engine::new(&config)?;
    let module = Module::new(
        &engine,
        r#"(module
            (import "host" "tenant" (func $tenant (result i32)))
            (memory 16)
            (data (i32.const 0) "\2a\00\00\00")
            (func (export "handle") (param i32) (result i32)
                ;; Were memory left over from an earlier request, the sum would be wrong.
                (i32.store (i32.const 0)
                    (i32.add (i32.load (i32.const 0)) (i32.mul (call $tenant) (local.get 0))))
                (i32.load (i32.const 0))))"#,
    )?;
    // Linkers and modules are shared by all threads; each request has a store of its own, with the tenant as its data.
    let mut linker = Linker::<i32>::new(&engine);
    linker.func_wrap("host", "tenant", |caller: sterna::Caller<'_, i32>| *caller.data())?;

    // The imports are found once.
    let handler = linker.instantiate_pre(&module)?;

    let request = |tenant: i32, input: i32| -> Result<i32> {
        let mut store = Store::new(&engine, tenant);
        let instance = handler.instantiate(&mut store)?;
        instance.get_typed_func::<i32, i32>(&mut store, "handle")?.call(&mut store, input)
    };
    let start = Instant::now();
    let threads = 4;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (1..=threads)
            .map(|tenant| {
                let request = &request;
                scope.spawn(move || -> Result<()> {
                    for input in 0..REQUESTS as i32 {
                        assert_eq!(request(tenant, input)?, 42 + tenant * input);
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    let each = start.elapsed() / (threads as u32 * REQUESTS);
    println!("{} instances, {each:?} each", threads as u32 * REQUESTS);
    Ok(())
}
