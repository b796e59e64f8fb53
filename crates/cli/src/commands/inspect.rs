//! Owns `sterna inspect`: what a module contains, as text or JSON.
//! Does not collect it (`summary`) nor find out which features it uses (`features`).

mod features;
mod summary;

use crate::failure::Failure;
use crate::files;
use crate::quantity::show_size;
use clap::Parser;
use std::fmt::Write;
use std::path::PathBuf;
use summary::{Item, Summary};

/// Show sections, imports, exports, features and sizes of a module
#[derive(Parser)]
pub struct Arguments {
    /// A .wasm or .wat file, or - for standard input
    file: PathBuf,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

pub fn execute(arguments: &Arguments) -> Result<u8, Failure> {
    let binary = files::read_module(&arguments.file)?;
    let summary = Summary::of(&binary).map_err(|error| {
        let failure = Failure::new(format_args!(
            "{}: malformed module: {}",
            arguments.file.display(),
            error.message()
        ));
        failure.detail(format_args!("at byte {:#x}", error.offset()))
    })?;
    let text = if arguments.json { json(&summary)? } else { text(&summary) };
    files::print(text.as_bytes())?;
    Ok(0)
}

fn json(summary: &Summary) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(summary);
    json.map(|json| json + "\n").map_err(|e| Failure::new(format_args!("cannot write JSON: {e}")))
}

fn text(summary: &Summary) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_text(&mut out, summary);
    out
}

fn write_text(out: &mut String, summary: &Summary) -> std::fmt::Result {
    writeln!(out, "module      {}", show_size(summary.size))?;
    match &summary.invalid {
        None => writeln!(out, "valid       yes")?,
        Some(reason) => writeln!(out, "valid       no: {reason}")?,
    }
    let features = if summary.features.is_empty() {
        "none beyond 1.0".to_owned()
    } else {
        summary.features.join(" ")
    };
    writeln!(out, "features    {features}")?;
    let code = &summary.code;
    writeln!(
        out,
        "functions   {} in {}, the largest {}",
        code.functions,
        show_size(code.size),
        show_size(code.largest)
    )?;
    writeln!(
        out,
        "data        {} segments, {}",
        summary.data.segments,
        show_size(summary.data.size)
    )?;
    if let Some(start) = summary.start {
        writeln!(out, "start       function {start}")?;
    }
    let width =
        summary.sections.iter().map(|section| section.name.len()).max().unwrap_or(0).max(12);
    writeln!(out, "\n{:<width$}      offset        size  items", "sections", width = width - 1)?;
    for section in &summary.sections {
        let items = section.items.map(|items| items.to_string()).unwrap_or_default();
        writeln!(
            out,
            "  {:<width$} {:>#9x} {:>11}  {items}",
            section.name,
            section.offset,
            show_size(section.size)
        )?;
    }
    write_items(out, "imports", &summary.imports)?;
    write_items(out, "exports", &summary.exports)
}

fn write_items(out: &mut String, title: &str, items: &[Item]) -> std::fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    for item in items {
        let module = item.module.as_ref().map(|module| format!("{module}.")).unwrap_or_default();
        writeln!(out, "  {:<7} {module}{} : {}", item.kind, item.name, item.ty)?;
    }
    Ok(())
}
