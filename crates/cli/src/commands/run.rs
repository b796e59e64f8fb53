//! Owns `sterna run`: load, grant, link, call, and the exit code.
//! Does not own the steps' details: `invoke` calls typed functions, `outcome` explains errors.

mod cached;
mod invoke;
mod outcome;
mod reference;
mod report;
mod statistics;
mod threads;
mod timer;

use crate::failure::Failure;
use crate::files;
use crate::grants::{self, Folder, Variable};
use crate::loading::Listing;
use crate::passes::Disabled;
use crate::quantity::{parse_duration, parse_size};
use crate::suggest::did_you_mean;
use crate::tier::Choice;
use cached::CachedRun;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{CommandFactory, Parser};
use report::Clock;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use sterna::{Config, Error, Instance, Limits, Linker, Module, Store};
use sterna_wasi::WasiCtx;
use timer::Expired;

/// Run a program, or call one function of a module
#[derive(Parser)]
#[command(
    override_usage = "sterna run [OPTIONS] <FILE> [ARGS]...",
    after_help = "\
Options stand before FILE; everything after it belongs to the program.

Examples:
  sterna run hello.wat
  sterna run --dir data::/data::ro --env LANG=C program.wasm --verbose input.txt
  sterna run --invoke add module.wat 1 0x10
  sterna run --timeout 500ms --max-memory 64MiB untrusted.wasm

Values for --invoke are written as in the text format: -1, 0xff, 1.5, 0x1p-3, inf, nan:0x1, \"i32x4 1 2 3 4\", null.
The exit code is the program's; 124 when --timeout ran out, 134 when it trapped, 128+n when it raised signal n."
)]
pub struct Arguments {
    /// Call this exported function with ARGS and print its results
    #[arg(long, value_name = "FUNCTION")]
    invoke: Option<String>,
    /// Grant a folder, under another name if GUEST is given; `ro` forbids changes
    #[arg(long = "dir", value_name = "HOST[::GUEST[::ro]]", value_parser = OsStringValueParser::new().try_map(grants::parse_folder))]
    folders: Vec<Folder>,
    /// Set an environment variable, or pass ours on
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = OsStringValueParser::new().try_map(grants::parse_variable))]
    variables: Vec<Variable>,
    /// Which tiers run the program
    #[arg(long, value_enum, default_value = "auto")]
    tier: Choice,
    /// Stop the program after this time, such as 500ms or 2s
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Let the program have at most this much linear memory, such as 64MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_memory: Option<u64>,
    /// Compute the same bits on every machine: canonical NaNs, deterministic relaxed SIMD
    #[arg(long)]
    deterministic: bool,
    /// Say on standard error, after the program, how often and how long the garbage collector ran
    #[arg(long)]
    gc_stats: bool,
    /// Neither use nor keep code of other runs
    #[arg(long)]
    no_cache: bool,
    /// Keep code between runs in this folder [default: see sterna cache --help]
    #[arg(long, value_name = "FOLDER", conflicts_with = "no_cache")]
    cache_dir: Option<PathBuf>,
    /// Say on standard error what the code cache did
    #[arg(short, long)]
    verbose: bool,
    /// Say on standard error, after the program, what the tiers did
    #[arg(long, value_name = "FORM", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    stats: Option<report::Form>,
    #[command(flatten)]
    listing: Listing,
    /// Write what the program was seen doing to this file, for `sterna compile --profile FILE`
    #[arg(long, value_name = "FILE")]
    save_profile: Option<PathBuf>,
    #[command(flatten)]
    passes: Disabled,
    /// Stop the program after this many units of work (not yet)
    #[arg(long, value_name = "UNITS")]
    fuel: Option<u64>,
    /// The module (.wasm, .wat or precompiled; - for standard input) and the program's arguments
    #[arg(
        value_name = "FILE",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    words: Vec<OsString>,
}

impl Arguments {
    pub fn file(&self) -> &Path {
        self.words.first().map_or(Path::new(""), Path::new)
    }

