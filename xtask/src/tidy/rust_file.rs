//! One Rust source as the checks see it: its tokens, which of them are tests, its functions.

use std::collections::BTreeSet;
use std::ops::Range;

use super::lexer::{Kind, Token, lex};
use super::tree::{TextFile, Tree};

/// A lexed source file.
#[derive(Debug)]
pub(crate) struct RustFile {
    pub(crate) path: String,
    lines: usize,
    tokens: Vec<Token>,
    /// Whether the whole file is compiled for tests only.
    is_test: bool,
    /// The ranges of tokens that are compiled for tests only, where the file has others too.
    tests: Vec<Range<usize>>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The index of its `fn` token.
    pub(crate) at: usize,
    /// From the line of `fn` to the line of the closing brace.
    pub(crate) lines: Range<usize>,
}

/// An item with a name, from the line of its keyword to the line it ends on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) name: String,
    /// The type whose `impl` it stands in.
    pub(crate) owner: Option<String>,
    pub(crate) is_function: bool,
    pub(crate) lines: Range<usize>,
}

/// The keywords that a name follows.
const ITEM_KEYWORDS: [&str; 8] = ["fn", "struct", "enum", "trait", "const", "static", "type", "mod"];

/// Lexes every Rust source of the tree.
pub(crate) fn read_all(tree: &Tree) -> Vec<RustFile> {
    let mut files: Vec<RustFile> = tree.rust_under("").map(RustFile::read).collect();
    // A `#[cfg(test)] mod oracle;` makes a test of a file that does not look like one.
    let modules: BTreeSet<String> = files.iter().flat_map(RustFile::test_modules).collect();
    for file in &mut files {
        let in_module = |module: &String| {
            file.path == format!("{module}.rs") || file.path.starts_with(&format!("{module}/"))
        };
        if modules.iter().any(in_module) {
            file.is_test = true;
        }
    }
    files
}

impl RustFile {
    /// Lexes one source.
    pub(crate) fn read(file: &TextFile) -> Self {
        let tokens = lex(&file.text);
        let is_test = is_test_path(&file.path) || has_inner_test_attribute(&tokens);
        let tests = test_items(&tokens);
        Self { path: file.path.clone(), lines: file.text.lines().count(), tokens, is_test, tests }
    }

