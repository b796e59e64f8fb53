//! Owns the format of ahead-of-time artifacts: sections behind a checksummed header, and why one is refused.
//! Does not own what becomes of the sections (`artifact_module`).
//!
//! ```text
//! magic (8) | version (4) | checksum of all that follows (8) | length of each section (8 each)
//! fingerprint | options | wasm | tables | adapter code | adapter tables | relocations | profile | zeros up to a page | code
//! ```
//! An entry of a code cache is an artifact without the module, and with what it takes to add to its code (`partial`); a whole
//! module's artifact has no relocations and no profile.
//!
//! Numbers are little-endian. Everything is read where it lies, whatever its alignment; only the code section is aligned,
//! because it is mapped.
//!
//! The checksum finds damage, not malice: whoever can write an artifact can write the machine code in it. XXH3 is used
//! because a file is checked at every start: at five times the speed of BLAKE3 (50 against 10 GB/s on one core of a server)
//! the check of 10 MiB takes 0.2 ms, less than reading them from the page cache.

use std::ops::Range;

use sterna_abi::CodeSettings;
use sterna_isa::FeatureSet;
use sterna_module::BodyFacts;
use twox_hash::XxHash3_64;

/// The first bytes of an artifact: no text, and damaged by a transfer as text.
const MAGIC: [u8; 8] = *b"\x89STERNA\n";
/// Changes with the format described here and with the form of site tables. What code expects of the runtime is part
/// of the fingerprint instead.
const VERSION: u32 = 8;

/// Bytes before what the checksum covers.
const UNCHECKED: usize = MAGIC.len() + 4 + 8;
const HEADER: usize = UNCHECKED + SECTIONS * 8;
/// Alignment of the code section in the file: the largest page size in use.
const CODE_ALIGN: usize = if cfg!(target_arch = "x86_64") { 4 << 10 } else { 64 << 10 };

/// The sections, in order.
#[derive(Clone, Copy)]
pub(crate) enum Section {
    /// What produced the code and for which machine, as text.
    Fingerprint,
    /// [`Options`].
    Options,
    /// The module's binary.
    Wasm,
    /// Site tables of the code.
    Tables,
    /// Adapters for the module's types.
    AdapterCode,
    /// Their site tables.
    AdapterTables,
    /// Calls in the code, so that it can be linked once more.
    Relocs,
    /// What was seen of the program.
    Profile,
    /// Bodies, bridges and stubs.
    Code,
}

const SECTIONS: usize = Section::Code as usize + 1;

