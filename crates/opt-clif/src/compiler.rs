//! Owns the tier's `Compiler`: contexts per thread, limits, the pipeline from function to artifact.
//! Does not own the steps.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{SourceLoc, UserFuncName};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::{CompiledCode, Context};
use sterna_abi::{
    CodeEntry, CompileError, CompileRequest, Compiler, Convention, FunctionCode,
    NATIVE_STACK_RESERVE, Observed, Profile,
};
use sterna_base::FuncIndex;
use sterna_isa::{FuncType, Op};
use sterna_module::{Imm, Module};
use sterna_opt::passes::{Pass, PassSet, Passes};
use sterna_opt::{BuildOptions, Builder, Graph};

use crate::adapters;
use crate::artifact::{frame_size, function_code};
use crate::lower::{self, Input, Scratch, check_stack_in_prologue};
use crate::positions::Positions;
use crate::signature::signature;
use crate::target::{Target, TargetError};

/// Largest body compiled, in bytes: above it, time and memory grow out of proportion.
const MAX_BODY: u32 = 4 << 20;

/// The same with explicit checks, of which each makes two blocks.
const MAX_BODY_EXPLICIT: u32 = 512 << 10;

/// Most parameters of blocks and arguments for them: they take more than a kilobyte each. Elsewhere they are fewer than eight for each instruction.
const MAX_PASSED: usize = 1 << 20;

/// Most instructions between definitions and last uses of values, summed up: register allocation takes time in proportion, some seconds for
/// that many. The largest functions of programs have a twentieth.
const MAX_LIVE_AREA: u64 = 1 << 28;

/// Most values of a graph after which a worker's memory is kept for the next function: it takes about a kilobyte for each.
const MAX_KEPT_VALUES: usize = 4096;

/// Largest frame whose function may run without its size having been checked.
const MAX_UNCHECKED_FRAME: u32 = (NATIVE_STACK_RESERVE / 4) as u32;

/// Choices that are not the engine's business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Keep speculative execution from reading beyond memories whose bounds are checked by comparison. Tables always are protected.
    pub spectre_heap: bool,
    /// Take any function of the right type for the one that an indirect call nearly always calls, if nobody knows better: for tests.
    pub guess_callees: bool,
    /// Passes of the mid-end that do not run.
    pub disabled: PassSet,
}

/// Compiles with Cranelift. Share it between threads; each keeps its own working memory.
pub struct ClifCompiler {
    target: Target,
    options: Options,
    idle: Mutex<Vec<Box<Worker>>>,
}

/// The working memory of one compilation.
#[derive(Default)]
struct Worker {
    builder: Builder,
    passes: Passes,
    graph: Graph,
    scratch: Scratch,
    context: Option<Context>,
    registers: regalloc2::Ctx,
    /// Values of the largest graph so far.
    largest: usize,
}

impl ClifCompiler {
    /// A compiler for the machine this runs on.
    ///
    /// # Errors
    /// Cranelift does not support it.
    pub fn native(options: Options) -> Result<ClifCompiler, TargetError> {
        Ok(ClifCompiler { target: Target::native()?, options, idle: Mutex::default() })
    }

    /// A compiler for another machine, given as a target triple.
    ///
    /// # Errors
    /// Cranelift does not support it, or was built without support for it.
    pub fn for_target(triple: &str, options: Options) -> Result<ClifCompiler, TargetError> {
        Ok(ClifCompiler { target: Target::named(triple)?, options, idle: Mutex::default() })
    }

    /// Runs `job` with a worker. If it panics, the worker is dropped and the panic's message is the error.
    fn with_worker<T>(
        &self,
        job: impl FnOnce(&mut Worker) -> Result<T, String>,
    ) -> Result<T, String> {
        let idle = || self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut worker = idle().pop().unwrap_or_default();
        let result = catch_unwind(AssertUnwindSafe(|| job(&mut worker)));
        match result {
            Ok(result) => {
                if worker.largest <= MAX_KEPT_VALUES {
                    idle().push(worker);
                }
                result
            }
            Err(payload) => {
                let message = payload.downcast_ref::<String>().map(String::as_str);
                let message = message
                    .or_else(|| payload.downcast_ref::<&str>().copied())
                    .unwrap_or("no message");
                Err(format!("the compiler failed: {message}"))
            }
        }
    }

