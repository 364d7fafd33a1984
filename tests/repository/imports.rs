//! Reads which source file uses which other one: from `use` declarations and from every path in the code.
//!
//! A name that a module re-exports counts as a use of the file that defines it. So a `mod.rs` that only declares and
//! re-exports its children joins no cycle. Declarations (`mod child;`) and code for tests do not count.

use std::collections::{BTreeMap, BTreeSet};

/// A file's path below the root of the repository, such as `src/policy/mod.rs`.
type File = String;
/// The names that lead to a module, from the root of the crate.
type ModulePath = Vec<String>;

/// What one file takes from others: each with the lines that do so.
pub type Graph = BTreeMap<File, BTreeMap<File, BTreeSet<Use>>>;

/// One place in the code that needs another file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    pub line: usize,
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// A path as a file writes it, in the module where it is written.
#[derive(Debug, Clone)]
struct WrittenPath {
    module: ModulePath,
    segments: Vec<String>,
    line: usize,
}

/// One source file, read.
#[derive(Debug, Default)]
struct Source {
    /// The paths that its code names.
    paths: Vec<WrittenPath>,
    /// The names that it imports, with what they mean there; `*` for everything of a module.
    imports: Vec<(ModulePath, String, WrittenPath)>,
    /// The names that it defines, each with its module.
    definitions: BTreeSet<(ModulePath, String)>,
    /// Children that exist for tests only.
    test_modules: BTreeSet<ModulePath>,
    /// Macros that the whole crate sees.
    exported_macros: BTreeSet<String>,
}

/// The graph of files, out of their paths and texts.
pub fn graph(texts: &BTreeMap<File, String>) -> Graph {
    let mut crate_files = CrateFiles::default();
    for (file, text) in texts {
        let module = module_of(file);
        let source = Reader::read(module.clone(), text);
        for (inner, _) in source.definitions.iter().filter(|(inner, _)| inner.len() > module.len()) {
            crate_files.modules.insert(inner.clone(), file.clone());
        }
        crate_files.modules.insert(module, file.clone());
        crate_files.sources.insert(file.clone(), source);
    }
    crate_files.forget_tests();
    let mut graph = Graph::new();
    for (file, source) in &crate_files.sources {
        let uses = graph.entry(file.clone()).or_default();
        let imported = source.imports.iter().map(|(_, _, path)| path);
        for path in source.paths.iter().chain(imported) {
            let Some(target) = crate_files.defining_file(path) else { continue };
            if target != *file {
                let found = Use { line: path.line, path: path.segments.join("::") };
                uses.entry(target).or_default().insert(found);
            }
        }
    }
    graph
}

