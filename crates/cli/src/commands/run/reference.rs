//! Owns how references are printed: what they refer to, in the style of the text format, as far as one can see.
//! Does not own numbers and vectors (`literal`).

use std::fmt::Write;

use crate::literal::Literal;
use sterna::{AnyRef, ExternRef, Store, Val};

/// Objects inside of objects that are shown; deeper ones are `…`.
const MOST_DEPTH: usize = 4;
/// Elements and fields of one object that are shown.
const MOST_FIELDS: usize = 32;
/// Values that are shown in all, so that what shares much does not become endless.
const MOST_VALUES: usize = 512;

/// A value of any type as text that does not depend on where objects are.
pub fn show<T>(value: &Val, store: &mut Store<T>) -> String {
    let mut shower = Shower { store, out: String::new(), values: 0 };
    shower.value(value, 0);
    shower.out
}

struct Shower<'a, T> {
    store: &'a mut Store<T>,
    out: String,
    values: usize,
}

impl<T> Shower<'_, T> {
    fn value(&mut self, value: &Val, depth: usize) {
        self.values += 1;
        let literal = match value {
            Val::I32(value) => Literal::I32(*value),
            Val::I64(value) => Literal::I64(*value),
            Val::F32(bits) => Literal::F32(*bits),
            Val::F64(bits) => Literal::F64(*bits),
            Val::V128(value) => Literal::V128(value.as_u128().to_le_bytes()),
            Val::FuncRef(None) | Val::ExternRef(None) | Val::AnyRef(None) | Val::ExnRef(None) => {
                Literal::Null
            }
            Val::FuncRef(Some(_)) => return self.out.push_str("(ref.func)"),
            Val::ExnRef(Some(_)) => return self.out.push_str("(ref.exn)"),
            Val::ExternRef(Some(value)) => return self.external(*value, depth),
            Val::AnyRef(Some(value)) => return self.any(*value, depth),
        };
        self.push(literal);
    }

    fn push(&mut self, literal: Literal) {
        // Writing to a string does not fail.
        let _ = write!(self.out, "{literal}");
    }

    fn external(&mut self, value: ExternRef, depth: usize) {
        match value.data(&*self.store) {
            Ok(data) => match data.downcast_ref() {
                Some(&number) => self.push(Literal::Extern(number)),
                None => self.out.push_str("(ref.extern)"),
            },
            Err(_) => {
                self.out.push_str("(extern.convert_any ");
                match AnyRef::from_extern(&*self.store, value) {
                    Ok(value) => self.any(value, depth),
                    Err(_) => self.out.push('…'),
                }
                self.out.push(')');
            }
        }
    }

    fn any(&mut self, value: AnyRef, depth: usize) {
        if let Some(value) = value.i31() {
            return self.push(Literal::I31(value.get_s()));
        }
        let object = match (value.as_struct(&*self.store), value.as_array(&*self.store)) {
            (Ok(Some(object)), _) => object.fields(&*self.store).map(|fields| {
                let len = fields.len();
                ("ref.struct", fields, len)
            }),
            (_, Ok(Some(array))) => array.len(&*self.store).map(|len| {
                let shown = (0..len).take(MOST_FIELDS);
                let elements = shown.filter_map(|index| array.get(&*self.store, index).ok());
                ("ref.array", elements.collect(), len as usize)
            }),
            _ => {
                self.out.push_str("(any.convert_extern ");
                match value.to_extern(&*self.store) {
                    Ok(value) => self.external(value, depth),
                    Err(_) => self.out.push('…'),
                }
                return self.out.push(')');
            }
        };
        let Ok((name, fields, len)) = object else { return self.out.push('…') };
        let _ = write!(self.out, "({name}");
        let room = MOST_VALUES.saturating_sub(self.values);
        let most = if depth == MOST_DEPTH { 0 } else { MOST_FIELDS.min(room) };
        for value in fields.iter().take(most) {
            self.out.push(' ');
            self.value(value, depth + 1);
        }
        if most < len {
            self.out.push_str(" …");
        }
        self.out.push(')');
    }
}
