//! Owns `--stats`: the times of a start and what the tiers did, for people and as JSON.
//! Does not count: the engine does.

use std::cell::Cell;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::{Value, json};
use sterna::{CompilerStats, Module};

use crate::quantity::show_size;

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Lines for people
    Text,
    /// One object in one line
    Json,
}

/// The times of a run, from the moment when the command line was understood.
pub struct Clock {
    start: Instant,
    loaded: Cell<Option<Duration>>,
    instantiated: Cell<Option<Duration>>,
}

impl Clock {
    pub fn start() -> Self {
        Self { start: Instant::now(), loaded: Cell::default(), instantiated: Cell::default() }
    }

    /// The module is loaded.
    pub fn loaded(&self) {
        self.loaded.set(Some(self.start.elapsed()));
    }

    /// The program's first instruction is next, unless it has a start function, which has run.
    pub fn instantiated(&self) {
        self.instantiated.set(Some(self.start.elapsed()));
    }

    /// Prints what is known when the program has ended, if that is wanted.
    pub fn print(&self, form: Option<Form>, module: &Module) {
        match form {
            Some(Form::Text) => eprint!("{}", self.text(module)),
            Some(Form::Json) => eprintln!("{}", self.json(module)),
            None => {}
        }
    }

    fn text(&self, module: &Module) -> String {
        let stats = module.engine().stats();
        let [first, loaded] = [&self.instantiated, &self.loaded].map(|at| show(at.get()));
        let translated = module.interpreted_functions();
        let interpreted = show_size((module.code_bytes() - module.machine_code_bytes()) as u64);
        format!(
            "first instruction  after {first}, {loaded} of them for loading; the program ended after {}\n\
             interpreter        {translated} functions translated, {interpreted}\n\
             baseline           {}\n\
             optimizing         {}\n\
             from the cache     {} functions, {}\n\
             changed at a loop  {} times up, {} times down\n",
            show(Some(self.start.elapsed())),
            compiler(&stats.baseline),
            compiler(&stats.optimizing),
            stats.cached_functions,
            show_size(stats.cached_bytes),
            stats.loop_entries,
            stats.loop_exits,
        )
    }

    fn json(&self, module: &Module) -> Value {
        let stats = module.engine().stats();
        let seconds = |at: &Cell<Option<Duration>>| at.get().map(|at| at.as_secs_f64());
        let compiler = |stats: &CompilerStats| {
            json!({
                "functions": stats.functions,
                "refused": stats.refused,
                "seconds": stats.time.as_secs_f64(),
                "wasm_bytes": stats.wasm_bytes,
                "code_bytes": stats.code_bytes,
            })
        };
        json!({
            "seconds_to_loaded": seconds(&self.loaded),
            "seconds_to_first_instruction": seconds(&self.instantiated),
            "seconds_to_end": self.start.elapsed().as_secs_f64(),
            "interpreter": {
                "functions": module.interpreted_functions(),
                "code_bytes": module.code_bytes() - module.machine_code_bytes(),
            },
            "baseline": compiler(&stats.baseline),
            "optimizing": compiler(&stats.optimizing),
            "cache": { "functions": stats.cached_functions, "code_bytes": stats.cached_bytes },
            "loop_entries": stats.loop_entries,
            "loop_exits": stats.loop_exits,
        })
    }
}

fn compiler(stats: &CompilerStats) -> String {
    let CompilerStats { functions, refused, time, .. } = stats;
    let [wasm, code] = [stats.wasm_bytes, stats.code_bytes].map(show_size);
    format!(
        "{functions} functions in {}, {wasm} became {code}, {refused} refused",
        show(Some(*time))
    )
}

fn show(time: Option<Duration>) -> String {
    match time {
        None => "(never)".to_owned(),
        Some(time) if time < Duration::from_millis(1) => format!("{} us", time.as_micros()),
        Some(time) if time < Duration::from_secs(1) => {
            format!("{:.1} ms", time.as_secs_f64() * 1e3)
        }
        Some(time) => format!("{:.2} s", time.as_secs_f64()),
    }
}
