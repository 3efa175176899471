//! `colibri store`: checks, shows, exports and imports what a broker keeps on disk.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use colibri_storage::disk::{Disk, DiskOptions};
use colibri_storage::tools;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Reads everything and says what is damaged or does not fit together
    Check(Place),
    /// Prints a line for each row
    Dump(Place),
    /// Writes all rows as lines of JSON
    Export(Transfer),
    /// Reads such lines into a data directory that is empty or new
    Import(Transfer),
}

/// Where a store is.
#[derive(Debug, clap::Args)]
struct Place {
    /// The data directory of a broker that is not running
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// A store and a file.
#[derive(Debug, clap::Args)]
struct Transfer {
    #[command(flatten)]
    place: Place,

    /// The file [default: standard output or input]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Does it. The exit code is 0 if that went well, 1 if it did not or a check found a problem.
pub(crate) fn run(options: &Options) -> ExitCode {
    let result = match &options.order {
        Order::Check(place) => check(&place.directory),
        Order::Dump(place) => dump(&place.directory).map(|()| true),
        Order::Export(transfer) => export(&transfer.place.directory, transfer.file.as_deref()).map(|()| true),
        Order::Import(transfer) => import(&transfer.place.directory, transfer.file.as_deref()).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(sentence) => {
            eprintln!("colibri store: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn open(directory: &Path) -> Result<Disk, String> {
    Disk::open_existing(directory, DiskOptions::default()).map_err(told)
}

fn check(directory: &Path) -> Result<bool, String> {
    let mut disk = open(directory)?;
    disk.verify().map_err(told)?;
    let report = tools::check(&disk).map_err(told)?;
    read_on(writeln!(io::stdout(), "{report}"))?;
    Ok(report.holds())
}

fn dump(directory: &Path) -> Result<(), String> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = tools::dump(&open(directory)?, &mut out).map_err(told)?;
    read_on(written.and_then(|()| out.flush()))
}

fn export(directory: &Path, file: Option<&Path>) -> Result<(), String> {
    let disk = open(directory)?;
    let mut out: Box<dyn Write> = match file {
        // An export that is there already is not overwritten.
        Some(path) => {
            Box::new(BufWriter::new(File::create_new(path).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    format!("There is a file {} already; name another, or delete it.", path.display())
                }
                _ => format!("{} cannot be written: {error}; name another file.", path.display()),
            })?))
        }
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    let rows = tools::export(&disk, &mut out).map_err(told)?;
    eprintln!("{rows} rows exported");
    Ok(())
}

fn import(directory: &Path, file: Option<&Path>) -> Result<(), String> {
    let input: Box<dyn Read> = match file {
        Some(path) => Box::new(File::open(path).map_err(|error| {
            format!("{} cannot be read: {error}; name the file that an export wrote.", path.display())
        })?),
        None => Box::new(io::stdin().lock()),
    };
    // All of it before anything is made, so that what is refused leaves no data directory behind.
    let batch = tools::read(&mut BufReader::new(input)).map_err(told)?;
    let mut disk = Disk::open(directory, DiskOptions::default()).map_err(told)?;
    let rows = tools::fill(&mut disk, &batch).map_err(told)?;
    eprintln!("{rows} rows imported");
    Ok(())
}

/// Whoever does not read on still gets the exit code.
fn read_on(written: io::Result<()>) -> Result<(), String> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn told(error: impl ToString) -> String {
    error.to_string()
}
