//! Reads the literals of HCL, the language of Terraform: the top-level blocks of a file with their attributes. Everything
//! that is not a literal, a plain reference or a call with one argument becomes [`Value::Unknown`].

pub use super::hcl_tokens::Part;
use super::hcl_tokens::{Token, read_tokens};

/// How deeply values may be nested; deeper ones are unknown.
const MAX_DEPTH: usize = 16;

/// A block at the top level of a file.
#[derive(Debug, Clone, Default)]
pub struct Block {
    pub kind: String,
    pub labels: Vec<String>,
    pub line: u32,
    /// Of the block itself, not of the blocks in it.
    pub attributes: Vec<(String, Value)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(Vec<Part>),
    Number(u64),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    /// `local.users`, `each.value.name`.
    Reference(String),
    /// A function and its only argument.
    Call(String, Box<Value>),
    Unknown,
}

impl Block {
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl Value {
    /// The text of a string without references.
    pub fn literal(&self) -> Option<String> {
        let Value::Text(parts) = self else { return None };
        match &parts[..] {
            [] => Some(String::new()),
            [Part::Literal(text)] => Some(text.clone()),
            _ => None,
        }
    }
}

/// Returns the blocks of a file, as far as it can be read.
pub fn parse_blocks(text: &str) -> Vec<Block> {
    let mut parser = Parser { tokens: read_tokens(text), at: 0 };
    let mut blocks = Vec::new();
    while parser.at < parser.tokens.len() {
        match parser.read_block() {
            Some(block) => blocks.push(block),
            None => parser.at += 1,
        }
    }
    blocks
}

struct Parser {
    tokens: Vec<(Token, u32)>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn take_sign(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn skip_lines(&mut self) {
        while self.peek() == Some(&Token::NewLine) {
            self.at += 1;
        }
    }

    /// Reads `kind "label" { ... }`; on anything else, the position stays.
    fn read_block(&mut self) -> Option<Block> {
        let start = self.at;
        let line = self.tokens.get(start)?.1;
        let block = self.read_block_from(line);
        if block.is_none() {
            self.at = start;
        }
        block
    }

    fn read_block_from(&mut self, line: u32) -> Option<Block> {
        let Some(Token::Word(kind)) = self.next() else { return None };
        let mut block = Block { kind, line, ..Block::default() };
        // Terraform's blocks have two labels at most; a line of many words is none.
        for _ in 0..4 {
            match self.next()? {
                Token::Text(parts) => block.labels.push(Value::Text(parts).literal()?),
                Token::Word(label) => block.labels.push(label),
                Token::Sign('{') => return Some(self.read_body(block)),
                _ => return None,
            }
        }
        None
    }

    fn read_body(&mut self, mut block: Block) -> Block {
        loop {
            self.skip_lines();
            if self.take_sign('}') || self.peek().is_none() {
                return block;
            }
            let name = self.next();
            if let (Some(Token::Word(name)), true) = (name, self.take_sign('=')) {
                let value = self.read_value(0);
                block.attributes.push((name, value));
            } else {
                self.skip_statement();
            }
        }
    }

    /// Skips to the end of the line that is not in brackets, or before the bracket that ends the block.
    fn skip_statement(&mut self) -> bool {
        let (mut depth, from) = (0_usize, self.at);
        while let Some(token) = self.peek() {
            match token {
                Token::NewLine | Token::Sign(',') if depth == 0 => break,
                Token::Sign('}' | ')' | ']') if depth == 0 => break,
                Token::Sign('{' | '(' | '[') => depth += 1,
                Token::Sign('}' | ')' | ']') => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        self.at > from
    }

    /// Reads a value up to its end; what follows it on the line makes it unknown.
    fn read_value(&mut self, depth: usize) -> Value {
        let value = if depth > MAX_DEPTH { Value::Unknown } else { self.read_simple_value(depth) };
        if self.skip_statement() { Value::Unknown } else { value }
    }

    fn read_simple_value(&mut self, depth: usize) -> Value {
        match self.peek().cloned() {
            Some(Token::Text(parts)) => {
                self.at += 1;
                Value::Text(parts)
            }
            Some(Token::Word(word)) => {
                self.at += 1;
                if self.peek() == Some(&Token::Sign('(')) {
                    return self.read_call(word, depth);
                }
                word.parse().map_or(Value::Reference(word), Value::Number)
            }
            Some(Token::Sign('[')) => self.read_list(depth),
            Some(Token::Sign('{')) => self.read_map(depth),
            _ => Value::Unknown,
        }
    }

    fn read_call(&mut self, function: String, depth: usize) -> Value {
        let start = self.at;
        self.at += 1;
        self.skip_lines();
        let inner = self.read_value(depth + 1);
        self.skip_lines();
        if self.take_sign(')') {
            return Value::Call(function, Box::new(inner));
        }
        // The caller skips all arguments.
        self.at = start;
        Value::Unknown
    }

    fn read_list(&mut self, depth: usize) -> Value {
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_lines();
            if self.take_sign(']') {
                return Value::List(items);
            }
            let before = self.at;
            items.push(self.read_value(depth + 1));
            self.skip_lines();
            if !self.take_sign(',') && self.peek() != Some(&Token::Sign(']')) || self.at == before {
                self.at = start;
                return Value::Unknown;
            }
        }
    }

    fn read_map(&mut self, depth: usize) -> Value {
        let start = self.at;
        self.at += 1;
        let mut fields = Vec::new();
        loop {
            self.skip_lines();
            if self.take_sign('}') {
                return Value::Map(fields);
            }
            let key = match self.next() {
                Some(Token::Word(word)) => Some(word),
                Some(Token::Text(parts)) => Value::Text(parts).literal(),
                _ => None,
            };
            let is_pair = self.take_sign('=') || self.take_sign(':');
            let Some(key) = key.filter(|_| is_pair) else {
                self.at = start;
                return Value::Unknown;
            };
            fields.push((key, self.read_value(depth + 1)));
            self.take_sign(',');
        }
    }
}
