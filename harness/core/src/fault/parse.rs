//! From text to a rule, with the place of every mistake.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use super::rule::{CallKind, CallSet, Effect, ErrorCode, Glob, Outcome, Phase, Rule, Which};

/// What is wrong with a rule, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultError {
    /// The rule's text.
    pub text: String,
    /// The bytes of it that are wrong.
    pub at: Range<usize>,
    /// What was expected.
    pub message: String,
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = self.text[..self.at.start].chars().count();
        let width = self.text[self.at.clone()].chars().count().max(1);
        writeln!(f, "fault rule: {}", self.message)?;
        writeln!(f, "  {}", self.text)?;
        write!(f, "  {:column$}{}", "", "^".repeat(width))
    }
}

impl std::error::Error for FaultError {}

impl FromStr for Rule {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Rule, FaultError> {
        // A rule is one line, in an error too.
        let text = text.replace(['\n', '\r', '\t'], " ");
        let mut words = Words { text: &text, at: 0 };
        rule(&mut words).map_err(|(at, message)| FaultError { text: text.clone(), at, message })
    }
}

/// A mistake with its place.
type Slip = (Range<usize>, String);

/// A word and its place.
type Word<'a> = (&'a str, Range<usize>);

struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    /// The next word; a comma is one by itself, and ends the one before it.
    fn peek(&self) -> Option<Word<'a>> {
        let rest = &self.text[self.at..];
        let start = self.at + (rest.len() - rest.trim_start().len());
        let rest = &self.text[start..];
        let first = rest.chars().next()?;
        let len = if first == ',' {
            1
        } else {
            rest.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(rest.len())
        };
        Some((&rest[..len], start..start + len))
    }

    fn next(&mut self) -> Option<Word<'a>> {
        let word = self.peek()?;
        self.at = word.1.end;
        Some(word)
    }

    fn expect(&mut self, what: &str) -> Result<Word<'a>, Slip> {
        let end = self.text.trim_end().len();
        self.next().ok_or((end..end, format!("expected {what}")))
    }

    fn number<N: FromStr>(&mut self, what: &str) -> Result<N, Slip> {
        let (word, at) = self.expect(what)?;
        word.parse().map_err(|_| (at, format!("expected {what}, found `{word}`")))
    }
}

fn rule(words: &mut Words<'_>) -> Result<Rule, Slip> {
    let mut phase = Phase::Workload;
    if let Some(("recovery:", _)) = words.peek() {
        words.next();
        phase = Phase::Recovery;
    }
    let (word, call_at) = words.expect("a call, such as sync_data, write or any-sync")?;
    let call = call(word).ok_or_else(|| (call_at.clone(), unknown_call(word)))?;
    let mut path = Glob::any();
    let mut which = Which::Every;
    let mut which_at = call_at.clone();
    if let Some((word, _)) = words.peek()
        && !is_which(word)
        && word != "->"
        && word != ","
    {
        words.next();
        path = Glob::new(word);
    }
    if let Some((word, at)) = words.peek()
        && is_which(word)
    {
        words.next();
        which_at = at.clone();
        which = parse_which(word).ok_or_else(|| {
            (at, format!("expected every, #N, #N.., #..N (N from 1) or @BYTE, found `{word}`"))
        })?;
    }
    let (arrow, at) = words.expect("`->` and a result, such as -> EIO")?;
    if arrow != "->" {
        return Err((at, format!("expected `->` and a result, such as -> EIO, found `{arrow}`")));
    }
    let (outcome, outcome_at) = outcome(words)?;
    let mut effect = Effect::None;
    if let Some((word, at)) = words.next() {
        if word != "," {
            return Err((at, format!("expected `, applied`, `, part BYTES` or nothing, found `{word}`")));
        }
        let (word, at) = words.expect("applied, part BYTES or reported")?;
        effect = match word {
            "applied" => Effect::Applied,
            "part" => Effect::Part(words.number("a number of bytes")?),
            "reported" => Effect::Reported,
            _ => return Err((at, format!("expected applied, part BYTES or reported, found `{word}`"))),
        };
        fits_effect(call, outcome, effect).map_err(|message| (at, message))?;
        if let Some((word, at)) = words.next() {
            return Err((at, format!("expected nothing more, found `{word}`")));
        }
    }
    fits_call(call, outcome).map_err(|message| (outcome_at, message))?;
    let rule = Rule { phase, call, path, which, outcome, effect };
    fits_place(&rule).map_err(|message| (which_at, message))?;
    Ok(rule)
}

fn call(word: &str) -> Option<CallSet> {
    let one = CallKind::ALL.into_iter().map(CallSet::One);
    one.chain(CallSet::CLASSES).find(|set| set.name() == word)
}

fn unknown_call(word: &str) -> String {
    let names = CallKind::ALL.iter().map(|call| call.name());
    let names: Vec<&str> = names.chain(CallSet::CLASSES.iter().map(|set| set.name())).collect();
    format!("expected a call, found `{word}`: one of {}", names.join(", "))
}

