//! Decides how handlers dispatch: sets `cfg(tail_dispatch)` where tail calls between them are certain, debug assertions apart.
//! Does not decide anything else.

use std::env;

/// LLVM turns a call in tail position between functions of one signature into a jump from optimization level 2 on, if all
/// arguments travel in registers and no debug assertion keeps a frame alive; that last condition a build script cannot see,
/// so the source tests it beside this one. Elsewhere, or with `STERNA_LOOP_DISPATCH=1`, a loop dispatches.
fn main() {
    println!("cargo::rustc-check-cfg=cfg(tail_dispatch)");
    println!("cargo::rerun-if-env-changed=STERNA_LOOP_DISPATCH");
    let var = |name| env::var(name).unwrap_or_default();
    let optimized = matches!(var("OPT_LEVEL").as_str(), "2" | "3");
    let in_registers = match var("CARGO_CFG_TARGET_ARCH").as_str() {
        "x86_64" => var("CARGO_CFG_TARGET_FAMILY") == "unix",
        "aarch64" => true,
        _ => false,
    };
    if optimized && in_registers && var("STERNA_LOOP_DISPATCH") != "1" {
        println!("cargo::rustc-cfg=tail_dispatch");
    }
}
