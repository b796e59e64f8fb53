//! Owns a first end-to-end check.
//! Does not own the API's tests.
use sterna::*;

#[test]
fn add_and_host() {
    let engine = Engine::new(Config::new().tier(Tier::Interp)).unwrap();
    let module = Module::new(
        &engine,
        r#"(module
        (import "h" "f" (func $f (param i32) (result i32)))
        (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
        (func (export "call") (param i32) (result i32) local.get 0 call $f)
    )"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, 5i32);
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("h", "f", |mut caller: Caller<'_, i32>, x: i32| {
            *caller.data_mut() += 1;
            x * 2
        })
        .unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add").unwrap();
    assert_eq!(add.call(&mut store, (2, 3)).unwrap(), 5);
    let call = instance.get_typed_func::<i32, i32>(&mut store, "call").unwrap();
    assert_eq!(call.call(&mut store, 21).unwrap(), 42);
    assert_eq!(*store.data(), 6);
}
