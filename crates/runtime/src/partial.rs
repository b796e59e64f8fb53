//! Owns what a code cache keeps of a module: that it is valid, the code of the functions that were compiled while it ran, what was
//! seen of it; and adding to that what the next run compiles.
//! Does not own files and directories (the engine's cache does), nor the format (`artifact`).

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sterna_abi::{CodeReloc, Convention, Profile, RelocKind};
use sterna_base::FuncIndex;
use sterna_module::{Module, ModuleBytes, PARALLEL_MIN_BYTES};
use sterna_sys::vm::FileMap;

use crate::adapters::AdapterKind;
use crate::artifact::{self, Artifact, ArtifactError, Contents, Section};
use crate::artifact_module;
use crate::code::CodeImage;
use crate::engine::Engine;
use crate::linking::{self, Linked, Unlinked};
use crate::loaded::{LoadError, LoadedModule};
use crate::sites::PieceKind;

/// Words of a stored relocation: place, kind, target, addend in two halves.
const RELOC_WORDS: usize = 5;

/// New code is worth a new entry when it is at least this part of the code that the old entry has.
const WORTH: usize = 16;

/// Code that a cache may want.
#[derive(Default)]
pub(crate) struct Kept {
    /// Whether there is a cache.
    wanted: AtomicBool,
    /// Whether an entry told that the module is valid.
    known: AtomicBool,
    /// What was compiled since the module was loaded, and from the first entry that was made on also what came from the cache.
    new: Mutex<Vec<Unlinked>>,
    /// Bytes of code that no entry has.
    unsaved: AtomicUsize,
    /// Bytes of code that the newest entry has.
    saved: AtomicUsize,
    /// Where the relocations are of the code that came from the cache, which is the first image.
    cached: OnceLock<(ModuleBytes, Range<usize>)>,
}

impl Kept {
    /// Takes what was published.
    pub(crate) fn add(&self, pieces: Vec<Unlinked>) {
        if self.is_wanted() {
            let size: usize = pieces.iter().map(|piece| piece.code.bytes.len()).sum();
            self.lock().extend(pieces);
            self.unsaved.fetch_add(size, Ordering::Relaxed);
        }
    }

    /// Whether there is a cache.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Unlinked>> {
        self.new.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LoadedModule {
    /// As [`LoadedModule::new`] without compiling anything, keeping what is compiled later for [`LoadedModule::to_cache`].
    ///
    /// # Errors
    /// As [`LoadedModule::new`].
    pub fn new_kept(
        engine: &Arc<Engine>,
        bytes: impl Into<ModuleBytes>,
    ) -> Result<Arc<LoadedModule>, LoadError> {
        let loaded = LoadedModule::new(engine, bytes, &|_, _| {})?;
        loaded.kept().wanted.store(true, Ordering::Relaxed);
        Ok(loaded)
    }

    /// A module whose binary is known, with an entry of a cache for it: nothing is validated, and code that is there is used at once.
    ///
    /// # Errors
    /// An entry with another key, one that is damaged or was made with other settings, or no memory. Then it is as if there were none.
    ///
    /// # Safety
    /// The entry must be what [`LoadedModule::to_cache`] returned for a module of these very bytes and for this `key`, which names the
    /// compilers and the processor; nobody may have changed it or change it as long as the module lives. It is run as machine
    /// code, and its word is taken that the module is valid. The checks find accidents, not forgeries.
    pub unsafe fn from_cache(
        engine: &Arc<Engine>,
        bytes: impl Into<ModuleBytes>,
        entry: &File,
        key: &str,
    ) -> Result<Arc<LoadedModule>, ArtifactError> {
        // SAFETY: the caller promises that the file does not change.
        let map = ModuleBytes::from_owner(unsafe { FileMap::new(entry) }?);
        let artifact = Artifact::read(&map, key)?;
        let settings = engine.settings();
        artifact.options.check(&settings.code, &settings.features)?;
        let module = Module::decode_trusted(bytes, artifact.options.facts)
            .map_err(|_| ArtifactError::Corrupted("its module cannot be decoded"))?;
        let loaded = LoadedModule::prepare(engine, Arc::new(module))?;
        if artifact_module::install(&loaded, &artifact, &map, Some(entry))? {
            // Nobody else knows the module yet.
            let _ = loaded.kept().cached.set((map.clone(), artifact.range(Section::Relocs)));
            let saved = loaded.code().first().map_or(0, |image| image.bytes().len());
            loaded.kept().saved.store(saved, Ordering::Relaxed);
            let counters = &engine.counters;
            counters
                .cached_functions
                .fetch_add(loaded.cached_functions() as u64, Ordering::Relaxed);
            counters.cached_bytes.fetch_add(saved as u64, Ordering::Relaxed);
        }
        let profile = &map[artifact.range(Section::Profile)];
        loaded.set_earlier_profile(Profile::from_bytes(profile, loaded.module()));
        loaded.kept().wanted.store(true, Ordering::Relaxed);
        loaded.kept().known.store(true, Ordering::Relaxed);
        engine.register(&loaded)?;
        Ok(loaded)
    }

    /// An entry for [`LoadedModule::from_cache`] with the code that the module has by now; `None` if the one that it came from, if
    /// any, is almost as good.
    pub fn to_cache(&self, key: &str) -> Option<Vec<u8>> {
        if !self.is_worth_caching() {
            return None;
        }
        let kept = self.kept();
        let mut new = kept.lock();
        kept.unsaved.store(0, Ordering::Relaxed);
        let mut pieces = BTreeMap::new();
        let mut put = |piece: Unlinked| {
            pieces.insert((piece.kind == PieceKind::Bridge, piece.id), piece);
        };
        if let Some((relocs, image)) = self.kept().cached.get().zip(self.code().first()) {
            old_pieces(relocs, image).into_iter().for_each(&mut put);
        }
        // What was compiled later was compiled with more knowledge.
        std::mem::take(&mut *new).into_iter().for_each(&mut put);
        let pieces: Vec<Unlinked> = pieces.into_values().collect();
        let entry = self.entry(key, &pieces);
        let size: usize = pieces.iter().map(|piece| piece.code.bytes.len()).sum();
        kept.saved.store(size, Ordering::Relaxed);
        kept.known.store(true, Ordering::Relaxed);
        *new = pieces;
        entry.ok()
    }

    /// Whether [`LoadedModule::to_cache`] would return something. Cheap.
    pub fn is_worth_caching(&self) -> bool {
        let kept = self.kept();
        if !kept.is_wanted() {
            return false;
        }
        let unsaved = kept.unsaved.load(Ordering::Relaxed);
        match kept.saved.load(Ordering::Relaxed) {
            // That it is valid is worth knowing if finding out takes threads.
            0 if unsaved == 0 => {
                let code = self.module().code_range().len() as u64;
                code >= PARALLEL_MIN_BYTES && !kept.known.load(Ordering::Relaxed)
            }
            saved => unsaved > 0 && unsaved >= saved / WORTH,
        }
    }

    /// Functions whose code came from a cache.
    pub fn cached_functions(&self) -> usize {
        let image = self.kept().cached.get().and_then(|_| self.code().first());
        let bodies = |image: &CodeImage| {
            image.tables().pieces().filter(|piece| piece.kind == PieceKind::Body).count()
        };
        image.map_or(0, bodies)
    }

    fn entry(&self, key: &str, pieces: &[Unlinked]) -> std::io::Result<Vec<u8>> {
        let linked = linking::link(pieces, self.convention())?;
        let adapters = self.made_adapters()?;
        let relocs = encode_relocs(&linked, pieces);
        let contents = Contents {
            tables: linked.tables.bytes(),
            adapter_code: &adapters.code,
            adapter_tables: adapters.tables.bytes(),
            relocs: &relocs,
            profile: &self.observed().to_profile(self.module()).to_bytes(),
            code: &linked.code,
            ..Contents::default()
        };
        Ok(artifact::write(key, self.options(), contents))
    }

    /// The adapters of the module's types that were needed so far.
    fn made_adapters(&self) -> std::io::Result<Linked<'static>> {
        let engine = self.engine();
        let mut seen = HashSet::new();
        let types = (0..).zip(self.types()).filter(|(_, info)| seen.insert(info.id));
        let all = types.flat_map(|(index, info)| AdapterKind::ALL.map(|kind| (index, info, kind)));
        let made = all.filter_map(|(id, info, kind)| {
            let object = engine.code().find(info.adapters.get(kind) as usize)?;
            Some(Unlinked { kind: PieceKind::Adapter(kind), id, code: object.to_adapter() })
        });
        linking::link(&made.collect::<Vec<_>>(), Convention::Reg)
    }
}

