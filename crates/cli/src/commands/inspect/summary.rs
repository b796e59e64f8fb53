//! Owns the collection of everything `inspect` shows, in the shape its JSON has.
//! Does not print.

use serde::Serialize;
use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, GlobalType, MemoryType, Parser, Payload, TableType,
    TypeRef,
};

type Result<T> = std::result::Result<T, wasmparser::Error>;

/// A module at a glance. All sizes and offsets are bytes.
#[derive(Serialize, Default)]
pub struct Summary {
    pub size: u64,
    /// Why the module is invalid; absent when it is valid.
    pub invalid: Option<String>,
    /// Features beyond WebAssembly 1.0 that the module needs.
    pub features: Vec<String>,
    pub code: Code,
    pub data: Data,
    /// Index of the start function.
    pub start: Option<u32>,
    pub sections: Vec<Section>,
    pub imports: Vec<Item>,
    pub exports: Vec<Item>,
}

/// The bodies of the defined functions.
#[derive(Serialize, Default)]
pub struct Code {
    pub functions: u32,
    pub size: u64,
    pub largest: u64,
}

/// The data segments.
#[derive(Serialize, Default)]
pub struct Data {
    pub segments: u32,
    pub size: u64,
}

/// One section; a custom section has its own name.
#[derive(Serialize)]
pub struct Section {
    pub name: String,
    pub offset: u64,
    pub size: u64,
    pub items: Option<u32>,
}

/// An import (with module) or an export.
#[derive(Serialize)]
pub struct Item {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    pub name: String,
    pub kind: &'static str,
    #[serde(rename = "type")]
    pub ty: String,
}

impl Summary {
    /// Collects from a binary module that can be decoded, valid or not.
    pub fn of(binary: &[u8]) -> Result<Self> {
        let mut collector = Collector::default();
        for payload in Parser::new(0).parse_all(binary) {
            collector.payload(payload?)?;
        }
        let mut summary = collector.summary;
        summary.size = binary.len() as u64;
        match super::features::used(binary) {
            Ok(features) => summary.features = features,
            Err(error) => summary.invalid = Some(error.to_string()),
        }
        Ok(summary)
    }
}

/// Types of the index spaces, to name the type of an export.
#[derive(Default)]
struct Collector {
    summary: Summary,
    types: Vec<Option<FuncType>>,
    functions: Vec<u32>,
    tables: Vec<TableType>,
    memories: Vec<MemoryType>,
    globals: Vec<GlobalType>,
    tags: Vec<u32>,
}

impl Collector {
    fn payload(&mut self, payload: Payload<'_>) -> Result<()> {
        self.section(&payload);
        match payload {
            Payload::TypeSection(reader) => self.types(reader)?,
            Payload::ImportSection(reader) => self.imports(reader)?,
            Payload::FunctionSection(reader) => {
                self.functions.extend(reader.into_iter().collect::<Result<Vec<_>>>()?)
            }
            Payload::TableSection(reader) => {
                self.tables.extend(
                    reader
                        .into_iter()
                        .map(|table| table.map(|t| t.ty))
                        .collect::<Result<Vec<_>>>()?,
                );
            }
            Payload::MemorySection(reader) => {
                self.memories.extend(reader.into_iter().collect::<Result<Vec<_>>>()?)
            }
            Payload::GlobalSection(reader) => {
                self.globals.extend(
                    reader
                        .into_iter()
                        .map(|global| global.map(|g| g.ty))
                        .collect::<Result<Vec<_>>>()?,
                );
            }
            Payload::TagSection(reader) => {
                self.tags.extend(
                    reader
                        .into_iter()
                        .map(|tag| tag.map(|t| t.func_type_idx))
                        .collect::<Result<Vec<_>>>()?,
                );
            }
            Payload::ExportSection(reader) => self.exports(reader)?,
            Payload::StartSection { func, .. } => self.summary.start = Some(func),
            Payload::DataSection(reader) => self.data(reader)?,
            Payload::CodeSectionEntry(body) => self.body(body.range()),
            _ => {}
        }
        Ok(())
    }

    fn section(&mut self, payload: &Payload<'_>) {
        let (name, range, items) = match payload {
            Payload::TypeSection(s) => ("type", s.range(), Some(s.count())),
            Payload::ImportSection(s) => ("import", s.range(), Some(s.count())),
            Payload::FunctionSection(s) => ("function", s.range(), Some(s.count())),
            Payload::TableSection(s) => ("table", s.range(), Some(s.count())),
            Payload::MemorySection(s) => ("memory", s.range(), Some(s.count())),
            Payload::TagSection(s) => ("tag", s.range(), Some(s.count())),
            Payload::GlobalSection(s) => ("global", s.range(), Some(s.count())),
            Payload::ExportSection(s) => ("export", s.range(), Some(s.count())),
            Payload::StartSection { range, .. } => ("start", range.clone(), None),
            Payload::ElementSection(s) => ("element", s.range(), Some(s.count())),
            Payload::DataCountSection { range, .. } => ("data count", range.clone(), None),
            Payload::CodeSectionStart { count, unchecked_range, .. } => {
                ("code", unchecked_range.clone(), Some(*count))
            }
            Payload::DataSection(s) => ("data", s.range(), Some(s.count())),
            Payload::CustomSection(s) => (s.name(), s.range(), None),
            _ => return,
        };
        let size = range.end.saturating_sub(range.start);
        self.summary.sections.push(Section {
            name: name.to_owned(),
            offset: range.start,
            size,
            items,
        });
    }

