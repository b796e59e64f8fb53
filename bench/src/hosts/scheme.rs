//! Owns what Guile Hoot's programs import: strings, bignums, ports and a way out; and how their main procedure is called.
//! Does not own arithmetic (`bignum`). Functions that no program here needs fail by name when they are called.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, Write};
use std::path::Path;

use num_bigint::BigInt;
use sterna::{
    AsContext, AsContextMut, Caller, Engine, Error, ExternRef, ExternType, FuncType, Instance,
    Linker, Module, Result, Store, Val, ValType,
};

use super::bignum::{self, Number};

/// What host functions share.
#[derive(Default)]
struct World {
    /// Makes arrays of bytes from strings and back; Hoot's own module.
    wtf8: Option<Instance>,
}

/// The guest's way to end the program.
#[derive(Debug)]
struct Quit(u8);

impl fmt::Display for Quit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the program ended with exit code {}", self.0)
    }
}

impl std::error::Error for Quit {}

type World_<'a> = Caller<'a, World>;

/// Runs a program with the two helper modules of `hoot/` beside it; its exit code. Values that it ends with are printed by kind.
pub fn run(engine: &Engine, wasm: &Path) -> Result<u8> {
    match run_main(engine, wasm) {
        Ok(()) => Ok(0),
        Err(error) => error.downcast::<Quit>().map(|quit| quit.0),
    }
}

fn run_main(engine: &Engine, wasm: &Path) -> Result<()> {
    let helpers = wasm.with_file_name("hoot");
    let mut store = Store::new(engine, World::default());
    let wtf8 = Module::from_file(engine, helpers.join("wtf8.wasm"))?;
    store.data_mut().wtf8 = Some(Instance::new(&mut store, &wtf8, &[])?);

    let module = Module::from_file(engine, wasm)?;
    let program = linker(engine, &[&module])?.instantiate(&mut store, &module)?;

    // The other helper, which calls procedures, shares the program's stacks, globals and types.
    let reflect = Module::from_file(engine, helpers.join("reflect.wasm"))?;
    let mut linker = linker(engine, &[&reflect])?;
    let exports: BTreeMap<_, _> = program
        .exports(&mut store)
        .map(|export| (export.name().to_owned(), export.into_extern()))
        .collect();
    for (name, export) in exports.iter().filter(|(name, _)| name.starts_with('$')) {
        linker.define(&store, "abi", name, export.clone())?;
    }
    let reflect = linker.instantiate(&mut store, &reflect)?;

    let start = exports.get("$load").cloned().and_then(|e| e.into_global());
    let start = start.ok_or_else(|| Error::msg("the program exports no `$load`"))?.get(&mut store);
    let empty = call(&mut store, reflect, "scm_false", &[])?;
    let arguments = call(&mut store, reflect, "make_vector", &[Val::I32(1), empty])?;
    call_nothing(&mut store, reflect, "vector_set", &[arguments, Val::I32(0), start])?;
    let values = call(&mut store, reflect, "call", &[start, arguments])?;
    let count = call(&mut store, reflect, "vector_length", &[values])?.unwrap_i32();
    for index in 0..count {
        let value = call(&mut store, reflect, "vector_ref", &[values, Val::I32(index)])?;
        let kind = call(&mut store, reflect, "describe", &[value])?;
        println!("{}", text(&store, &kind)?);
    }
    Ok(())
}

fn call(store: &mut impl AsContextMut, of: Instance, name: &str, with: &[Val]) -> Result<Val> {
    let mut results = [Val::I32(0)];
    let func = of.get_func(&mut *store, name);
    let func = func.ok_or_else(|| Error::msg(format_args!("no function `{name}`")))?;
    func.call(store, with, &mut results)?;
    Ok(results[0])
}

fn call_nothing(
    store: &mut impl AsContextMut,
    of: Instance,
    name: &str,
    with: &[Val],
) -> Result<()> {
    let func = of.get_func(&mut *store, name);
    func.ok_or_else(|| Error::msg(format_args!("no function `{name}`")))?.call(store, with, &mut [])
}

/// Every function that the modules import, except those of `abi`, which come from a program.
fn linker(engine: &Engine, modules: &[&Module]) -> Result<Linker<World>> {
    let mut linker = Linker::new(engine);
    for import in modules.iter().flat_map(|module| module.imports()) {
        if let (ExternType::Func(ty), true) = (import.ty(), import.module() != "abi") {
            define(&mut linker, import.module(), import.name(), ty.clone())?;
        }
    }
    Ok(linker)
}

fn define(linker: &mut Linker<World>, module: &str, name: &str, ty: FuncType) -> Result<()> {
    let full = format!("{module}.{name}");
    let result = ty.results.first().copied();
    let body = move |mut caller: World_<'_>, with: &[Val], results: &mut [Val]| {
        let value = match full.split_once(".bignum_") {
            Some((_, "from_string")) => number_in(&text(&caller, &with[0])?)?,
            Some((_, name)) => arithmetic(&caller, name, with)?,
            None => function(&mut caller, &full, with)?,
        };
        match (value, result) {
            (Value::Number(Number::I32(n)), Some(ValType::I32)) => results[0] = Val::I32(n),
            (Value::Number(Number::I64(n)), Some(ValType::I64)) => results[0] = Val::I64(n),
            (Value::Number(Number::F64(n)), Some(ValType::F64)) => results[0] = n.into(),
            (Value::Number(Number::Big(n)), _) => results[0] = extern_ref(&mut caller, n)?,
            (Value::Text(text), _) => results[0] = extern_ref(&mut caller, text)?,
            (Value::Guest(value), _) => results[0] = value,
            // Results are zero or null already.
            (Value::Nothing, _) => {}
            (other, _) => return Err(Error::msg(format_args!("{full} gave {other:?}"))),
        }
        Ok(())
    };
    linker.func_new(module, name, ty, body)?;
    Ok(())
}

