//! Owns what a guest is granted on the command line: folders, environment variables, arguments.
//! Does not implement the system interface; it fills a `WasiCtxBuilder`.

use crate::failure::{Failure, cannot};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use sterna_wasi::{DirAccess, WasiCtxBuilder};

/// `--dir HOST[::GUEST[::ro]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    host: PathBuf,
    guest: OsString,
    access: DirAccess,
}

/// `--env NAME[=VALUE]`; without a value, ours is passed on.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    name: OsString,
    value: Option<OsString>,
}

/// Reads `HOST`, `HOST::GUEST`, `HOST::GUEST::ro` or `HOST::GUEST::rw`. Without GUEST, the guest sees the same name.
pub fn parse_folder(text: OsString) -> Result<Folder, String> {
    let parts: Vec<&[u8]> = split(text.as_bytes());
    let (host, guest, access) = match *parts.as_slice() {
        [host] => (host, host, DirAccess::ReadWrite),
        [host, guest] | [host, guest, b"rw"] => (host, guest, DirAccess::ReadWrite),
        [host, guest, b"ro"] => (host, guest, DirAccess::ReadOnly),
        _ => return Err("expected HOST, HOST::GUEST or HOST::GUEST::ro".into()),
    };
    if host.is_empty() || guest.is_empty() {
        return Err(
            "expected HOST, HOST::GUEST or HOST::GUEST::ro; neither name may be empty".into()
        );
    }
    Ok(Folder {
        host: PathBuf::from(OsStr::from_bytes(host)),
        guest: OsStr::from_bytes(guest).to_owned(),
        access,
    })
}

/// Splits at every `::`.
fn split(text: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"::") {
        parts.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    parts.push(rest);
    parts
}

/// Reads `NAME=VALUE` or `NAME`.
pub fn parse_variable(text: OsString) -> Result<Variable, String> {
    let mut name = text.into_vec();
    let value = name.iter().position(|byte| *byte == b'=').map(|at| {
        let value = name.split_off(at + 1);
        name.truncate(at);
        OsString::from_vec(value)
    });
    match name.is_empty() {
        true => Err("expected NAME=VALUE or NAME".into()),
        false => Ok(Variable { name: OsString::from_vec(name), value }),
    }
}

/// Opens the folders and sets the variables.
pub fn grant(
    mut builder: WasiCtxBuilder,
    folders: &[Folder],
    variables: &[Variable],
) -> Result<WasiCtxBuilder, Failure> {
    for Folder { host, guest, access } in folders {
        builder = builder
            .preopen_dir(host, guest, *access)
            .map_err(|e| cannot("open the folder", host, &e))?;
    }
    for Variable { name, value } in variables {
        let inherited = || std::env::var_os(name);
        let value = value.clone().or_else(inherited).ok_or_else(|| {
            let name = name.display();
            Failure::usage(format_args!("--env {name}: no such variable here to pass on"))
                .hint(format_args!("give it a value: --env {name}=VALUE"))
        })?;
        builder = builder.env(name, value);
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(text: &str) -> Result<(String, String, DirAccess), String> {
        let folder = parse_folder(text.into())?;
        Ok((folder.host.display().to_string(), folder.guest.display().to_string(), folder.access))
    }

    #[test]
    fn folders() {
        use DirAccess::{ReadOnly, ReadWrite};
        assert_eq!(folder("."), Ok((".".into(), ".".into(), ReadWrite)));
        assert_eq!(folder("a::/b"), Ok(("a".into(), "/b".into(), ReadWrite)));
        assert_eq!(folder("a::/b::ro"), Ok(("a".into(), "/b".into(), ReadOnly)));
        assert_eq!(folder("a:b"), Ok(("a:b".into(), "a:b".into(), ReadWrite)));
        assert!(folder("").is_err() && folder("a::").is_err() && folder("a::b::c").is_err());
    }

    #[test]
    fn variables() {
        let variable = |text: &str| parse_variable(text.into()).map(|v| (v.name, v.value));
        assert_eq!(variable("A=b=c"), Ok(("A".into(), Some("b=c".into()))));
        assert_eq!(variable("A="), Ok(("A".into(), Some("".into()))));
        assert_eq!(variable("A"), Ok(("A".into(), None)));
        assert!(variable("=x").is_err() && variable("").is_err());
    }

    #[test]
    fn a_missing_folder_is_one_sentence() {
        let missing = parse_folder("does-not-exist::/x".into()).unwrap();
        let failure =
            grant(sterna_wasi::WasiCtx::builder(), &[missing], &[]).map(drop).unwrap_err();
        assert!(
            format!("{failure:?}")
                .contains("cannot open the folder does-not-exist: no such file or directory")
        );
    }
}
