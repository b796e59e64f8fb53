//! Owns `sterna profile`: runs a program, asks it regularly where it is, and writes what came out.
//! Does not own the forms: `flame` draws, `firefox` converts, `table` sums up.

mod firefox;
mod flame;
mod table;

use crate::commands::run::{self, Observer};
use crate::failure::Failure;
use crate::files;
use clap::Parser;
use std::path::PathBuf;
use std::time::Duration;
use sterna::{GuestProfile, InterruptHandle, Store};
use sterna_wasi::WasiCtx;

/// Run a program and show where it spends its time
#[derive(Parser)]
#[group(id = "profile")]
#[command(
    override_usage = "sterna profile [OPTIONS] <FILE> [ARGS]...",
    after_help = "\
Takes the options of `sterna run`, too. Writes two files and a table on standard error:
  NAME.svg   a flame graph, for any browser
  NAME.json  for https://profiler.firefox.com, which shows it without uploading it

The program notes where it is at its next loop iteration or function entry, in whatever tier it is running; time in the host
counts for what the program does next. In the table, interp, baseline and opt are the shares of a function's own time."
)]
pub struct Arguments {
    /// How often to look, in times per second
    #[arg(long, value_name = "HZ", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,
    /// Name of the files, without extension [default: the module's, and .profile]
    #[arg(short, long, value_name = "NAME")]
    output: Option<PathBuf>,
    /// How many functions the table has
    #[arg(long, value_name = "N", default_value_t = 30)]
    top: usize,
    #[command(flatten)]
    run: run::Arguments,
}

pub fn execute(arguments: &Arguments) -> Result<u8, Failure> {
    let period = Duration::from_secs(1) / arguments.rate;
    let mut sampler = Sampler { period, profile: GuestProfile::default() };
    let code = run::run_observed(&arguments.run, Some(&mut sampler))?;
    let module = arguments.run.file();
    let title = module.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let base = arguments.output.clone().unwrap_or_else(|| files::output_beside(module, "profile"));
    let (svg, json) = (with_extension(&base, "svg"), with_extension(&base, "json"));
    files::write(&svg, flame::draw(&title, &sampler.profile).as_bytes())?;
    files::write(&json, &firefox::convert(&title, &sampler.profile, period))?;
    eprint!("{}", table::show(&sampler.profile, arguments.top));
    eprintln!("written: {}, {}", svg.display(), json.display());
    Ok(code)
}

/// Adds an extension to a name that may have a dot in it.
fn with_extension(base: &std::path::Path, extension: &str) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Takes the samples.
struct Sampler {
    period: Duration,
    profile: GuestProfile,
}

impl Observer for Sampler {
    fn begin(&mut self, store: &mut Store<WasiCtx>) -> Result<(), Failure> {
        store.start_sampling();
        let (guest, period) = (store.interrupt_handle(), self.period);
        let thread = std::thread::Builder::new().name("sampler".into());
        // It ends with the process.
        let started = thread.spawn(move || ask(&guest, period));
        started
            .map(drop)
            .map_err(|error| Failure::new(format_args!("cannot start a thread: {error}")))
    }

    fn end(&mut self, store: &mut Store<WasiCtx>) -> Result<(), Failure> {
        self.profile = store.take_profile();
        Ok(())
    }
}

fn ask(guest: &InterruptHandle, period: Duration) {
    loop {
        std::thread::sleep(period);
        guest.sample();
    }
}
