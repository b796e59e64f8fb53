//! Owns the name section in decoded form.
//! Does not own other custom sections; malformed names are ignored, as the specification asks.

use std::collections::HashMap;

use sterna_base::{FuncIndex, TagIndex};
use wasmparser::{BinaryReader, Name, NameMap, NameSectionReader};

/// What a name section can name by one index, from the extended form on (core spec, appendix "Custom Sections").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// Functions.
    Func,
    /// Defined types.
    Type,
    /// Tables.
    Table,
    /// Memories.
    Memory,
    /// Globals.
    Global,
    /// Element segments.
    Elem,
    /// Data segments.
    Data,
    /// Tags.
    Tag,
}

/// What a name section can name inside of something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InnerNameKind {
    /// Parameters and locals of a function.
    Local,
    /// Labels of a function.
    Label,
    /// Fields of a structure type.
    Field,
}

/// Names from the name section.
#[derive(Clone, Debug, Default)]
pub struct Names {
    module: Option<Box<str>>,
    by_index: HashMap<(NameKind, u32), Box<str>>,
}

impl Names {
    /// The module's own name.
    pub fn module(&self) -> Option<&str> {
        self.module.as_deref()
    }

    /// The name of something.
    pub fn get(&self, kind: NameKind, index: u32) -> Option<&str> {
        self.by_index.get(&(kind, index)).map(|name| &**name)
    }

    /// A function's name.
    pub fn func(&self, func: FuncIndex) -> Option<&str> {
        self.get(NameKind::Func, func.as_u32())
    }

    /// A tag's name.
    pub fn tag(&self, tag: TagIndex) -> Option<&str> {
        self.get(NameKind::Tag, tag.as_u32())
    }

    pub(crate) fn decode(section: &[u8], offset: u64) -> Names {
        let mut names = Names::default();
        for subsection in subsections(section, offset) {
            let (kind, map) = match subsection {
                Name::Module { name, .. } => {
                    names.module = Some(name.into());
                    continue;
                }
                Name::Function(map) => (NameKind::Func, map),
                Name::Type(map) => (NameKind::Type, map),
                Name::Table(map) => (NameKind::Table, map),
                Name::Memory(map) => (NameKind::Memory, map),
                Name::Global(map) => (NameKind::Global, map),
                Name::Element(map) => (NameKind::Elem, map),
                Name::Data(map) => (NameKind::Data, map),
                Name::Tag(map) => (NameKind::Tag, map),
                _ => continue,
            };
            let named = entries(map).map(|(index, name)| ((kind, index), name.into()));
            names.by_index.extend(named);
        }
        names
    }
}

/// The name of something inside of `owner`. Read from the section each time: there are many, and few are asked for.
pub(crate) fn inner(
    section: &[u8],
    offset: u64,
    kind: InnerNameKind,
    owner: u32,
    index: u32,
) -> Option<&str> {
    let map = subsections(section, offset).find_map(|subsection| match (subsection, kind) {
        (Name::Local(map), InnerNameKind::Local)
        | (Name::Label(map), InnerNameKind::Label)
        | (Name::Field(map), InnerNameKind::Field) => Some(map),
        _ => None,
    })?;
    let mut owners = map.into_iter().map_while(Result::ok);
    let names = owners.find(|names| names.index == owner)?.names;
    entries(names).find(|(found, _)| *found == index).map(|(_, name)| name)
}

/// Up to the first that is malformed.
fn subsections(section: &[u8], offset: u64) -> impl Iterator<Item = Name<'_>> {
    NameSectionReader::new(BinaryReader::new(section, offset)).map_while(Result::ok)
}

fn entries(map: NameMap<'_>) -> impl Iterator<Item = (u32, &str)> {
    map.into_iter().map_while(Result::ok).map(|naming| (naming.index, naming.name))
}