    fn arguments(&self) -> &[OsString] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// Somebody who watches a program.
pub trait Observer {
    /// Before anything of the program runs.
    fn begin(&mut self, store: &mut Store<WasiCtx>) -> Result<(), Failure>;
    /// When it has ended, however it did.
    fn end(&mut self, store: &mut Store<WasiCtx>) -> Result<(), Failure>;
}

pub fn execute(arguments: &Arguments) -> Result<u8, Failure> {
    run_observed(arguments, None)
}

/// Runs a program while somebody watches.
pub fn run_observed(
    arguments: &Arguments,
    mut observer: Option<&mut dyn Observer>,
) -> Result<u8, Failure> {
    let clock = Clock::start();
    if arguments.fuel.is_some() {
        let failure = Failure::usage("--fuel: not yet: this version does not count work");
        return Err(failure.hint("--timeout bounds the time, --max-memory the memory"));
    }
    reject_unknown_option(arguments.file())?;
    let mut config = Config::new();
    // Code that never has to stop early does not ask in every loop whether it should.
    config
        .deterministic(arguments.deterministic)
        .interruptible(arguments.timeout.is_some() || observer.is_some());
    arguments.passes.apply(&mut config);
    let (module, cached) = CachedRun::load(arguments, &mut config)?;
    clock.loaded();
    let expired = Expired::default();
    let context = context(arguments, &expired)?;
    let limits = Limits { memory_bytes: arguments.max_memory, ..Limits::default() };
    if sterna_wasi::wants_threads(&module) {
        if observer.is_some() {
            return Err(Failure::new("not yet: programs that start threads cannot be profiled"));
        }
        let result = threads::run(arguments, &module, context, limits, expired, &clock);
        clock.print(arguments.stats, &module);
        save_profile(arguments, &module)?;
        cached.end(&module);
        return result;
    }
    let mut store = Store::new(&module.engine(), context);
    store.limits(limits);
    start_timer(arguments, expired, &mut store)?;
    let mut linker = Linker::new(store.engine());
    let linked = sterna_wasi::add_imports_to_linker(&mut linker, &module, |context| context);
    linked.map_err(|error| Failure::new(format_args!("cannot provide WASI: {error:#}")))?;
    if let Some(observer) = &mut observer {
        observer.begin(&mut store)?;
    }
    let result = run(arguments, &module, &linker, &mut store, &clock);
    clock.print(arguments.stats, &module);
    if let Some(observer) = &mut observer {
        observer.end(&mut store)?;
    }
    if arguments.gc_stats {
        statistics::print(store.gc_stats());
    }
    save_profile(arguments, &module)?;
    cached.end(&module);
    // The process ends here: giving memory back page by page would only delay it.
    std::mem::forget((store, module));
    result
}

fn save_profile(arguments: &Arguments, module: &Module) -> Result<(), Failure> {
    let Some(file) = &arguments.save_profile else { return Ok(()) };
    files::write(file, &module.execution_profile().to_bytes())
}

fn start_timer<T>(
    arguments: &Arguments,
    expired: Expired,
    store: &mut Store<T>,
) -> Result<(), Failure> {
    let Some(timeout) = arguments.timeout else { return Ok(()) };
    timer::start(timeout, expired, store.interrupt_handle())
        .map_err(|error| Failure::new(format_args!("--timeout: cannot start a thread: {error}")))
}

/// An option that does not exist ends up as the file, because what follows the file may begin with a dash.
fn reject_unknown_option(file: &Path) -> Result<(), Failure> {
    let word = file.to_string_lossy();
    if !word.starts_with('-') || word == files::DASH {
        return Ok(());
    }
    let command = Arguments::command();
    let options: Vec<String> =
        command.get_opts().filter_map(|option| Some(format!("--{}", option.get_long()?))).collect();
    let name = word.split('=').next().unwrap_or_default();
    let near = did_you_mean(name, options.iter().map(String::as_str));
    let failure = Failure::usage(format_args!("unknown option `{name}`"));
    Err(failure.hint(near.unwrap_or_else(|| format!("for a file of this name: ./{word}"))))
}

/// Instantiates and calls what is asked for.
fn run<T: 'static>(
    arguments: &Arguments,
    module: &Module,
    linker: &Linker<T>,
    store: &mut Store<T>,
    clock: &Clock,
) -> Result<u8, Failure> {
    let instance = match linker.instantiate(&mut *store, module) {
        Ok(instance) => instance,
        Err(error) => return outcome::of_link_error(&error, module, linker, store),
    };
    clock.instantiated();
    if let Some(function) = &arguments.invoke {
        return match call(instance, store, "_initialize") {
            None | Some(Ok(())) => {
                invoke::call(store, module, instance, function, arguments.arguments())
            }
            Some(Err(error)) => outcome::of_error(&error),
        };
    }
    match call(instance, store, "_start") {
        Some(Ok(())) => Ok(0),
        Some(Err(error)) => outcome::of_error(&error),
        None => invoke::nothing_to_run(arguments.file(), module),
    }
}

/// Calls an exported function without parameters, if there is one of this name.
fn call<T>(instance: Instance, store: &mut Store<T>, name: &str) -> Option<Result<(), Error>> {
    let function = instance.get_func(&mut *store, name)?;
    Some(function.call(&mut *store, &[], &mut []))
}

/// What the program sees of the world.
fn context(arguments: &Arguments, expired: &Expired) -> Result<WasiCtx, Failure> {
    let name = arguments.file().file_name().unwrap_or_default();
    let mut builder = WasiCtx::builder().inherit_stdio().arg(name);
    if arguments.invoke.is_none() {
        builder = builder.args(arguments.arguments());
    }
    if arguments.timeout.is_some() {
        let expired = expired.clone();
        builder = builder.interrupt(move || expired.get());
    }
    let builder = grants::grant(builder, &arguments.folders, &arguments.variables)?;
    builder.build().map_err(Failure::usage)
}
