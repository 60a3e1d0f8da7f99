//! What must hold after a crash: parsed, printed.

use std::fmt;

use super::content::{Content, Names};
use super::lexer::{Lexer, Token};
use super::step::path;
use crate::workload::scenario::split_comment;

/// The requirements of a protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    pub(super) names: Names,
    /// Contents with a name, in the order in which they were given.
    order: Vec<String>,
    pub(super) all: Vec<Requirement>,
}

/// What is wrong with a text of requirements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequirementError {
    /// The line, from 0.
    pub line: usize,
    /// What was expected.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    pub when: When,
    pub what: Predicate,
    /// Its line in the text, from 0.
    pub line: usize,
}

/// When a requirement counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// From `begin` on.
    Always,
    /// Once all these marks were passed.
    After(Vec<String>),
    /// From `begin` on, as long as the mark was not reached.
    Until(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Predicate {
    Exists(String),
    Missing(String),
    Is(String, Vec<Content>),
    PrefixOf(String, Content),
    StartsWith(String, Vec<Content>),
    At(String, u64, Vec<Content>),
    Not(Box<Predicate>),
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    If(Box<Predicate>, Box<Predicate>),
}

impl Requirements {
    /// Reads requirements: one a line; a line that begins with a blank goes on with the one before it.
    pub fn parse(text: &str) -> Result<Requirements, RequirementError> {
        let mut out = Requirements::default();
        let mut lines: Vec<(usize, String)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let code = split_comment(line).0.trim_end();
            match lines.last_mut() {
                _ if code.trim().is_empty() => {}
                Some((_, before)) if code.starts_with([' ', '\t']) => {
                    before.push(' ');
                    before.push_str(code.trim());
                }
                _ => lines.push((number, code.to_string())),
            }
        }
        for (line, code) in lines {
            out.line(&code, line).map_err(|message| RequirementError { line, message })?;
        }
        Ok(out)
    }

    /// The marks that requirements name, each with the line that does, from 0.
    pub fn marks(&self) -> impl Iterator<Item = (usize, &str)> {
        self.all.iter().flat_map(|requirement| {
            let marks = match &requirement.when {
                When::Always => &[],
                When::After(marks) => marks.as_slice(),
                When::Until(mark) => std::slice::from_ref(mark),
            };
            marks.iter().map(|mark| (requirement.line, mark.as_str()))
        })
    }

    fn line(&mut self, code: &str, line: usize) -> Result<(), String> {
        let mut lexer = Lexer::new(code)?;
        let lexer = &mut lexer;
        if lexer.keyword("let") {
            let name = lexer.word("a name")?;
            if name == "fill" || self.names.contains_key(&name) {
                return Err(format!("expected a new name, found `{name}`"));
            }
            if !lexer.sign('=') {
                return Err(lexer.expected("`=`"));
            }
            let content = Content::parse(lexer, &self.names)?;
            self.names.insert(name.clone(), content);
            self.order.push(name);
            return lexer.end();
        }
        let when = when(lexer)?;
        if !lexer.sign(':') {
            return Err(lexer.expected("`:`"));
        }
        let what = Predicate::parse(lexer, &self.names)?;
        lexer.end()?;
        self.all.push(Requirement { when, what, line });
        Ok(())
    }
}

fn when(lexer: &mut Lexer) -> Result<When, String> {
    if lexer.keyword("always") {
        return Ok(When::Always);
    }
    if lexer.keyword("until") {
        return Ok(When::Until(lexer.word("a mark")?));
    }
    if lexer.keyword("after") {
        let mut marks = vec![lexer.word("a mark")?];
        while lexer.keyword("and") {
            marks.push(lexer.word("a mark")?);
        }
        return Ok(When::After(marks));
    }
    Err(lexer.expected("`always:`, `after MARK:`, `until MARK:` or `let NAME = CONTENT`"))
}

impl Predicate {
    fn parse(lexer: &mut Lexer, names: &Names) -> Result<Predicate, String> {
        if lexer.keyword("if") {
            let condition = Predicate::or(lexer, names)?;
            if !lexer.keyword("then") {
                return Err(lexer.expected("`then`"));
            }
            let then = Predicate::parse(lexer, names)?;
            return Ok(Predicate::If(Box::new(condition), Box::new(then)));
        }
        Predicate::or(lexer, names)
    }

    fn or(lexer: &mut Lexer, names: &Names) -> Result<Predicate, String> {
        let mut any = vec![Predicate::and(lexer, names)?];
        while lexer.keyword("or") {
            any.push(Predicate::and(lexer, names)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Predicate::Or(any) })
    }

    fn and(lexer: &mut Lexer, names: &Names) -> Result<Predicate, String> {
        let mut all = vec![Predicate::single(lexer, names)?];
        while lexer.keyword("and") {
            all.push(Predicate::single(lexer, names)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Predicate::And(all) })
    }