fn is_which(word: &str) -> bool {
    word == "every" || word.starts_with(['#', '@'])
}

fn parse_which(word: &str) -> Option<Which> {
    if word == "every" {
        return Some(Which::Every);
    }
    if let Some(offset) = word.strip_prefix('@') {
        return offset.parse().ok().map(Which::At);
    }
    let count = word.strip_prefix('#')?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n > 0);
    if let Some(n) = count.strip_suffix("..") {
        return number(n).map(Which::From);
    }
    match count.strip_prefix("..") {
        Some(n) => number(n).map(Which::Until),
        None => number(count).map(Which::Nth),
    }
}

fn outcome(words: &mut Words<'_>) -> Result<(Outcome, Range<usize>), Slip> {
    let (word, at) = words.expect("a result, such as EIO")?;
    let outcome = match word {
        "short" => Outcome::Short(words.number("a number of bytes")?),
        "delay" => {
            let (time, at) = words.expect("a time, such as 5ms")?;
            let time =
                duration(time).ok_or_else(|| (at, format!("expected a time such as 5ms, found `{time}`")))?;
            Outcome::Delay(time)
        }
        "lost" => Outcome::Lost,
        "misdirected" => Outcome::Misdirected(words.number("a number of bytes")?),
        "rot" => {
            let (bits, at) = words.expect("the bits that differ, such as 01")?;
            let parsed = u8::from_str_radix(bits, 16).ok().filter(|bits| *bits > 0);
            let wrong = || (at, format!("expected two hexadecimal digits, not 00, found `{bits}`"));
            Outcome::Rot(parsed.ok_or_else(wrong)?)
        }
        "bad-sector" => Outcome::BadSector,
        "full" => Outcome::Full(words.number("a number of bytes")?),
        _ => {
            let code = ErrorCode::ALL.into_iter().find(|code| code.name() == word);
            let names: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
            let message = format!(
                "expected one of {}, short, delay, lost, misdirected, rot, bad-sector, full, found `{word}`",
                names.join(", ")
            );
            Outcome::Error(code.ok_or((at.clone(), message))?)
        }
    };
    Ok((outcome, at))
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_us: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_us).map(Duration::from_micros)
}

fn fits_call(call: CallSet, outcome: Outcome) -> Result<(), String> {
    let is = |kind| call == CallSet::One(kind);
    match outcome {
        Outcome::Short(_) if !is(CallKind::Read) && !is(CallKind::Write) => {
            Err("expected `read` or `write` before a short result".to_string())
        }
        Outcome::Lost | Outcome::Misdirected(_) if !is(CallKind::Write) => {
            Err("expected `write` before a lost or misdirected one".to_string())
        }
        Outcome::Misdirected(distance) if distance == 0 || distance % 512 != 0 => {
            Err(format!("expected a distance in whole sectors of 512 bytes, found {distance}"))
        }
        Outcome::Rot(_) | Outcome::BadSector if !is(CallKind::Read) => {
            Err("expected `read` before what a disk returns".to_string())
        }
        Outcome::Full(_) if call != CallSet::AnyWrite => {
            Err("expected `any-write` before a full disk".to_string())
        }
        _ => Ok(()),
    }
}

fn fits_effect(call: CallSet, outcome: Outcome, effect: Effect) -> Result<(), String> {
    match (effect, outcome) {
        (Effect::Applied, Outcome::Error(_)) => match call {
            CallSet::One(call) if !call.changes() => Err(format!(
                "expected a call that changes something before `applied`, found `{}`",
                call.name()
            )),
            _ => Ok(()),
        },
        (Effect::Part(_), Outcome::Error(_)) if call == CallSet::One(CallKind::Write) => Ok(()),
        (Effect::Part(_), _) => Err("expected `part` of a `write` that fails".to_string()),
        (Effect::Reported, Outcome::Rot(_)) => Ok(()),
        (Effect::Reported, _) => Err("expected `reported` behind rot only".to_string()),
        _ => Err("expected `applied` behind an error only".to_string()),
    }
}

