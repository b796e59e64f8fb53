//! Owns the list of engines (`engines.toml`): which exist here, and the command lines made from their templates.
//! Does not start anything but `--version`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::process::{self, Invocation};

/// Who is compared with whom.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// The program compiled for the machine.
    Native,
    /// Runs compiled code.
    Compiled,
    /// Interprets: smaller iteration counts.
    Interpreter,
    /// Takes no part in the `run` suite.
    Startup,
}

/// One entry of `engines.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    pub name: String,
    pub class: Class,
    bins: Vec<String>,
    version: String,
    #[serde(default)]
    optional: bool,
    pub compile: Option<String>,
    pub run: Option<String>,
    pub cold: Option<String>,
    /// As `cold`, with what an earlier run left in the engine's cache.
    pub warm: Option<String>,
    /// Runs an artifact and then prints the pauses of collections.
    pub pauses: Option<String>,
    #[serde(default)]
    dir: String,
    #[serde(default)]
    env: String,
    /// Commands for programs that import more than WASI.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
    /// The binary that was found.
    #[serde(skip)]
    bin: String,
    /// First line of its version output.
    #[serde(skip)]
    pub version_line: String,
}

/// The engines ratios are relative to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    pub compiled: String,
    pub interpreter: String,
    pub startup: String,
    pub sizes: String,
    pub compile: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    baseline: Baseline,
    engine: Vec<Engine>,
}

/// The engines of this machine.
pub struct Engines {
    pub baseline: Baseline,
    pub found: Vec<Engine>,
    /// Names of those whose binary is not here.
    pub missing: Vec<String>,
}

/// Where things are, and what the user said about it.
pub struct Places {
    /// The bench folder.
    pub bench: PathBuf,
    /// `NAME=PATH` overrides of engine binaries.
    pub bins: BTreeMap<String, String>,
}

impl Places {
    fn root(&self) -> PathBuf {
        self.bench.parent().map_or_else(|| PathBuf::from(".."), Path::to_path_buf)
    }

    fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.root().join("target"), PathBuf::from)
    }
}

/// What the templates speak of. Fields without meaning for a command stay empty.
#[derive(Clone, Default)]
pub struct Subject {
    pub wasm: PathBuf,
    pub out: PathBuf,
    pub args: Vec<String>,
    /// Host and guest paths of preopened folders.
    pub dirs: Vec<(String, String)>,
    pub env: Vec<(String, String)>,
}

impl Engine {
    /// The command of `template` for `subject`, one word per element.
    pub fn command(&self, template: &str, places: &Places, subject: &Subject) -> Vec<String> {
        let mut words = Vec::new();
        for word in template.split_whitespace() {
            match word {
                "{args}" => words.extend(subject.args.iter().cloned()),
                "{dirs}" => {
                    for (host, guest) in &subject.dirs {
                        words.extend(fill(&self.dir, &[("{host}", host), ("{guest}", guest)]));
                    }
                }
                "{env}" => {
                    for (name, value) in &subject.env {
                        words.extend(fill(&self.env, &[("{pair}", &format!("{name}={value}"))]));
                    }
                }
                _ => words.push(self.expand(word, places, subject)),
            }
        }
        words
    }

    fn expand(&self, word: &str, places: &Places, subject: &Subject) -> String {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let own = std::env::current_exe().unwrap_or_default();
        word.replace("{bin}", &self.bin)
            .replace("{self}", &text(&own))
            .replace("{folder}", &text(subject.wasm.parent().unwrap_or(Path::new("."))))
            .replace("{root}", &text(&places.root()))
            .replace("{source}", &text(&subject.wasm.with_extension("c")))
            .replace("{wasm}", &text(&subject.wasm))
            .replace("{out}", &text(&subject.out))
    }

    /// Whether the engine can be given the folders and variables of `subject` at all.
    pub fn accepts(&self, subject: &Subject) -> bool {
        (subject.dirs.is_empty() || !self.dir.is_empty())
            && (subject.env.is_empty() || !self.env.is_empty())
    }

