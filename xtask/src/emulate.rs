//! Owns running tests for a machine that this one is not: which tools that takes, and how cargo is told about them.
//! Does not own the tests.

use std::path::PathBuf;
use std::process::Command;

/// A target, its linker and its emulator.
pub struct Emulator {
    target: &'static str,
    linker: &'static str,
    runner: String,
}

/// 64-bit ARM on Linux. Any recent rustc with the target's standard library does; `RUSTC` names another one.
///
/// # Errors
/// A tool that is missing, and where it comes from.
pub fn aarch64() -> Result<Emulator, String> {
    const LINKER: &str = "aarch64-linux-gnu-gcc";
    const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
    let emulator = std::env::var("QEMU_AARCH64").unwrap_or_else(|_| "qemu-aarch64".into());
    for (tool, package) in [(LINKER, "gcc-aarch64-linux-gnu"), (&emulator, "qemu-user 8 or later")]
    {
        find(tool).ok_or_else(|| {
            format!(
                "{tool} is not here; Debian has it in {package} (QEMU_AARCH64 may name another)"
            )
        })?;
    }
    let target = "aarch64-unknown-linux-gnu";
    Ok(Emulator { target, linker: LINKER, runner: format!("{emulator} -L {LIBRARIES}") })
}

impl Emulator {
    /// Adds what makes a cargo command build for the target and run there.
    pub fn apply(&self, command: &mut Command) {
        let variable = self.target.to_uppercase().replace('-', "_");
        command
            .args(["--target", self.target])
            .env(format!("CARGO_TARGET_{variable}_LINKER"), self.linker)
            .env(format!("CARGO_TARGET_{variable}_RUNNER"), &self.runner);
    }
}

/// A program, by path or on PATH.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
