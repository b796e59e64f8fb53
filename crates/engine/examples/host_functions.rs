//! The ways to define host functions, and what becomes of their errors.
//! `cargo run -p sterna --example host_functions`

use std::fmt;

use sterna::{
    Caller, Engine, Error, Extern, ExternRef, FuncType, Linker, Module, Result, Store, ValType,
};

/// The host's data, which host functions reach through their `Caller`.
struct Account {
    balance: i64,
}

/// Any error type will do.
#[derive(Debug)]
struct Overdrawn {
    missing: i64,
}

impl fmt::Display for Overdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the account lacks {}", self.missing)
    }
}

impl std::error::Error for Overdrawn {}

pub(crate) fn main() -> Result<()> {
    let engine = Engine::default();
    let mut linker = Linker::<Account>::new(&engine);
    // The closure's Rust types say the WebAssembly type. Without `Caller` it sees only its parameters.
    linker.func_wrap("math", "max", |a: i64, b: i64| a.max(b))?;
    // With `Caller` it sees the store. An error stops the guest and comes out of the call that started it.
    linker.func_wrap("bank", "withdraw", |mut caller: Caller<'_, Account>, sum: i64| {
        let account = caller.data_mut();
        if account.balance < sum {
            return Err(Overdrawn { missing: sum - account.balance }.into());
        }
        account.balance -= sum;
        Ok(account.balance)
    })?;
    // A host function may call back into the guest that called it.
    linker.func_wrap("bank", "twice", |mut caller: Caller<'_, Account>, sum: i64| {
        let callback = caller.get_export("withdraw").and_then(Extern::into_func);
        let callback = callback.ok_or_else(|| Error::msg("the guest exports no `withdraw`"))?;
        let callback = callback.typed::<i64, i64>(&caller)?;
        callback.call(&mut caller, sum)?;
        callback.call(&mut caller, sum)
    })?;
    // When the type is known only at run time, parameters and results are lists of values.
    let ty = FuncType::new([ValType::EXTERNREF], [ValType::I32]);
    linker.func_new("host", "length", ty, |caller, params, results| {
        let text = params[0].unwrap_extern_ref();
        let text = text.map(|text| text.data(&caller)).transpose()?;
        let text = text.and_then(|text| text.downcast_ref::<String>());
        results[0] = (text.map_or(-1, |text| text.len() as i32)).into();
        Ok(())
    })?;

    let module = Module::new(
        &engine,
        r#"(module
            (import "math" "max" (func $max (param i64 i64) (result i64)))
            (import "bank" "withdraw" (func $withdraw (param i64) (result i64)))
            (import "bank" "twice" (func $twice (param i64) (result i64)))
            (import "host" "length" (func $length (param externref) (result i32)))
            (export "withdraw" (func $withdraw))
            (func (export "spend") (param i64) (result i64)
                (call $twice (call $max (local.get 0) (i64.const 10))))
            (func (export "length") (param externref) (result i32)
                (call $length (local.get 0))))"#,
    )?;
    let mut store = Store::new(&engine, Account { balance: 100 });
    let instance = linker.instantiate(&mut store, &module)?;

    let spend = instance.get_typed_func::<i64, i64>(&mut store, "spend")?;
    assert_eq!(spend.call(&mut store, 5)?, 80);
    assert_eq!(spend.call(&mut store, 25)?, 30);
    let error = spend.call(&mut store, 20).expect_err("30 is less than twice 20");
    println!("refused: {error}");
    let overdrawn = error.downcast_ref::<Overdrawn>().expect("the error is still what it was");
    assert_eq!(overdrawn.missing, 10);

    // Host values pass through guests as opaque references.
    let text = ExternRef::new(&mut store, String::from("opaque"))?;
    let length = instance.get_typed_func::<Option<ExternRef>, i32>(&mut store, "length")?;
    assert_eq!(length.call(&mut store, Some(text))?, 6);
    assert_eq!(length.call(&mut store, None)?, -1);
    Ok(())
}
