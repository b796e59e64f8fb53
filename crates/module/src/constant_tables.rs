//! Owns which tables hold the same functions for as long as an instance lives, and which functions.
//! Does not know how they are called.
//!
//! A table is constant if
//! 1. it is defined in the module and not exported, and no body contains an operator that writes a table: so nobody but the instantiation
//!    can change it;
//! 2. what it holds first, and the active segments for it, are `ref.null` and `ref.func`, at constant offsets;
//! 3. no active segment of the module can be out of bounds: instantiation would end there, and functions that it has put into imported
//!    tables before would see this one incomplete.

use std::collections::HashMap;

use sterna_base::{FuncIndex, TableIndex, TypeIndex};

use crate::const_expr::{ConstExpr, ConstOp};
use crate::items::{ElemItems, ElemSegment, ExternIndex, SegmentMode};
use crate::module::Module;

/// Largest table looked at.
const MAX_LEN: u64 = 1 << 20;

/// Most functions of one type that [`ConstantTable::targets`] lists.
pub const MAX_TARGETS: usize = 4;

/// A table that holds the same functions for as long as an instance lives.
#[derive(Debug)]
pub struct ConstantTable {
    elements: Box<[Option<FuncIndex>]>,
    /// By type, subtypes included: the functions in the order of their first index, at most one more than [`MAX_TARGETS`].
    targets: HashMap<TypeIndex, Vec<FuncIndex>>,
    /// The only index of each function; `None` if it has several.
    indices: HashMap<FuncIndex, Option<u32>>,
    is_defined: bool,
}

impl ConstantTable {
    fn new(module: &Module, elements: Box<[Option<FuncIndex>]>) -> ConstantTable {
        let mut targets: HashMap<TypeIndex, Vec<FuncIndex>> = HashMap::new();
        let mut indices = HashMap::new();
        for (index, func) in (0..).zip(&elements) {
            let Some(func) = *func else { continue };
            indices.entry(func).and_modify(|only| *only = None).or_insert(Some(index));
            let mut next = Some(module.func_type_index(func));
            while let Some(ty) = next {
                let funcs = targets.entry(ty).or_default();
                if funcs.len() <= MAX_TARGETS && !funcs.contains(&func) {
                    funcs.push(func);
                }
                next = module.types[ty.index()].supertype.map(TypeIndex::from_u32);
            }
        }
        let is_defined = |func: &FuncIndex| func.index() >= module.num_imported_funcs;
        let is_defined = elements.iter().flatten().all(is_defined);
        ConstantTable { elements, targets, indices, is_defined }
    }

    /// The function at an index; `None` if that is null or out of bounds.
    pub fn get(&self, index: u64) -> Option<FuncIndex> {
        *self.elements.get(usize::try_from(index).ok()?)?
    }

    /// The functions of a type, or a declared subtype of it; none if they are more than [`MAX_TARGETS`]. Functions of an equal type with
    /// another index are not among them.
    pub fn targets(&self, ty: TypeIndex) -> &[FuncIndex] {
        let found = self.targets.get(&ty).map_or(&[][..], |found| found);
        if found.len() > MAX_TARGETS { &[] } else { found }
    }

    /// Whether all functions are defined in the module.
    pub fn is_defined(&self) -> bool {
        self.is_defined
    }

    /// The index of a function that is there once.
    pub fn only_index(&self, func: FuncIndex) -> Option<u32> {
        *self.indices.get(&func)?
    }
}

/// Each table that is constant.
#[derive(Debug, Default)]
pub(crate) struct ConstantTables(Vec<Option<ConstantTable>>);

impl ConstantTables {
    pub(crate) fn new(module: &Module) -> ConstantTables {
        if module.facts.writes_tables {
            return ConstantTables::default();
        }
        let mut tables: Vec<_> = (0..module.tables.len()).map(|at| initial(module, at)).collect();
        for elem in &module.elems {
            if let SegmentMode::Active(table, offset) = &elem.mode
                && !apply(module, elem, offset, *table, &mut tables)
            {
                return ConstantTables::default();
            }
        }
        let finish = |elements: Option<_>| Some(ConstantTable::new(module, elements?));
        ConstantTables(tables.into_iter().map(finish).collect())
    }

    pub(crate) fn of(&self, table: TableIndex) -> Option<&ConstantTable> {
        self.0.get(table.as_u32() as usize)?.as_ref()
    }
}

/// What a table holds before segments are copied into it, if it may be constant.
fn initial(module: &Module, at: usize) -> Option<Box<[Option<FuncIndex>]>> {
    let ty = &module.tables[at];
    let is_exported = |index: &ExternIndex| matches!(index, ExternIndex::Table(table) if table.as_u32() as usize == at);
    if at < module.num_imported_tables
        || ty.min > MAX_LEN
        || !module.is_func_heap(ty.element.heap)
        || module.exports.iter().any(|export| is_exported(&export.index))
    {
        return None;
    }
    let first = match &ty.init {
        None => None,
        Some(init) => function(init)?,
    };
    Some(vec![first; ty.min as usize].into())
}

