//! README.md and README.es.md say the same: as many headings, and the same blocks of code.

use super::Problem;
use super::tree::{TextFile, Tree};

const ENGLISH: &str = "README.md";
const SPANISH: &str = "README.es.md";

/// What both languages must share.
struct Outline {
    headings: usize,
    blocks: Vec<Block>,
}

/// A fenced block: the line of its opening fence, and its text, that fence included.
struct Block {
    line: usize,
    text: String,
}

/// Compares the two files.
pub(crate) fn check(tree: &Tree) -> Vec<Problem> {
    let missing =
        |path: &str| Problem::new(path, 1, "the file is missing; the README is kept in both languages.");
    match (tree.get(ENGLISH), tree.get(SPANISH)) {
        (Some(english), Some(spanish)) => compare(&outline(english), &outline(spanish)),
        (english, spanish) => {
            let absent = |file: Option<&TextFile>, path| file.is_none().then(|| missing(path));
            absent(english, ENGLISH).into_iter().chain(absent(spanish, SPANISH)).collect()
        }
    }
}

fn compare(english: &Outline, spanish: &Outline) -> Vec<Problem> {
    let mut problems = Vec::new();
    if english.headings != spanish.headings {
        let counts = format!(
            "{SPANISH} has {} headings and {ENGLISH} has {}; translate the section that one of them lacks.",
            spanish.headings, english.headings
        );
        problems.push(Problem::new(SPANISH, 1, counts));
    }
    let differing =
        english.blocks.iter().zip(&spanish.blocks).find(|(ours, theirs)| ours.text != theirs.text);
    if let Some((ours, theirs)) = differing {
        let sentence =
            format!("this block of code differs from the one at {ENGLISH}:{}; copy it.", ours.line);
        problems.push(Problem::new(SPANISH, theirs.line, sentence));
    } else if english.blocks.len() != spanish.blocks.len() {
        let sentence = format!(
            "{SPANISH} has {} blocks of code and {ENGLISH} has {}; copy those that are missing.",
            spanish.blocks.len(),
            english.blocks.len()
        );
        problems.push(Problem::new(SPANISH, 1, sentence));
    }
    problems
}

fn outline(file: &TextFile) -> Outline {
    let mut outline = Outline { headings: 0, blocks: Vec::new() };
    let mut fence: Option<&str> = None;
    for (number, line) in (1..).zip(file.text.lines()) {
        match fence {
            Some(open) => {
                if let Some(block) = outline.blocks.last_mut() {
                    block.text.push('\n');
                    block.text.push_str(line.trim_end());
                }
                let run = fence_of(line).unwrap_or_default();
                if run.starts_with(open) && line.trim() == run {
                    fence = None;
                }
            }
            None => {
                fence = fence_of(line);
                if fence.is_some() {
                    outline.blocks.push(Block { line: number, text: line.trim_end().to_owned() });
                } else if is_heading(line) {
                    outline.headings += 1;
                }
            }
        }
    }
    outline
}

/// The run of backquotes or tildes that makes this line a fence.
fn fence_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = line.chars().take_while(|next| *next == mark).count();
    (length >= 3).then(|| &line[..length])
}

fn is_heading(line: &str) -> bool {
    let level = line.chars().take_while(|next| *next == '#').count();
    (1..=6).contains(&level) && line[level..].starts_with(' ')
}
