//! Owns which functions the fields of constant structures refer to: tables of methods, as compilers of object-oriented languages make them.
//! Does not promise that a field refers to no other function: structures can be made anywhere.

use std::collections::HashMap;

use sterna_base::{FuncIndex, TypeIndex};

use crate::const_expr::ConstOp;
use crate::module::Module;

/// Functions remembered per field; a field with more has none.
pub const MAX_METHODS: usize = 6;

/// Functions by type and field.
#[derive(Debug, Default)]
pub(crate) struct Methods(HashMap<(u32, u32), Vec<FuncIndex>>);

impl Methods {
    /// Looks at the initial values of all globals.
    pub(crate) fn new(module: &Module) -> Methods {
        let mut methods = Methods::default();
        let mut stack = Vec::new();
        for init in module.globals.iter().filter_map(|global| global.init.as_ref()) {
            stack.clear();
            for &op in &init.ops {
                methods.step(module, op, &mut stack);
            }
        }
        methods
    }

    pub(crate) fn of(&self, ty: TypeIndex, field: u32) -> &[FuncIndex] {
        let found = self.0.get(&(ty.as_u32(), field)).map_or(&[][..], |found| found);
        if found.len() > MAX_METHODS { &[] } else { found }
    }

    /// Follows functions through an operand stack.
    fn step(&mut self, module: &Module, op: ConstOp, stack: &mut Vec<Option<FuncIndex>>) {
        let operands = match op {
            ConstOp::RefFunc(func) => return stack.push(Some(func)),
            ConstOp::StructNew(ty) => {
                let fields = module.types[ty.index()].as_struct().map_or(0, |fields| fields.len());
                let first = stack.len().saturating_sub(fields);
                for (field, func) in stack[first..].iter().enumerate() {
                    if let Some(func) = *func {
                        self.add(module, ty, field as u32, func);
                    }
                }
                fields
            }
            ConstOp::ArrayNewFixed(_, count) => count as usize,
            ConstOp::I32Add
            | ConstOp::I32Sub
            | ConstOp::I32Mul
            | ConstOp::I64Add
            | ConstOp::I64Sub
            | ConstOp::I64Mul
            | ConstOp::ArrayNew(_) => 2,
            ConstOp::I32(_)
            | ConstOp::I64(_)
            | ConstOp::F32(_)
            | ConstOp::F64(_)
            | ConstOp::V128(_)
            | ConstOp::GlobalGet(_)
            | ConstOp::RefNull
            | ConstOp::StructNewDefault(_) => 0,
            _ => 1,
        };
        stack.truncate(stack.len().saturating_sub(operands));
        stack.push(None);
    }

    /// A field of a structure type is one of all its supertypes that have so many.
    fn add(&mut self, module: &Module, ty: TypeIndex, field: u32, func: FuncIndex) {
        let mut next = Some(ty.as_u32());
        while let Some(ty) = next {
            let data = &module.types[ty as usize];
            if data.as_struct().is_none_or(|fields| fields.len() <= field as usize) {
                return;
            }
            let found = self.0.entry((ty, field)).or_default();
            if found.len() <= MAX_METHODS && !found.contains(&func) {
                found.push(func);
            }
            next = data.supertype;
        }
    }
}