    fn single(lexer: &mut Lexer, names: &Names) -> Result<Predicate, String> {
        if lexer.keyword("not") {
            return Ok(Predicate::Not(Box::new(Predicate::single(lexer, names)?)));
        }
        if lexer.sign('(') {
            let inside = Predicate::parse(lexer, names)?;
            return if lexer.sign(')') { Ok(inside) } else { Err(lexer.expected("`)`")) };
        }
        let file = path(lexer, "a file")?;
        match lexer.peek_word() {
            Some("exists") => {
                lexer.advance();
                Ok(Predicate::Exists(file))
            }
            Some("missing") => {
                lexer.advance();
                Ok(Predicate::Missing(file))
            }
            Some("starts") => {
                lexer.advance();
                if !lexer.keyword("with") {
                    return Err(lexer.expected("`with`"));
                }
                Ok(Predicate::StartsWith(file, contents(lexer, names)?))
            }
            Some("at") => {
                lexer.advance();
                let offset = lexer.number("an offset")?;
                if !lexer.keyword("is") {
                    return Err(lexer.expected("`is`"));
                }
                Ok(Predicate::At(file, offset, contents(lexer, names)?))
            }
            Some("is") => {
                lexer.advance();
                if lexer.peek_word() == Some("a") && !names.contains_key("a") {
                    lexer.advance();
                    if !(lexer.keyword("prefix") && lexer.keyword("of")) {
                        return Err(lexer.expected("`prefix of` after `is a`"));
                    }
                    return Ok(Predicate::PrefixOf(file, Content::parse(lexer, names)?));
                }
                Ok(Predicate::Is(file, contents(lexer, names)?))
            }
            _ => Err(lexer.expected(
                "`exists`, `missing`, `is CONTENT`, `is a prefix of CONTENT`, `starts with CONTENT` or \
                 `at OFFSET is CONTENT`",
            )),
        }
    }
}

/// One or more contents, with `|` between.
fn contents(lexer: &mut Lexer, names: &Names) -> Result<Vec<Content>, String> {
    let mut all = vec![Content::parse(lexer, names)?];
    while lexer.sign('|') {
        all.push(Content::parse(lexer, names)?);
    }
    // A word after `or` that is a content and not a file is the commonest slip.
    if let (Some("or"), Some(Token::Text(_))) = (lexer.peek_word(), lexer.peek_second()) {
        return Err("expected `|` between contents, found `or`".to_string());
    }
    Ok(all)
}

impl fmt::Display for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.order {
            if let Some(content) = self.names.get(name) {
                writeln!(f, "let {name} = {content}")?;
            }
        }
        self.all.iter().try_for_each(|requirement| writeln!(f, "{requirement}"))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            When::Always => f.write_str("always")?,
            When::After(marks) => write!(f, "after {}", marks.join(" and "))?,
            When::Until(mark) => write!(f, "until {mark}")?,
        }
        write!(f, ": {}", self.what)
    }
}

impl Predicate {
    /// How tightly it binds: `if` least.
    fn rank(&self) -> u8 {
        match self {
            Predicate::If(..) => 0,
            Predicate::Or(_) => 1,
            Predicate::And(_) => 2,
            _ => 3,
        }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, least: u8) -> fmt::Result {
        if self.rank() >= least { write!(f, "{self}") } else { write!(f, "({self})") }
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |f: &mut fmt::Formatter<'_>, contents: &[Content]| {
            let contents: Vec<String> = contents.iter().map(Content::to_string).collect();
            f.write_str(&contents.join(" | "))
        };
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Predicate], word: &str, rank: u8| {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                part.print(f, rank + 1)?;
            }
            Ok(())
        };
        match self {
            Predicate::Exists(file) => write!(f, "{file} exists"),
            Predicate::Missing(file) => write!(f, "{file} missing"),
            Predicate::Is(file, contents) => {
                write!(f, "{file} is ")?;
                listed(f, contents)
            }
            Predicate::PrefixOf(file, content) => write!(f, "{file} is a prefix of {content}"),
            Predicate::StartsWith(file, contents) => {
                write!(f, "{file} starts with ")?;
                listed(f, contents)
            }
            Predicate::At(file, offset, contents) => {
                write!(f, "{file} at {offset} is ")?;
                listed(f, contents)
            }
            Predicate::Not(inside) => {
                f.write_str("not ")?;
                inside.print(f, 3)
            }
            Predicate::And(parts) => joined(f, parts, "and", 2),
            Predicate::Or(parts) => joined(f, parts, "or", 1),
            Predicate::If(condition, then) => {
                f.write_str("if ")?;
                condition.print(f, 1)?;
                f.write_str(" then ")?;
                then.print(f, 0)
            }
        }
    }
}