    /// The line of a token.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.tokens.get(at).map_or(1, |token| token.line)
    }

    /// Whether this token is compiled for tests only.
    pub(crate) fn in_tests(&self, at: usize) -> bool {
        self.is_test || self.tests.iter().any(|range| range.contains(&at))
    }

    /// How many lines the file has outside its tests.
    pub(crate) fn lines_outside_tests(&self) -> usize {
        if self.is_test {
            return 0;
        }
        let span = |range: &Range<usize>| self.line(range.start)..=self.line(range.end.saturating_sub(1));
        let tests: BTreeSet<usize> = self.tests.iter().flat_map(span).collect();
        self.lines - tests.len().min(self.lines)
    }

    /// Where the pattern, itself a piece of source, occurs; indices of its first token. A path of two
    /// words, such as `std::fs`, is also found in `use std::{fs, io}`.
    pub(crate) fn find(&self, pattern: &str) -> Vec<usize> {
        let pattern: Vec<Kind> = lex(pattern).into_iter().map(|token| token.kind).collect();
        let matches = |at: &usize| {
            let mut kinds = self.tokens[*at..].iter().map(|token| &token.kind);
            pattern.iter().all(|wanted| kinds.next() == Some(wanted))
        };
        let mut found: Vec<usize> = (0..self.tokens.len()).filter(matches).collect();
        if let [first @ Kind::Word(_), Kind::Punct(':'), Kind::Punct(':'), last @ Kind::Word(_)] =
            pattern.as_slice()
        {
            found.extend(self.find_grouped(first, last));
        }
        found.sort_unstable();
        found
    }

    /// Where `last` stands directly inside the braces of `first::{...}`.
    fn find_grouped(&self, first: &Kind, last: &Kind) -> Vec<usize> {
        let mut found = Vec::new();
        for at in 0..self.tokens.len() {
            let opens = self.kind(at) == Some(first)
                && (1..=2).all(|ahead| self.is(at + ahead, ':'))
                && self.is(at + 3, '{');
            if !opens {
                continue;
            }
            let end = closing(&self.tokens, at + 3);
            let mut depth = 0;
            for inner in at + 3..end {
                match self.kind(inner) {
                    Some(Kind::Punct('{')) => depth += 1,
                    Some(Kind::Punct('}')) => depth -= 1,
                    kind => {
                        let begins = self.is(inner - 1, '{') || self.is(inner - 1, ',');
                        if depth == 1 && begins && kind == Some(last) {
                            found.push(inner);
                        }
                    }
                }
            }
        }
        found
    }

    /// Where a `use` imports everything, as `use super::*` does.
    pub(crate) fn glob_imports(&self) -> Vec<usize> {
        let mut found = Vec::new();
        let mut in_use = false;
        for (at, token) in self.tokens.iter().enumerate() {
            match &token.kind {
                // `use<'a>` in a return type captures lifetimes and imports nothing.
                Kind::Word(word) if word == "use" => in_use = !self.is(at + 1, '<'),
                Kind::Punct(';') => in_use = false,
                Kind::Punct('*') if in_use => found.push(at),
                Kind::Word(_) | Kind::Punct(_) | Kind::Literal | Kind::Lifetime => {}
            }
        }
        found
    }

    /// Every function that has a body, in the order of the file.
    pub(crate) fn functions(&self) -> Vec<Function> {
        (0..self.tokens.len()).filter_map(|at| self.function(at)).collect()
    }

    /// Every item with a name, in the order of the file, those inside others included.
    pub(crate) fn items(&self) -> Vec<Item> {
        let mut items = Vec::new();
        let mut owners: Vec<(usize, String)> = Vec::new();
        for at in 0..self.tokens.len() {
            owners.retain(|(end, _)| at < *end);
            owners.extend(self.implemented(at));
            let Some(Kind::Word(keyword)) = self.kind(at) else { continue };
            let Some(Kind::Word(name)) = self.kind(at + 1) else { continue };
            // `const fn` names what comes after `fn`.
            if !ITEM_KEYWORDS.contains(&keyword.as_str()) || ITEM_KEYWORDS.contains(&name.as_str()) {
                continue;
            }
            let end = item_end(&self.tokens, at).saturating_sub(1);
            let lines = self.line(at)..self.line(end) + 1;
            let owner = owners.last().map(|(_, owner)| owner.clone());
            items.push(Item { name: name.clone(), owner, is_function: keyword == "fn", lines });
        }
        items
    }

    /// The type that an `impl` here is for, and one past the last token of it.
    fn implemented(&self, at: usize) -> Option<(usize, String)> {
        // `impl Trait` in a signature is no block.
        let begins = at == 0 || matches!(self.kind(at - 1), Some(Kind::Punct('}' | ';' | ']' | '{')));
        if !is_word(self.kind(at), "impl") || !begins {
            return None;
        }
        let (mut depth, mut name) = (0_usize, None);
        for next in at + 1..self.tokens.len() {
            match self.kind(next)? {
                Kind::Punct('<') => depth += 1,
                Kind::Punct('>') if !self.is(next - 1, '-') => depth = depth.saturating_sub(1),
                Kind::Punct('{') => return Some((item_end(&self.tokens, next), name?)),
                Kind::Word(word) if depth == 0 && word == "where" => depth = usize::MAX / 2,
                Kind::Word(word) if depth == 0 && word != "for" => name = Some(word.clone()),
                Kind::Word(_) | Kind::Punct(_) | Kind::Literal | Kind::Lifetime => {}
            }
        }
        None
    }

    /// Whether this line is compiled for tests only.
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        let spans = |range: &Range<usize>| {
            (self.line(range.start)..=self.line(range.end.saturating_sub(1))).contains(&line)
        };
        self.is_test || self.tests.iter().any(spans)
    }

    fn function(&self, at: usize) -> Option<Function> {
        if !is_word(self.kind(at), "fn") {
            return None;
        }
        // In `macro_rules!` the name may be `$name`; in the type `fn(u8)` there is none.
        let in_macro = self.is(at + 1, '$');
        let name_at = if in_macro { at + 2 } else { at + 1 };
        let Some(Kind::Word(name)) = self.kind(name_at) else { return None };
        let open = self.body(name_at + 1)?;
        let last = self.line(closing(&self.tokens, open));
        let name = if in_macro { format!("${name}") } else { name.clone() };
        Some(Function { name, at, lines: self.line(at)..last + 1 })
    }

    /// The opening brace of the body of a function whose signature goes on here. Braces within
    /// brackets or angle brackets are constant expressions, as in `Buffer<{ 2 * N }>`.
    fn body(&self, mut at: usize) -> Option<usize> {
        let mut depth = 0_usize;
        loop {
            match self.kind(at)? {
                Kind::Punct('(' | '[') => at = closing(&self.tokens, at),
                Kind::Punct('<') => depth += 1,
                Kind::Punct('>') if !self.is(at - 1, '-') => depth = depth.saturating_sub(1),
                Kind::Punct(';') if depth == 0 => return None,
                Kind::Punct('{') if depth == 0 => return Some(at),
                Kind::Punct('{') => at = closing(&self.tokens, at),
                Kind::Word(_) | Kind::Punct(_) | Kind::Literal | Kind::Lifetime => {}
            }
            at += 1;
        }
    }

    /// The paths, without their ending, of the modules that this file declares for tests only.
    fn test_modules(&self) -> Vec<String> {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let stem = file.trim_end_matches(".rs");
        let home = if matches!(stem, "lib" | "main" | "mod") {
            folder.to_owned()
        } else {
            format!("{folder}/{stem}")
        };
        let mut modules = Vec::new();
        for range in &self.tests {
            for at in range.clone() {
                if is_word(self.kind(at), "mod")
                    && self.is(at + 2, ';')
                    && let Some(Kind::Word(name)) = self.kind(at + 1)
                {
                    modules.push(format!("{home}/{name}"));
                }
            }
        }
        modules
    }

    fn kind(&self, at: usize) -> Option<&Kind> {
        self.tokens.get(at).map(|token| &token.kind)
    }

    fn is(&self, at: usize, punct: char) -> bool {
        is_punct(&self.tokens, at, punct)
    }
}

