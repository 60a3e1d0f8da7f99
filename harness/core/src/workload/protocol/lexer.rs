//! Words, texts and signs of a line.

use std::fmt;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A verb, a name, a path, a number.
    Word(String),
    /// A text in quotes.
    Text(Vec<u8>),
    /// One of `( ) , | : * + =`.
    Sign(char),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(word) => write!(f, "`{word}`"),
            Token::Text(bytes) => write!(f, "{}", quoted(bytes)),
            Token::Sign(sign) => write!(f, "`{sign}`"),
        }
    }
}

/// Tokens of a line, one after another.
pub(super) struct Lexer {
    tokens: Vec<Token>,
    next: usize,
}

impl Lexer {
    pub(super) fn new(line: &str) -> Result<Lexer, String> {
        let mut tokens = Vec::new();
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let (token, after) = if first == '"' {
                text(&rest[1..])?
            } else if "(),|:*+=".contains(first) {
                (Token::Sign(first), &rest[1..])
            } else {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                if end == 0 {
                    return Err(format!(
                        "expected a word, a \"quoted text\" or one of ( ) , | : * + =, found `{first}`"
                    ));
                }
                (Token::Word(rest[..end].to_string()), &rest[end..])
            };
            tokens.push(token);
            rest = after.trim_start();
        }
        Ok(Lexer { tokens, next: 0 })
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    /// The token after the next.
    pub(super) fn peek_second(&self) -> Option<&Token> {
        self.tokens.get(self.next + 1)
    }

    /// The word that comes next, if it is one.
    pub(super) fn peek_word(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// Takes this sign if it comes next.
    pub(super) fn sign(&mut self, sign: char) -> bool {
        let here = self.peek() == Some(&Token::Sign(sign));
        self.next += usize::from(here);
        here
    }

    /// Takes this word if it comes next.
    pub(super) fn keyword(&mut self, word: &str) -> bool {
        let here = self.peek_word() == Some(word);
        self.next += usize::from(here);
        here
    }

    /// Takes a word; `what` names it in errors.
    pub(super) fn word(&mut self, what: &str) -> Result<String, String> {
        let word = self.peek_word().map(str::to_string).ok_or_else(|| self.expected(what))?;
        self.advance();
        Ok(word)
    }

    pub(super) fn number(&mut self, what: &str) -> Result<u64, String> {
        let number = self.peek_word().and_then(|word| word.parse().ok());
        let number = number.ok_or_else(|| self.expected(what))?;
        self.advance();
        Ok(number)
    }

    pub(super) fn end(&self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end of the line")),
        }
    }

    /// The error of finding something else than `what`.
    pub(super) fn expected(&self, what: &str) -> String {
        match self.peek() {
            Some(token) => format!("expected {what}, found {token}"),
            None => format!("expected {what}, found the end of the line"),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-./".contains(c)
}

fn text(mut rest: &str) -> Result<(Token, &str), String> {
    let mut bytes = Vec::new();
    loop {
        let stop = rest.find(['"', '\\']).ok_or("expected a closing `\"`, found the end of the line")?;
        bytes.extend_from_slice(&rest.as_bytes()[..stop]);
        if rest.as_bytes()[stop] == b'"' {
            return Ok((Token::Text(bytes), &rest[stop + 1..]));
        }
        let escape = &rest[stop + 1..];
        let hex = escape.strip_prefix('x').and_then(|digits| digits.get(..2));
        let (byte, len) = match (escape.bytes().next(), hex) {
            (_, Some(digits)) => (u8::from_str_radix(digits, 16).ok(), 3),
            (Some(b'n'), _) => (Some(b'\n'), 1),
            (Some(byte @ (b'"' | b'\\')), _) => (Some(byte), 1),
            _ => (None, 0),
        };
        bytes.push(byte.ok_or("expected one of `\\\"`, `\\\\`, `\\n`, `\\x00` after a `\\`")?);
        rest = &escape[len..];
    }
}

/// A text in quotes, as it is read.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}
