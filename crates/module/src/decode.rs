//! Owns the walk over a binary's sections that fills a [`Module`].
//! Does not check anything itself: each payload goes through `wasmparser`'s validator first.

use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;
use std::sync::OnceLock;

use sterna_base::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex, TypeIndex};
use sterna_isa::FeatureSet;
use wasmparser::{
    BinaryReader, Chunk, DataKind, ElementItems, ElementKind, Encoding, ExternalKind, Parser,
    Payload, TableInit, TypeRef, ValidPayload, Validator,
};

use crate::bytes::ModuleBytes;
use crate::const_expr::{ConstExpr, ConstOp};
use crate::convert;
use crate::error::{ModuleError, ReadError};
use crate::features;
use crate::items::{
    DataSegment, ElemItems, ElemSegment, Export, ExternIndex, FuncDecl, GlobalDecl, Import,
    SegmentMode,
};
use crate::module::Module;
use crate::validate::{self, BodyFacts};

type Result<T> = std::result::Result<T, ModuleError>;

pub(crate) fn decode(bytes: ModuleBytes, features: &FeatureSet, threads: usize) -> Result<Module> {
    check_size(bytes.len())?;
    let mut sections = Sections::new(features);
    let facts = validate::validate_while(threads, |bodies| {
        let share = |range| Cow::Borrowed(&bytes[range]);
        while let Step::Done | Step::More = sections.step(&bytes, true, bodies, share)? {}
        bodies.close_run(share);
        Ok::<_, ModuleError>(())
    })?;
    Ok(sections.finish(bytes.clone(), facts))
}

/// As [`decode`], while the binary arrives from `reader`.
pub(crate) fn decode_from(
    mut reader: impl Read,
    features: &FeatureSet,
    threads: usize,
) -> std::result::Result<Module, ReadError> {
    let mut bytes = Vec::new();
    let mut sections = Sections::new(features);
    let facts = validate::validate_while(threads, |bodies| {
        let mut ended = false;
        loop {
            let share = |range: Range<usize>| Cow::Owned(bytes[range].to_vec());
            match sections.step(&bytes, ended, bodies, share)? {
                Step::Done => {}
                Step::More => {
                    let piece = reader.by_ref().take(PIECE_BYTES);
                    ended = { piece }.read_to_end(&mut bytes)? == 0;
                    check_size(bytes.len())?;
                }
                Step::End => {
                    bodies.close_run(share);
                    return Ok::<_, ReadError>(());
                }
            }
        }
    })?;
    bytes.shrink_to_fit();
    Ok(sections.finish(bytes.into(), facts))
}

/// Bytes that [`decode_from`] waits for before it looks at them.
const PIECE_BYTES: u64 = 64 << 10;

fn check_size(len: usize) -> Result<()> {
    match u32::try_from(len) {
        Ok(_) => Ok(()),
        Err(_) => Err(ModuleError::new(0, "module is larger than 4 GiB")),
    }
}

/// The walk over a binary, payload by payload.
struct Sections {
    module: Module,
    parser: Parser,
    validator: Validator,
    next_body: usize,
    /// Bytes behind the walk.
    at: usize,
}

enum Step {
    /// A payload was dealt with.
    Done,
    /// The next payload has not arrived yet.
    More,
    End,
}

impl Sections {
    fn new(features: &FeatureSet) -> Sections {
        let features = features::to_validator(features);
        let validator = Validator::new_with_features(features);
        let mut parser = Parser::new(0);
        parser.set_features(features);
        Sections { module: empty(), parser, validator, next_body: 0, at: 0 }
    }

