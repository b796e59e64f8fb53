//! Owns listings of translated code, for tests and debugging.
//! Does not own translation.

use std::fmt::Write;

use sterna_abi::{InstanceLayout, InterpSettings};
use sterna_base::FuncIndex;
use sterna_module::Module;

use crate::translate::{Probe, Source, probe};

/// The code of a function, an instruction per line: position, byte offset of the operator in the module, operands as 16-bit words.
pub fn dump(module: &Module, func: FuncIndex) -> String {
    let layout = InstanceLayout::new(module);
    let settings = InterpSettings { deterministic: false, hot_budget: 0 };
    let source = Source { module, layout: &layout, entries: std::ptr::null(), settings };
    let mut listing = Probe { wanted: u32::MAX, found: None, starts: Some(Vec::new()) };
    let translated = match probe(source, func, &mut listing) {
        Ok(translated) => translated,
        Err(trap) => return format!("not translated: {trap}\n"),
    };
    let mut text = String::new();
    let starts = listing.starts.unwrap_or_default();
    let end = translated.code.len() as u32 * 8;
    for (i, &(start, offset)) in starts.iter().enumerate() {
        let next = starts.get(i + 1).map_or(end, |&(next, _)| next);
        let words = &translated.code[start as usize / 8..next as usize / 8];
        let _ = write!(text, "{start:5} {offset:#7x} ");
        let _ = write!(text, "{}", name(words[0] as usize));
        for word in &words[1..] {
            for half in 0..4 {
                let _ = write!(text, " {}", (word >> (16 * half)) as u16);
            }
        }
        text.push('\n');
    }
    text
}

/// What is known of a handler.
fn name(handler: usize) -> String {
    format!("{handler:#x}")
}
