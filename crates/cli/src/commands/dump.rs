//! Owns `sterna dump`: what a tier makes of the functions of a module, for whoever works on the tiers.
//! Does not translate or compile itself; each tier describes its own work.

use crate::failure::Failure;
use crate::files;
use crate::passes::Disabled;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use sterna_abi::{CodeSettings, CompileRequest, Observed};
use sterna_base::FuncIndex;
use sterna_isa::FeatureSet;
use sterna_module::Module;
use sterna_opt::passes::{PassSet, Passes};
use sterna_opt::{BuildOptions, Builder, Graph};
use sterna_opt_clif::{ClifCompiler, Options};

/// Show what a tier makes of a module
#[derive(Parser)]
#[command(after_help = "The form of the output changes without notice.")]
pub struct Arguments {
    /// A .wasm or .wat file, or - for standard input
    file: PathBuf,
    /// Which tier
    #[arg(long, value_enum, default_value = "opt")]
    tier: Tier,
    /// How far the optimizing tier goes
    #[arg(long, value_enum, default_value = "code")]
    stage: Stage,
    /// Only the function of this index or name
    #[arg(long, value_name = "FUNCTION")]
    func: Option<String>,
    #[command(flatten)]
    passes: Disabled,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tier {
    Interp,
    Opt,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The graph as it is built
    Graph,
    /// The graph after all passes
    Passes,
    /// What Cranelift gets
    Clif,
    /// Machine code
    Code,
}

/// What `sterna run` compiles with.
const SETTINGS: CodeSettings = CodeSettings {
    explicit_checks: false,
    guard_bytes: sterna_runtime::Settings::GUARD_BYTES,
    deterministic: false,
    capture_state: false,
    interruptible: false,
};

pub fn execute(arguments: &Arguments) -> Result<u8, Failure> {
    let binary = files::read_module(&arguments.file)?;
    let module = Module::decode(binary, &FeatureSet::DEFAULT, 1);
    let module = module.map_err(|error| files::invalid(&arguments.file, &error))?;
    let selected: Vec<FuncIndex> =
        module.defined_funcs().filter(|func| is_selected(arguments, &module, *func)).collect();
    if let (true, Some(wanted)) = (selected.is_empty(), &arguments.func) {
        return Err(Failure::new(format_args!(
            "no function `{wanted}` is defined in {}",
            arguments.file.display()
        )));
    }
    let mut out = String::new();
    for func in selected {
        let name = module.names().func(func).unwrap_or_default();
        out += &format!(
            ";; function {} {name}\n{}\n",
            func.as_u32(),
            describe(arguments, &module, func)
        );
    }
    files::print(out.as_bytes())?;
    Ok(0)
}

fn is_selected(arguments: &Arguments, module: &Module, func: FuncIndex) -> bool {
    let is_named = |wanted: &String| {
        module.names().func(func) == Some(wanted) || *wanted == func.as_u32().to_string()
    };
    arguments.func.as_ref().is_none_or(is_named)
}

/// A listing, or why there is none: other functions are shown all the same.
fn describe(arguments: &Arguments, module: &Module, func: FuncIndex) -> String {
    let disabled = arguments.passes.set();
    let listing = match (arguments.tier, arguments.stage) {
        (Tier::Interp, _) => Ok(sterna_interp::dump(module, func)),
        (Tier::Opt, stage @ (Stage::Graph | Stage::Passes)) => {
            graph(module, func, disabled, stage == Stage::Passes)
        }
        (Tier::Opt, Stage::Clif) => cranelift(module, func, disabled).map(|(clif, _)| clif),
        (Tier::Opt, Stage::Code) => cranelift(module, func, disabled).map(|(_, code)| code),
    };
    listing.unwrap_or_else(|reason| format!("not compiled: {reason}\n"))
}

fn graph(
    module: &Module,
    func: FuncIndex,
    disabled: PassSet,
    run_passes: bool,
) -> Result<String, String> {
    let mut graph = Graph::default();
    let options = BuildOptions {
        polls: SETTINGS.interruptible,
        states: SETTINGS.capture_state,
        disabled,
        observed: Observed::NOTHING,
        entry: None,
    };
    Builder::new().build(module, func, &options, &mut graph).map_err(|error| error.to_string())?;
    if run_passes {
        Passes::new().run(module, disabled, SETTINGS.guard_bytes, &mut graph);
    }
    Ok(graph.to_string())
}

fn cranelift(
    module: &Module,
    func: FuncIndex,
    disabled: PassSet,
) -> Result<(String, String), String> {
    let options = Options { disabled, ..Options::default() };
    let compiler = ClifCompiler::native(options).map_err(|error| error.to_string())?;
    compiler.dump(&CompileRequest::new(module, func, &SETTINGS)).map_err(|error| error.to_string())
}