/// The module that a file is: `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`.
fn module_of(file: &str) -> ModulePath {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: ModulePath = inner.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// All files of the crate.
#[derive(Default)]
struct CrateFiles {
    modules: BTreeMap<ModulePath, File>,
    sources: BTreeMap<File, Source>,
}

impl CrateFiles {
    /// Leaves out the files that only tests are compiled with.
    fn forget_tests(&mut self) {
        let tests: Vec<ModulePath> =
            self.sources.values().flat_map(|source| source.test_modules.clone()).collect();
        for module in tests {
            if let Some(file) = self.modules.remove(&module) {
                self.sources.remove(&file);
            }
        }
    }

    /// The file that defines what a path leads to; `None` for what is not of this crate.
    fn defining_file(&self, path: &WrittenPath) -> Option<File> {
        let absolute = self.absolute(path)?;
        self.resolve(&absolute, 0)
    }

    /// The path from the root of the crate.
    fn absolute(&self, path: &WrittenPath) -> Option<ModulePath> {
        let mut base = path.module.clone();
        let mut rest = &path.segments[..];
        match rest.first()?.as_str() {
            "crate" | "keytide" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" | "super" => {
                while let Some(first) =
                    rest.first().filter(|first| ["self", "super"].contains(&first.as_str()))
                {
                    if first == "super" {
                        base.pop();
                    }
                    rest = &rest[1..];
                }
            }
            // A child of this module; anything else is a name of another crate, or one that a `use` has brought.
            child => {
                let is_child = self.modules.contains_key(&[&base[..], &[child.to_owned()]].concat());
                if !is_child {
                    return None;
                }
            }
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    /// Follows the path down through modules, then through re-exports to the definition.
    fn resolve(&self, path: &[String], depth: usize) -> Option<File> {
        // A cycle of re-exports would not compile; glob imports of each other might.
        if depth > 8 {
            return None;
        }
        let length = (0..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        let file = &self.modules[module];
        let Some(name) = rest.first() else { return Some(file.clone()) };
        let source = self.sources.get(file)?;
        if source.definitions.contains(&(module.to_vec(), name.clone())) {
            return Some(file.clone());
        }
        let of_module = || source.imports.iter().filter(|(inside, _, _)| inside == module);
        let named = of_module().find(|(_, alias, _)| alias == name).map(|(_, _, target)| target);
        if let Some(target) = named {
            let absolute = self.absolute(target)?;
            return self.resolve(&[&absolute[..], &rest[1..]].concat(), depth + 1);
        }
        for (_, _, target) in of_module().filter(|(_, alias, _)| alias == "*") {
            let Some(absolute) = self.absolute(target) else { continue };
            let through = self.resolve(&[&absolute[..], rest].concat(), depth + 1);
            if through.as_ref().is_some_and(|through| self.defines(through, name)) {
                return through;
            }
        }
        let macros = self.sources.iter().find(|(_, source)| source.exported_macros.contains(name));
        match macros {
            Some((defining, _)) if module.is_empty() => Some(defining.clone()),
            _ => (!module.is_empty() || rest[0] == "*").then(|| file.clone()),
        }
    }

    fn defines(&self, file: &str, name: &str) -> bool {
        self.sources[file].definitions.iter().any(|(_, defined)| defined == name)
    }
}

/// Words that define a name, at the level of a module.
const DEFINING: [&str; 9] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "mod"];

/// Goes through the tokens of one file.
struct Reader {
    tokens: Vec<Token>,
    at: usize,
    /// The module of the current place, and the depth of braces at which each inline module began.
    module: ModulePath,
    inline: Vec<usize>,
    depth: usize,
    source: Source,
}

impl Reader {
    fn read(module: ModulePath, text: &str) -> Source {
        let mut reader = Self {
            tokens: tokens(text),
            at: 0,
            module,
            inline: Vec::new(),
            depth: 0,
            source: Source::default(),
        };
        while reader.at < reader.tokens.len() {
            reader.step();
        }
        reader.source
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text.as_str())
    }

    fn is(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(index, word)| self.text(self.at + index) == *word)
    }

    fn step(&mut self) {
        if self.is(&["#", "[", "cfg", "(", "test", ")", "]"]) {
            self.at += 7;
            return self.skip_test_item();
        }
        if self.is(&["#", "[", "macro_export", "]", "macro_rules", "!"]) {
            let name = self.text(self.at + 6).to_owned();
            self.source.exported_macros.insert(name);
        }
        match self.text(self.at) {
            "use" => return self.read_use(),
            "mod" if self.text(self.at + 2) == "{" => {
                self.module.push(self.text(self.at + 1).to_owned());
                self.inline.push(self.depth);
                self.at += 2;
            }
            "{" => self.depth += 1,
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                if self.inline.last() == Some(&self.depth) {
                    self.inline.pop();
                    self.module.pop();
                }
            }
            _ => return self.read_word(),
        }
        if self.text(self.at) == "{" && self.inline.last() == Some(&self.depth) {
            self.depth += 1;
        }
        self.at += 1;
    }

    /// A definition, a path, or anything else.
    fn read_word(&mut self) {
        let level = self.inline.last().map_or(0, |depth| depth + 1);
        let word = self.text(self.at).to_owned();
        if self.depth == level && (DEFINING.contains(&word.as_str()) || self.is(&["macro_rules", "!"])) {
            let name = self.text(self.at + if word == "macro_rules" { 2 } else { 1 }).to_owned();
            // `const fn name`, and `mod name;`, whose name is a module of its own.
            if word != "mod" && !DEFINING.contains(&name.as_str()) {
                self.source.definitions.insert((self.module.clone(), name));
            }
        }
        let follows_dot = self.at > 0 && [".", "::", "mod"].contains(&self.text(self.at - 1));
        if is_name(&word) && self.text(self.at + 1) == "::" && !follows_dot {
            return self.read_path();
        }
        self.at += 1;
    }

    fn read_path(&mut self) {
        let line = self.tokens[self.at].line;
        let mut segments = vec![self.text(self.at).to_owned()];
        self.at += 1;
        while self.text(self.at) == "::" && is_name(self.text(self.at + 1)) {
            segments.push(self.text(self.at + 1).to_owned());
            self.at += 2;
        }
        let module = self.module.clone();
        self.source.paths.push(WrittenPath { module, segments, line });
    }

    /// Skips what `#[cfg(test)]` stands before, and remembers a module that is a file of its own.
    fn skip_test_item(&mut self) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            if self.text(self.at) == "mod" && self.text(self.at + 2) == ";" {
                let child = self.text(self.at + 1).to_owned();
                self.source.test_modules.insert([&self.module[..], &[child]].concat());
            }
            match self.text(self.at) {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return;
                    }
                }
                ";" if depth == 0 => {
                    self.at += 1;
                    return;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn read_use(&mut self) {
        self.at += 1;
        self.read_tree(&[]);
        // The semicolon.
        self.at += 1;
    }

    /// One tree of a `use`: a path, a list in braces, a star, or a renamed name.
    fn read_tree(&mut self, prefix: &[String]) {
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        let mut segments = prefix.to_vec();
        loop {
            match self.text(self.at) {
                "{" => {
                    self.at += 1;
                    while self.text(self.at) != "}" {
                        self.read_tree(&segments);
                        if self.text(self.at) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "::" => self.at += 1,
                "as" => {
                    let alias = self.text(self.at + 1).to_owned();
                    self.at += 2;
                    return self.keep_import(alias, segments, line);
                }
                "*" => {
                    self.at += 1;
                    return self.keep_import("*".to_owned(), segments, line);
                }
                word if is_name(word) => {
                    segments.push(word.to_owned());
                    self.at += 1;
                }
                _ => break,
            }
        }
        if segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        let alias = segments.last().cloned().unwrap_or_default();
        self.keep_import(alias, segments, line);
    }

    fn keep_import(&mut self, alias: String, segments: Vec<String>, line: usize) {
        let module = self.module.clone();
        self.source.imports.push((module.clone(), alias, WrittenPath { module, segments, line }));
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The words and signs of a text, without comments, strings, characters and lifetimes.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line, mut tokens) = (0, 1, Vec::new());
    while at < chars.len() {
        let rest = &chars[at..];
        let skipped = skipped(rest);
        let length = if skipped > 0 {
            skipped
        } else if rest[0].is_alphanumeric() || rest[0] == '_' {
            rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count()
        } else if rest.starts_with(&[':', ':']) {
            2
        } else {
            1
        };
        if skipped == 0 {
            tokens.push(Token { text: rest[..length].iter().collect(), line });
        }
        line += rest[..length].iter().filter(|c| **c == '\n').count();
        at += length;
    }
    tokens
}

/// How many characters here are a space, a comment, a string, a character or a lifetime.
fn skipped(rest: &[char]) -> usize {
    let until_line_end = || rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
    match rest {
        [c, ..] if c.is_whitespace() => 1,
        ['/', '/', ..] => until_line_end(),
        ['/', '*', ..] => {
            let end = rest.windows(2).position(|two| two == ['*', '/']);
            end.map_or(rest.len(), |end| end + 2)
        }
        ['"', ..] => string_length(rest),
        ['b' | 'c', '"', ..] => 1 + string_length(&rest[1..]),
        ['b', '\'', ..] => 1 + character_length(&rest[1..]),
        ['\'', ..] => character_length(rest),
        ['r', '"' | '#', ..] => raw_string_length(rest, 1),
        ['b' | 'c', 'r', '"' | '#', ..] => raw_string_length(rest, 2),
        _ => 0,
    }
}

fn string_length(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw_string_length(rest: &[char], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    if rest.get(prefix + hashes) != Some(&'"') {
        // A raw name such as `r#type`.
        return 0;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let begin = prefix + hashes + 1;
    let found = rest[begin..].windows(end.len()).position(|some| some == end);
    found.map_or(rest.len(), |found| begin + found + end.len())
}

/// A character, or a lifetime, which has no second quotation mark.
fn character_length(rest: &[char]) -> usize {
    match rest {
        [_, '\\', ..] => 3 + rest[3..].iter().position(|c| *c == '\'').map_or(0, |end| end + 1),
        [_, _, '\'', ..] => 3,
        _ => 1 + rest[1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count(),
    }
}