    fn types(&mut self, reader: wasmparser::TypeSectionReader<'_>) -> Result<()> {
        for group in reader {
            let types = group?.into_types().map(|ty| match ty.composite_type.inner {
                CompositeInnerType::Func(ty) => Some(ty),
                _ => None,
            });
            self.types.extend(types);
        }
        Ok(())
    }

    fn imports(&mut self, reader: wasmparser::ImportSectionReader<'_>) -> Result<()> {
        for import in reader.into_imports() {
            let import = import?;
            let kind = match import.ty {
                TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                    self.functions.push(ty);
                    ExternalKind::Func
                }
                TypeRef::Table(ty) => {
                    self.tables.push(ty);
                    ExternalKind::Table
                }
                TypeRef::Memory(ty) => {
                    self.memories.push(ty);
                    ExternalKind::Memory
                }
                TypeRef::Global(ty) => {
                    self.globals.push(ty);
                    ExternalKind::Global
                }
                TypeRef::Tag(ty) => {
                    self.tags.push(ty.func_type_idx);
                    ExternalKind::Tag
                }
            };
            let mut item = self.item(kind, import.name, usize::MAX);
            item.module = Some(import.module.to_owned());
            self.summary.imports.push(item);
        }
        Ok(())
    }

    fn exports(&mut self, reader: wasmparser::ExportSectionReader<'_>) -> Result<()> {
        for export in reader {
            let export = export?;
            let item = self.item(export.kind, export.name, export.index as usize);
            self.summary.exports.push(item);
        }
        Ok(())
    }

    /// Describes the entity of this kind and index; an index beyond the last means the last.
    fn item(&self, kind: ExternalKind, name: &str, index: usize) -> Item {
        let (kind, ty) = match kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                ("func", at(&self.functions, index).map(|ty| self.signature(*ty)))
            }
            ExternalKind::Table => ("table", at(&self.tables, index).map(table)),
            ExternalKind::Memory => ("memory", at(&self.memories, index).map(memory)),
            ExternalKind::Global => ("global", at(&self.globals, index).map(global)),
            ExternalKind::Tag => ("tag", at(&self.tags, index).map(|ty| self.signature(*ty))),
        };
        Item { module: None, name: name.to_owned(), kind, ty: ty.unwrap_or_else(|| "?".to_owned()) }
    }

    fn signature(&self, ty: u32) -> String {
        let Some(Some(ty)) = self.types.get(ty as usize) else { return "?".to_owned() };
        let list = |types: &[wasmparser::ValType]| {
            types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        match ty.results() {
            [] => format!("({})", list(ty.params())),
            [one] => format!("({}) -> {one}", list(ty.params())),
            many => format!("({}) -> ({})", list(ty.params()), list(many)),
        }
    }

    fn data(&mut self, reader: wasmparser::DataSectionReader<'_>) -> Result<()> {
        for segment in reader {
            self.summary.data.segments += 1;
            self.summary.data.size += segment?.data.len() as u64;
        }
        Ok(())
    }

    fn body(&mut self, range: std::ops::Range<u64>) {
        let size = range.end.saturating_sub(range.start);
        let code = &mut self.summary.code;
        code.functions += 1;
        code.size += size;
        code.largest = code.largest.max(size);
    }
}

fn at<T>(space: &[T], index: usize) -> Option<&T> {
    if index == usize::MAX { space.last() } else { space.get(index) }
}

fn limits(initial: u64, maximum: Option<u64>) -> String {
    maximum.map_or_else(|| format!("{initial}.."), |maximum| format!("{initial}..{maximum}"))
}

fn table(ty: &TableType) -> String {
    let address = if ty.table64 { "i64 " } else { "" };
    format!("{address}{} {}", limits(ty.initial, ty.maximum), ty.element_type)
}

fn memory(ty: &MemoryType) -> String {
    let address = if ty.memory64 { "i64 " } else { "" };
    let shared = if ty.shared { " shared" } else { "" };
    let unit = match ty.page_size_log2 {
        None | Some(16) => "pages".to_owned(),
        Some(log2) => format!("pages of {} bytes", 1_u64 << log2.min(63)),
    };
    format!("{address}{} {unit}{shared}", limits(ty.initial, ty.maximum))
}

fn global(ty: &GlobalType) -> String {
    let mutable = if ty.mutable { "mut " } else { "" };
    format!("{mutable}{}", ty.content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collects_imports_exports_and_sizes() {
        let binary = wat::parse_str(
            r#"(module
                (import "env" "f" (func (param i32 i64) (result f32)))
                (import "env" "m" (memory 1 2))
                (global (export "g") (mut i32) (i32.const 1))
                (table (export "t") 3 funcref)
                (func (export "h") (result i32 i32) i32.const 1 i32.const 2)
                (data (i32.const 0) "abcd"))"#,
        );
        let summary = Summary::of(&binary.unwrap()).unwrap();
        let show = |items: &[Item]| {
            items.iter().map(|i| format!("{} {} {}", i.kind, i.name, i.ty)).collect::<Vec<_>>()
        };
        assert_eq!(show(&summary.imports), ["func f (i32, i64) -> f32", "memory m 1..2 pages"]);
        assert_eq!(
            show(&summary.exports),
            ["global g mut i32", "table t 3.. funcref", "func h () -> (i32, i32)"]
        );
        assert_eq!((summary.data.segments, summary.data.size, summary.code.functions), (1, 4, 1));
        assert_eq!(summary.features, ["multi-value"]);
        assert!(summary.invalid.is_none());
    }

    #[test]
    fn an_invalid_module_is_described_anyway() {
        let binary = wat::parse_str("(module (func (result i32)))").unwrap();
        let summary = Summary::of(&binary).unwrap();
        assert!(summary.invalid.is_some());
        assert_eq!(summary.code.functions, 1);
    }
}
