//! Rust source as tokens: enough of a lexer to tell code from comments, strings, characters and
//! lifetimes. Comments are dropped, literals keep no text.

/// A token and the line it begins on, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or a name; a raw name keeps its `r#`, so that it is no keyword.
    Word(String),
    /// One character of punctuation; `::` is two of them.
    Punct(char),
    /// A string, a character or a number.
    Literal,
    /// `'a`.
    Lifetime,
}

/// Splits source text into tokens. Text that does not parse yields some tokens and no panic.
pub(crate) fn lex(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while let Some(next) = lexer.peek(0) {
        lexer.token(next);
    }
    lexer.tokens
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer {
    fn token(&mut self, next: char) {
        let line = self.line;
        let kind = match next {
            '/' if self.peek(1) == Some('/') => return self.line_comment(),
            '/' if self.peek(1) == Some('*') => return self.block_comment(),
            '"' => self.quoted('"'),
            '\'' => self.character_or_lifetime(),
            _ if next.is_whitespace() => return self.skip(1),
            _ if next.is_ascii_digit() => self.number(),
            _ if is_word(next) => self.word(),
            _ => {
                self.skip(1);
                Kind::Punct(next)
            }
        };
        self.tokens.push(Token { line, kind });
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == Some('\n') {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|next| next != '\n') {
            self.skip(1);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while let Some(next) = self.peek(0) {
            match (next, self.peek(1)) {
                ('/', Some('*')) => {
                    depth += 1;
                    self.skip(2);
                }
                ('*', Some('/')) => {
                    depth -= 1;
                    self.skip(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.skip(1),
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Kind {
        self.skip(1);
        while let Some(next) = self.peek(0) {
            self.skip(if next == '\\' { 2 } else { 1 });
            if next == quote {
                break;
            }
        }
        Kind::Literal
    }

    fn raw_string(&mut self, hashes: usize) -> Kind {
        self.skip(hashes + 1);
        while let Some(next) = self.peek(0) {
            self.skip(1);
            if next == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.skip(hashes);
                break;
            }
        }
        Kind::Literal
    }

    /// `'a'` is a character, `'a` a lifetime; an escape is always a character.
    fn character_or_lifetime(&mut self) -> Kind {
        if self.peek(1) == Some('\\') || self.peek(2) == Some('\'') {
            return self.quoted_character();
        }
        self.skip(1);
        self.skip_word();
        Kind::Lifetime
    }

    /// Unlike a string, `'"'` and `'''` need no escape, so the first character is taken blindly.
    fn quoted_character(&mut self) -> Kind {
        self.skip(if self.peek(1) == Some('\\') { 3 } else { 2 });
        while let Some(next) = self.peek(0) {
            self.skip(1);
            if next == '\'' {
                break;
            }
        }
        Kind::Literal
    }

    fn number(&mut self) -> Kind {
        self.skip_word();
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|next| next.is_ascii_digit()) {
            self.skip(1);
            self.skip_word();
        }
        Kind::Literal
    }

    fn word(&mut self) -> Kind {
        let start = self.at;
        self.skip_word();
        let word: String = self.chars[start..self.at].iter().collect();
        let hashes = (0..).take_while(|ahead| self.peek(*ahead) == Some('#')).count();
        match (word.as_str(), self.peek(hashes)) {
            ("r" | "br" | "cr", Some('"')) => self.raw_string(hashes),
            ("b" | "c", Some('"')) if hashes == 0 => self.quoted('"'),
            ("b", Some('\'')) if hashes == 0 => self.quoted_character(),
            ("r", Some(next)) if hashes == 1 && is_word(next) => {
                self.skip(1);
                self.skip_word();
                Kind::Word(self.chars[start..self.at].iter().collect())
            }
            _ => Kind::Word(word),
        }
    }

    fn skip_word(&mut self) {
        while self.peek(0).is_some_and(is_word) {
            self.skip(1);
        }
    }
}

fn is_word(next: char) -> bool {
    next == '_' || next.is_alphanumeric()
}
