//! Owns traps: recording one where it happens, with a backtrace, and handing it to whoever called the guest.
//! Does not own how frames are found (`frames`).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use sterna_base::FuncIndex;
use sterna_isa::TrapCode;
use sterna_sys::activation::Activation;

use crate::code::trap_word;
use crate::exception::Exception;
use crate::loaded::LoadedModule;
use crate::store::Store;

/// An error returned by a host function.
pub type HostError = Box<dyn std::error::Error + Send + Sync>;

/// A guest stopped: why and where.
#[derive(Debug)]
pub struct Trap {
    /// Why.
    pub code: TrapCode,
    /// The guest's frames, innermost first, up to the configured number.
    pub frames: Vec<FrameInfo>,
    /// With [`TrapCode::Host`]: the host function's error.
    pub host: Option<HostError>,
    /// With [`TrapCode::UncaughtException`]: the exception.
    pub exception: Option<Exception>,
}

/// A frame of a backtrace. Names and source positions are the module's: whoever prints the frame looks them up.
#[derive(Clone)]
pub struct FrameInfo {
    /// The module.
    pub module: Arc<LoadedModule>,
    /// Index of the function in it.
    pub func: FuncIndex,
    /// Byte offset in it of the operator.
    pub wasm_offset: u32,
}

impl fmt::Debug for FrameInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:#x}", self.func, self.wasm_offset)
    }
}

impl Trap {
    /// A trap without backtrace.
    pub fn bare(code: TrapCode) -> Trap {
        Trap { code, frames: Vec::new(), host: None, exception: None }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(error) => write!(f, "{error}"),
            None => write!(f, "wasm trap: {}", self.code),
        }
    }
}

impl std::error::Error for Trap {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.host.as_ref().map(|error| &**error as _)
    }
}

/// What is known of a trap on its way to the caller.
pub(crate) struct Pending {
    frames: Vec<FrameInfo>,
    host: Option<HostError>,
    panic: Option<Box<dyn Any + Send>>,
}

impl Store {
    /// Records a trap while the guest's frames are still there; the code that called must return to guest code, which unwinds.
    pub(crate) fn set_trap(&mut self, code: TrapCode, host: Option<HostError>) {
        // A trap that passed through nested guest calls keeps the backtrace of its origin.
        let host = match host.map(|error| error.downcast::<Box<Trap>>()) {
            Some(Ok(inner)) => return self.continue_trap(**inner),
            Some(Err(error)) => match error.downcast::<Trap>() {
                Ok(inner) => return self.continue_trap(*inner),
                Err(error) => Some(error),
            },
            None => None,
        };
        self.ctx().activation.trap = trap_word(code);
        let limit = self.engine.settings().backtrace_frames;
        let frames = self.backtrace(limit);
        self.pending = Some(Pending { frames, host, panic: None });
    }

    fn continue_trap(&mut self, trap: Trap) {
        if let Some(exception) = &trap.exception {
            return self.continue_exception(exception, trap.frames);
        }
        self.ctx().activation.trap = trap_word(trap.code);
        let frames = match trap.frames.is_empty() {
            true => self.backtrace(self.engine.settings().backtrace_frames),
            false => trap.frames,
        };
        self.pending = Some(Pending { frames, host: trap.host, panic: None });
    }

    /// Throws an exception out of a host function.
    fn continue_exception(&mut self, exception: &Exception, frames: Vec<FrameInfo>) {
        let Some(exn) = self.exception_object(exception) else {
            return self.set_trap(TrapCode::Host, Some("the exception is of another store".into()));
        };
        self.throw(exn);
        if !frames.is_empty() {
            self.pending = Some(Pending { frames, host: None, panic: None });
        }
    }

    /// A host function panicked: the panic continues in whoever called the guest.
    pub(crate) fn set_panic(&mut self, payload: Box<dyn Any + Send>) {
        self.ctx().activation.trap = trap_word(TrapCode::Host);
        self.pending = Some(Pending { frames: Vec::new(), host: None, panic: Some(payload) });
    }

    /// Takes the trap that ended a call, if one did.
    ///
    /// # Panics
    /// If a host function panicked, with its payload.
    pub(crate) fn take_trap(&mut self) -> Result<(), Box<Trap>> {
        let word = std::mem::take(&mut self.ctx().activation.trap);
        if word == 0 {
            return Ok(());
        }
        let byte = u8::try_from(word).expect("trap codes are bytes");
        let code = TrapCode::from_byte(byte).expect("only trap codes are ever stored");
        let pending = self.pending.take();
        let (frames, host) = match pending {
            Some(Pending { panic: Some(payload), .. }) => std::panic::resume_unwind(payload),
            Some(Pending { frames, host, .. }) => (frames, host),
            None if code == TrapCode::UncaughtException => (self.origin(), None),
            None => (Vec::new(), None),
        };
        let exception = self.take_exception();
        Err(Box::new(Trap { code, frames, host, exception }))
    }
}

/// Installed with the signal handler: runs on the guest stack after a hardware trap, before compiled frames are cut off.
pub(crate) unsafe extern "C" fn hardware_trap(activation: *mut Activation) {
    // SAFETY: the activation is the first field of the store's context, and that store's guest code just trapped.
    let store = unsafe { Store::from_ctx(activation.cast()) };
    let word = store.ctx().activation.trap;
    if let Some(code) = u8::try_from(word).ok().and_then(TrapCode::from_byte) {
        store.set_trap(code, None);
    }
}
