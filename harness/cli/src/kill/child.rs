//! The process that is killed.

use std::io;
use std::path::Path;
use std::sync::Arc;

use unplug::subject::{Outcome, Subject};
use unplug_vfs::{OsFs, Vfs};

use super::Victim;
use super::draw::{Draw, Stream};
use super::words::Word;

/// The store is closed and opened again once in so many operations.
const REOPEN_ONCE_IN: u64 = 50;

/// One operation more: what it is, and whether the store is closed and opened before it. The parent and the
/// process that it kills go through the same ones.
pub(super) fn next_operation<V: Victim>(victim: &V, draw: &mut Draw) -> (bool, <V::Subject as Subject>::Op) {
    (draw.once_in(REOPEN_ONCE_IN), victim.operation(draw))
}

/// Writes until it is killed, or fails.
pub(super) fn run<V: Victim>(victim: &V, dir: &Path, seed: u64, round: u64, bug: Option<&str>) {
    let mut out = io::stdout().lock();
    let mut say = |word: Word| word.say(&mut out).map_err(|_| None);
    if let Err(Some(why)) = write(victim, dir, seed, round, bug, &mut say) {
        let _ = say(Word::Failed(why));
    }
}

/// Fails with a reason, or without one if nobody listens any more.
fn write<V: Victim>(
    victim: &V,
    dir: &Path,
    seed: u64,
    round: u64,
    bug: Option<&str>,
    say: &mut dyn FnMut(Word) -> Result<(), Option<String>>,
) -> Result<(), Option<String>> {
    let subject = victim.subject(&mut Draw::new(seed, round, Stream::Options), bug)?;
    let vfs: Arc<dyn Vfs> = Arc::new(OsFs);
    let failed = |what: &str, why: &dyn std::fmt::Display| Some(format!("{what}: {why}"));
    let open = |say: &mut dyn FnMut(Word) -> Result<(), Option<String>>| {
        say(Word::Opening)?;
        let store = subject.open(vfs.clone(), dir).map_err(|e| failed("the store does not open", &e))?;
        say(Word::Ready)?;
        Ok::<_, Option<String>>(store)
    };
    let mut store = open(say)?;
    let mut draw = Draw::new(seed, round, Stream::Operations);
    for number in 1.. {
        let (reopen, op) = next_operation(victim, &mut draw);
        if reopen {
            subject.close(store).map_err(|e| failed("the store does not close", &e))?;
            store = open(say)?;
        }
        say(Word::Issued(number))?;
        match subject.execute(&mut store, &op) {
            Outcome::Acknowledged { durable } => say(Word::Done(number, durable))?,
            Outcome::Refused(why) | Outcome::Unknown(why) => {
                return Err(failed(&format!("operation {number} ({})", brief(&op)), &why));
            }
        }
    }
    Ok(())
}

/// An operation in a line of bounded length.
pub(super) fn brief(op: &impl std::fmt::Display) -> String {
    const CHARS_MAX: usize = 100;
    let text = op.to_string();
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
