//! Owns the choice of interpreter and compiler: the only place that names tiers.
//! Does not own when they run: the runtime's policy does.

use sterna_abi::{
    CodeEntry, CompileError, CompileRequest, Compiler, Convention, FunctionCode, Interpreter,
};
use sterna_base::FuncIndex;
use sterna_baseline::Baseline;
use sterna_interp::Interp;
use sterna_isa::FuncType;
use sterna_module::Module;
use sterna_opt::passes::PassSet;
use sterna_opt_clif::{ClifCompiler, Options};
use sterna_runtime::{Settings, TierPolicy, TierUp};

type CompilerFactory = Box<dyn FnOnce() -> Box<dyn Compiler> + Send>;

/// The tiers for these settings. The compiler is made when it is first needed: a short run never needs it.
pub(crate) fn of(settings: &Settings) -> (Box<dyn Interpreter>, Option<CompilerFactory>) {
    let options = Options {
        guess_callees: settings.guess_callees,
        disabled: PassSet::from_bits(settings.disabled_passes),
        ..Options::default()
    };
    let compiler: Option<CompilerFactory> = match (settings.tier, settings.mixed) {
        (TierPolicy::Interp, _) => None,
        (TierPolicy::Opt, Some(seed)) => Some(Box::new(move || mixed(seed, options))),
        (TierPolicy::Opt | TierPolicy::Auto, _) => {
            Some(Box::new(move || Box::new(optimizing(options))))
        }
        (TierPolicy::Baseline, _) if settings.tier_up != TierUp::Background => {
            Baseline::is_supported().then_some(Box::new(move || Box::new(Layered::new(options))))
        }
        (TierPolicy::Baseline, _) => {
            Baseline::is_supported().then_some(Box::new(|| Box::new(baseline())))
        }
    };
    (Box::new(Interp), compiler)
}

/// The compiler of the tier between the interpreter and the optimizing one.
pub(crate) fn baseline_of(settings: &Settings) -> Option<CompilerFactory> {
    let wanted = settings.tier == TierPolicy::Auto && Baseline::is_supported();
    wanted.then_some(Box::new(|| Box::new(baseline())))
}

fn optimizing(options: Options) -> ClifCompiler {
    ClifCompiler::native(options)
        .expect("Cranelift supports every processor that `sterna-sys` compiles for")
}

fn baseline() -> Baseline {
    Baseline::native().expect("asked before")
}

/// Both compilers, if there are both.
fn mixed(seed: u64, options: Options) -> Box<dyn Compiler> {
    match Baseline::is_supported() {
        true => Box::new(Mixed { baseline: baseline(), optimizing: optimizing(options), seed }),
        false => Box::new(optimizing(options)),
    }
}

/// Compiles functions with the baseline compiler, and loops that these are told to leave with the other one: for tests.
struct Layered {
    baseline: Baseline,
    optimizing: ClifCompiler,
}

impl Layered {
    fn new(options: Options) -> Layered {
        Layered { baseline: baseline().counting(), optimizing: optimizing(options) }
    }
}

impl Compiler for Layered {
    fn fingerprint(&self) -> String {
        format!("layered {} {}", self.baseline.fingerprint(), self.optimizing.fingerprint())
    }

    fn compile(&self, request: &CompileRequest<'_>) -> Result<FunctionCode, CompileError> {
        match request.entry {
            CodeEntry::Function => self.baseline.compile(request),
            CodeEntry::Loop(_) => self.optimizing.compile(request),
        }
    }

    fn stack_to_reg(&self, ty: &FuncType) -> FunctionCode {
        self.baseline.stack_to_reg(ty)
    }

    fn reg_to_stack(&self, ty: &FuncType, convention: Convention) -> FunctionCode {
        self.baseline.reg_to_stack(ty, convention)
    }

    fn tail_to_reg(&self, ty: &FuncType) -> FunctionCode {
        self.baseline.tail_to_reg(ty)
    }

    fn bridge(&self, module: &Module, func: FuncIndex, from: Convention) -> FunctionCode {
        self.baseline.bridge(module, func, from)
    }
}

/// Compiles each function with one of two compilers: for tests.
struct Mixed {
    baseline: Baseline,
    optimizing: ClifCompiler,
    seed: u64,
}

impl Compiler for Mixed {
    fn fingerprint(&self) -> String {
        format!(
            "mixed {} {} {}",
            self.seed,
            self.baseline.fingerprint(),
            self.optimizing.fingerprint()
        )
    }

    fn compile(&self, request: &CompileRequest<'_>) -> Result<FunctionCode, CompileError> {
        let hash =
            (self.seed ^ u64::from(request.func.as_u32())).wrapping_mul(0xd6e8_feb8_6659_fd93);
        match hash >> 40 & 1 {
            0 => self.baseline.compile(request),
            _ => self.optimizing.compile(request),
        }
    }

    fn stack_to_reg(&self, ty: &FuncType) -> FunctionCode {
        self.baseline.stack_to_reg(ty)
    }

    fn reg_to_stack(&self, ty: &FuncType, convention: Convention) -> FunctionCode {
        self.optimizing.reg_to_stack(ty, convention)
    }

    fn tail_to_reg(&self, ty: &FuncType) -> FunctionCode {
        self.baseline.tail_to_reg(ty)
    }

    fn bridge(&self, module: &Module, func: FuncIndex, from: Convention) -> FunctionCode {
        self.baseline.bridge(module, func, from)
    }
}
