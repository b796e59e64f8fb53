//! Owns linking: every function of the table becomes an import for the engine's guests.
//! Does not implement the functions.

use crate::{Abi, GuestMemory, Stop, WasiCtx, WasiThreads, returned};
use sterna::{Caller, Error, Linker, Module, SharedMemory};

/// Defines every function of preview 1 in `linker`, under both of its module names,
/// `wasi_snapshot_preview1` and `wasi_unstable`. `get` finds the guest's world in the store's data.
///
/// A guest must export its memory as `memory`. A call that ends the guest returns an error in which
/// [`Error::downcast_ref`] finds the [`Halt`](crate::Halt).
///
/// # Errors
/// One of the names is taken in `linker`.
pub fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> &mut WasiCtx,
) -> Result<(), Error> {
    add_form(linker, get, Abi::Preview1, &|_| true)?;
    add_form(linker, get, Abi::Snapshot0, &|_| true)
}

/// As [`add_to_linker`], but defines only what `module` imports: all that a linker for one module needs, in less time.
///
/// # Errors
/// As [`add_to_linker`].
pub fn add_imports_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    module: &Module,
    get: fn(&mut T) -> &mut WasiCtx,
) -> Result<(), Error> {
    for abi in [Abi::Preview1, Abi::Snapshot0] {
        let imported: Vec<_> =
            module.imports().filter(|i| i.module() == abi.module_name()).collect();
        add_form(linker, get, abi, &|name| imported.iter().any(|import| import.name() == name))?;
    }
    Ok(())
}

/// As [`add_imports_to_linker`], for guests with threads.
pub(crate) fn add_shared_imports_to_linker(
    linker: &mut Linker<WasiThreads>,
    module: &Module,
) -> Result<(), Error> {
    for abi in [Abi::Preview1, Abi::Snapshot0] {
        let imported: Vec<_> =
            module.imports().filter(|i| i.module() == abi.module_name()).collect();
        let is_wanted = |name: &str| imported.iter().any(|import| import.name() == name);
        add_shared_form(linker, abi, &is_wanted)?;
    }
    Ok(())
}

macro_rules! add {
    ($($name:ident($($parameter:ident: $type:ident),*) $(-> $result:ident)?;)*) => {
        fn add_form<T: 'static>(
            linker: &mut Linker<T>,
            get: fn(&mut T) -> &mut WasiCtx,
            abi: Abi,
            is_wanted: &dyn Fn(&str) -> bool,
        ) -> Result<(), Error> {
            $(if is_wanted(stringify!($name)) {
                linker.func_wrap(
                    abi.module_name(),
                    stringify!($name),
                    move |mut caller: Caller<'_, T>, $($parameter: $type),*| {
                        let (bytes, data) = memory(&mut caller)?;
                        let mut memory = GuestMemory::new(bytes, abi);
                        let result = get(data).$name(
                            &mut memory,
                            $($parameter as $crate::wasi_unsigned!($type)),*
                        );
                        to_guest!(returned(result), $($result)?)
                    },
                )?;
            })*
            Ok(())
        }

        fn add_shared_form(
            linker: &mut Linker<WasiThreads>,
            abi: Abi,
            is_wanted: &dyn Fn(&str) -> bool,
        ) -> Result<(), Error> {
            $(if is_wanted(stringify!($name)) {
                linker.func_wrap(
                    abi.module_name(),
                    stringify!($name),
                    move |mut caller: Caller<'_, WasiThreads>, $($parameter: $type),*| {
                        let shared = shared_memory(&mut caller)?;
                        let mut memory = GuestMemory::shared(&shared, abi);
                        let result = caller.data().call(&mut memory, |ctx, memory| {
                            let result = ctx.$name(
                                memory,
                                $($parameter as $crate::wasi_unsigned!($type)),*
                            );
                            result.map_err(Stop::from)
                        });
                        to_guest!(returned(result), $($result)?)
                    },
                )?;
            })*
            Ok(())
        }
    };
}

/// The result for the guest: an error number, or nothing for the function that does not return.
macro_rules! to_guest {
    ($result:expr, errno) => {
        $result.map_err(Error::new)
    };
    ($result:expr,) => {
        $result.map(drop).map_err(Error::new)
    };
}

crate::for_each_wasi_fn!(add);

fn memory<'a, T>(caller: &'a mut Caller<'_, T>) -> Result<(&'a mut [u8], &'a mut T), Error> {
    caller
        .memory_and_data("memory")
        .ok_or_else(|| Error::msg("WASI needs a memory that the module exports as `memory`"))
}

fn shared_memory(caller: &mut Caller<'_, WasiThreads>) -> Result<SharedMemory, Error> {
    caller.get_export("memory").and_then(|export| export.into_shared_memory()).ok_or_else(|| {
        Error::msg("WASI with threads needs a shared memory that the module exports as `memory`")
    })
}
