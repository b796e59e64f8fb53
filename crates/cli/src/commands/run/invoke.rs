//! Owns `--invoke`: words to typed arguments, the call, results to lines.
//! Does not know the syntax of values (`literal`) nor how references are shown (`reference`).

use super::{outcome, reference};
use crate::failure::Failure;
use crate::files;
use crate::literal::{Literal, parse_literal};
use crate::suggest::did_you_mean;
use std::ffi::OsString;
use std::path::Path;
use sterna::{AnyRef, ExternRef, ExternType, FuncType, I31, Instance, Module, Store, Val, ValType};

/// Calls an exported function and prints its results, one a line.
pub fn call<T>(
    store: &mut Store<T>,
    module: &Module,
    instance: Instance,
    name: &str,
    words: &[OsString],
) -> Result<u8, Failure> {
    let ty = function_type(module, name)?;
    let arguments = arguments(store, name, &ty, words)?;
    let Some(function) = instance.get_func(&mut *store, name) else {
        return Err(Failure::new(format_args!("the export `{name}` disappeared")));
    };
    let mut results = vec![Val::I32(0); ty.results.len()];
    if let Err(error) = function.call(&mut *store, &arguments, &mut results) {
        return outcome::of_error(&error);
    }
    let lines: String = results.iter().map(|value| reference::show(value, store) + "\n").collect();
    files::print(lines.as_bytes())?;
    Ok(0)
}

/// The type of an exported function, or what exists instead.
fn function_type(module: &Module, name: &str) -> Result<FuncType, Failure> {
    match module.get_export(name) {
        Some(ExternType::Func(ty)) => Ok(ty),
        Some(other) => Err(Failure::new(format_args!(
            "the export `{name}` is a {}, not a function",
            other.kind()
        ))),
        None => {
            let failure = Failure::new(format_args!("no exported function `{name}`"));
            let functions = functions(module);
            let names = functions.iter().map(|(name, _)| name.as_str());
            Err(failure.maybe_hint(did_you_mean(name, names).or_else(|| available(&functions))))
        }
    }
}

/// A module without `_start`: if it has no functions to call either, instantiating it was all there was to do.
pub fn nothing_to_run(file: &Path, module: &Module) -> Result<u8, Failure> {
    match available(&functions(module)) {
        None => Ok(0),
        Some(hint) => {
            let file = file.display();
            Err(Failure::new(format_args!("{file}: not a program: it does not export `_start`"))
                .hint(hint))
        }
    }
}

fn functions(module: &Module) -> Vec<(String, FuncType)> {
    let function = |export: sterna::ExportType<'_>| {
        Some((export.name().to_owned(), export.ty().func()?.clone()))
    };
    module.exports().filter_map(function).collect()
}

/// A hint with the first few functions.
fn available(functions: &[(String, FuncType)]) -> Option<String> {
    const MOST: usize = 5;
    let shown: Vec<String> =
        functions.iter().take(MOST).map(|(name, ty)| format!("{name}{}", signature(ty))).collect();
    let more = if functions.len() > MOST { ", …" } else { "" };
    (!shown.is_empty())
        .then(|| format!("call one of its functions with --invoke: {}{more}", shown.join(", ")))
}

fn signature(ty: &FuncType) -> String {
    let list =
        |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match &*ty.results {
        [] => format!("({})", list(&ty.params)),
        results => format!("({}) -> {}", list(&ty.params), list(results)),
    }
}

fn arguments<T>(
    store: &mut Store<T>,
    name: &str,
    ty: &FuncType,
    words: &[OsString],
) -> Result<Vec<Val>, Failure> {
    let expected = ty.params.len();
    if expected != words.len() {
        let plural = if expected == 1 { "" } else { "s" };
        return Err(Failure::usage(format_args!(
            "`{name}` takes {expected} argument{plural}, {} given",
            words.len()
        ))
        .hint(format_args!("its type is {name}{}", signature(ty))));
    }
    let mut argument = |(at, (ty, word)): (usize, (&ValType, &OsString))| {
        let literal = parse_literal(&word.to_string_lossy(), *ty);
        literal.and_then(|literal| value(store, literal, *ty)).map_err(|reason| {
            Failure::usage(format_args!("argument {} of `{name}`: {reason}", at + 1))
        })
    };
    ty.params.iter().zip(words).enumerate().map(&mut argument).collect()
}

fn value<T>(store: &mut Store<T>, literal: Literal, ty: ValType) -> Result<Val, String> {
    Ok(match literal {
        Literal::I32(value) => Val::I32(value),
        Literal::I64(value) => Val::I64(value),
        Literal::F32(bits) => Val::F32(bits),
        Literal::F64(bits) => Val::F64(bits),
        Literal::V128(bytes) => Val::from(u128::from_le_bytes(bytes)),
        Literal::Null => Val::default_for(ty).ok_or_else(|| format!("null is not a {ty}"))?,
        Literal::I31(value) => AnyRef::from_i31(&*store, I31::wrapping(value)).into(),
        Literal::Extern(number) => {
            ExternRef::new(store, number).map_err(|error| error.to_string())?.into()
        }
    })
}
