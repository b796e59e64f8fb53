//! Owns the name section in decoded form.
//! Does not own other custom sections; malformed names are ignored, as the specification asks.

use std::collections::HashMap;

use sterna_base::{FuncIndex, TagIndex};
use wasmparser::{BinaryReader, Name, NameMap, NameSectionReader};

/// Names from the name section (core spec, appendix "Custom Sections").
#[derive(Clone, Debug, Default)]
pub struct Names {
    module: Option<Box<str>>,
    funcs: HashMap<u32, Box<str>>,
    tags: HashMap<u32, Box<str>>,
}

impl Names {
    /// The module's own name.
    pub fn module(&self) -> Option<&str> {
        self.module.as_deref()
    }

    /// A function's name.
    pub fn func(&self, func: FuncIndex) -> Option<&str> {
        self.funcs.get(&func.as_u32()).map(|name| &**name)
    }

    /// A tag's name (extended name section).
    pub fn tag(&self, tag: TagIndex) -> Option<&str> {
        self.tags.get(&tag.as_u32()).map(|name| &**name)
    }

    pub(crate) fn decode(section: &[u8], offset: u64) -> Names {
        let mut names = Names::default();
        for subsection in NameSectionReader::new(BinaryReader::new(section, offset)) {
            match subsection {
                Ok(Name::Module { name, .. }) => names.module = Some(name.into()),
                Ok(Name::Function(map)) => names.funcs = collect(map),
                Ok(Name::Tag(map)) => names.tags = collect(map),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        names
    }
}

fn collect(map: NameMap<'_>) -> HashMap<u32, Box<str>> {
    map.into_iter().map_while(Result::ok).map(|n| (n.index, n.name.into())).collect()
}
