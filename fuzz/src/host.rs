//! Owns the host function that generated programs import: it does from outside what their owner's functions do.
//! Does not own the owner (`edges`).

use sterna::{Caller, Error, Extern, Func, Instance, Result, Store, Val};

/// The function `(i32) -> i32`. What it does depends on the lowest three bits; to which object of the owner, on the next.
pub(crate) fn host(store: &mut Store<()>, owner: Instance) -> Func {
    Func::wrap(store, move |mut caller: Caller<'_, ()>, what: i32| -> Result<i32> {
        let (task, rest) = (what & 7, (what >> 4) as usize & 0x3f);
        let kind = match task {
            0..3 => "m",
            3 => "i32",
            4 => "t",
            5 => "call",
            6 => return Err(Error::msg("the host fails")),
            _ => return Ok(what),
        };
        let which = if task == 5 { String::new() } else { (what >> 3 & 1).to_string() };
        let object = owner.get_export(&mut caller, &format!("{kind}{which}"));
        let object = object.expect("the generator's owners export objects of all kinds");
        Ok(match (task, object) {
            (0, Extern::Memory(memory)) => {
                memory.grow(&mut caller, 1).map_or(-1, |size| size as i32)
            }
            (0, Extern::SharedMemory(memory)) => memory.grow(1).map_or(-1, |size| size as i32),
            (1, Extern::Memory(memory)) => {
                memory.data_mut(&mut caller)[rest..][..8].fill(what as u8);
                0
            }
            (1, Extern::SharedMemory(memory)) => {
                memory.write(rest, &[what as u8; 8]).map_or(-1, |()| 0)
            }
            (_, Extern::Memory(memory)) => memory.data(&caller)[rest].into(),
            (3, Extern::Global(global)) => {
                global.set(&mut caller, Val::I32(what))?;
                0
            }
            (4, Extern::Table(table)) => {
                let first = table.get(&caller, 0).expect("the table is not empty");
                table.set(&mut caller, rest as u64 & 7, first)?;
                let second = table.get(&caller, 1).expect("nor that short");
                table.grow(&mut caller, 1, second).map_or(-1, |size| size as i32)
            }
            (_, Extern::Func(func)) => {
                let mut results = [Val::I32(0)];
                func.call(&mut caller, &[Val::I32(rest as i32)], &mut results)?;
                results[0].i32().unwrap_or(0)
            }
            _ => 0,
        })
    })
}