fn encode_relocs(linked: &Linked<'_>, pieces: &[Unlinked]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, piece) in linked.tables.pieces().zip(pieces) {
        for reloc in &piece.code.relocs {
            let kind = match reloc.kind {
                RelocKind::PcRel32 => 0,
                RelocKind::Arm64Branch26 => 1,
                RelocKind::Abs64 => 2,
            };
            let addend = reloc.addend as u64;
            let words: [u32; RELOC_WORDS] = [
                at.start + reloc.offset,
                kind,
                reloc.target.as_u32(),
                addend as u32,
                (addend >> 32) as u32,
            ];
            words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        }
    }
    bytes
}

/// Place in the image, and the relocation, whose own offset is not set.
fn decode_relocs(bytes: &[u8]) -> impl Iterator<Item = (u32, CodeReloc)> {
    bytes.chunks_exact(RELOC_WORDS * 4).map_while(|chunk| {
        let mut words = chunk
            .chunks_exact(4)
            .filter_map(|word| Some(u32::from_le_bytes(word.try_into().ok()?)));
        let (place, kind, target) = (words.next()?, words.next()?, words.next()?);
        let (low, high) = (words.next()?, words.next()?);
        let kind = match kind {
            0 => RelocKind::PcRel32,
            1 => RelocKind::Arm64Branch26,
            2 => RelocKind::Abs64,
            _ => return None,
        };
        let addend = (u64::from(low) | u64::from(high) << 32) as i64;
        let target = FuncIndex::from_u32(target);
        Some((place, CodeReloc { offset: 0, kind, target, addend }))
    })
}

/// The pieces of an image as they were before they were linked.
fn old_pieces((bytes, range): &(ModuleBytes, Range<usize>), image: &CodeImage) -> Vec<Unlinked> {
    let mut relocs = decode_relocs(bytes.get(range.clone()).unwrap_or(&[])).peekable();
    let pieces = image.tables().pieces();
    let unlinked = pieces.map(|piece| {
        let mut code = image.unlinked(&piece);
        let end = piece.start + piece.len;
        while let Some((place, reloc)) = relocs.next_if(|(place, _)| *place < end) {
            code.relocs.push(CodeReloc { offset: place.wrapping_sub(piece.start), ..reloc });
        }
        Unlinked { kind: piece.kind, id: piece.id, code }
    });
    unlinked.collect()
}

#[cfg(test)]
#[path = "partial_tests.rs"]
mod tests;
