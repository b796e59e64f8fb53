//! Owns the choice of target and Cranelift settings.
//! Does not depend on guest code.

use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};

/// Why there is no compiler for a target.
#[derive(Clone, Debug)]
pub struct TargetError(String);

impl std::fmt::Display for TargetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the optimizing tier cannot compile for this target: {}", self.0)
    }
}

impl std::error::Error for TargetError {}

/// Two forms of one target: frames of the second can be unwound register by register.
pub(crate) struct Target {
    /// For functions that need no more than the frame pointer chain.
    pub plain: OwnedTargetIsa,
    /// With unwind information: callers may keep recorded state in callee-saved registers, so where a frame saves them must be known.
    pub unwind: OwnedTargetIsa,
}

impl Target {
    /// The machine this runs on, with all its features.
    pub fn native() -> Result<Target, TargetError> {
        Target::new(|| {
            cranelift_native::builder().map_err(|message| TargetError(message.to_owned()))
        })
    }

    /// Another machine, by target triple, without optional features.
    pub fn named(triple: &str) -> Result<Target, TargetError> {
        Target::new(|| isa::lookup_by_name(triple).map_err(|error| TargetError(error.to_string())))
    }

    fn new(builder: impl Fn() -> Result<isa::Builder, TargetError>) -> Result<Target, TargetError> {
        let make = |unwind: bool| {
            let isa = builder()?.finish(flags(unwind));
            isa.map_err(|error| TargetError(error.to_string()))
        };
        Ok(Target { plain: make(false)?, unwind: make(true)? })
    }

    /// Everything about the target that decides what code comes out.
    pub fn fingerprint(&self) -> String {
        let isa = &self.plain;
        let flags = isa.flags().iter().map(|value| value.to_string());
        let features = isa.isa_flags().into_iter().map(|value| value.to_string());
        let all: Vec<_> = flags.chain(features).collect();
        format!("cranelift {} {} {}", cranelift_codegen::VERSION, isa.triple(), all.join(" "))
    }
}

fn flags(unwind: bool) -> settings::Flags {
    let mut builder = settings::builder();
    let verify = cfg!(debug_assertions);
    let mut set = |name: &str, value: &str| {
        builder.set(name, value).expect("the setting exists in the pinned version")
    };
    set("opt_level", "speed");
    set("preserve_frame_pointers", "true");
    set("enable_probestack", "false");
    set("enable_table_access_spectre_mitigation", "true");
    set("unwind_info", if unwind { "true" } else { "false" });
    set("enable_verifier", if verify { "true" } else { "false" });
    settings::Flags::new(builder)
}