fn fits_place(rule: &Rule) -> Result<(), String> {
    if rule.phase == Phase::Recovery && matches!(rule.outcome, Outcome::Full(_)) {
        return Err("expected a full disk in the workload only".to_string());
    }
    match (rule.which, rule.outcome.is_on_medium()) {
        (Which::At(_), true) | (Which::Every | Which::Nth(_) | Which::From(_) | Which::Until(_), false) => {
            Ok(())
        }
        (Which::At(_), false) => Err("expected `@BYTE` before rot and bad-sector only".to_string()),
        (_, true) => Err("expected the place of the damage, @BYTE, behind the path".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn which() -> impl Strategy<Value = Which> {
        prop_oneof![
            Just(Which::Every),
            (1u32..).prop_map(Which::Nth),
            (1u32..).prop_map(Which::From),
            (1u32..).prop_map(Which::Until),
            any::<u64>().prop_map(Which::At),
        ]
    }

    fn outcomes() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            select(ErrorCode::ALL.to_vec()).prop_map(Outcome::Error),
            any::<u32>().prop_map(Outcome::Short),
            (0u64..1 << 40).prop_map(|us| Outcome::Delay(Duration::from_micros(us))),
            Just(Outcome::Lost),
            (1u32..1000).prop_map(|n| Outcome::Misdirected(n * 512)),
            (1u8..).prop_map(Outcome::Rot),
            Just(Outcome::BadSector),
            any::<u64>().prop_map(Outcome::Full),
        ]
    }

    fn rules() -> impl Strategy<Value = Rule> {
        let calls = CallKind::ALL.into_iter().map(CallSet::One).chain(CallSet::CLASSES).collect::<Vec<_>>();
        let effect = prop_oneof![
            Just(Effect::None),
            Just(Effect::Applied),
            any::<u32>().prop_map(Effect::Part),
            Just(Effect::Reported)
        ];
        let phase = select(vec![Phase::Workload, Phase::Recovery]);
        (phase, select(calls), "[a-z?*/-]{1,8}", which(), outcomes(), effect).prop_map(
            |(phase, call, path, which, outcome, effect)| {
                let path = if path == "every" { Glob::any() } else { Glob::new(path) };
                Rule { phase, call, path, which, outcome, effect }
            },
        )
    }

    fn is_sound(rule: &Rule) -> bool {
        fits_call(rule.call, rule.outcome).is_ok()
            && fits_place(rule).is_ok()
            && (rule.effect == Effect::None || fits_effect(rule.call, rule.outcome, rule.effect).is_ok())
    }

    proptest! {
        #[test]
        fn a_rule_that_makes_sense_prints_and_parses_back(rule in rules()) {
            let parsed = rule.to_string().parse::<Rule>();
            if is_sound(&rule) {
                prop_assert_eq!(parsed, Ok(rule));
            } else {
                prop_assert!(parsed.is_err(), "{}", rule);
            }
        }

        #[test]
        fn any_text_parses_or_is_told_where_it_is_wrong(text in "\\PC{0,40}") {
            if let Err(error) = text.parse::<Rule>() {
                let lines = error.to_string();
                prop_assert_eq!(lines.lines().count(), 3, "{}", lines);
            }
        }

        #[test]
        fn words_in_any_order_never_panic(words in proptest::collection::vec(select(vec![
            "recovery:", "write", "any-sync", "wal-*", "#3", "#..2", "@7", "->", ",", "EIO", "short", "5",
            "delay", "3ms", "rot", "01", "applied", "part", "reported", "ä",
        ]), 0..9)) {
            if let Err(error) = words.join(" ").parse::<Rule>() {
                prop_assert!(error.to_string().contains('^'));
            }
        }
    }

    #[test]
    fn a_mistake_is_shown_with_a_caret_under_it() {
        let wrong = |text: &str| text.parse::<Rule>().unwrap_err().to_string();
        insta::assert_snapshot!(wrong("sync_dta wal-* -> EIO"), @r"
        fault rule: expected a call, found `sync_dta`: one of open, create, read, write, set_len, allocate, sync_data, sync_all, sync_dir, rename, remove, link, create_dir, remove_dir, read_dir, metadata, len, lock, any, any-read, any-write, any-sync, any-metadata
          sync_dta wal-* -> EIO
          ^^^^^^^^
        ");
        insta::assert_snapshot!(wrong("write wal-* #0 -> EIO"), @r"
        fault rule: expected every, #N, #N.., #..N (N from 1) or @BYTE, found `#0`
          write wal-* #0 -> EIO
                      ^^
        ");
        insta::assert_snapshot!(wrong("write wal-*"), @r"
        fault rule: expected `->` and a result, such as -> EIO
          write wal-*
                     ^
        ");
        insta::assert_snapshot!(wrong("rename -> EIO, part 3"), @r"
        fault rule: expected `part` of a `write` that fails
          rename -> EIO, part 3
                         ^^^^
        ");
        insta::assert_snapshot!(wrong("read snap-* -> rot 01"), @r"
        fault rule: expected the place of the damage, @BYTE, behind the path
          read snap-* -> rot 01
          ^^^^
        ");
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let rule: Rule = "  recovery:  any-sync every  ->  EIO , applied ".parse().unwrap();
        assert_eq!(rule.to_string(), "recovery: any-sync -> EIO, applied");
        assert_eq!(rule.path, Glob::any());
    }

    #[test]
    fn globs_see_the_last_name_or_the_whole_path() {
        let hits = |glob: &str, path: &str| Glob::new(glob).matches(std::path::Path::new(path));
        assert!(hits("wal-*", "/store/wal-1") && hits("store/wal-?", "/store/wal-1") && hits("*", "/"));
        assert!(
            !hits("wal-*", "/store/xwal-1") && !hits("wal-*", "/wal-1/x") && !hits("/wal-*", "/store/wal-1")
        );
        assert!(hits("*a*b", "xaxbab") && !hits("*a*b", "xaxba") && hits("**", "x") && !hits("?", ""));
    }
}
