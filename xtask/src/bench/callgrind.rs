//! Runs a scenario under callgrind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::counts::Counts;
use crate::workspace;

/// Counting is on within these functions of the scenarios, and off again within those that stand for the
/// kernel. A `*` is for the path in front and for what the compiler puts behind.
const COUNTED: [&str; 6] = [
    "*::broker_turn*",
    "*::tree_subscribe*",
    "*::tree_match*",
    "*::tree_unsubscribe*",
    "*::kernel_reads*",
    "*::kernel_writes*",
];
/// What was counted before this function is thrown away.
const BEGINNING: &str = "*::begin_measuring*";

/// Keeps the C library from copying long pieces with one instruction that callgrind counts once for each byte.
const TUNABLES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1000000000");

/// The program with the scenarios, and where callgrind writes.
#[derive(Debug)]
pub(crate) struct Callgrind {
    pub(crate) program: PathBuf,
    pub(crate) folder: PathBuf,
}

/// What one scenario came to.
#[derive(Debug)]
pub(crate) struct Measured {
    counts: Counts,
    figures: Vec<(String, Figure)>,
}

/// Instructions for one of something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) each: f64,
    /// One of what.
    pub(crate) unit: String,
    /// How many there were.
    divisor: f64,
}

/// Why callgrind cannot be used here, if it cannot; installs it where that is possible without asking, as the
/// interoperability cases do.
pub(crate) fn obtain() -> Option<String> {
    if is_there("valgrind") {
        return None;
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !is_root || !is_there("apt-get") {
        return Some("valgrind is missing, and installing it takes root and apt.".to_owned());
    }
    let mut update = Command::new("apt-get");
    update.args(["update", "-qq"]);
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends", "valgrind"]);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    for command in [&mut update, &mut install] {
        if let Err(sentence) = workspace::run(command) {
            return Some(format!("valgrind is missing, and {sentence}"));
        }
    }
    (!is_there("valgrind")).then(|| "valgrind was installed and cannot be started.".to_owned())
}

fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    let status = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Callgrind {
    /// The names of all scenarios.
    pub(crate) fn scenarios(&self) -> Result<Vec<String>, String> {
        let text = workspace::read(Command::new(&self.program).arg("--list"))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Runs one scenario.
    pub(crate) fn count(&self, scenario: &str) -> Result<Measured, String> {
        let written = |error| format!("{} could not be written: {error}.", self.folder.display());
        fs::create_dir_all(&self.folder).map_err(written)?;
        let output = self.folder.join(format!("{scenario}.callgrind"));
        let log = self.folder.join(format!("{scenario}.log"));
        let mut command = Command::new("valgrind");
        command
            .env(TUNABLES.0, TUNABLES.1)
            .arg("--tool=callgrind")
            .arg(option("--callgrind-out-file=", &output))
            .arg(option("--log-file=", &log))
            .args(["--compress-strings=no", "--compress-pos=no"])
            .args(COUNTED.iter().map(|function| format!("--toggle-collect={function}")))
            .arg(format!("--zero-before={BEGINNING}"))
            .arg(&self.program)
            .arg(scenario);
        let printed = workspace::read(&mut command)?;
        let text = fs::read_to_string(&output);
        let text = text.map_err(|error| format!("{} could not be read: {error}.", output.display()))?;
        let counts = Counts::read(&text);
        let figures = printed.lines().map(|line| figure(line, &counts)).collect::<Result<Vec<_>, _>>()?;
        if figures.is_empty() {
            Err(format!("{scenario} has no figure."))
        } else {
            Ok(Measured { counts, figures })
        }
    }
}

impl Measured {
    /// The names of the figures, and the figures.
    pub(crate) fn figures(&self) -> impl Iterator<Item = (&str, &Figure)> {
        self.figures.iter().map(|(name, figure)| (name.as_str(), figure))
    }

    /// Prints where the instructions were spent, by function, by file and by line.
    pub(crate) fn print_profile(&self, root: &Path, shown: usize) {
        for (name, figure) in &self.figures {
            println!("{name}: {:.1} instructions per {}", figure.each, figure.unit);
        }
        // Scenarios with several figures are divided by the first.
        let divisor = self.figures.first().map_or(1.0, |(_, figure)| figure.divisor);
        println!("\n{:>10} {:>10}  function", "itself", "with calls");
        for (function, itself, inclusive) in self.counts.functions().into_iter().take(shown) {
            println!("{:>10.1} {:>10.1}  {function}", itself as f64 / divisor, inclusive as f64 / divisor);
        }
        // What is inlined counts where it was written.
        let root = format!("{}/", root.display());
        for (title, rows) in [("file", self.counts.files()), ("line", self.counts.lines())] {
            println!("\n{:>10}  {title}", "itself");
            for (place, itself) in rows.into_iter().take(shown) {
                let place = place.strip_prefix(&root).unwrap_or(&place);
                println!("{:>10.1}  {place}", itself as f64 / divisor);
            }
        }
    }
}

fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(name);
    option.push(path);
    option
}

/// Reads what a scenario prints: a name, the function to count in, by how much to divide, and the unit.
fn figure(line: &str, counts: &Counts) -> Result<(String, Figure), String> {
    let [name, function, divisor, unit] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err(format!("A scenario printed `{line}`."));
    };
    let divisor: f64 = divisor.parse().map_err(|_| format!("A scenario printed `{line}`."))?;
    let instructions = counts.inclusive(function);
    if instructions == 0 {
        return Err(format!("callgrind saw no call of {function} in {name}."));
    }
    let each = instructions as f64 / divisor;
    Ok((name.to_owned(), Figure { each, unit: unit.to_owned(), divisor }))
}

#[cfg(test)]
mod tests {
    use super::figure;
    use crate::bench::counts::Counts;

    #[test]
    fn a_figure_is_what_its_function_and_all_it_calls_cost_divided() {
        let counts = Counts::read("fn=a::broker_turn\n3 10\ncalls=2 7\n4 90\nfn=other\n7 90\n");
        let (name, figure) = figure("pairs broker_turn 50 message", &counts).unwrap();
        assert_eq!((name.as_str(), figure.each, figure.unit.as_str()), ("pairs", 2.0, "message"));
    }

    #[test]
    fn a_function_that_was_never_called_is_an_error_and_no_small_figure() {
        let counts = Counts::read("fn=other\n7 90\n");
        assert!(figure("pairs broker_turn 50 message", &counts).is_err());
        assert!(figure("pairs broker_turn", &counts).is_err());
    }
}
