//! Owns the tier's `Compiler`: working memory per thread, limits.
//! Does not own the steps.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use sterna_abi::{
    CompileError, CompileRequest, Compiler, Convention, FunctionCode, InstanceLayout,
};
use sterna_base::FuncIndex;
use sterna_isa::FuncType;
use sterna_module::Module;

use crate::driver::{Input, Scratch, adapters, compile};
use crate::machine::Machine;

/// The machine this runs on; any, if there is no compiler for it.
#[cfg(not(target_arch = "aarch64"))]
type Native = crate::x64::X64;
#[cfg(target_arch = "aarch64")]
type Native = crate::a64::A64;

/// Largest body compiled, in bytes.
const MAX_BODY: u32 = 16 << 20;
/// Largest body after which working memory is kept for the next function.
const MAX_KEPT_BODY: u32 = 256 << 10;

/// The machine is not one that the tier compiles for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetError;

impl std::fmt::Display for TargetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the baseline tier does not compile for this machine")
    }
}

impl std::error::Error for TargetError {}

/// The baseline compiler. Share it between threads; each takes working memory of its own.
pub struct Baseline {
    cpu: <Native as Machine>::Cpu,
    counts: bool,
    /// In boxes: it is a lot to move.
    #[allow(clippy::vec_box, reason = "elements are taken and put back for each function")]
    idle: Mutex<Vec<Box<Scratch<Native>>>>,
}

impl Baseline {
    /// Whether there is a compiler for the machine this runs on. Does not look what the processor can do, which takes long in a virtual
    /// machine.
    pub fn is_supported() -> bool {
        cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
    }

    /// A compiler for the machine this runs on.
    ///
    /// # Errors
    /// If there is none.
    pub fn native() -> Result<Baseline, TargetError> {
        Ok(Baseline {
            cpu: Native::native().ok_or(TargetError)?,
            counts: false,
            idle: Mutex::default(),
        })
    }

    /// The same, but its code counts calls and loop iterations in [`sterna_abi::FuncEntry::budget`], and reports through builtin `hot` where that
    /// is used up.
    #[must_use]
    pub fn counting(self) -> Baseline {
        Baseline { counts: true, ..self }
    }
}

impl Compiler for Baseline {
    fn fingerprint(&self) -> String {
        format!("sterna-baseline {} {:?} {}", env!("CARGO_PKG_VERSION"), self.cpu, self.counts)
    }

    fn compile(&self, request: &CompileRequest<'_>) -> Result<FunctionCode, CompileError> {
        let CompileRequest { module, func, entry, settings, counts, observed } = *request;
        let refuse = |reason: String| CompileError { func, reason };
        let size = module.body(func).size();
        if size > MAX_BODY {
            return Err(refuse(format!("its body of {size} bytes is larger than the limit")));
        }
        let idle = || self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut scratch = idle().pop().unwrap_or_default();
        let tail = module.needs_tail_convention();
        let convention = if tail { Convention::Tail } else { Convention::Reg };
        let layout = InstanceLayout::new(module);
        let counted = (counts || self.counts).then_some(func);
        let cpu = self.cpu;
        let recorder = observed.now.filter(|_| counts);
        let layout = &layout;
        let input = Input { module, layout, settings, convention, cpu, counted, recorder, entry };
        let compiled = catch_unwind(AssertUnwindSafe(|| compile(input, func, &mut scratch)));
        // After a panic the working memory is in an unknown state: it is dropped.
        let compiled = compiled.map_err(|_| refuse("the compiler failed".to_owned()))?;
        if size <= MAX_KEPT_BODY {
            idle().push(scratch);
        }
        compiled.map_err(refuse)
    }

    fn stack_to_reg(&self, ty: &FuncType) -> FunctionCode {
        adapters::stack_to_reg::<Native>(ty)
    }

    fn reg_to_stack(&self, ty: &FuncType, convention: Convention) -> FunctionCode {
        adapters::reg_to_stack::<Native>(ty, convention)
    }

    fn tail_to_reg(&self, ty: &FuncType) -> FunctionCode {
        adapters::tail_to_reg::<Native>(ty)
    }

    fn bridge(&self, module: &Module, func: FuncIndex, from: Convention) -> FunctionCode {
        adapters::bridge::<Native>(module.func_type(func), func, from)
    }
}
