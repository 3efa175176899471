//! The text files of the repository, read once and handed to every check.

use std::fs;
use std::io;
use std::path::Path;

/// Folders that hold what tools produce.
const SKIPPED_FOLDERS: [&str; 4] = ["target", "node_modules", "__pycache__", "venv"];

/// Hidden folders that hold our own text; the others belong to tools.
const HIDDEN_FOLDERS: [&str; 3] = [".cargo", ".ci", ".github"];

/// A file with its path from the root, written with `/` on every system.
#[derive(Debug)]
pub(crate) struct TextFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Every text file, sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: Vec<TextFile>,
}

impl Tree {
    /// Reads the files under the root; what is not UTF-8 is not text and is left out.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut tree = Self::default();
        tree.read_folder(root, "").map_err(|error| format!("The sources could not be read: {error}."))?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() && !is_skipped(&name, &entry.path()) {
                self.read_folder(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file()
                && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
            {
                self.files.push(TextFile { path, text });
            }
        }
        Ok(())
    }

    /// The file with this path.
    pub(crate) fn get(&self, path: &str) -> Option<&TextFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Every file.
    pub(crate) fn files(&self) -> impl Iterator<Item = &TextFile> {
        self.files.iter()
    }

    /// The Rust sources whose paths begin so.
    pub(crate) fn rust_under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a TextFile> {
        self.files.iter().filter(move |file| file.path.starts_with(prefix) && file.path.ends_with(".rs"))
    }

    /// A tree of these paths and texts.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file =
            |(path, text): &(&str, &str)| TextFile { path: (*path).to_owned(), text: (*text).to_owned() };
        Self { files: files.iter().map(file).collect() }
    }
}

fn is_skipped(name: &str, folder: &Path) -> bool {
    let hidden = name.starts_with('.') && !HIDDEN_FOLDERS.contains(&name);
    hidden || SKIPPED_FOLDERS.contains(&name) || folder.join("pyvenv.cfg").is_file()
}