    /// Goes on in `bytes`, the binary from its beginning, which is all of it if `ended`. Bodies are passed on.
    fn step<'a>(
        &mut self,
        bytes: &[u8],
        ended: bool,
        bodies: &mut validate::Bodies<'_, '_, 'a>,
        share: impl FnOnce(Range<usize>) -> Cow<'a, [u8]>,
    ) -> Result<Step> {
        let payload = match self.parser.parse(&bytes[self.at..], ended)? {
            Chunk::NeedMoreData(_) => return Ok(Step::More),
            Chunk::Parsed { consumed, payload } => {
                self.at += consumed;
                payload
            }
        };
        if let Payload::Version { encoding: Encoding::Component, range, .. } = &payload {
            return Err(ModuleError::new(
                range.start,
                "this is a component; a core module is expected here",
            ));
        }
        match self.validator.payload(&payload)? {
            ValidPayload::Func(func, body) => {
                let index = self.module.num_imported_funcs + self.next_body;
                let range = range32(body.range());
                self.module.funcs[index].body = range.clone();
                self.next_body += 1;
                bodies.push(func, range.start as usize..range.end as usize, share);
            }
            ValidPayload::End(_) => return Ok(Step::End),
            _ => section(&mut self.module, bytes, payload)?,
        }
        Ok(Step::Done)
    }

    fn finish(self, bytes: ModuleBytes, facts: BodyFacts) -> Module {
        let escaping = escaping(&self.module);
        Module { bytes, facts, escaping, ..self.module }
    }
}

/// As [`decode`], for a binary that passed it before: nothing is checked that reading does not need.
pub(crate) fn decode_trusted(bytes: ModuleBytes, facts: BodyFacts) -> Result<Module> {
    check_size(bytes.len())?;
    let mut module = empty();
    let mut next_body = 0;
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload? {
            Payload::CodeSectionEntry(body) => {
                let index = module.num_imported_funcs + next_body;
                let func = module.funcs.get_mut(index);
                let func = func.ok_or_else(|| {
                    ModuleError::new(body.range().start, "more bodies than functions")
                })?;
                func.body = range32(body.range());
                next_body += 1;
            }
            payload => section(&mut module, &bytes, payload)?,
        }
    }
    let escaping = escaping(&module);
    Ok(Module { bytes: bytes.clone(), facts, escaping, ..module })
}

fn empty() -> Module {
    Module {
        bytes: Vec::new().into(),
        types: Vec::new(),
        rec_group_ends: Vec::new(),
        imports: Vec::new(),
        exports: Vec::new(),
        funcs: Vec::new(),
        num_imported_funcs: 0,
        tables: Vec::new(),
        num_imported_tables: 0,
        memories: Vec::new(),
        num_imported_memories: 0,
        globals: Vec::new(),
        num_imported_globals: 0,
        tags: Vec::new(),
        num_imported_tags: 0,
        start: None,
        elems: Vec::new(),
        data: Vec::new(),
        customs: Vec::new(),
        escaping: Vec::new(),
        code_range: 0..0,
        facts: BodyFacts::default(),
        names: OnceLock::new(),
        hints: OnceLock::new(),
        methods: OnceLock::new(),
        constant_tables: OnceLock::new(),
    }
}

fn range32(range: Range<u64>) -> Range<u32> {
    // Modules are below 4 GiB (checked first).
    range.start as u32..range.end as u32
}