/// Whether a path alone says that a file is a test. `sim` and `conformance` exist for tests, yet
/// they are programs, and are held to the rules of programs.
fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
}

fn is_word(kind: Option<&Kind>, word: &str) -> bool {
    matches!(kind, Some(Kind::Word(found)) if found == word)
}

fn is_punct(tokens: &[Token], at: usize, punct: char) -> bool {
    tokens.get(at).is_some_and(|token| token.kind == Kind::Punct(punct))
}

/// The index of the bracket that closes the one here, or of the last token of broken text.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Punct('(' | '[' | '{') => depth += 1,
            Kind::Punct(')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            Kind::Word(_) | Kind::Punct(_) | Kind::Literal | Kind::Lifetime => {}
        }
    }
    tokens.len().saturating_sub(1)
}

/// Whether `#![cfg(test)]` stands somewhere, which makes a test of the whole file.
fn has_inner_test_attribute(tokens: &[Token]) -> bool {
    (2..tokens.len()).any(|open| {
        is_punct(tokens, open - 2, '#')
            && is_punct(tokens, open - 1, '!')
            && is_punct(tokens, open, '[')
            && is_test_attribute(&tokens[open + 1..closing(tokens, open).max(open + 1)])
    })
}

/// The items under `#[test]` and `#[cfg(test)]`, from the attribute to the end of the item.
fn test_items(tokens: &[Token]) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let open = at + 1;
        if !is_punct(tokens, at, '#') || !is_punct(tokens, open, '[') {
            at += 1;
            continue;
        }
        let close = closing(tokens, open).max(open + 1);
        if is_test_attribute(&tokens[open + 1..close.min(tokens.len())]) {
            let end = item_end(tokens, close + 1);
            items.push(at..end);
            at = end;
        } else {
            at = close + 1;
        }
    }
    items
}

/// `test`, `tokio::test`, `cfg(test)` and `cfg(all(test, ...))`, but not `cfg(not(test))`.
fn is_test_attribute(attribute: &[Token]) -> bool {
    let is = |at: usize, word| is_word(attribute.get(at).map(|token| &token.kind), word);
    let path = attribute.iter().position(|token| token.kind == Kind::Punct('(')).unwrap_or(attribute.len());
    if path.checked_sub(1).is_some_and(|last| is(last, "test")) {
        return true;
    }
    if !is(0, "cfg") {
        return false;
    }
    // For each parenthesis that is open, whether what is in it must hold: so it does under `cfg` and `all`.
    let mut enclosing = Vec::new();
    for (at, token) in attribute.iter().enumerate() {
        match &token.kind {
            Kind::Punct('(') => enclosing.push(at > 0 && (is(at - 1, "cfg") || is(at - 1, "all"))),
            Kind::Punct(')') => drop(enclosing.pop()),
            Kind::Word(word) if word == "test" && enclosing.iter().all(|must_hold| *must_hold) => {
                return true;
            }
            Kind::Word(_) | Kind::Punct(_) | Kind::Literal | Kind::Lifetime => {}
        }
    }
    false
}

/// One past the last token of the item that begins here.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Punct('{') => return closing(tokens, at) + 1,
            Kind::Punct('(' | '[') => at = closing(tokens, at),
            Kind::Punct(';') => return at + 1,
            // The attribute stood on the last field or arm of something; that ends here.
            Kind::Punct('}') => return at,
            Kind::Word(_) | Kind::Punct(_) | Kind::Literal | Kind::Lifetime => {}
        }
        at += 1;
    }
    tokens.len()
}
