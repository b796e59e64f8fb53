//! Owns `CodeCache`: a folder with what earlier runs found out about modules, and what is stored and removed when.
//! Does not own what an entry holds (the runtime) nor who may have written it (`sys::private`).

mod content;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use sterna_module::ModuleBytes;
use sterna_runtime::{ArtifactError, LoadedModule, TierPolicy};
use sterna_sys::cpu;
use sterna_sys::private::{PrivateFile, PrivateFolder};

use crate::engine::Engine;
use crate::error::Result;
use crate::module::Module;

/// Names of entries end so.
const SUFFIX: &str = ".code";
/// Of modules from this size on, what they contain is found out while they run.
const LARGE: usize = 4 << 20;
/// Most entries, whatever their size: going through them takes time.
const MOST_ENTRIES: usize = 10_000;

/// A folder that keeps machine code of one run for the next: of modules run under [`Tier::Auto`](crate::Tier::Auto), the functions that
/// were compiled, and that the module is valid.
///
/// Entries are found by the contents of the module, the build of the engine, the features of the processor and the settings that code
/// depends on. Any number of processes may use a folder at the same time. The folder and its files must belong to this user and
/// be writable by nobody else: others are left alone, as if they were not there.
///
/// **Who may write executable files to the folder may run machine code.** Guests that are granted it through WASI may not (entries have a mode
/// that no call of WASI gives to a file); they can remove entries.
///
/// Nothing here fails a run: what cannot be used or written is a [`CacheEntry::problem`].
#[derive(Clone, Debug)]
pub struct CodeCache {
    folder: PathBuf,
    limit: u64,
}

/// How much a [`CodeCache`] holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUsage {
    /// Number of entries.
    pub entries: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

impl CodeCache {
    /// Most bytes that a cache holds unless it is told otherwise: 512 MiB.
    pub const DEFAULT_LIMIT: u64 = 512 << 20;

    /// A cache in a folder, which is made when the first entry is written. Touches nothing yet.
    pub fn new(folder: impl Into<PathBuf>) -> CodeCache {
        CodeCache { folder: folder.into(), limit: CodeCache::DEFAULT_LIMIT }
    }

    /// Most bytes that it holds. Beyond it, the entries that were not used for the longest time are removed.
    #[must_use]
    pub fn limit(self, bytes: u64) -> CodeCache {
        CodeCache { limit: bytes, ..self }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Loads a module from the binary format, with what earlier runs left. [`CacheEntry::save`] leaves the same to later ones.
    ///
    /// # Errors
    /// As [`Module::from_binary`].
    pub fn load(&self, engine: &Engine, binary: Vec<u8>) -> Result<(Module, CacheEntry)> {
        let mut entry = CacheEntry::new(self, engine);
        if engine.inner.settings().tier != TierPolicy::Auto {
            let module = Module::from_binary(engine, binary)?;
            return Ok((module, entry));
        }
        let binary = ModuleBytes::from(binary);
        entry.name = entry.name_of(&binary);
        if let Some(loaded) = entry.find(engine, &binary) {
            entry.found = true;
            return Ok((Module::from_loaded(loaded), entry));
        }
        let loaded = LoadedModule::new_kept(&engine.inner, binary.clone());
        let module = Module::from_loaded(loaded.map_err(crate::module::refused)?);
        if binary.len() >= LARGE && entry.key.is_none() {
            // On one thread: the program is running. Without a thread it is done when it is needed.
            let work = move || content::hash(&binary, || 1);
            entry.hashing = std::thread::Builder::new().name("sterna-hash".into()).spawn(work).ok();
        }
        Ok((module, entry))
    }

    /// How much there is.
    ///
    /// # Errors
    /// A folder that somebody else may write to, or that cannot be read. One that does not exist is empty.
    pub fn usage(&self) -> io::Result<CacheUsage> {
        let Some(folder) = self.open()? else { return Ok(CacheUsage::default()) };
        Ok(sum(&entries(&folder)?))
    }

    /// Removes the entries that were not used for the longest time until at most `bytes` are left; what was removed.
    ///
    /// # Errors
    /// As [`CodeCache::usage`], or an entry that cannot be removed.
    pub fn prune(&self, bytes: u64) -> io::Result<CacheUsage> {
        let Some(folder) = self.open()? else { return Ok(CacheUsage::default()) };
        folder.remove_unfinished()?;
        remove_oldest(&folder, bytes, MOST_ENTRIES)
    }

    /// Removes all entries; what was removed.
    ///
    /// # Errors
    /// As [`CodeCache::prune`].
    pub fn clear(&self) -> io::Result<CacheUsage> {
        self.prune(0)
    }

    fn open(&self) -> io::Result<Option<PrivateFolder>> {
        match PrivateFolder::open(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map(Some),
        }
    }

    /// Writes an entry, then makes room if there is too much.
    fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = PrivateFolder::create(&self.folder)?;
        folder.write(name, bytes)?;
        let usage = sum(&entries(&folder)?);
        if usage.bytes > self.limit || usage.entries > MOST_ENTRIES {
            // Some more than needed, so that not every run has to.
            folder.remove_unfinished()?;
            remove_oldest(&folder, self.limit / 4 * 3, MOST_ENTRIES / 4 * 3)?;
        }
        Ok(())
    }
}

