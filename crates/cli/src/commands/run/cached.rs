//! Owns a run's dealings with the code cache: whether there is one, and what is said about it.
//! Does not own what is kept: the engine does.

use crate::cache_folder;
use crate::commands::run::Arguments;
use crate::failure::Failure;
use crate::loading;
use crate::quantity::show_size;
use std::sync::{Arc, Mutex, PoisonError};
use sterna::{CacheEntry, CodeCache, Config, Module};

/// The cache of one run.
pub struct CachedRun {
    cache: Option<CodeCache>,
    entry: Option<Arc<Mutex<CacheEntry>>>,
    verbose: bool,
}

impl CachedRun {
    /// Loads the module of a run.
    pub fn load(arguments: &Arguments, config: &mut Config) -> Result<(Module, Self), Failure> {
        let wanted = !arguments.no_cache;
        let cache = wanted.then(|| cache_folder::cache(arguments.cache_dir.as_deref())).flatten();
        let (tier, file) = (arguments.tier, arguments.file());
        let listing = arguments.listing;
        let (module, entry) = loading::runnable(config, tier, file, cache.as_ref(), listing)?;
        let entry = entry.map(|entry| Arc::new(Mutex::new(entry)));
        if let Some(entry) = &entry {
            CacheEntry::save_early(entry, &module);
        }
        Ok((module, Self { cache, entry, verbose: arguments.verbose }))
    }

    /// Keeps what the run found out, and says what the cache did if that is wanted. Nothing of it fails the run.
    pub fn end(self, module: &Module) {
        if let Some(entry) = &self.entry {
            entry.lock().unwrap_or_else(PoisonError::into_inner).save(module);
        }
        if self.verbose {
            eprintln!("cache: {}", self.story(module));
        }
    }

    fn story(&self, module: &Module) -> String {
        let (Some(cache), Some(entry)) = (&self.cache, &self.entry) else {
            return "not used".to_owned();
        };
        let entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut story = match (entry.found(), module.cached_functions()) {
            (false, _) => "nothing from earlier runs".to_owned(),
            (true, 1) => "1 function from earlier runs".to_owned(),
            (true, count) => format!("{count} functions from earlier runs"),
        };
        if entry.written() > 0 {
            story += &format!(", {} written", show_size(entry.written()));
        }
        if let Some(problem) = entry.problem() {
            story += &format!("; {problem}");
        }
        format!("{story} ({})", cache.folder().display())
    }
}
