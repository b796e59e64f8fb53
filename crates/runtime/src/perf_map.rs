//! Owns the list of published code that profilers of the system read: `/tmp/perf-PID.map`.
//! Does not own what a name is (the module's name section), nor code.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use sterna_base::FuncIndex;
use sterna_isa::FuncType;
use sterna_module::Module;

use crate::code::{CodeImage, CodeTier};
use crate::sites::PieceKind;
use crate::types::TypeInfo;

/// The file. Lines are complete and written before the code can run.
#[derive(Debug)]
pub(crate) struct PerfMap(Mutex<File>);

impl PerfMap {
    /// Makes the file of this process.
    pub(crate) fn create() -> io::Result<PerfMap> {
        Ok(PerfMap(Mutex::new(sterna_sys::process::perf_map()?)))
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

    /// Lists code that is nobody's in particular.
    pub(crate) fn other(&self, address: usize, len: usize, name: &str) {
        self.write(&format!("{address:x} {len:x} sterna {name}\n"));
    }

    fn list(&self, image: &CodeImage, mut name: impl FnMut(PieceKind, u32) -> String) {
        let mut lines = String::new();
        for piece in image.tables().pieces() {
            let address = image.address(piece.start) as usize;
            let name = name(piece.kind, piece.id).replace(['\n', '\r'], " ");
            writeln!(lines, "{address:x} {:x} {name}", piece.len)
                .expect("a string takes everything");
        }
        self.write(&lines);
    }

    fn write(&self, lines: &str) {
        // A list that cannot be written costs a profile its names, nothing more.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines.as_bytes());
    }
}

fn signature(ty: &FuncType) -> String {
    let list = |types: &[sterna_isa::ValType]| {
        types.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    format!("({})->({})", list(&ty.params), list(&ty.results))
}