fn entries(folder: &PrivateFolder) -> io::Result<Vec<PrivateFile>> {
    let mut files = folder.list()?;
    files.retain(|file| file.name.as_encoded_bytes().ends_with(SUFFIX.as_bytes()));
    Ok(files)
}

fn sum(files: &[PrivateFile]) -> CacheUsage {
    CacheUsage { entries: files.len(), bytes: files.iter().map(|file| file.size).sum() }
}

fn remove_oldest(folder: &PrivateFolder, bytes: u64, count: usize) -> io::Result<CacheUsage> {
    let mut files = entries(folder)?;
    files.sort_by(|a, b| (a.used, &a.name).cmp(&(b.used, &b.name)));
    let (before, mut left) = (sum(&files), sum(&files));
    for file in files {
        if left.bytes <= bytes && left.entries <= count {
            break;
        }
        folder.remove(&file.name)?;
        left = CacheUsage { entries: left.entries - 1, bytes: left.bytes - file.size };
    }
    Ok(CacheUsage { entries: before.entries - left.entries, bytes: before.bytes - left.bytes })
}

/// What a [`CodeCache`] has, or will have, for one module.
#[derive(Debug)]
pub struct CacheEntry {
    cache: CodeCache,
    /// What decides about code besides the module and the processor.
    maker: String,
    /// Empty: not for the cache.
    name: String,
    /// `maker`, what the processor can do, and what the module contains; `None` as long as nobody needed to know: asking the processor
    /// takes as long as a small program in a virtual machine.
    key: Option<String>,
    hashing: Option<JoinHandle<content::Hash>>,
    found: bool,
    written: u64,
    problem: Option<String>,
}

impl CacheEntry {
    fn new(cache: &CodeCache, engine: &Engine) -> CacheEntry {
        let settings = engine.inner.settings();
        let (code, features) = (settings.code, settings.features.bits());
        let maker = format!(
            "{} {} {} {code:?} {features:x} {:x}",
            settings.build,
            std::env::consts::ARCH,
            cpu::features().join(","),
            settings.disabled_passes
        );
        CacheEntry {
            cache: cache.clone(),
            maker,
            name: String::new(),
            key: None,
            hashing: None,
            found: false,
            written: 0,
            problem: None,
        }
    }

    /// Whether an earlier run left something.
    pub fn found(&self) -> bool {
        self.found
    }

