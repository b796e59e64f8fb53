//! Owns the list of benchmark programs (`programs.toml`) and where their files are.
//! Does not run them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::results::Suite;

/// One benchmark program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    pub name: String,
    /// A few words on what it exercises.
    pub what: String,
    /// Which suite it belongs to.
    #[serde(default = "run_suite")]
    pub suite: Suite,
    /// Iterations for native and compiled code.
    pub rounds: u64,
    /// Iterations for interpreters.
    #[serde(default)]
    pub rounds_interp: u64,
}

fn run_suite() -> Suite {
    Suite::Run
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    program: Vec<Program>,
}

impl Program {
    /// The module, below the bench folder.
    pub fn module(&self, bench: &Path) -> PathBuf {
        let folder = if self.suite == Suite::Run { "programs" } else { "programs/gc" };
        bench.join(folder).join(format!("{}.wasm", self.name))
    }
}

/// Reads `programs.toml` of the bench folder and keeps those of `suite` that are named in `only` (all, if it is empty).
pub fn load(bench: &Path, suite: Suite, only: &[String]) -> Result<Vec<Program>, String> {
    let path = bench.join("programs.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut list: List = toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let suite = if suite == Suite::Long { Suite::Run } else { suite };
    list.program.retain(|program| program.suite == suite);
    if let Some(name) = only.iter().find(|n| list.program.iter().all(|p| p.name != **n)) {
        let known: Vec<_> = list.program.iter().map(|p| p.name.as_str()).collect();
        return Err(format!("no program `{name}`; there are {}", known.join(", ")));
    }
    Ok(list.program.into_iter().filter(|p| only.is_empty() || only.contains(&p.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_source_and_module() {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        for program in load(bench, Suite::Run, &[]).unwrap() {
            let module = program.module(bench);
            assert!(module.exists(), "{} is missing: run build.sh", module.display());
            let source = std::fs::read_to_string(module.with_extension("c")).unwrap();
            let rounds = format!("default_rounds = {};", program.rounds);
            assert!(
                source.contains(&rounds),
                "{}: the source does not say `{rounds}`",
                program.name
            );
        }
    }

    #[test]
    fn programs_on_objects_have_source_and_module() {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        let programs = load(bench, Suite::Gc, &[]).unwrap();
        assert!(programs.len() >= 6);
        for program in programs {
            let module = program.module(bench);
            assert!(module.exists() && module.with_extension("wat").exists(), "{}", program.name);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(load(bench, Suite::Run, &["nobdy".to_owned()]).unwrap_err().contains("nbody"));
    }
}