/// Copies an active segment. `false`: instantiation may end here.
fn apply(
    module: &Module,
    elem: &ElemSegment,
    offset: &ConstExpr,
    table: TableIndex,
    tables: &mut [Option<Box<[Option<FuncIndex>]>>],
) -> bool {
    let offset = match offset.ops[..] {
        [ConstOp::I32(offset)] => u64::from(offset as u32),
        [ConstOp::I64(offset)] => offset as u64,
        _ => return false,
    };
    let table = table.as_u32() as usize;
    let end = offset.checked_add(elem.items.len() as u64);
    if end.is_none_or(|end| end > module.tables[table].min) {
        return false;
    }
    let Some(elements) = &mut tables[table] else { return true };
    let elements = &mut elements[offset as usize..][..elem.items.len()];
    let is_known = match &elem.items {
        ElemItems::Funcs(funcs) => {
            elements.iter_mut().zip(funcs).for_each(|(element, &func)| *element = Some(func));
            true
        }
        ElemItems::Exprs(exprs) => elements.iter_mut().zip(exprs).all(|(element, expr)| {
            let func = function(expr);
            *element = func.flatten();
            func.is_some()
        }),
    };
    if !is_known {
        tables[table] = None;
    }
    true
}

/// The function that an expression refers to, or null; `None` if it is neither.
fn function(expr: &ConstExpr) -> Option<Option<FuncIndex>> {
    match expr.ops[..] {
        [ConstOp::RefFunc(func)] => Some(Some(func)),
        [ConstOp::RefNull] => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use sterna_isa::FeatureSet;

    use super::*;

    /// What is known of the first table that these fields define.
    fn constant(fields: &str) -> Option<String> {
        let text = format!(
            "(module (type $i (func (param i32))) (type $n (func))
               (func $f (import \"\" \"f\"))
               (global $g (import \"\" \"g\") i32) (global $r (import \"\" \"r\") funcref)
               (table $u (import \"\" \"u\") 1 funcref) (func $a (type $i)) (func $b (type $i)) (func $c) {fields})"
        );
        let wasm = wat::parse_str(text).expect("valid text");
        let module = Module::decode(wasm, &FeatureSet::DEFAULT, 1).expect("valid module");
        let table = module.constant_table(TableIndex::from_u32(1))?;
        let number = |func: Option<FuncIndex>| func.map_or(-1, |func| i64::from(func.as_u32()));
        let elements: Vec<_> = table.elements.iter().map(|&func| number(func)).collect();
        let targets: Vec<_> =
            table.targets(TypeIndex::from_u32(0)).iter().map(|&f| number(Some(f))).collect();
        let only = table.only_index(FuncIndex::from_u32(1));
        Some(format!("{elements:?} {targets:?} {only:?} {}", table.is_defined()))
    }

    #[test]
    fn a_table_that_nobody_can_write_is_constant() {
        let table = "(table $t 5 5 funcref) (elem (table $t) (i32.const 1) func $a $b $f)";
        assert_eq!(constant(table).unwrap(), "[-1, 1, 2, 0, -1] [1, 2] Some(1) false");
        let twice = "(table $t 4 funcref) (elem (table $t) (i32.const 0) func $c $a) (elem (table $t) (i32.const 0) func $b)
            (elem (table $t) (i32.const 3) funcref (ref.null func)) (elem func $b)";
        assert_eq!(constant(twice).unwrap(), "[2, 1, -1, -1] [2, 1] Some(1) true");
    }

    #[test]
    fn others_are_not() {
        let table = "(table $t 5 9 funcref) (elem (table $t) (i32.const 1) func $a)";
        let writes = [
            "(table.set $t (i32.const 0) (ref.null func))",
            "(drop (table.grow $t (ref.null func) (i32.const 1)))",
            "(table.fill $t (i32.const 0) (ref.null func) (i32.const 1))",
            "(table.copy $t $u (i32.const 0) (i32.const 0) (i32.const 1))",
            "(table.init $t $p (i32.const 0) (i32.const 0) (i32.const 1))",
        ];
        assert!(constant(table).is_some());
        for write in writes {
            assert_eq!(constant(&format!("{table} (elem $p func $a) (func {write})")), None);
        }
        for more in [
            "(export \"\" (table $t))",
            "(elem (table $t) (global.get $g) func $b)",
            "(elem (table $t) (i32.const 5) func $b)",
            "(elem (table $t) (i32.const 0) funcref (global.get $r))",
            "(elem (table $u) (i32.const 1) func $a)",
        ] {
            assert_eq!(constant(&format!("{table} {more}")), None, "{more}");
        }
    }
}
