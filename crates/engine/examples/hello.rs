//! Loads a module, gives it a host function, and calls it.
//! `cargo run -p sterna --example hello`

use sterna::{Caller, Engine, Linker, Module, Result, Store};

pub(crate) fn main() -> Result<()> {
    // One engine per process; modules are compiled for it.
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (import "host" "print" (func $print (param i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "Hello from WebAssembly!")
            (func (export "run")
                (call $print (i32.const 0) (i32.const 23))))"#,
    )?;

    // The linker knows what modules may import. `String` is the host's data in each store: here, what was printed.
    let mut linker = Linker::<String>::new(&engine);
    linker.func_wrap("host", "print", |mut caller: Caller<'_, String>, at: u32, len: u32| {
        if let Some((memory, printed)) = caller.memory_and_data("memory") {
            let bytes = memory.get(at as usize..).and_then(|rest| rest.get(..len as usize));
            printed.push_str(&String::from_utf8_lossy(bytes.unwrap_or_default()));
        }
    })?;

    // A store holds instances with all their state.
    let mut store = Store::new(&engine, String::new());
    let instance = linker.instantiate(&mut store, &module)?;
    let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    run.call(&mut store, ())?;
    println!("{}", store.data());
    assert_eq!(store.data(), "Hello from WebAssembly!");
    Ok(())
}
