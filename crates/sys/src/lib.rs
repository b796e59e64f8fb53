//! Owns all operating-system and CPU specifics: address space, executable memory, guest stacks, the assembly between
//! compiled code and Rust, hardware traps, the clock.
//! Does not know WebAssembly: no instance, memory or function is named here.
//!
//! Everything outside the `arch` module is independent of the CPU, everything outside this crate independent of the system.
//! Supported: Linux on x86-64 (tested) and aarch64; macOS and other unixes as far as their calls agree.

#[cfg(not(unix))]
compile_error!(
    "sterna-sys supports unix systems only (Linux first): this target needs its own vm, stack and signal code"
);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!(
    "sterna-sys supports x86-64 and aarch64 only: this target needs its own module in sterna-sys/src/arch"
);

pub mod activation;
#[cfg_attr(target_arch = "x86_64", path = "arch/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arch/aarch64.rs")]
mod arch;
pub mod code;
pub mod cpu;
pub mod private;
pub mod process;
pub mod racy;
pub mod signal;
pub mod stack;
pub mod vm;
