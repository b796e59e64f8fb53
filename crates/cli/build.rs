//! Owns how the `sterna` binary is linked: statically where the C library allows it.
//! Does not touch libraries or tests; anywhere it cannot work the usual dynamic binary comes out.
//!
//! Loading and relocating shared libraries is 0.3 ms of a start that should take 1 ms. Rust links the GNU C library
//! statically only for an explicit `--target`, which would move the binary and build every shared dependency twice. So the
//! libraries that rustc asks for by name are redirected to their static form by linker scripts found first.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Name that rustc asks for, and the archives it becomes. The C library has long swallowed the empty ones.
const REDIRECTED: [(&str, &[&str]); 7] = [
    ("gcc_s", &["libgcc_eh.a", "libgcc.a"]),
    ("c", &["libc.a"]),
    ("m", &["libm.a"]),
    ("pthread", &[]),
    ("rt", &[]),
    ("dl", &[]),
    ("util", &[]),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if is_native_gnu_linux()
        && REDIRECTED
            .iter()
            .flat_map(|(_, archives)| *archives)
            .all(|archive| is_installed(archive))
    {
        redirect(Path::new(&variable("OUT_DIR")));
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn is_native_gnu_linux() -> bool {
    let native = variable("HOST") == variable("TARGET");
    let dynamic =
        !variable("CARGO_CFG_TARGET_FEATURE").split(',').any(|feature| feature == "crt-static");
    native
        && dynamic
        && variable("CARGO_CFG_TARGET_OS") == "linux"
        && variable("CARGO_CFG_TARGET_ENV") == "gnu"
}

/// The compiler driver answers with a path when it finds the archive, with the bare name otherwise.
fn is_installed(archive: &str) -> bool {
    let linker = std::env::var("RUSTC_LINKER").unwrap_or_else(|_| "cc".to_owned());
    let output = Command::new(linker).arg(format!("-print-file-name={archive}")).output();
    output
        .is_ok_and(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()).is_file())
}

fn redirect(folder: &Path) {
    for (name, archives) in REDIRECTED {
        let inputs: String =
            archives.iter().map(|archive| format!("INPUT(-l:{archive})\n")).collect();
        let script = format!("/* GNU ld script */\n{inputs}");
        if let Err(error) = std::fs::write(folder.join(format!("lib{name}.so")), script) {
            println!("cargo:warning=linking dynamically: {error}");
            return;
        }
    }
    println!("cargo:rustc-link-arg-bin=sterna=-L{}", folder.display());
    println!("cargo:rustc-link-arg-bin=sterna=-static-pie");
    println!("cargo:rustc-link-arg-bin=sterna=-Wl,-z,pack-relative-relocs");
}