/// Takes over what a payload declares. `bytes` are the binary, at least to the payload's end.
fn section(module: &mut Module, bytes: &[u8], payload: Payload<'_>) -> Result<()> {
    match payload {
        Payload::TypeSection(reader) => types(module, reader),
        Payload::ImportSection(reader) => imports(module, reader),
        Payload::FunctionSection(reader) => {
            for ty in reader {
                module.funcs.push(FuncDecl { ty: TypeIndex::from_u32(ty?), body: 0..0 });
            }
            Ok(())
        }
        Payload::TableSection(reader) => {
            for table in reader {
                let table = table?;
                let mut ty = convert::table_type(&table.ty);
                if let TableInit::Expr(expr) = table.init {
                    ty.init = Some(ConstExpr::decode(&expr)?);
                }
                module.tables.push(ty);
            }
            Ok(())
        }
        Payload::MemorySection(reader) => {
            for memory in reader {
                module.memories.push(convert::memory_type(memory?));
            }
            Ok(())
        }
        Payload::GlobalSection(reader) => {
            for global in reader {
                let global = global?;
                let init = Some(ConstExpr::decode(&global.init_expr)?);
                module.globals.push(GlobalDecl { ty: convert::global_type(global.ty), init });
            }
            Ok(())
        }
        Payload::TagSection(reader) => {
            for tag in reader {
                module.tags.push(TypeIndex::from_u32(tag?.func_type_idx));
            }
            Ok(())
        }
        Payload::ExportSection(reader) => exports(module, reader),
        Payload::StartSection { func, .. } => {
            module.start = Some(FuncIndex::from_u32(func));
            Ok(())
        }
        Payload::ElementSection(reader) => elements(module, reader),
        Payload::CodeSectionStart { unchecked_range, .. } => {
            module.code_range = range32(unchecked_range);
            Ok(())
        }
        Payload::DataSection(reader) => data(module, bytes, reader),
        Payload::CustomSection(reader) => {
            let start = reader.data_offset();
            let range = range32(start..start + reader.data().len() as u64);
            module.customs.push((reader.name().into(), range));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn types(module: &mut Module, reader: wasmparser::TypeSectionReader<'_>) -> Result<()> {
    for group in reader {
        module.types.extend(group?.types().map(convert::sub_type));
        module.rec_group_ends.push(module.types.len() as u32);
    }
    Ok(())
}

fn imports(module: &mut Module, reader: wasmparser::ImportSectionReader<'_>) -> Result<()> {
    for import in reader.into_imports() {
        let import = import?;
        let index = match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                module.funcs.push(FuncDecl { ty: TypeIndex::from_u32(ty), body: 0..0 });
                module.num_imported_funcs += 1;
                ExternIndex::Func(FuncIndex::from_u32(module.funcs.len() as u32 - 1))
            }
            TypeRef::Table(ty) => {
                module.tables.push(convert::table_type(&ty));
                module.num_imported_tables += 1;
                ExternIndex::Table(TableIndex::from_u32(module.tables.len() as u32 - 1))
            }
            TypeRef::Memory(ty) => {
                module.memories.push(convert::memory_type(ty));
                module.num_imported_memories += 1;
                ExternIndex::Memory(MemoryIndex::from_u32(module.memories.len() as u32 - 1))
            }
            TypeRef::Global(ty) => {
                module.globals.push(GlobalDecl { ty: convert::global_type(ty), init: None });
                module.num_imported_globals += 1;
                ExternIndex::Global(GlobalIndex::from_u32(module.globals.len() as u32 - 1))
            }
            TypeRef::Tag(ty) => {
                module.tags.push(TypeIndex::from_u32(ty.func_type_idx));
                module.num_imported_tags += 1;
                ExternIndex::Tag(TagIndex::from_u32(module.tags.len() as u32 - 1))
            }
        };
        module.imports.push(Import {
            module: import.module.into(),
            name: import.name.into(),
            index,
        });
    }
    Ok(())
}

fn exports(module: &mut Module, reader: wasmparser::ExportSectionReader<'_>) -> Result<()> {
    for export in reader {
        let export = export?;
        let index = match export.kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                ExternIndex::Func(FuncIndex::from_u32(export.index))
            }
            ExternalKind::Table => ExternIndex::Table(TableIndex::from_u32(export.index)),
            ExternalKind::Memory => ExternIndex::Memory(MemoryIndex::from_u32(export.index)),
            ExternalKind::Global => ExternIndex::Global(GlobalIndex::from_u32(export.index)),
            ExternalKind::Tag => ExternIndex::Tag(TagIndex::from_u32(export.index)),
        };
        module.exports.push(Export { name: export.name.into(), index });
    }
    Ok(())
}

fn elements(module: &mut Module, reader: wasmparser::ElementSectionReader<'_>) -> Result<()> {
    for element in reader {
        let element = element?;
        let mode = match element.kind {
            ElementKind::Passive => SegmentMode::Passive,
            ElementKind::Declared => SegmentMode::Declared,
            ElementKind::Active { table_index, offset_expr } => {
                let table = TableIndex::from_u32(table_index.unwrap_or(0));
                SegmentMode::Active(table, ConstExpr::decode(&offset_expr)?)
            }
        };
        let (ty, items) = match element.items {
            ElementItems::Functions(reader) => {
                let funcs = reader.into_iter().map(|func| Ok(FuncIndex::from_u32(func?)));
                (sterna_isa::RefType::FUNCREF, ElemItems::Funcs(funcs.collect::<Result<_>>()?))
            }
            ElementItems::Expressions(ty, reader) => {
                let exprs = reader.into_iter().map(|expr| ConstExpr::decode(&expr?));
                (convert::ref_type(ty), ElemItems::Exprs(exprs.collect::<Result<_>>()?))
            }
        };
        module.elems.push(ElemSegment { mode, ty, items });
    }
    Ok(())
}

