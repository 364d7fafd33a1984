//! Splits HCL into tokens, for [`super::hcl`]: words, strings with their templates, and signs.

/// A part of a string.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Literal(String),
    /// `${...}`; not necessarily a plain reference.
    Reference(String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Word(String),
    Text(Vec<Part>),
    Sign(char),
    NewLine,
    /// A string of several lines, or one that does not end.
    Other,
}

/// Splits a text into tokens, each with its line. Comments are left out.
pub fn read_tokens(text: &str) -> Vec<(Token, u32)> {
    let characters: Vec<char> = text.chars().collect();
    let mut reader = TokenReader { characters: &characters, at: 0, line: 1 };
    let mut tokens = Vec::new();
    while let Some(character) = reader.peek(0) {
        let line = reader.line;
        let token = match (character, reader.peek(1)) {
            ('#', _) | ('/', Some('/')) => {
                reader.skip_until("\n");
                continue;
            }
            ('/', Some('*')) => {
                reader.skip_until("*/");
                reader.advance(2);
                continue;
            }
            ('\n', _) => {
                reader.advance(1);
                Token::NewLine
            }
            ('"', _) => reader.read_text(),
            ('<', Some('<')) => reader.read_heredoc(),
            (space, _) if space.is_whitespace() => {
                reader.advance(1);
                continue;
            }
            (word, _) if is_word(word) => reader.read_word(),
            (sign, _) => {
                reader.advance(1);
                Token::Sign(sign)
            }
        };
        tokens.push((token, line));
    }
    tokens
}

/// Also the dots of a reference and the hyphens of a name.
fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.')
}

struct TokenReader<'c> {
    characters: &'c [char],
    at: usize,
    line: u32,
}

impl TokenReader<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn advance(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == Some('\n') {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, character)| self.peek(ahead) == Some(character))
    }

    fn skip_until(&mut self, end: &str) {
        while self.peek(0).is_some() && !self.starts_with(end) {
            self.advance(1);
        }
    }

    fn read_word(&mut self) -> Token {
        let mut word = String::new();
        while let Some(character) = self.peek(0).filter(|character| is_word(*character)) {
            word.push(character);
            self.advance(1);
        }
        Token::Word(word)
    }

    fn read_text(&mut self) -> Token {
        self.advance(1);
        let (mut parts, mut literal) = (Vec::new(), String::new());
        while let Some(character) = self.peek(0) {
            match (character, self.peek(1)) {
                ('"', _) => {
                    self.advance(1);
                    if !literal.is_empty() {
                        parts.push(Part::Literal(literal));
                    }
                    return Token::Text(parts);
                }
                ('\n', _) => return Token::Other,
                ('\\', Some(escaped)) => {
                    literal.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        other => other,
                    });
                    self.advance(2);
                }
                ('$' | '%', Some('{')) => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(self.read_template());
                }
                _ => {
                    literal.push(character);
                    self.advance(1);
                }
            }
        }
        Token::Other
    }

    /// Reads `${...}` or `%{...}`.
    fn read_template(&mut self) -> Part {
        let mark = self.peek(0);
        self.advance(2);
        let (mut depth, mut inner) = (1, String::new());
        while let Some(character) = self.peek(0).filter(|character| *character != '\n') {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            self.advance(1);
            if depth == 0 {
                break;
            }
            inner.push(character);
        }
        if mark == Some('%') {
            // A directive is no reference, so it is written as none can be.
            inner.insert(0, '%');
        }
        Part::Reference(inner.trim().to_owned())
    }

    fn read_heredoc(&mut self) -> Token {
        self.advance(2);
        if self.peek(0) == Some('-') {
            self.advance(1);
        }
        let mut end = String::new();
        while let Some(character) = self.peek(0).filter(|character| is_word(*character)) {
            end.push(character);
            self.advance(1);
        }
        if end.is_empty() {
            return Token::Sign('<');
        }
        self.skip_until("\n");
        while self.peek(0).is_some() {
            self.advance(1);
            let from = self.at;
            let length =
                self.characters[from.min(self.characters.len())..].iter().take_while(|c| **c != '\n').count();
            let line: String = self.characters[from.min(self.characters.len())..][..length].iter().collect();
            self.advance(length);
            if line.trim() == end {
                break;
            }
        }
        Token::Other
    }
}