/// What a host function gives.
#[derive(Debug)]
enum Value {
    Nothing,
    Number(Number),
    Text(String),
    Guest(Val),
}

fn function(caller: &mut World_<'_>, name: &str, with: &[Val]) -> Result<Value> {
    let float = |f: fn(f64) -> f64| Ok(Value::Number(Number::F64(f(with[0].unwrap_f64()))));
    match name {
        "rt.wtf8_to_string" => decode(caller, with[0]).map(Value::Text),
        "rt.string_to_wtf8" => {
            let text = text(caller, &with[0])?;
            encode(caller, &text).map(Value::Guest)
        }
        "rt.string_upcase" => Ok(Value::Text(text(caller, &with[0])?.to_uppercase())),
        "rt.string_downcase" => Ok(Value::Text(text(caller, &with[0])?.to_lowercase())),
        "rt.fsin" => float(f64::sin),
        "rt.fcos" => float(f64::cos),
        "rt.fexp" => float(f64::exp),
        "rt.flog" => float(f64::ln),
        "rt.quit" => Err(Error::new(Quit(with[0].unwrap_i32() as u8))),
        "rt.die" => Err(Error::msg(format_args!("Scheme died of {}", text(caller, &with[0])?))),
        "debug.code_name" | "debug.code_source" => Ok(Value::Nothing),
        "io.write_stdout" => write(std::io::stdout(), &text(caller, &with[0])?),
        "io.write_stderr" => write(std::io::stderr(), &text(caller, &with[0])?),
        "io.read_stdin" => {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map_err(Error::new)?;
            Ok(Value::Text(line))
        }
        other => Err(Error::msg(format_args!("this host has no function {other}"))),
    }
}

fn write(mut to: impl Write, text: &str) -> Result<Value> {
    to.write_all(text.as_bytes()).map_err(Error::new)?;
    Ok(Value::Nothing)
}

fn decode(caller: &mut World_<'_>, bytes: Val) -> Result<String> {
    let wtf8 = caller.data().wtf8.expect("it is instantiated first");
    let iterator = call(caller, wtf8, "as_iter", &[bytes])?;
    let next = wtf8.get_func(&mut *caller, "iter_next");
    let next = next.ok_or_else(|| Error::msg("no function `iter_next`"))?;
    let (mut text, mut result) = (String::new(), [Val::I32(0)]);
    loop {
        next.call(&mut *caller, &[iterator], &mut result)?;
        match result[0].unwrap_i32() {
            -1 => return Ok(text),
            // A half of a surrogate pair has no place in a `String`.
            point => text.push(char::from_u32(point as u32).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }
}

fn encode(caller: &mut World_<'_>, text: &str) -> Result<Val> {
    let wtf8 = caller.data().wtf8.expect("it is instantiated first");
    let builder = call(caller, wtf8, "string_builder", &[])?;
    for point in text.chars() {
        let with = [builder, Val::I32(point as i32)];
        call_nothing(caller, wtf8, "builder_push_codepoint", &with)?;
    }
    call(caller, wtf8, "finish_builder", &[builder])
}

fn number_in(text: &str) -> Result<Value> {
    let number = text.parse::<BigInt>();
    Ok(Value::Number(Number::Big(number.map_err(Error::new)?)))
}

fn arithmetic(caller: &World_<'_>, name: &str, with: &[Val]) -> Result<Value> {
    let operand = |value: &Val| match *value {
        Val::I32(n) => Ok(Number::I32(n)),
        Val::I64(n) => Ok(Number::I64(n)),
        Val::F64(bits) => Ok(Number::F64(f64::from_bits(bits))),
        _ => data::<BigInt>(caller, value).map(Number::Big),
    };
    let operands = with.iter().map(operand).collect::<Result<Vec<_>>>()?;
    let result = bignum::apply(name, &operands).map(Value::Number);
    result.ok_or_else(|| Error::msg(format_args!("bignum_{name} cannot do {operands:?}")))
}

fn extern_ref(caller: &mut World_<'_>, value: impl Send + Sync + 'static) -> Result<Val> {
    Ok(ExternRef::new(caller, value)?.into())
}

fn text(store: &impl AsContext<Data = World>, value: &Val) -> Result<String> {
    data(store, value)
}

/// A copy of the host's value behind a reference.
fn data<V: Clone + 'static>(store: &impl AsContext<Data = World>, value: &Val) -> Result<V> {
    let reference = value.extern_ref().flatten();
    let reference =
        reference.ok_or_else(|| Error::msg("a null where a value of the host is due"))?;
    let value = reference.data(store.as_context())?.downcast_ref::<V>().cloned();
    value.ok_or_else(|| Error::msg("another value of the host than is due"))
}
