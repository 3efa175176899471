//! The figures in the repository, and when one of them has grown.

use std::fs;
use std::process::Command;

use super::callgrind::Measured;
use crate::workspace::{self, Workspace};

/// Where they are, from the root of the workspace.
const FILE: &str = "crates/broker/benches/instructions.txt";
/// A figure that grows by more than this part of it is an error.
const TOLERANCE: f64 = 0.03;

const HEADER: &str = "\
# Instructions, as `cargo xtask bench` counts them: a name, how many, for one of what.
# `cargo xtask test` fails when one grows by more than 3 %; `cargo xtask bench --write` records them.
";

/// Recorded figures.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// What they were counted with; with another compiler or another C library they mean little.
    pub(crate) toolchain: String,
    /// Name, instructions, unit.
    list: Vec<(String, f64, String)>,
}

/// What has become of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    Grown,
    Shrunk,
    /// It was not recorded.
    Unknown,
}

impl Verdict {
    /// What is printed behind the figure.
    pub(crate) fn remark(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Grown => "  <- has grown",
            Self::Shrunk => "  <- has shrunk",
            Self::Unknown => "  <- is not recorded",
        }
    }
}

impl Figures {
    pub(crate) fn new(toolchain: String, measured: &[Measured]) -> Self {
        let figures = measured.iter().flat_map(Measured::figures);
        Self {
            toolchain,
            list: figures.map(|(name, found)| (name.to_owned(), found.each, found.unit.clone())).collect(),
        }
    }

    /// Reads those in the repository; none if there is no file.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self, String> {
        let path = workspace.root().join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path).map_err(|error| format!("{FILE} could not be read: {error}."))?;
        Self::parse(&text)
    }

    pub(crate) fn write(&self, workspace: &Workspace) -> Result<(), String> {
        fs::write(workspace.root().join(FILE), self.text())
            .map_err(|error| format!("{FILE} could not be written: {error}."))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut figures = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(toolchain) = line.strip_prefix("with ") {
                figures.toolchain = toolchain.to_owned();
                continue;
            }
            let bad = || format!("{FILE} has a line that is no figure: `{line}`.");
            let [name, each, unit] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                return Err(bad());
            };
            let each = each.parse().ok().filter(|each| *each > 0.0).ok_or_else(bad)?;
            figures.list.push((name.to_owned(), each, unit.to_owned()));
        }
        Ok(figures)
    }

    fn text(&self) -> String {
        let mut text = format!("{HEADER}with {}\n", self.toolchain);
        for (name, each, unit) in &self.list {
            text.push_str(&format!("{name:<20} {each:>10.1} {unit}\n"));
        }
        text
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(name, _, _)| name.as_str())
    }

    /// What has become of a figure, and what it was.
    pub(crate) fn judge(&self, name: &str, each: f64) -> (Verdict, Option<f64>) {
        let Some((_, before, _)) = self.list.iter().find(|(known, _, _)| known == name) else {
            return (Verdict::Unknown, None);
        };
        let verdict = match each / before {
            ratio if ratio > 1.0 + TOLERANCE => Verdict::Grown,
            ratio if ratio < 1.0 - TOLERANCE => Verdict::Shrunk,
            _ => Verdict::Same,
        };
        (verdict, Some(*before))
    }
}

/// What the figures of this machine depend on: the compiler, for which system, and the C library, which
/// allocates and copies.
pub(crate) fn toolchain() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = workspace::read(Command::new(rustc).arg("-vV"))?;
    let field = |name: &str| version.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown");
    let library = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let library = library.ok().filter(|output| output.status.success());
    let library = library.and_then(|output| String::from_utf8(output.stdout).ok());
    let library = library.map_or_else(|| "another C library".to_owned(), |text| text.trim().to_owned());
    Ok(format!("rustc {} ({}), {}, {library}", field("release: "), field("commit-date: "), field("host: ")))
}

#[cfg(test)]
mod tests {
    use super::{Figures, Verdict};

    #[test]
    fn what_is_written_is_read_again() {
        let list = vec![("pairs-q0".to_owned(), 1213.2, "message".to_owned())];
        let figures = Figures { toolchain: "rustc 1 (today), here, glibc 2".to_owned(), list };
        assert_eq!(Figures::parse(&figures.text()), Ok(figures));
        assert!(Figures::parse("pairs-q0 many message").is_err());
        assert!(Figures::parse("pairs-q0 0 message").is_err());
    }

    #[test]
    fn three_percent_more_is_too_much_and_three_percent_less_is_worth_recording() {
        let figures = Figures::parse("with rustc\npairs-q0 1000.0 message").unwrap();
        let verdict = |each| figures.judge("pairs-q0", each).0;
        assert_eq!(verdict(1029.0), Verdict::Same);
        assert_eq!(verdict(1031.0), Verdict::Grown);
        assert_eq!(verdict(971.0), Verdict::Same);
        assert_eq!(verdict(969.0), Verdict::Shrunk);
        assert_eq!(figures.judge("pairs-q9", 1.0), (Verdict::Unknown, None));
    }
}
