//! Owns `Trap` and the guest's backtrace as an embedder sees them.
//! Does not own recording them (the runtime does) nor source positions (`source`).

use std::fmt;
use std::sync::{Arc, OnceLock};

use sterna_isa::TrapCode;
use sterna_runtime as rt;
use sterna_runtime::LoadedModule;

use crate::exception::Exception;
use crate::module::Module;
use crate::source::{SourceFrame, Sources};

/// A guest stopped: why and where. Found in an [`Error`](crate::Error) by `error.downcast_ref::<Trap>()`.
///
/// A host function may return one, too: `Err(Trap::new(TrapCode::Unreachable).into())`.
#[derive(Clone)]
pub struct Trap {
    code: TrapCode,
    backtrace: Backtrace,
    exception: Option<Exception>,
}

impl Trap {
    /// A trap to be raised by a host function, which gives it the backtrace.
    pub fn new(code: TrapCode) -> Trap {
        Trap::from_parts(code, Backtrace::default(), None)
    }

    pub(crate) fn from_parts(
        code: TrapCode,
        backtrace: Backtrace,
        exception: Option<Exception>,
    ) -> Trap {
        Trap { code, backtrace, exception }
    }

    /// What the runtime takes for a thrown exception.
    pub(crate) fn uncaught(exception: &Exception, frames: Option<Vec<rt::FrameInfo>>) -> rt::Trap {
        rt::Trap {
            code: TrapCode::UncaughtException,
            frames: frames.unwrap_or_default(),
            host: None,
            exception: Some(exception.to_runtime()),
        }
    }

    pub(crate) fn into_runtime(self) -> rt::Trap {
        rt::Trap {
            code: self.code,
            frames: self.backtrace.to_runtime(),
            host: None,
            exception: self.exception.as_ref().map(Exception::to_runtime),
        }
    }

    /// Why.
    pub fn code(&self) -> TrapCode {
        self.code
    }

    /// With [`TrapCode::UncaughtException`]: the exception.
    pub fn exception(&self) -> Option<&Exception> {
        self.exception.as_ref()
    }

    /// The guest's frames, innermost first, up to `Config::backtrace_frames` of them.
    pub fn frames(&self) -> &[FrameInfo] {
        self.backtrace.frames()
    }

    /// The same, printable.
    pub fn backtrace(&self) -> &Backtrace {
        &self.backtrace
    }
}

impl fmt::Display for Trap {
    /// `wasm trap: ` and the reason; then the backtrace if there is one, a line or two per frame.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wasm trap: {}", self.code)?;
        match self.backtrace.is_empty() {
            true => Ok(()),
            false => write!(f, "\n{}", self.backtrace),
        }
    }
}

impl fmt::Debug for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Trap {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.exception.as_ref().map(|exception| exception as _)
    }
}

impl From<TrapCode> for Trap {
    fn from(code: TrapCode) -> Trap {
        Trap::new(code)
    }
}

/// The guest's frames at some moment, innermost first. Names and source positions are looked up when it is first looked at.
#[derive(Clone, Default)]
pub struct Backtrace {
    recorded: Box<[rt::FrameInfo]>,
    frames: OnceLock<Box<[FrameInfo]>>,
}

impl Backtrace {
    pub(crate) fn new(recorded: Vec<rt::FrameInfo>) -> Backtrace {
        Backtrace { recorded: recorded.into(), frames: OnceLock::new() }
    }

    pub(crate) fn to_runtime(&self) -> Vec<rt::FrameInfo> {
        self.recorded.to_vec()
    }

    /// Whether no frame was recorded.
    pub fn is_empty(&self) -> bool {
        self.recorded.is_empty()
    }

    /// The frames.
    pub fn frames(&self) -> &[FrameInfo] {
        self.frames.get_or_init(|| {
            // Few modules take part in a backtrace, often only one.
            let mut modules: Vec<(&Arc<LoadedModule>, Sources<'_>)> = Vec::new();
            let mut frames = Vec::with_capacity(self.recorded.len());
            for frame in &self.recorded {
                let known = modules.iter().position(|(known, _)| Arc::ptr_eq(known, &frame.module));
                let at = known.unwrap_or_else(|| {
                    modules.push((&frame.module, Sources::new(frame.module.debug_info())));
                    modules.len() - 1
                });
                let sources = modules[at].1.at(frame.wasm_offset);
                frames.push(FrameInfo { frame: frame.clone(), sources });
            }
            frames.into()
        })
    }
}

impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wasm backtrace:")?;
        let mut frames = self.frames().iter().enumerate();
        frames.try_for_each(|(at, frame)| write!(f, "\n{at:>5}: {frame}"))
    }
}

impl fmt::Debug for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A frame of a backtrace.
#[derive(Clone)]
pub struct FrameInfo {
    frame: rt::FrameInfo,
    sources: Vec<SourceFrame>,
}

impl FrameInfo {
    /// The module.
    pub fn module(&self) -> Module {
        Module::from_loaded(self.frame.module.clone())
    }

    /// The module's name from its name section.
    pub fn module_name(&self) -> Option<&str> {
        self.frame.module.module().names().module()
    }

    /// Index of the function in its module, imports counted.
    pub fn func_index(&self) -> u32 {
        self.frame.func.as_u32()
    }

    /// The function's name from the name section.
    pub fn func_name(&self) -> Option<&str> {
        self.frame.module.module().names().func(self.frame.func)
    }

    /// Byte offset in the module of the operator being executed: for outer frames, the call.
    pub fn wasm_offset(&self) -> u32 {
        self.frame.wasm_offset
    }

    /// The same, from the start of the function's body.
    pub fn func_offset(&self) -> u32 {
        let body = self.frame.module.module().body(self.frame.func).offset();
        self.frame.wasm_offset.saturating_sub(body)
    }

    /// Where in the source code, from the module's DWARF sections: innermost inlined function first; empty if there are no such
    /// sections or they do not tell.
    pub fn sources(&self) -> &[SourceFrame] {
        &self.sources
    }
}

impl fmt::Display for FrameInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let module = self.module_name().unwrap_or("<unknown>");
        write!(f, "{:#8x} - {module}!", self.wasm_offset())?;
        match self.func_name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "<wasm function {}>", self.func_index())?,
        }
        self.sources.iter().try_for_each(|source| write!(f, "\n{:>18}{source}", ""))
    }
}

impl fmt::Debug for FrameInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
