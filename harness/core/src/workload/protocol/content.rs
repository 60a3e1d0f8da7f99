//! Content of files as text.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::lexer::{Lexer, Token, quoted};
use crate::workload::kv::fill;

/// Far more than a protocol needs, few enough that a slip in a number does not exhaust memory.
const LEN_MAX: u64 = 16 << 20;

/// Contents that got a name.
pub(super) type Names = BTreeMap<String, Content>;

/// A sequence of bytes, with the way it was written.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Content {
    bytes: Arc<[u8]>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    kind: Kind,
    times: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Text(Vec<u8>),
    Fill(u64, u64),
    Name(String),
}

impl Content {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes `PART + PART…`, each `"text"`, `fill(SEED,LEN)` or a name, and any of them `*N`.
    pub(super) fn parse(lexer: &mut Lexer, names: &Names) -> Result<Content, String> {
        let mut bytes: Vec<u8> = Vec::new();
        let mut parts = Vec::new();
        loop {
            let (kind, once) = kind(lexer, names)?;
            let times = match lexer.sign('*') {
                true => Some(lexer.number("how often, after `*`")?),
                false => None,
            };
            let len = (once.len() as u64).saturating_mul(times.unwrap_or(1));
            if len.saturating_add(bytes.len() as u64) > LEN_MAX {
                return Err(format!("expected a content of at most {LEN_MAX} bytes"));
            }
            bytes.extend(once.repeat(times.unwrap_or(1) as usize));
            parts.push(Part { kind, times });
            if !lexer.sign('+') {
                return Ok(Content { bytes: bytes.into(), parts });
            }
        }
    }
}

fn kind(lexer: &mut Lexer, names: &Names) -> Result<(Kind, Vec<u8>), String> {
    const EXPECTED: &str = "a content (\"text\", fill(SEED,LEN), or a name given by `let`)";
    match lexer.peek().cloned() {
        Some(Token::Text(text)) => {
            lexer.advance();
            Ok((Kind::Text(text.clone()), text))
        }
        Some(Token::Word(word)) if word == "fill" => {
            lexer.advance();
            let close = |taken: bool, lexer: &Lexer, sign: &str| match taken {
                true => Ok(()),
                false => Err(lexer.expected(&format!("`{sign}` of fill(SEED,LEN)"))),
            };
            close(lexer.sign('('), lexer, "(")?;
            let seed = lexer.number("a seed")?;
            close(lexer.sign(','), lexer, ",")?;
            let len = lexer.number("a length")?;
            close(lexer.sign(')'), lexer, ")")?;
            if len > LEN_MAX {
                return Err(format!("expected a content of at most {LEN_MAX} bytes"));
            }
            Ok((Kind::Fill(seed, len), fill(seed, len as usize)))
        }
        Some(Token::Word(word)) => match names.get(&word) {
            Some(content) => {
                lexer.advance();
                Ok((Kind::Name(word), content.bytes.to_vec()))
            }
            None => Err(lexer.expected(EXPECTED)),
        },
        _ => Err(lexer.expected(EXPECTED)),
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                f.write_str(" + ")?;
            }
            match &part.kind {
                Kind::Text(text) => f.write_str(&quoted(text))?,
                Kind::Fill(seed, len) => write!(f, "fill({seed},{len})")?,
                Kind::Name(name) => f.write_str(name)?,
            }
            if let Some(times) = part.times {
                write!(f, "*{times}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
