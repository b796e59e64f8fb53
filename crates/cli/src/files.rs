//! Owns reading modules and writing results: formats by content, size limit, no half-written file.
//! Does not validate a module; it only tells the formats apart.

mod sections;

use crate::failure::{Failure, cannot};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use sterna::{Module, ModuleError};

/// Larger inputs are refused before they fill the memory.
/// The web embeddings of WebAssembly draw the line for a module at the same size.
const LARGEST_INPUT: u64 = 1 << 30;

/// Files from this size on are read by two threads.
const LARGE: usize = 4 << 20;

/// `-` stands for standard input or output.
pub const DASH: &str = "-";

/// The whole file, or standard input for `-`.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(read_parts(path, |_| false, |_, _| None)?.0)
}

/// What running a file takes. Of a precompiled module, which is mapped and not read, only its beginning; of a large module all but the
/// debug information behind its code. Also says whether some of that was left out.
pub fn read_to_run(path: &Path) -> Result<(Vec<u8>, bool), Failure> {
    let is_mapped =
        |start: &[u8]| path.as_os_str() != DASH && format_of(start) == Format::Precompiled;
    read_parts(path, is_mapped, sections::without_debug)
}

/// Reads a file, or its beginning if `stop` says so of that, or of a large one the parts that `select` says for its size, if any; also
/// says whether it was such parts.
fn read_parts(
    path: &Path,
    stop: impl Fn(&[u8]) -> bool,
    select: impl Fn(&File, usize) -> Option<Vec<Range<usize>>>,
) -> Result<(Vec<u8>, bool), Failure> {
    let (mut bytes, mut selected) = (Vec::new(), false);
    let read = match path.as_os_str() == DASH {
        true => take(&mut io::stdin().lock(), &mut bytes, stop),
        false => File::open(path).and_then(|mut file| {
            let meta = file.metadata()?;
            let size = usize::try_from(meta.len().min(LARGEST_INPUT)).unwrap_or(0);
            (&mut file).take(MAGIC_LENGTH).read_to_end(&mut bytes)?;
            if meta.is_file() && size >= LARGE && !stop(&bytes) {
                if let Some(parts) = select(&file, size) {
                    bytes = read_large(&file, &parts)?;
                    selected = true;
                    return Ok(());
                }
                let whole = 0..size;
                bytes = read_large(&file, &[whole])?;
                file.seek(io::SeekFrom::Start(bytes.len() as u64))?;
            }
            bytes.reserve_exact((size + 1).saturating_sub(bytes.len()));
            take(&mut file, &mut bytes, stop)
        }),
    };
    read.map_err(|e| cannot("read", path, &e))?;
    if bytes.len() as u64 > LARGEST_INPUT {
        return Err(Failure::new(format_args!("cannot read {}: more than 1 GiB", path.display())));
    }
    Ok((bytes, selected))
}

fn take(input: &mut dyn Read, bytes: &mut Vec<u8>, stop: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    (&mut *input).take(MAGIC_LENGTH.saturating_sub(bytes.len() as u64)).read_to_end(bytes)?;
    if stop(bytes) {
        return Ok(());
    }
    let room = LARGEST_INPUT + 1 - bytes.len() as u64;
    input.take(room).read_to_end(bytes).map(drop)
}

/// Parts of a large file, one behind the other, on two threads. Fewer bytes if it has become shorter.
fn read_large(file: &File, parts: &[Range<usize>]) -> io::Result<Vec<u8>> {
    let size = parts.iter().map(Range::len).sum();
    let mut bytes = vec![0; size];
    sterna_sys::vm::prefer_large_pages(&bytes);
    let middle = size / 2;
    let (first, second) = bytes.split_at_mut(middle);
    let (first, second) = std::thread::scope(|scope| {
        let work = || fill(file, parts, second, middle);
        let thread = std::thread::Builder::new().spawn_scoped(scope, work);
        let first = fill(file, parts, first, 0);
        (first, thread.map(|thread| thread.join().expect("reading does not panic")))
    });
    let filled = match (first?, second) {
        (first, Ok(second)) if first == middle => middle + second?,
        (first, Ok(_)) => first,
        // No thread.
        (first, Err(_)) if first == middle => {
            middle + fill(file, parts, &mut bytes[middle..], middle)?
        }
        (first, Err(_)) => first,
    };
    bytes.truncate(filled);
    Ok(bytes)
}