    /// The CLIF of a function as Cranelift gets it, and the machine code in Cranelift's notation: for tests and for looking.
    ///
    /// # Errors
    /// As [`Compiler::compile`].
    pub fn dump(&self, request: &CompileRequest<'_>) -> Result<(String, String), CompileError> {
        let dump = |worker: &mut Worker| {
            worker.build(request, &self.options)?;
            worker.lower(request, &self.options)?;
            let clif = worker.context().func.display().to_string();
            let (code, _) = worker.machine_code(&*self.target.plain, true)?;
            Ok((clif, code.vcode.unwrap_or_default()))
        };
        self.with_worker(dump).map_err(|reason| CompileError { func: request.func, reason })
    }
}

impl Compiler for ClifCompiler {
    fn fingerprint(&self) -> String {
        format!(
            "sterna-opt {} {:?} {}",
            env!("CARGO_PKG_VERSION"),
            self.options,
            self.target.fingerprint()
        )
    }

    fn compile(&self, request: &CompileRequest<'_>) -> Result<FunctionCode, CompileError> {
        self.with_worker(|worker| {
            worker.build(request, &self.options)?;
            worker.compile(request, self)
        })
        .map_err(|reason| CompileError { func: request.func, reason })
    }

    fn stack_to_reg(&self, ty: &FuncType) -> FunctionCode {
        adapters::stack_to_reg(&*self.target.unwind, ty)
    }

    fn reg_to_stack(&self, ty: &FuncType, convention: Convention) -> FunctionCode {
        adapters::reg_to_stack(&*self.target.unwind, ty, convention)
    }

    fn tail_to_reg(&self, ty: &FuncType) -> FunctionCode {
        adapters::tail_to_reg(&*self.target.unwind, ty)
    }

    fn bridge(&self, module: &Module, func: FuncIndex, from: Convention) -> FunctionCode {
        adapters::bridge(&*self.target.unwind, module.func_type(func), func, from)
    }
}

/// The convention of a module's bodies.
fn convention(module: &Module) -> Convention {
    if module.needs_tail_convention() { Convention::Tail } else { Convention::Reg }
}

impl Worker {
    fn context(&mut self) -> &mut Context {
        self.context.get_or_insert_with(Context::new)
    }

    /// Fills the graph.
    fn build(&mut self, request: &CompileRequest<'_>, options: &Options) -> Result<(), String> {
        let CompileRequest { module, func, entry, settings, observed, .. } = *request;
        let size = module.body(func).size();
        let limit = if settings.explicit_checks { MAX_BODY_EXPLICIT } else { MAX_BODY };
        if size > limit {
            return Err(format!("its body of {size} bytes is larger than the limit of {limit}"));
        }
        let guess = (options.guess_callees && observed.has_no_targets())
            .then(|| guessed_profile(module, func));
        let disabled = options.disabled;
        let mut options = BuildOptions {
            polls: settings.interruptible,
            states: settings.capture_state,
            disabled,
            observed: guess.as_ref().map_or(observed, Observed::earlier),
            entry: match entry {
                CodeEntry::Function => None,
                CodeEntry::Loop(position) => Some(position),
            },
        };
        let graph = &mut self.graph;
        let mut built = self.builder.build(module, func, &options, graph);
        if built.is_err() {
            // A callee may be what cannot be built.
            options.disabled = disabled.with(Pass::Inline);
            built = self.builder.build(module, func, &options, graph);
        }
        built.map_err(|error| error.to_string())?;
        self.largest = self.largest.max(self.graph.num_values());
        let guard_bytes = if settings.explicit_checks { 0 } else { settings.guard_bytes };
        self.passes.run(module, disabled, guard_bytes, &mut self.graph);
        let (insts, passed) = (self.graph.num_insts(), self.graph.num_passed());
        if passed > (8 * insts + (1 << 14)).min(MAX_PASSED) {
            return Err("its blocks pass too many values".to_owned());
        }
        Ok(())
    }