    /// Why what there is was not used, or why nothing could be written. Expected absence is no problem.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Leaves what is known of the module by now to later runs, if it is worth it; the bytes written. Takes some milliseconds for
    /// each MiB of code; usually there is little or nothing to write.
    pub fn save(&mut self, module: &Module) -> Option<u64> {
        self.write(module).inspect(|bytes| self.written = *bytes)
    }

    /// The size of the entry that was last saved; 0 if none was.
    pub fn written(&self) -> u64 {
        self.written
    }

    fn write(&mut self, module: &Module) -> Option<u64> {
        if self.name.is_empty() || !module.loaded.is_worth_caching() {
            return None;
        }
        let key = self.key(&module.engine(), module.loaded.module().bytes());
        let bytes = module.loaded.to_cache(&key)?;
        // One module must not take the place of all others.
        if bytes.len() as u64 > self.cache.limit / 2 {
            return None;
        }
        match self.cache.store(&self.name, &bytes) {
            Ok(()) => Some(bytes.len() as u64),
            Err(error) => {
                self.problem = Some(format!("cannot write: {error}"));
                None
            }
        }
    }

    /// Also saves whenever functions were compiled and then none for a second, so that little is lost when the process is killed.
    pub fn save_early(entry: &Arc<Mutex<CacheEntry>>, module: &Module) {
        if entry.lock().unwrap_or_else(PoisonError::into_inner).name.is_empty() {
            return;
        }
        // The engine has the closure, so that must not have the module.
        let engine = module.engine();
        let (entry, module) = (Arc::downgrade(entry), Arc::downgrade(&module.loaded));
        let save = move || {
            let (Some(entry), Some(loaded)) = (entry.upgrade(), module.upgrade()) else { return };
            let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
            entry.save(&Module::from_loaded(loaded));
        };
        engine.inner.when_compiled(save);
    }

    /// The name is found without reading all of a large module: it is a hint, `key` is the proof.
    fn name_of(&self, binary: &[u8]) -> String {
        let mut name = content::sample(binary, self.maker.as_bytes());
        name.push_str(SUFFIX);
        name
    }

    fn key(&mut self, engine: &Engine, binary: &[u8]) -> String {
        let known = self.hashing.take().and_then(|thread| thread.join().ok());
        let maker = &self.maker;
        let make = || {
            let hash = known.unwrap_or_else(|| content::hash(binary, || engine.inner.threads()));
            format!("{} {maker} {}", content::hex(&hash), cpu::features().join(","))
        };
        self.key.get_or_insert_with(make).clone()
    }

    fn find(&mut self, engine: &Engine, binary: &ModuleBytes) -> Option<Arc<LoadedModule>> {
        // Mostly there is no entry: one question to the system tells.
        let there = std::fs::symlink_metadata(self.cache.folder.join(&self.name));
        let folder = there.and_then(|_| PrivateFolder::open(&self.cache.folder));
        let file = folder.and_then(|folder| folder.read(&self.name));
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                let missing = error.kind() == io::ErrorKind::NotFound;
                self.problem = (!missing).then(|| format!("cannot use it: {error}"));
                return None;
            }
        };
        let key = self.key(engine, binary);
        // SAFETY: the file is this user's and nobody else may write to it, in a folder of which the same is true: a process of this user
        // wrote it, as `save` does, which never changes a file but replaces it. Its key, checked with all its bytes against damage, says
        // that it was made by this build for this processor and for a module whose cryptographic hash is that of these bytes.
        let loaded =
            unsafe { LoadedModule::from_cache(&engine.inner, binary.clone(), &file, &key) };
        match loaded {
            Ok(loaded) => Some(loaded),
            // A module that looks alike where `sample` looks.
            Err(ArtifactError::WrongFingerprint { .. }) => None,
            Err(error) => {
                self.problem = Some(format!("the entry is not used: {error}"));
                None
            }
        }
    }
}

#[cfg(test)]
#[path = "cache/tests.rs"]
mod tests;
