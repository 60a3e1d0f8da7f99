//! Evidence as a short text: which crash, which choices. `unplug repro` takes it.

use std::fmt;
use std::str::FromStr;

/// One crash: where, and what each question that recovery asked was answered with.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CrashEvidence {
    /// Position of the crash in the trace of its layer.
    pub at: u32,
    /// The answers of the recovery that followed, as indexes into the options of each question.
    pub choices: Vec<u32>,
}

/// What it takes to show a violation again, given the workload and the model.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Fingerprint of the workload's trace; if it differs the evidence is stale.
    pub trace_fingerprint: u64,
    /// The check that failed.
    pub check: String,
    /// Whether it showed in the aftermath of a recovery (reopening, further operations, litter).
    pub aftermath: bool,
    /// Where in the workload's trace the process was killed, if it was; the crashes then belong to the process
    /// that went on.
    pub killed_at: Option<u32>,
    /// If it was killed inside the last write before that: how many of the write's bytes had reached the cache.
    pub written: u32,
    /// The power losses, the first process's first.
    pub crashes: Vec<CrashEvidence>,
}

/// A whole token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the model.
    pub model: String,
    /// Crashes in a row that the exploration went to.
    pub depth: u32,
    /// The seed.
    pub seed: u64,
    /// The rules of what failed, as text.
    pub faults: Vec<String>,
    /// The evidence.
    pub evidence: Evidence,
}

/// Why a text is not a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError(pub String);

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TokenError {}

const PREFIX: &str = "u1-";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut body = Vec::new();
        put_text(&mut body, &self.scenario);
        put_text(&mut body, &self.model);
        put_number(&mut body, u64::from(self.depth));
        put_number(&mut body, self.seed);
        body.extend_from_slice(&self.evidence.trace_fingerprint.to_le_bytes());
        put_text(&mut body, &self.evidence.check);
        put_number(&mut body, u64::from(self.evidence.aftermath));
        put_number(&mut body, self.evidence.killed_at.map_or(0, |at| u64::from(at) + 1));
        if self.evidence.killed_at.is_some() {
            put_number(&mut body, u64::from(self.evidence.written));
        }
        put_number(&mut body, self.evidence.crashes.len() as u64);
        for crash in &self.evidence.crashes {
            put_number(&mut body, u64::from(crash.at));
            put_choices(&mut body, &crash.choices);
        }
        if !self.faults.is_empty() {
            put_number(&mut body, self.faults.len() as u64);
            self.faults.iter().for_each(|rule| put_text(&mut body, rule));
        }
        let sum = checksum(&body);
        body.extend_from_slice(&sum.to_le_bytes());
        f.write_str(PREFIX)?;
        f.write_str(&encode64(&body))
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Token, TokenError> {
        let damaged = || TokenError("the token is damaged or cut short: copy it whole".to_string());
        let rest = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or_else(|| TokenError(format!("not a token: expected it to start with `{PREFIX}`")))?;
        let all = decode64(rest).ok_or_else(damaged)?;
        let (body, sum) = all.split_at_checked(all.len().wrapping_sub(4)).ok_or_else(damaged)?;
        if checksum(body).to_le_bytes() != sum {
            return Err(damaged());
        }
        let mut reader = Reader(body);
        reader.token().ok_or_else(damaged)
    }
}

/// FNV-1a: it has only to notice a slip of the clipboard.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, b| (hash ^ u32::from(*b)).wrapping_mul(0x0100_0193))
}

fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Runs of equal answers are the rule: (answer, count) pairs.
fn put_choices(out: &mut Vec<u8>, choices: &[u32]) {
    let runs: Vec<&[u32]> = choices.chunk_by(|a, b| a == b).collect();
    put_number(out, runs.len() as u64);
    for run in runs {
        put_number(out, u64::from(run[0]));
        put_number(out, run.len() as u64);
    }
}

fn encode64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0u32, |w, (i, b)| w | u32::from(*b) << (16 - 8 * i));
        for i in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(word >> (18 - 6 * i) & 63) as usize]));
        }
    }
    out
}

fn decode64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0u32;
        for (i, c) in chunk.iter().enumerate() {
            let value = ALPHABET.iter().position(|a| a == c)? as u32;
            word |= value << (18 - 6 * i);
        }
        let bytes = word.to_be_bytes();
        out.extend_from_slice(&bytes[1..chunk.len()]);
    }
    Some(out)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn number_u32(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn take(&mut self, len: usize) -> Option<&[u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn text(&mut self) -> Option<String> {
        let len = usize::try_from(self.number()?).ok()?;
        String::from_utf8(self.take(len)?.to_vec()).ok()
    }

    fn choices(&mut self) -> Option<Vec<u32>> {
        const CHOICES_MAX: usize = 1 << 20;
        let mut choices = Vec::new();
        for _ in 0..self.number()? {
            let answer = self.number_u32()?;
            let count = usize::try_from(self.number()?).ok()?;
            if choices.len() + count > CHOICES_MAX {
                return None;
            }
            choices.extend(std::iter::repeat_n(answer, count));
        }
        Some(choices)
    }

    fn token(&mut self) -> Option<Token> {
        let scenario = self.text()?;
        let model = self.text()?;
        let depth = self.number_u32()?;
        let seed = self.number()?;
        let trace_fingerprint = u64::from_le_bytes(self.take(8)?.try_into().ok()?);
        let check = self.text()?;
        let aftermath = self.number()? != 0;
        let killed_at = self.number_u32()?.checked_sub(1);
        let written = if killed_at.is_some() { self.number_u32()? } else { 0 };
        let count = self.number()?;
        let mut crashes = Vec::new();
        for _ in 0..count {
            crashes.push(CrashEvidence { at: self.number_u32()?, choices: self.choices()? });
        }
        let mut faults = Vec::new();
        if !self.0.is_empty() {
            for _ in 0..self.number()? {
                faults.push(self.text()?);
            }
        }
        self.0.is_empty().then_some(Token {
            scenario,
            model,
            depth,
            seed,
            faults,
            evidence: Evidence { trace_fingerprint, check, aftermath, killed_at, written, crashes },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Token {
        Token {
            scenario: "append-many".into(),
            model: "posix".into(),
            depth: 2,
            seed: u64::MAX,
            faults: vec!["sync_data wal-* #3 -> EIO".into(), "any-write #5.. -> ENOSPC".into()],
            evidence: Evidence {
                trace_fingerprint: 0x0123_4567_89ab_cdef,
                check: "durability".into(),
                aftermath: true,
                killed_at: Some(0),
                written: 4096,
                crashes: vec![
                    CrashEvidence { at: 300, choices: vec![0, 0, 0, 1, 2, 2] },
                    CrashEvidence { at: 7, choices: vec![] },
                ],
            },
        }
    }

    #[test]
    fn a_token_prints_and_parses_back() {
        for name_len in 0..6 {
            let token = Token { scenario: "x".repeat(name_len), ..sample() };
            let plain = Token { faults: Vec::new(), ..token.clone() };
            assert_eq!(plain.to_string().parse::<Token>(), Ok(plain));
            assert_eq!(token.to_string().parse::<Token>(), Ok(token));
        }
    }

    #[test]
    fn every_single_character_change_or_cut_is_noticed() {
        let text = sample().to_string();
        for i in 0..text.len() {
            assert!(text[..i].parse::<Token>().is_err(), "cut at {i}");
            let mut other = text.clone().into_bytes();
            other[i] = if other[i] == b'A' { b'B' } else { b'A' };
            assert!(String::from_utf8(other).unwrap().parse::<Token>().is_err(), "changed at {i}");
        }
    }
}
