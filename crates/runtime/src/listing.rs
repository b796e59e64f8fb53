//! Owns the lists of published code that profilers of the system read: `perf-PID.map` with names, `jit-PID.dump` with the code itself.
//! Does not own what a name is (the module's name section), nor code.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use sterna_base::FuncIndex;
use sterna_isa::FuncType;
use sterna_module::Module;

use crate::code::{CodeImage, CodeTier};
use crate::jitdump::Jitdump;
use crate::sites::PieceKind;
use crate::types::TypeInfo;

/// The lists that are wanted. Their entries are complete, and written before the code can run.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    map: OnceLock<Mutex<File>>,
    dump: OnceLock<Mutex<Jitdump>>,
}

impl Listing {
    /// Makes the map of this process, unless there is one.
    pub(crate) fn start_map(&self) -> io::Result<()> {
        if self.map.get().is_none() {
            // A second thread's file is the first one's.
            let _ = self.map.set(Mutex::new(sterna_sys::process::perf_map()?));
        }
        Ok(())
    }

    /// Makes the dump of this process in a folder, unless there is one.
    pub(crate) fn start_dump(&self, folder: &Path) -> io::Result<()> {
        if self.dump.get().is_none() {
            let _ = self.dump.set(Mutex::new(Jitdump::create(folder)?));
        }
        Ok(())
    }

    /// Whether code is listed at all.
    pub(crate) fn is_wanted(&self) -> bool {
        self.map.get().is_some() || self.dump.get().is_some()
    }

    /// Lists the functions of an image.
    pub(crate) fn module(&self, module: &Module, image: &CodeImage) {
        let tier = if image.tier() == CodeTier::Baseline { "baseline" } else { "opt" };
        self.list(image, |kind, id| {
            let func = FuncIndex::from_u32(id);
            let name = match module.names().func(func) {
                Some(name) => name.to_owned(),
                None => format!("func[{id}]"),
            };
            match kind {
                PieceKind::Body => format!("wasm {name} [{tier}]"),
                kind => format!("wasm {name} [{tier}] ({kind:?})"),
            }
        });
    }

    /// Lists adapters, whose types are `infos` in order.
    pub(crate) fn adapters<'a>(
        &self,
        image: &CodeImage,
        infos: impl Iterator<Item = &'a TypeInfo>,
    ) {
        let mut infos = infos;
        self.list(image, |kind, _| {
            let ty = infos.next().map(|info| signature(info.func())).unwrap_or_default();
            format!("sterna {kind:?} {ty}")
        });
    }

    /// Lists code at an address that is nobody's in particular.
    pub(crate) fn other(&self, address: usize, code: &[u8], name: &str) {
        self.write(&[(address, code, format!("sterna {name}"))]);
    }

    fn list(&self, image: &CodeImage, mut name: impl FnMut(PieceKind, u32) -> String) {
        let entries: Vec<_> = image
            .tables()
            .pieces()
            .map(|piece| {
                let range = piece.start as usize..(piece.start + piece.len) as usize;
                let code = image.bytes().get(range).unwrap_or(&[]);
                let name = name(piece.kind, piece.id).replace(['\n', '\r', '\0'], " ");
                (image.address(piece.start) as usize, code, name)
            })
            .collect();
        self.write(&entries);
    }

    /// Adds entries, each an address, the code there and its name. A list that cannot be written costs a profile its names, nothing more.
    fn write(&self, entries: &[(usize, &[u8], String)]) {
        if let Some(map) = self.map.get() {
            let mut lines = String::new();
            for (address, code, name) in entries {
                writeln!(lines, "{address:x} {:x} {name}", code.len())
                    .expect("a string takes everything");
            }
            let _ = lock(map).write_all(lines.as_bytes());
        }
        if let Some(dump) = self.dump.get() {
            let mut dump = lock(dump);
            for (address, code, name) in entries {
                let _ = dump.load(*address, code, name);
            }
        }
    }
}

fn lock<T>(file: &Mutex<T>) -> MutexGuard<'_, T> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signature(ty: &FuncType) -> String {
    let list = |types: &[sterna_isa::ValType]| {
        types.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    format!("({})->({})", list(&ty.params), list(&ty.results))
}