fn data(
    module: &mut Module,
    bytes: &[u8],
    reader: wasmparser::DataSectionReader<'_>,
) -> Result<()> {
    let bytes = &bytes[..reader.range().end as usize];
    let mut at = reader.original_position() as usize;
    for _ in 0..reader.count() {
        if let Some((segment, end)) = plain_segment(bytes, at) {
            module.data.push(segment);
            at = end;
            continue;
        }
        let mut reader = BinaryReader::new(&bytes[at..], at as u64);
        let segment: wasmparser::Data<'_> = reader.read()?;
        let mode = match segment.kind {
            DataKind::Passive => SegmentMode::Passive,
            DataKind::Active { memory_index, offset_expr } => SegmentMode::Active(
                MemoryIndex::from_u32(memory_index),
                ConstExpr::decode(&offset_expr)?,
            ),
        };
        at = segment.range.end as usize;
        let range = range32((at - segment.data.len()) as u64..at as u64);
        module.data.push(DataSegment { mode, range });
    }
    Ok(())
}

/// Reads a segment of the common form `(data (i32.const n) "…")`, and says where it ends. Some linkers emit a segment for every run
/// of bytes that are not zero, close to a hundred thousand of them, which the general way takes milliseconds for.
fn plain_segment(bytes: &[u8], at: usize) -> Option<(DataSegment, usize)> {
    let mut rest = bytes.get(at..)?.strip_prefix(&[0x00, 0x41])?;
    let offset = leb(&mut rest)?;
    // Sign-extended from the highest bit that was given.
    let offset = ((offset.value << offset.unused) as i64 >> offset.unused) as i32;
    rest = rest.strip_prefix(&[0x0b])?;
    let len = usize::try_from(leb(&mut rest)?.value).ok()?;
    let end = bytes.len() - rest.len() + len;
    let ops = Box::new([ConstOp::I32(offset)]);
    let mode = SegmentMode::Active(MemoryIndex::from_u32(0), ConstExpr { ops });
    let range = range32((end - len) as u64..end as u64);
    (end <= bytes.len()).then_some((DataSegment { mode, range }, end))
}

/// A number in LEB128, of at most 35 bits.
struct Leb {
    value: u64,
    /// How many of the 64 bits were not given.
    unused: u32,
}

fn leb(bytes: &mut &[u8]) -> Option<Leb> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(Leb { value, unused: 64 - 7 - shift });
        }
    }
    None
}

/// See [`Module::escaping_funcs`].
fn escaping(module: &Module) -> Vec<FuncIndex> {
    let mut found: Vec<FuncIndex> = Vec::new();
    let mut in_expr = |expr: &ConstExpr| {
        found.extend(expr.ops.iter().filter_map(|op| match op {
            ConstOp::RefFunc(func) => Some(*func),
            _ => None,
        }));
    };
    module.globals.iter().filter_map(|global| global.init.as_ref()).for_each(&mut in_expr);
    module.tables.iter().filter_map(|table| table.init.as_ref()).for_each(&mut in_expr);
    for elem in &module.elems {
        if let ElemItems::Exprs(exprs) = &elem.items {
            exprs.iter().for_each(&mut in_expr);
        }
    }
    for elem in &module.elems {
        if let ElemItems::Funcs(funcs) = &elem.items {
            found.extend_from_slice(funcs);
        }
    }
    found.extend(module.exports.iter().filter_map(|export| match export.index {
        ExternIndex::Func(func) => Some(func),
        _ => None,
    }));
    found.extend(module.start);
    found.sort_unstable();
    found.dedup();
    found
}
