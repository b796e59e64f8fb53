//! The table of trap codes and their messages.
//! Not here: traps with a backtrace (`runtime`) and errors of the embedding.

macro_rules! define_traps {
    ($($(#[doc = $doc:literal])* $code:ident = $value:literal, $message:literal;)*) => {
        /// Why a guest stopped. One byte in every tier; 0 never is a trap code.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum TrapCode {
            $($(#[doc = $doc])* $code = $value,)*
        }

        impl TrapCode {
            /// Every trap code, in ascending order.
            pub const ALL: &[TrapCode] = &[$(TrapCode::$code),*];

            /// The message, worded as the specification's test suite words it.
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$code => $message,)*
                }
            }

            /// The trap code of a byte, if it is one.
            pub const fn from_byte(byte: u8) -> Option<TrapCode> {
                match byte {
                    $($value => Some(Self::$code),)*
                    _ => None,
                }
            }
        }
    };
}

define_traps! {
    /// `unreachable` was executed.
    Unreachable = 1, "unreachable";
    /// Access outside a linear memory.
    MemoryOutOfBounds = 2, "out of bounds memory access";
    /// Access outside a table, other than by an indirect call.
    TableOutOfBounds = 3, "out of bounds table access";
    /// Indirect call through an index outside the table.
    UndefinedElement = 4, "undefined element";
    /// Indirect call through a null element.
    UninitializedElement = 5, "uninitialized element";
    /// Indirect call to a function of another type.
    IndirectCallTypeMismatch = 6, "indirect call type mismatch";
    /// Division or remainder by zero.
    IntegerDivideByZero = 7, "integer divide by zero";
    /// Quotient or converted float out of range.
    IntegerOverflow = 8, "integer overflow";
    /// Conversion of a NaN to an integer.
    InvalidConversionToInteger = 9, "invalid conversion to integer";
    /// The value stack or the native stack is used up.
    StackOverflow = 10, "call stack exhausted";
    /// Null where a reference of no particular kind is needed (`ref.as_non_null`, casts, throws).
    NullReference = 11, "null reference";
    /// `call_ref` of null.
    NullFunctionReference = 12, "null function reference";
    /// Structure access through null.
    NullStructureReference = 13, "null structure reference";
    /// Array access through null.
    NullArrayReference = 14, "null array reference";
    /// `i31.get` of null.
    NullI31Reference = 15, "null i31 reference";
    /// `throw_ref` of null.
    NullExceptionReference = 16, "null exception reference";
    /// Array access out of range.
    ArrayOutOfBounds = 17, "out of bounds array access";
    /// `ref.cast` to a type that the object does not have.
    CastFailure = 18, "cast failure";
    /// The garbage-collected heap is full even after a collection, or one object is too large for it.
    HeapExhausted = 19, "allocation size too large";
    /// Atomic access to an address that is no multiple of its size.
    UnalignedAtomic = 20, "unaligned atomic";
    /// Atomic wait on a memory that is not shared.
    ExpectedSharedMemory = 21, "expected shared memory";
    /// An exception left the outermost guest function.
    UncaughtException = 22, "uncaught exception";
    /// The host asked the guest to stop.
    Interrupt = 23, "interrupt";
    /// The fuel given to the guest is used up.
    OutOfFuel = 24, "out of fuel";
    /// The time given to the guest is over.
    Timeout = 25, "time limit exceeded";
    /// A limit of the store forbids what the guest did, where the guest cannot be told so.
    LimitExceeded = 26, "resource limit exceeded";
    /// A host function returned an error; the error itself is beside the trap.
    Host = 27, "host function failed";
    /// The program ended through the host (`proc_exit`); the status is beside the trap.
    Exit = 28, "exit";
    /// The function uses something that no tier carries out.
    Unsupported = 29, "not supported";
}

impl std::fmt::Display for TrapCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for TrapCode {}

#[cfg(test)]
mod tests {
    use super::TrapCode;

    #[test]
    fn bytes_round_trip() {
        for &code in TrapCode::ALL {
            assert_eq!(TrapCode::from_byte(code as u8), Some(code));
        }
        assert_eq!(TrapCode::from_byte(0), None);
        assert_eq!((0..=255).filter_map(TrapCode::from_byte).count(), TrapCode::ALL.len());
    }
}
