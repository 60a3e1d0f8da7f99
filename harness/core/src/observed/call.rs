//! The calls of a workload, as words.

use std::fmt;

use super::content::parse_size;

/// One call. It opens its file and closes it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `cr F`: create, empty.
    Create(String),
    /// `mk F C N`: create, write N bytes C.
    Make(String, u8, u64),
    /// `otr F C N`: open with truncation, write N bytes C.
    Replace(String, u8, u64),
    /// `ap F C N`: append N bytes C.
    Append(String, u8, u64),
    /// `w F OFF C N`, and `dw` with `O_DIRECT`: write N bytes C at OFF.
    Write(String, u64, u8, u64),
    /// `tr F N`: set the length.
    SetLen(String, u64),
    /// `mv A B`: rename.
    Rename(String, String),
    /// `xch A B`: exchange two names.
    Exchange(String, String),
    /// `ln A B`: hard link.
    Link(String, String),
    /// `rm F`: remove a file.
    Remove(String),
    /// `mkdir D`: create a directory.
    CreateDir(String),
    /// `rmdir D`: remove a directory.
    RemoveDir(String),
    /// `fal F OFF N MODE`: fallocate.
    Allocate(String, u64, u64, Fallocate),
    /// `fsync F`, `fdsync F`: sync a file; whether data only.
    SyncFile(String, bool),
    /// `sdir D`, `sddir D`: sync a directory.
    SyncDir(String),
    /// `sync`: everything.
    SyncAll,
    /// `sfr F OFF N` (sync_file_range), `sleep S`: nothing that a model knows of.
    Nothing,
}

/// What a `fallocate` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallocate {
    /// Mode 0: reserve, and extend the file.
    Extend,
    /// Mode 1: reserve behind the end too, the length stays.
    KeepSize,
    /// Mode 3: punch a hole, the length stays.
    PunchHole,
    /// Mode 16: zero a range, and extend the file.
    ZeroRange,
}

/// A call as it was written, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The words.
    pub text: String,
    /// The meaning.
    pub call: Call,
}

impl Step {
    /// Reads a call.
    pub fn parse(text: &str) -> Result<Step, String> {
        let mut words = Words { left: text.split_whitespace(), call: text };
        let call = parse(&mut words)?;
        match words.left.next() {
            None => Ok(Step { text: text.to_string(), call }),
            Some(extra) => Err(format!("expected nothing behind the call {text:?}, found {extra:?}")),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Call {
    /// Whether the call makes something durable when it returns.
    pub fn is_sync(&self) -> bool {
        matches!(self, Call::SyncFile(..) | Call::SyncDir(_) | Call::SyncAll)
    }
}

struct Words<'a> {
    left: std::str::SplitWhitespace<'a>,
    call: &'a str,
}

impl<'a> Words<'a> {
    fn word(&mut self, what: &str) -> Result<&'a str, String> {
        self.left.next().ok_or_else(|| format!("expected {what} in the call {:?}", self.call))
    }

    fn path(&mut self) -> Result<String, String> {
        let path = self.word("a path")?;
        if path.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(format!(
                "expected a plain relative path in the call {:?}, found {path:?}",
                self.call
            ));
        }
        Ok(path.to_string())
    }

    fn dir(&mut self) -> Result<String, String> {
        if self.left.clone().next() == Some(".") {
            self.left.next();
            return Ok(String::new());
        }
        self.path()
    }

    fn byte(&mut self) -> Result<u8, String> {
        match self.word("a character")?.as_bytes() {
            [byte] => Ok(*byte),
            _ => Err(format!("expected one ASCII character in the call {:?}", self.call)),
        }
    }

    fn size(&mut self) -> Result<u64, String> {
        parse_size(self.word("a size")?).map_err(|e| format!("{e} in the call {:?}", self.call))
    }
}

fn parse(words: &mut Words<'_>) -> Result<Call, String> {
    Ok(match words.word("a call")? {
        "cr" => Call::Create(words.path()?),
        "mk" => Call::Make(words.path()?, words.byte()?, words.size()?),
        "otr" => Call::Replace(words.path()?, words.byte()?, words.size()?),
        "ap" => Call::Append(words.path()?, words.byte()?, words.size()?),
        "w" | "dw" => Call::Write(words.path()?, words.size()?, words.byte()?, words.size()?),
        "tr" => Call::SetLen(words.path()?, words.size()?),
        "mv" => Call::Rename(words.path()?, words.path()?),
        "xch" => Call::Exchange(words.path()?, words.path()?),
        "ln" => Call::Link(words.path()?, words.path()?),
        "rm" => Call::Remove(words.path()?),
        "mkdir" => Call::CreateDir(words.path()?),
        "rmdir" => Call::RemoveDir(words.path()?),
        "fal" => Call::Allocate(words.path()?, words.size()?, words.size()?, fallocate(words)?),
        "fsync" => Call::SyncFile(words.path()?, false),
        "fdsync" => Call::SyncFile(words.path()?, true),
        "sdir" | "sddir" => Call::SyncDir(words.dir()?),
        "sync" => Call::SyncAll,
        "sfr" => {
            words.path()?;
            words.size()?;
            words.size()?;
            Call::Nothing
        }
        "sleep" => {
            let seconds = words.word("seconds")?;
            if seconds.parse::<f64>().is_err() {
                return Err(format!("expected seconds in the call {:?}, found {seconds:?}", words.call));
            }
            Call::Nothing
        }
        other => {
            return Err(format!(
                "expected one of cr, mk, otr, ap, w, dw, tr, mv, xch, ln, rm, mkdir, rmdir, fal, fsync, fdsync, \
                 sdir, sddir, sync, sfr, sleep, found {other:?} in the call {:?}",
                words.call
            ));
        }
    })
}

fn fallocate(words: &mut Words<'_>) -> Result<Fallocate, String> {
    match words.word("a mode")? {
        "0" => Ok(Fallocate::Extend),
        "1" => Ok(Fallocate::KeepSize),
        "3" => Ok(Fallocate::PunchHole),
        "16" => Ok(Fallocate::ZeroRange),
        other => Err(format!("expected mode 0, 1, 3 or 16 in the call {:?}, found {other:?}", words.call)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read() {
        let call = |text: &str| Step::parse(text).unwrap().call;
        assert_eq!(call("mk d1/a A 2p"), Call::Make("d1/a".into(), b'A', 8192));
        assert_eq!(call("w f 1p b 3s"), Call::Write("f".into(), 4096, b'b', 1536));
        assert_eq!(call("sdir ."), Call::SyncDir(String::new()));
        assert_eq!(call("fal f 1000 8k 3"), Call::Allocate("f".into(), 1000, 8192, Fallocate::PunchHole));
        assert_eq!(call("sleep 6.5"), Call::Nothing);
        assert!(call("sync").is_sync() && call("fdsync f").is_sync() && !call("sfr f 0 1p").is_sync());
    }

    #[test]
    fn mistakes_are_told() {
        let error = |text: &str| Step::parse(text).unwrap_err();
        assert_eq!(error("mk a A"), "expected a size in the call \"mk a A\"");
        assert_eq!(error("sync now"), "expected nothing behind the call \"sync now\", found \"now\"");
        assert!(error("move a b").contains("found \"move\""));
        for bad in ["", "cr", "cr ../a", "cr /a", "mk a AB 1", "tr f x", "fal f 0 1p 7", "sleep long", "sdir"]
        {
            assert!(Step::parse(bad).is_err(), "{bad}");
        }
    }
}