/// Why an artifact cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It is something else.
    #[error("not a precompiled module")]
    NotAnArtifact,
    /// It has another format.
    #[error(
        "precompiled in format {found}, this version reads format {expected}: compile it again"
    )]
    WrongVersion {
        /// Its version of the format.
        found: u32,
        /// The version that is read.
        expected: u32,
    },
    /// Another build or another kind of processor is needed to run it.
    #[error(
        "precompiled by another version, for another kind of processor, or with other passes: compile it again"
    )]
    WrongFingerprint {
        /// What it was compiled by and for.
        found: String,
        /// What would compile it here.
        expected: String,
    },
    /// Settings of the engine differ from those it was compiled with.
    #[error("precompiled with other settings ({0}): compile it again")]
    WrongSettings(&'static str),
    /// Its bytes have changed since it was made.
    #[error("the precompiled module is damaged: {0}")]
    Corrupted(&'static str),
    /// The engine has no compiler, so it runs no compiled code.
    #[error("compiled code is neither made nor run by an engine without a compiler")]
    NoCompiler,
    /// The engine has too many types already.
    #[error(transparent)]
    Types(#[from] crate::types::TypesError),
    /// The system has no memory or address space for it, or cannot read it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Whether bytes (a prefix is enough) claim to be an artifact.
pub fn is_artifact(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Settings that code depends on, and facts about the module that are found by validation only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) code: CodeSettings,
    /// Bits of the features that the module was validated with.
    pub(crate) features: u32,
    pub(crate) facts: BodyFacts,
}

impl Options {
    const SIZE: usize = 19;

    fn to_bytes(self) -> [u8; Options::SIZE] {
        let CodeSettings {
            explicit_checks,
            guard_bytes,
            deterministic,
            capture_state,
            interruptible,
        } = self.code;
        let mut bytes = [0; Options::SIZE];
        let BodyFacts { has_tail_calls, has_handlers, writes_tables } = self.facts;
        let flags = [
            explicit_checks,
            deterministic,
            capture_state,
            interruptible,
            has_tail_calls,
            has_handlers,
            writes_tables,
        ];
        bytes[..7].copy_from_slice(&flags.map(u8::from));
        bytes[7..15].copy_from_slice(&guard_bytes.to_le_bytes());
        bytes[15..].copy_from_slice(&self.features.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Options> {
        let (flags, rest) = bytes.split_first_chunk::<7>()?;
        let (guard, features) = rest.split_first_chunk()?;
        let flag = |at| flags[at] != 0;
        Some(Options {
            code: CodeSettings {
                explicit_checks: flag(0),
                guard_bytes: u64::from_le_bytes(*guard),
                deterministic: flag(1),
                capture_state: flag(2),
                interruptible: flag(3),
            },
            facts: BodyFacts {
                has_tail_calls: flag(4),
                has_handlers: flag(5),
                writes_tables: flag(6),
            },
            features: u32::from_le_bytes(features.try_into().ok()?),
        })
    }

    /// Checks that an engine runs code compiled with these options.
    pub(crate) fn check(
        &self,
        code: &CodeSettings,
        features: &FeatureSet,
    ) -> Result<(), ArtifactError> {
        let (own, its) = (code, &self.code);
        let differs = [
            (own.explicit_checks != its.explicit_checks, "explicit checks instead of signals"),
            (own.guard_bytes != its.guard_bytes, "guard size of memories"),
            (own.deterministic != its.deterministic, "deterministic results"),
            (own.capture_state != its.capture_state, "state capture"),
            // Code that can be interrupted also serves where nobody interrupts.
            (own.interruptible && !its.interruptible, "interruption"),
            (self.features & !features.bits() != 0, "WebAssembly features"),
        ];
        match differs.into_iter().find(|(differs, _)| *differs) {
            Some((_, what)) => Err(ArtifactError::WrongSettings(what)),
            None => Ok(()),
        }
    }
}

/// What is written behind fingerprint and options, by [`Section`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Contents<'a> {
    pub(crate) wasm: &'a [u8],
    pub(crate) tables: &'a [u8],
    pub(crate) adapter_code: &'a [u8],
    pub(crate) adapter_tables: &'a [u8],
    pub(crate) relocs: &'a [u8],
    pub(crate) profile: &'a [u8],
    pub(crate) code: &'a [u8],
}

/// Writes an artifact.
pub(crate) fn write(fingerprint: &str, options: Options, contents: Contents<'_>) -> Vec<u8> {
    let options = options.to_bytes();
    let Contents { wasm, tables, adapter_code, adapter_tables, relocs, profile, code } = contents;
    let fingerprint = fingerprint.as_bytes();
    let sections: [&[u8]; SECTIONS] =
        [fingerprint, &options, wasm, tables, adapter_code, adapter_tables, relocs, profile, code];
    let size = sections.iter().map(|section| section.len()).sum::<usize>();
    let mut file = Vec::with_capacity(HEADER + size + CODE_ALIGN);
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&[0; 8]);
    for section in sections {
        file.extend_from_slice(&(section.len() as u64).to_le_bytes());
    }
    for (at, section) in sections.into_iter().enumerate() {
        if at == Section::Code as usize {
            file.resize(file.len().next_multiple_of(CODE_ALIGN), 0);
        }
        file.extend_from_slice(section);
    }
    let checksum = XxHash3_64::oneshot(&file[UNCHECKED..]);
    file[UNCHECKED - 8..UNCHECKED].copy_from_slice(&checksum.to_le_bytes());
    file
}

/// Where the sections of a checked artifact are.
#[derive(Debug)]
pub(crate) struct Artifact {
    sections: [Range<usize>; SECTIONS],
    pub(crate) options: Options,
}

impl Artifact {
    /// Checks that `file` is an undamaged artifact made by and for `fingerprint`.
    pub(crate) fn read(file: &[u8], fingerprint: &str) -> Result<Artifact, ArtifactError> {
        let rest = file.strip_prefix(&MAGIC).ok_or(ArtifactError::NotAnArtifact)?;
        let cut = ArtifactError::Corrupted("it is cut off");
        let Some((version, rest)) = rest.split_first_chunk() else { return Err(cut) };
        let found = u32::from_le_bytes(*version);
        if found != VERSION {
            return Err(ArtifactError::WrongVersion { found, expected: VERSION });
        }
        let Some((checksum, rest)) = rest.split_first_chunk() else { return Err(cut) };
        let sections = sections(file).ok_or(cut)?;
        if XxHash3_64::oneshot(rest) != u64::from_le_bytes(*checksum) {
            return Err(ArtifactError::Corrupted("its checksum does not match"));
        }
        let found = &file[sections[Section::Fingerprint as usize].clone()];
        if found != fingerprint.as_bytes() {
            return Err(ArtifactError::WrongFingerprint {
                found: String::from_utf8_lossy(found).into_owned(),
                expected: fingerprint.to_owned(),
            });
        }
        let options = Options::from_bytes(&file[sections[Section::Options as usize].clone()]);
        let options = options.ok_or(ArtifactError::Corrupted("it has no options"))?;
        Ok(Artifact { sections, options })
    }

    /// Where a section is in the file.
    pub(crate) fn range(&self, section: Section) -> Range<usize> {
        self.sections[section as usize].clone()
    }
}

/// Ranges of the sections; `None` if they do not end where the file ends.
fn sections(file: &[u8]) -> Option<[Range<usize>; SECTIONS]> {
    let mut lengths = file.get(UNCHECKED..HEADER)?.chunks_exact(8);
    let mut end = HEADER;
    let sections = std::array::from_fn(|at| {
        let len = lengths.next().and_then(|len| len.try_into().ok()).map_or(0, u64::from_le_bytes);
        let start = match at == Section::Code as usize {
            true => end.checked_next_multiple_of(CODE_ALIGN).unwrap_or(end),
            false => end,
        };
        end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        start..end
    });
    (end == file.len()).then_some(sections)
}

#[cfg(test)]
#[path = "artifact_tests.rs"]
mod tests;
