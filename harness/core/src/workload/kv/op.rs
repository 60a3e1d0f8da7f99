//! One operation as a line of text.

use std::fmt;
use std::str::FromStr;

use super::bytes::{KvBytes, Lexer};

/// What changes one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvChange {
    /// Sets a key.
    Put {
        /// The key.
        key: KvBytes,
        /// Its new value.
        value: KvBytes,
    },
    /// Deletes a key, there or not.
    Del {
        /// The key.
        key: KvBytes,
    },
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvOp {
    /// A single change.
    Change(KvChange),
    /// Several changes, all or none.
    Batch(Vec<KvChange>),
    /// Makes everything so far durable.
    Sync,
    /// Runs the store's maintenance.
    Compact,
}

impl fmt::Display for KvChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KvChange::Put { key, value } => write!(f, "put {key} {value}"),
            KvChange::Del { key } => write!(f, "del {key}"),
        }
    }
}

impl fmt::Display for KvOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KvOp::Change(change) => change.fmt(f),
            KvOp::Batch(changes) => {
                f.write_str("batch")?;
                for (i, change) in changes.iter().enumerate() {
                    write!(f, "{} {change}", if i == 0 { "" } else { ";" })?;
                }
                Ok(())
            }
            KvOp::Sync => f.write_str("sync"),
            KvOp::Compact => f.write_str("compact"),
        }
    }
}

impl FromStr for KvOp {
    type Err = String;

    fn from_str(line: &str) -> Result<KvOp, String> {
        let mut lexer = Lexer::new(line);
        let op = match lexer.word() {
            "sync" => KvOp::Sync,
            "compact" => KvOp::Compact,
            "batch" => {
                let mut changes = Vec::new();
                loop {
                    let verb = lexer.word();
                    let change = change(verb, &mut lexer)?;
                    let expected = "`put KEY VALUE` or `del KEY` in a batch";
                    changes.push(change.ok_or_else(|| mismatch(expected, verb, line))?);
                    if !lexer.separator() {
                        break;
                    }
                }
                KvOp::Batch(changes)
            }
            verb => {
                let expected = "`put KEY VALUE`, `del KEY`, `batch …; …`, `sync` or `compact`";
                KvOp::Change(change(verb, &mut lexer)?.ok_or_else(|| mismatch(expected, verb, line))?)
            }
        };
        lexer.end()?;
        Ok(op)
    }
}

fn mismatch(expected: &str, verb: &str, line: &str) -> String {
    let found = if verb.is_empty() { line.trim() } else { verb };
    format!("expected {expected}, found `{found}`")
}

fn change(verb: &str, lexer: &mut Lexer<'_>) -> Result<Option<KvChange>, String> {
    Ok(match verb {
        "put" => Some(KvChange::Put { key: lexer.bytes("a key")?, value: lexer.bytes("a value")? }),
        "del" => Some(KvChange::Del { key: lexer.bytes("a key")? }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(line: &str) -> String {
        line.parse::<KvOp>().unwrap_err()
    }

    #[test]
    fn canonical_lines_print_back_as_they_were() {
        for line in [
            "put a 1",
            "put fill fill(3,1000)",
            "put \"\" \"\"",
            "put \"two words\" \"\\x00\\n\\\"\\\\\"",
            "del k-1.x_Y",
            "batch put a 1; del b; put c 2",
            "sync",
            "compact",
        ] {
            assert_eq!(line.parse::<KvOp>().unwrap().to_string(), line);
        }
    }

    #[test]
    fn blanks_between_words_do_not_matter() {
        assert_eq!(
            "  batch  put a 1;del   b ; put c fill( 2 , 3 ) ".parse::<KvOp>().unwrap().to_string(),
            "batch put a 1; del b; put c fill(2,3)"
        );
    }

    #[test]
    fn a_bad_line_says_what_was_expected() {
        let verbs = "expected `put KEY VALUE`, `del KEY`, `batch …; …`, `sync` or `compact`, found";
        assert_eq!(refused("get a"), format!("{verbs} `get`"));
        assert_eq!(refused("{}"), format!("{verbs} `{{}}`"));
        let bytes = "(a word of A-Z a-z 0-9 _ . -, a \"quoted text\" or fill(SEED,LEN)), found";
        assert_eq!(refused("put"), format!("expected a key {bytes} the end"));
        assert_eq!(refused("put a"), format!("expected a value {bytes} the end"));
        assert_eq!(refused("put a é"), format!("expected a value {bytes} `é`"));
        assert_eq!(refused("put a b c"), "expected the end of the line, found `c`");
        assert_eq!(refused("sync now"), "expected the end of the line, found `now`");
        assert_eq!(refused("batch"), "expected `put KEY VALUE` or `del KEY` in a batch, found `batch`");
        assert_eq!(refused("batch sync"), "expected `put KEY VALUE` or `del KEY` in a batch, found `sync`");
        assert_eq!(refused("put a fill(x,1)"), "expected fill(SEED,LEN), two whole numbers");
        assert_eq!(refused("put a \"x"), "expected a closing `\"`, found the end of the line");
        assert_eq!(refused("put a \"\\x0\""), "expected two hexadecimal digits after `\\x`");
        assert!(refused("put a fill(1,99999999999)").contains("at most 67108864"));
    }

    fn bytes() -> impl Strategy<Value = KvBytes> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12).prop_map(|b| KvBytes::from(b.as_slice())),
            "[a-zA-Z0-9_.-]{0,8}".prop_map(|s| KvBytes::from(s.as_bytes())),
            (any::<u64>(), 0..40usize).prop_map(|(seed, len)| KvBytes::filled(seed, len)),
        ]
    }

    fn changes() -> impl Strategy<Value = KvChange> {
        prop_oneof![
            (bytes(), bytes()).prop_map(|(key, value)| KvChange::Put { key, value }),
            bytes().prop_map(|key| KvChange::Del { key }),
        ]
    }

    fn ops() -> impl Strategy<Value = KvOp> {
        prop_oneof![
            changes().prop_map(KvOp::Change),
            proptest::collection::vec(changes(), 1..5).prop_map(KvOp::Batch),
            Just(KvOp::Sync),
            Just(KvOp::Compact),
        ]
    }

    proptest! {
        #[test]
        fn every_operation_parses_back_from_its_text(op in ops()) {
            prop_assert_eq!(op.to_string().parse::<KvOp>(), Ok(op));
        }

        #[test]
        fn no_line_makes_the_parser_panic(line in "\\PC{0,40}") {
            let _ = line.parse::<KvOp>();
        }
    }
}