/// Reads from a position in the parts until the buffer is full or the file ends.
fn fill(
    file: &File,
    parts: &[Range<usize>],
    mut buffer: &mut [u8],
    mut skip: usize,
) -> io::Result<usize> {
    let mut filled = 0;
    for part in parts {
        let mut at = part.start + skip.min(part.len());
        skip = skip.saturating_sub(part.len());
        while at < part.end && !buffer.is_empty() {
            let most = buffer.len().min(part.end - at);
            match file.read_at(&mut buffer[..most], at as u64) {
                Ok(0) => return Ok(filled),
                Ok(read) => {
                    (buffer, at, filled) = (&mut buffer[read..], at + read, filled + read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(filled)
}

/// How many first bytes tell the formats apart.
const MAGIC_LENGTH: u64 = 8;

/// What a file holds, by its first bytes.
#[derive(Debug, PartialEq)]
pub enum Format {
    /// The binary format of a core module, or what claims to be one.
    Binary,
    /// A component: valid WebAssembly, but not a core module.
    Component,
    /// An artifact of `sterna compile`.
    Precompiled,
    /// Text, by exclusion.
    Text,
}

/// Tells the formats apart.
pub fn format_of(bytes: &[u8]) -> Format {
    match bytes {
        [0, b'a', b's', b'm', _, _, layer, ..] if *layer != 0 => Format::Component,
        [0, b'a', b's', b'm', ..] => Format::Binary,
        _ if Module::is_serialized(bytes) => Format::Precompiled,
        _ => Format::Text,
    }
}

/// Reads a module in either format and returns it in the binary format.
pub fn read_module(path: &Path) -> Result<Vec<u8>, Failure> {
    to_binary(path, read(path)?)
}

/// The binary format of a module that was read from `path`.
pub fn to_binary(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let binary = match format_of(&bytes) {
        Format::Text => assemble(path, &bytes)?,
        _ => bytes,
    };
    match format_of(&binary) {
        Format::Precompiled => {
            let failure = Failure::new(format_args!(
                "{}: this is precompiled code, not a module",
                path.display()
            ));
            Err(failure.hint(
                "only `sterna run` takes the output of `sterna compile`, and only from a file",
            ))
        }
        // Text that is a component assembles to one.
        Format::Component => Err(component(path)),
        Format::Binary | Format::Text => Ok(binary),
    }
}

/// Refuses a component.
pub fn component(path: &Path) -> Failure {
    Failure::new(format_args!(
        "{}: this is a component; not yet: only core modules run",
        path.display()
    ))
    .hint(
        "build for wasm32-wasip1, or extract the core module with `wasm-tools component unbundle`",
    )
}

/// Text to binary; an error names line and column and shows the line.
pub fn assemble(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let file = path.display();
    let text =
        std::str::from_utf8(bytes).map_err(|e| not_a_module(path, bytes, e.valid_up_to()))?;
    if text.trim().is_empty() {
        return Err(Failure::new(format_args!("{file}: the file is empty")));
    }
    let parsed = wast::parser::ParseBuffer::new(text);
    parsed
        .and_then(|buffer| wast::parser::parse::<wast::Wat<'_>>(&buffer)?.encode())
        .map_err(|error| text_failure(path, text, &error))
}

/// A mistake in text: the sentence, where it is, and the line with a mark under it.
pub fn text_failure(path: &Path, text: &str, error: &wast::Error) -> Failure {
    const WIDEST: usize = 120;
    let (line, column) = error.span().linecol_in(text);
    let shown: String = text.lines().nth(line).unwrap_or_default().chars().take(WIDEST).collect();
    let failure = Failure::new(error.message()).detail(format_args!(
        "at {}:{}:{}",
        path.display(),
        line + 1,
        column + 1
    ));
    if column < WIDEST && !shown.trim().is_empty() {
        let shown = shown.replace('\t', " ");
        return failure.detail(format_args!("| {shown}\n| {:column$}^", ""));
    }
    failure
}

fn not_a_module(path: &Path, bytes: &[u8], offset: usize) -> Failure {
    let shown: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    Failure::new(format_args!("{}: not a WebAssembly module", path.display()))
        .detail(format_args!(
            "it begins with {}; byte {offset:#x} is not UTF-8 text either",
            shown.join(" ")
        ))
        .hint("a binary module begins with 00 61 73 6d, a text module with `(module`")
}

/// What is wrong with a module, and where.
pub fn invalid(file: &Path, error: &ModuleError) -> Failure {
    let failure =
        Failure::new(format_args!("{}: invalid module: {}", file.display(), error.message))
            .detail(format_args!("at byte {:#x}", error.offset));
    failure.maybe_hint(hint(&error.message))
}

fn hint(message: &str) -> Option<&'static str> {
    if message.contains("not enabled") || message.contains("not supported") {
        return Some(
            "the module needs a feature that is not built yet; `sterna inspect` lists what it uses",
        );
    }
    message
        .contains("unexpected end")
        .then_some("the file seems to be cut off: compare its size with the original")
}

/// Writes a whole file or nothing: an interrupted or failed write leaves the old file as it was.
/// `-` writes to standard output.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path.as_os_str() == DASH {
        return print(bytes);
    }
    replace(path, bytes).map_err(|e| cannot("write", path, &e))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Devices and pipes cannot be replaced by renaming.
    if path.metadata().is_ok_and(|m| !m.is_file()) {
        return File::options().write(true).open(path)?.write_all(bytes);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".sterna-")
        .permissions(permissions())
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// As for any new file; the process's umask still applies.
fn permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o666)
}

/// Writes to standard output. A reader that went away is not an error.
pub fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format_args!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// The name of an output that was not given: the input's with another extension.
pub fn output_beside(input: &Path, extension: &str) -> PathBuf {
    if input.as_os_str() == DASH { PathBuf::from(DASH) } else { input.with_extension(extension) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_content() {
        assert_eq!(format_of(b"\0asm\x01\0\0\0"), Format::Binary);
        assert_eq!(format_of(b"\0asm\x0d\0\x01\0"), Format::Component);
        assert_eq!(format_of(b"\x89STERNA\n"), Format::Precompiled);
        assert_eq!(format_of(b"(module)"), Format::Text);
        assert_eq!(format_of(b""), Format::Text);
    }

    #[test]
    fn writing_replaces_the_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"long content").unwrap();
        write(&path, b"short").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("missing/a"), b"").is_err());
    }

    #[test]
    fn large_files_are_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for size in [LARGE - 1, LARGE, LARGE + 1, 2 * LARGE + 12_345] {
            let bytes: Vec<u8> = (0..size).map(|at| ((at * 31) >> 3) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            assert!(read(&path).unwrap() == bytes, "{size}");
            let file = File::open(&path).unwrap();
            let longer = 0..size + 5;
            assert!(read_large(&file, &[longer]).unwrap() == bytes, "it was longer before");
            let parts = [1..size / 3, size / 3 + 100..size - 1];
            let expected = parts.clone().map(|part| &bytes[part]).concat();
            assert!(read_large(&file, &parts).unwrap() == expected, "{size}");
        }
    }

    #[test]
    fn output_names() {
        assert_eq!(output_beside("a/b.wat".as_ref(), "wasm"), Path::new("a/b.wasm"));
        assert_eq!(output_beside("-".as_ref(), "wasm"), Path::new("-"));
    }
}