    /// Looks for the binary and asks for its version; `None` if it is not here.
    fn locate(mut self, places: &Places) -> Option<Self> {
        let target = places.target().to_string_lossy().into_owned();
        let root = places.root().to_string_lossy().into_owned();
        let candidates = match places.bins.get(&self.name) {
            Some(path) => vec![path.clone()],
            None => self
                .bins
                .iter()
                .map(|b| b.replace("{target}", &target).replace("{root}", &root))
                .collect(),
        };
        self.bin = candidates.iter().find_map(|candidate| which(candidate))?;
        if Path::new(&self.bin).starts_with(places.target()) {
            self.bin = install(Path::new(&self.bin), &places.target().join("bench"))?;
        }
        let version = Invocation::new(self.command(&self.version, places, &Subject::default()));
        let finished = process::run(&version).ok()?;
        let text = String::from_utf8_lossy(&finished.stdout).into_owned();
        self.version_line = text.lines().next().unwrap_or("unknown version").trim().to_owned();
        Some(self)
    }
}

/// Copies a binary that was built here, as `cargo install` does: a linker writes its output through a mapping, whose pages Linux caches
/// one by one, and processes start from them a quarter slower than from any file that was written in one go.
fn install(built: &Path, folder: &Path) -> Option<String> {
    std::fs::create_dir_all(folder).ok()?;
    let installed = folder.join(built.file_name()?);
    std::fs::copy(built, &installed).ok()?;
    Some(installed.to_string_lossy().into_owned())
}

/// Splits a template at spaces and replaces the named marks in every word.
fn fill(template: &str, marks: &[(&str, &str)]) -> Vec<String> {
    let replaced = |word: &str| {
        marks.iter().fold(word.to_owned(), |word, (mark, value)| word.replace(mark, value))
    };
    template.split_whitespace().map(replaced).collect()
}

/// The path of an executable: itself if it has a `/`, else the first on PATH.
fn which(name: &str) -> Option<String> {
    if name.contains('/') {
        return Path::new(name).is_file().then(|| name.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|d| d.join(name)).find(|p| p.is_file())?;
    Some(found.to_string_lossy().into_owned())
}

/// Reads `engines.toml` and looks for the engines named in `only` (all but the optional ones, if it is empty).
pub fn load(places: &Places, only: &[String]) -> Result<Engines, String> {
    let path = places.bench.join("engines.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let list: List = toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let known: Vec<String> = list.engine.iter().map(|e| e.name.clone()).collect();
    if let Some(name) = only.iter().chain(places.bins.keys()).find(|n| !known.contains(n)) {
        return Err(format!("no engine `{name}`; there are {}", known.join(", ")));
    }
    let wanted = |e: &Engine| if only.is_empty() { !e.optional } else { only.contains(&e.name) };
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for engine in list.engine.into_iter().filter(wanted) {
        let name = engine.name.clone();
        match engine.locate(places) {
            Some(engine) => found.push(engine),
            None => missing.push(name),
        }
    }
    if let Some(name) = missing.iter().find(|n| only.contains(n)) {
        return Err(format!("engine `{name}` is not on PATH; say where with --bin {name}=PATH"));
    }
    Ok(Engines { baseline: list.baseline, found, missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places { bench: PathBuf::from(env!("CARGO_MANIFEST_DIR")), bins: BTreeMap::new() }
    }

    #[test]
    fn templates_expand_word_by_word() {
        let text = "name='x'\nclass='compiled'\nbins=[]\nversion=''\ndir='--dir {host}::{guest}'\nenv='--env {pair}'";
        let engine = Engine { bin: "e".into(), ..toml::from_str(text).unwrap() };
        let subject = Subject {
            wasm: "a b.wasm".into(),
            args: vec!["1".into(), "two words".into()],
            dirs: vec![("h".into(), "/g".into())],
            env: vec![("K".into(), "V".into())],
            ..Subject::default()
        };
        let words = engine.command("{bin} run {dirs} {env} {wasm} {args}", &places(), &subject);
        assert_eq!(
            words,
            ["e", "run", "--dir", "h::/g", "--env", "K=V", "a b.wasm", "1", "two words"]
        );
        assert_eq!(engine.command("{source}", &places(), &subject), ["a b.c"]);
        assert!(engine.accepts(&subject));
        assert!(!Engine { dir: String::new(), ..engine }.accepts(&subject));
    }

    #[test]
    fn the_committed_list_parses_and_unknown_names_are_refused() {
        let message = load(&places(), &["wasmtme".to_owned()]).err().unwrap();
        assert!(message.contains("wasmtime"), "{message}");
    }

    #[test]
    fn an_override_wins() {
        let mut places = places();
        places.bins.insert("wasmtime".into(), "/bin/echo".into());
        let engines = load(&places, &["wasmtime".to_owned()]).unwrap();
        let line = &engines.found[0].version_line;
        assert!(!line.contains("wasmtime"), "{line}");
        assert_eq!(engines.found[0].bin, "/bin/echo");
    }
}