    /// Lowers the graph into the context's function.
    fn lower(
        &mut self,
        request: &CompileRequest<'_>,
        options: &Options,
    ) -> Result<lower::Lowering, String> {
        let CompileRequest { module, func, entry, settings, .. } = *request;
        let ty = module.func_type(func);
        let convention = convention(module);
        let context = self.context.get_or_insert_with(Context::new);
        context.clear();
        // Locations are kept relative to the first one: one right below it would be none.
        context.func.params.ensure_base_srcloc(SourceLoc::new(0));
        context.func.signature = match entry {
            CodeEntry::Function => signature(&ty.params, &ty.results, convention),
            CodeEntry::Loop(_) => adapters::entered_from_stack(),
        };
        context.func.name = UserFuncName::user(0, func.as_u32());
        let input = Input {
            module,
            graph: &self.graph,
            settings,
            convention,
            spectre_heap: options.spectre_heap,
        };
        lower::lower(input, &mut context.func, &mut self.scratch)
    }

    /// Compiles the graph. Frames that turn out large are checked for, in a second attempt.
    fn compile(
        &mut self,
        request: &CompileRequest<'_>,
        compiler: &ClifCompiler,
    ) -> Result<FunctionCode, String> {
        let CompileRequest { module, func, settings, .. } = *request;
        let target = &compiler.target;
        let isa = if settings.capture_state { &*target.unwind } else { &*target.plain };
        let mut check = false;
        loop {
            let lowering = self.lower(request, &compiler.options)?;
            let context = self.context.get_or_insert_with(Context::new);
            check |= lowering.calls;
            let in_prologue = check && !settings.explicit_checks;
            if in_prologue {
                check_stack_in_prologue(&mut context.func);
            }
            let (code, positions) = self.machine_code(isa, false)?;
            if !in_prologue && frame_size(&code) > MAX_UNCHECKED_FRAME {
                if settings.explicit_checks {
                    return Err(format!("its frame of {} bytes is too large", frame_size(&code)));
                }
                check = true;
                continue;
            }
            let wasm = module.body(func).offset();
            let func = &self.context.as_ref().expect("just used").func;
            return function_code(isa, func, &code, wasm, lowering, &positions, &self.graph);
        }
    }

    /// Cranelift's compilation of the context's function, and where its traps are.
    fn machine_code(
        &mut self,
        isa: &dyn TargetIsa,
        disassemble: bool,
    ) -> Result<(CompiledCode, Positions), String> {
        let context = self.context.get_or_insert_with(Context::new);
        let control = &mut ControlPlane::default();
        let mut positions = Positions::prepare(&mut context.func);
        context.optimize(isa, control).map_err(|error| error.to_string())?;
        positions.number(&mut context.func);
        if positions.live_area(&context.func) > MAX_LIVE_AREA {
            return Err("too many of its values are needed for too long".to_owned());
        }
        let (func, registers) = (&context.func, &mut self.registers);
        let code = isa.compile_function(func, &context.domtree, registers, disassemble, control);
        let code = code.map_err(|error| error.to_string())?;
        Ok((code.apply_params(&func.params), positions))
    }
}

/// For each indirect call of a function, a function that it could call, if there is one.
fn guessed_profile(module: &Module, func: FuncIndex) -> Profile {
    let mut targets = HashMap::new();
    for operator in module.body(func).operators() {
        let ty = match (operator.op, &operator.imm) {
            (Op::CallIndirect, &Imm::Index2(ty, _)) | (Op::CallRef, &Imm::Index(ty)) => ty,
            _ => continue,
        };
        let fits = |func: &FuncIndex| module.func_type_index(*func).as_u32() == ty;
        let mut fitting = module.defined_funcs().filter(fits).cycle();
        targets
            .extend(fitting.nth(operator.offset as usize % 7).map(|func| (operator.offset, func)));
    }
    Profile { targets: Some(Box::new(targets)), ..Profile::EMPTY }
}
