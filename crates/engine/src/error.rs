//! Owns `Error`, the one error type of this API, and its way through guest frames and back.
//! Does not own the causes: traps, link errors, module errors and whatever host functions return.

use std::error::Error as StdError;
use std::fmt;

use sterna_isa::TrapCode;
use sterna_runtime as rt;

use crate::exception::Exception;
use crate::trap::{Backtrace, Trap};

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Anything that can go wrong, as one pointer: a cause of any error type, and what was being done when it happened.
///
/// Every `std::error::Error` converts into it with `?`, and [`Error::downcast_ref`] finds it again. An error that a host
/// function returns comes out of the call of the guest as itself, however many guest frames are in between; a trap comes
/// out as a [`Trap`].
///
/// `{}` prints the outermost message, `{:#}` the whole chain in one line, `{:?}` the chain and the guest's backtrace.
pub struct Error(Box<Inner>);

struct Inner {
    cause: Box<dyn StdError + Send + Sync>,
    /// Innermost first.
    contexts: Vec<String>,
    /// Where in the guest a host function was called that failed.
    backtrace: Option<Backtrace>,
}

/// An error that is only a message.
#[derive(Debug)]
struct Message(String);

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Message {}

/// An [`Error`] on its way through the runtime, which carries `std` errors.
#[derive(Debug)]
struct Carried(Error);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for Carried {}

impl Error {
    /// An error with a cause.
    pub fn new(cause: impl StdError + Send + Sync + 'static) -> Error {
        Error::from_boxed(Box::new(cause))
    }

    /// An error that is only a message.
    pub fn msg(message: impl fmt::Display) -> Error {
        Error::new(Message(message.to_string()))
    }

    fn from_boxed(cause: Box<dyn StdError + Send + Sync>) -> Error {
        Error(Box::new(Inner { cause, contexts: Vec::new(), backtrace: None }))
    }

    /// Adds what was being done. It becomes what `{}` prints; the cause stays what it is.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Error {
        self.0.contexts.push(doing.to_string());
        self
    }

    /// The cause, or the first of its sources, that is an `E`.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.causes().find_map(|cause| cause.downcast_ref())
    }

    /// The cause itself, if it is an `E`.
    ///
    /// # Errors
    /// This error unchanged, if it is not.
    pub fn downcast<E: StdError + Send + Sync + 'static>(self) -> Result<E, Error> {
        let Inner { cause, contexts, backtrace } = *self.0;
        match cause.downcast() {
            Ok(found) => Ok(*found),
            Err(cause) => Err(Error(Box::new(Inner { cause, contexts, backtrace }))),
        }
    }

    /// Whether [`Error::downcast_ref`] finds an `E`.
    pub fn is<E: StdError + 'static>(&self) -> bool {
        self.downcast_ref::<E>().is_some()
    }

    /// Where the guest was: of a trap, or of the call of a host function that failed.
    pub fn backtrace(&self) -> Option<&Backtrace> {
        let trap = || self.downcast_ref::<Trap>().map(Trap::backtrace);
        self.0.backtrace.as_ref().or_else(trap).filter(|backtrace| !backtrace.is_empty())
    }

    /// The cause without its contexts, then its sources.
    pub fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        let first: &(dyn StdError + 'static) = &*self.0.cause;
        std::iter::successors(Some(first), |&cause| cause.source())
    }

    /// The innermost source.
    pub fn root_cause(&self) -> &(dyn StdError + 'static) {
        self.causes().last().unwrap_or(&*self.0.cause)
    }

    /// For the runtime, out of a host function.
    pub(crate) fn into_host(self) -> rt::HostError {
        if self.0.contexts.is_empty() && self.0.cause.is::<Trap>() {
            return match self.downcast::<Trap>() {
                Ok(trap) => Box::new(trap.into_runtime()),
                Err(error) => Box::new(Carried(error)),
            };
        }
        if let Some(exception) = self.downcast_ref::<Exception>() {
            let backtrace = self.backtrace().map(Backtrace::to_runtime);
            return Box::new(Trap::uncaught(exception, backtrace));
        }
        match &self.0.backtrace {
            // It has passed through guest frames already: the innermost backtrace is the one to keep.
            Some(backtrace) => Box::new(rt::Trap {
                code: TrapCode::Host,
                frames: backtrace.to_runtime(),
                host: Some(Box::new(Carried(self))),
                exception: None,
            }),
            None => Box::new(Carried(self)),
        }
    }

    /// From the runtime, out of a guest.
    #[cold]
    #[expect(clippy::boxed_local, reason = "one word in the result of every call")]
    pub(crate) fn from_trap(trap: Box<rt::Trap>) -> Error {
        let rt::Trap { code, frames, host, exception } = *trap;
        let backtrace = Backtrace::new(frames);
        let exception = exception.map(Exception::from_runtime);
        let Some(host) = host else {
            return Error::new(Trap::from_parts(code, backtrace, exception));
        };
        let mut error = match host.downcast::<Carried>() {
            Ok(carried) => carried.0,
            Err(other) => Error::from_boxed(other),
        };
        error.0.backtrace.get_or_insert(backtrace);
        error
    }

    /// From the runtime, out of an instantiation.
    pub(crate) fn from_link(error: rt::LinkError) -> Error {
        match error {
            rt::LinkError::Trap(trap) => Error::from_trap(trap),
            other => Error::new(other),
        }
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(cause: E) -> Error {
        Error::new(cause)
    }
}

impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        Box::new(Carried(error))
    }
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        Box::new(Carried(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut messages = self.0.contexts.iter().rev();
        if !f.alternate() {
            return match messages.next() {
                Some(outermost) => f.write_str(outermost),
                None => self.0.cause.fmt(f),
            };
        }
        messages.try_for_each(|message| write!(f, "{message}: "))?;
        let mut causes = self.causes();
        if let Some(first) = causes.next() {
            write!(f, "{first}")?;
        }
        causes.try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contexts = self.0.contexts.iter().rev().map(String::to_string);
        let mut messages = contexts.chain(self.causes().map(|cause| cause.to_string()));
        f.write_str(&messages.next().unwrap_or_default())?;
        for (at, message) in messages.enumerate() {
            f.write_str(if at == 0 { "\n\nCaused by:" } else { "" })?;
            write!(f, "\n    {}", message.replace('\n', "\n    "))?;
        }
        match &self.0.backtrace {
            Some(backtrace) if !backtrace.is_empty() => write!(f, "\n\n{backtrace}"),
            _ => Ok(()),
        }
    }
}
