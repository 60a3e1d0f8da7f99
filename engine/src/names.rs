//! File names. One counter numbers all files, and no number is given twice: no name is ever overwritten.

use std::ffi::OsStr;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Manifest,
    Snapshot,
    Wal,
}

/// What a name says about the file's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// Finished.
    Plain,
    /// Being written: garbage after a crash.
    Tmp,
    /// Kept for whoever wants to save more of it; the store never reads it.
    Damaged,
    /// Replaced by a snapshot and kept; the store never reads it.
    Retained,
}

/// A file of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    pub(crate) form: Form,
}

impl Name {
    pub(crate) const fn manifest(number: u64) -> Name {
        Name { kind: Kind::Manifest, number, form: Form::Plain }
    }

    pub(crate) const fn snapshot(number: u64) -> Name {
        Name { kind: Kind::Snapshot, number, form: Form::Plain }
    }

    pub(crate) const fn wal(number: u64) -> Name {
        Name { kind: Kind::Wal, number, form: Form::Plain }
    }

    pub(crate) const fn tmp(self) -> Name {
        Name { form: Form::Tmp, ..self }
    }

    pub(crate) const fn damaged(self) -> Name {
        Name { form: Form::Damaged, ..self }
    }

    pub(crate) const fn retained(self) -> Name {
        Name { form: Form::Retained, ..self }
    }

    /// Appends the file name: `wal-00000012`, `MANIFEST-00000013.tmp`.
    pub(crate) fn push_to(self, out: &mut String) {
        let kind = match self.kind {
            Kind::Manifest => "MANIFEST-",
            Kind::Snapshot => "snap-",
            Kind::Wal => "wal-",
        };
        let form = match self.form {
            Form::Plain => "",
            Form::Tmp => ".tmp",
            Form::Damaged => ".damaged",
            Form::Retained => ".old",
        };
        out.push_str(kind);
        // By hand, because recovery names a dozen files and formatting would be most of the cost.
        let mut digits = [b'0'; 20];
        let (mut rest, mut at) = (self.number, digits.len());
        while rest > 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend(digits[at.min(digits.len() - 8)..].iter().map(|d| char::from(*d)));
        out.push_str(form);
    }

    /// Reads a file name back; None for anything the store would not have written itself.
    pub(crate) fn parse(name: &OsStr) -> Option<Name> {
        let name = name.to_str()?;
        let (kind, rest) = if let Some(rest) = name.strip_prefix("wal-") {
            (Kind::Wal, rest)
        } else if let Some(rest) = name.strip_prefix("MANIFEST-") {
            (Kind::Manifest, rest)
        } else {
            (Kind::Snapshot, name.strip_prefix("snap-")?)
        };
        let (digits, form) = if let Some(digits) = rest.strip_suffix(".tmp") {
            (digits, Form::Tmp)
        } else if let Some(digits) = rest.strip_suffix(".damaged") {
            (digits, Form::Damaged)
        } else if let Some(digits) = rest.strip_suffix(".old") {
            (digits, Form::Retained)
        } else {
            (rest, Form::Plain)
        };
        let padded = digits.len() == 8 || (digits.len() > 8 && !digits.starts_with('0'));
        if !padded || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        // The counter must be able to go on behind any number it meets.
        let number: u64 = digits.parse().ok().filter(|n| (1..=NUMBER_MAX).contains(n))?;
        Some(Name { kind, number, form })
    }
}

/// Files with larger numbers are not the store's: the counter can never get there.
pub(crate) const NUMBER_MAX: u64 = u64::MAX / 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: Name) -> String {
        let mut out = String::new();
        name.push_to(&mut out);
        out
    }

    #[test]
    fn names_read_back_as_written() {
        for number in [1, 7, 99_999_999, 100_000_000, NUMBER_MAX] {
            for plain in [Name::manifest(number), Name::snapshot(number), Name::wal(number)] {
                for name in [plain, plain.tmp(), plain.damaged(), plain.retained()] {
                    assert_eq!(Name::parse(OsStr::new(&text(name))), Some(name));
                }
            }
        }
    }

    #[test]
    fn foreign_names_are_not_taken() {
        for name in [
            "",
            "wal-",
            "wal-1",
            "wal-00000000",
            "wal-000000001",
            "wal-0000000a",
            "wal-00000001.log",
            "wal-+0000001",
            "snap-00000001.tmp.tmp",
            "MANIFEST",
            "manifest-00000001",
            "LOCK",
            "wal-99999999999999999999999",
            "wal-18446744073709551615",
        ] {
            assert_eq!(Name::parse(OsStr::new(name)), None, "{name}");
        }
    }
}
