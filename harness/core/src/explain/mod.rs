//! A violation's story: what was written near the crash, what of it survived, line by source line.

mod order;
mod paths;

use crate::disk::{Bounds, CellKey, CrashedLayer, Narrowing, Value, World};
use crate::trace::{Call, EventKind, Mark, Origin, Pos, Trace};
pub use paths::Paths;

/// How operations and the calls that they made are named.
pub struct Names<'a> {
    /// Prints operation number `op` of a process.
    pub op_line: &'a dyn Fn(usize, u32) -> String,
    /// Whether calls go by the operation that made them, not by source line.
    pub by_operation: bool,
}

impl Names<'_> {
    /// Where the call at `at` was made.
    fn origin(&self, trace: &Trace, at: Pos) -> Option<Origin> {
        if !self.by_operation {
            return trace.events[at as usize].source.map(Origin::from);
        }
        trace.events[..at as usize].iter().rev().find_map(|event| match event.kind {
            EventKind::Mark(Mark::Issued { op }) => Some(Origin::Operation(op)),
            _ => None,
        })
    }

    /// The same in words, or nothing.
    fn site(&self, trace: &Trace, at: Pos) -> String {
        self.origin(trace, at).map(|origin| origin.to_string()).unwrap_or_default()
    }
}

/// What there is to tell.
pub struct Told {
    /// The lines.
    pub lines: Vec<String>,
    /// Where the calls that matter were made: those of which something was lost.
    pub source: Vec<String>,
    /// What the subject relied on and did not have, in a sentence.
    pub order: Option<String>,
    /// Equal for findings that are the same bug: the check, and the pair of updates that went wrong with where
    /// they were made.
    pub signature: String,
}

/// Updates shown per crash; those before them are counted.
const UPDATES_SHOWN_MAX: usize = 16;

/// Tells of the crashes of `world` at `positions`, given what was decided and which check failed; `killed_at`
/// is where in the first layer a process was killed whose successor went on.
pub fn tell(
    check: &str,
    world: &World,
    decided: &[Narrowing],
    positions: &[Pos],
    killed_at: Option<Pos>,
    names: &Names<'_>,
) -> Told {
    let mut bounds = world.final_bounds(decided);
    let mut told = Told { lines: Vec::new(), source: Vec::new(), order: None, signature: check.to_string() };
    let mut pair = None;
    let mut all_there = true;
    let mut paths = Paths::default();
    if let (Some(killed), Some(layer)) = (killed_at, world.layers.first()) {
        let trace = &layer.recording.trace;
        told.lines.push(format!("the process is killed {}", when(0, trace, killed, names)));
        if positions == [killed] {
            return told;
        }
    }
    for (index, (layer, at)) in world.layers.iter().zip(positions).enumerate() {
        let trace = &layer.recording.trace;
        let paths_then = paths.clone().after(trace, *at);
        let process = index + usize::from(killed_at.is_some());
        told.lines.push(headline(process, world.layers.len(), trace, *at, &paths_then, names));
        let updates = updates(world, index, layer, &mut bounds, *at, &mut paths, names);
        let undone: Vec<&Update> = updates.iter().filter(|u| u.fate != Fate::Durable).collect();
        let hidden = undone.len().saturating_sub(UPDATES_SHOWN_MAX);
        if hidden > 0 {
            told.lines.push(format!("  ({hidden} earlier updates that were not durable either)"));
        }
        let width = undone[hidden..].iter().map(|u| u.what.chars().count()).max().unwrap_or(0);
        for Update { fate, what, site, .. } in undone[hidden..].iter().copied() {
            told.lines.push(format!("  {:<9} {what:<width$}  {site}", fate.word()));
        }
        all_there &= undone.iter().all(|u| u.fate == Fate::Persisted);
        for update in &undone {
            if matches!(update.fate, Fate::Lost | Fate::Torn) && !told.source.contains(&update.site) {
                told.source.push(update.site.clone());
            }
        }
        let promise = promised(trace, *at);
        let found = order::broken(check, &updates, promise, &|op| (names.op_line)(process, op));
        // The last crash is the one that showed it, unless it lost nothing.
        pair = found.or(pair);
        if pair.is_none() && index + 1 == world.layers.len() {
            pair = order::too_early(check, &updates, trace, *at, paths.clone(), names);
        }
    }
    if !told.source.is_empty() {
        told.signature = format!("{check}: {}", told.source.join(", "));
    }
    if let Some(order::Broken { sentence, signature }) = pair {
        told.lines.push(format!("missing order: {sentence}"));
        told.order = Some(sentence);
        told.signature = format!("{check}: {signature}");
    } else if all_there {
        told.lines.push("nothing was lost: all that was written before the crash is on the disk".to_string());
    }
    told
}

/// The last operation whose acknowledgement promised durability before a crash at `at`, and where it was.
fn promised(trace: &Trace, at: Pos) -> Option<(Pos, u32)> {
    let marks = trace.events.iter().zip(0..at).rev();
    marks.into_iter().find_map(|(event, position)| match event.kind {
        EventKind::Mark(Mark::Acknowledged { op, durable: true }) => Some((position, op)),
        _ => None,
    })
}

fn headline(index: usize, layers: usize, trace: &Trace, at: Pos, paths: &Paths, names: &Names<'_>) -> String {
    let before = match trace.events.get(at as usize) {
        Some(event) => match &event.kind {
            EventKind::Call(call) => {
                let place = match names.origin(trace, at) {
                    Some(line @ Origin::Source { .. }) => format!(" at {line}"),
                    _ => String::new(),
                };
                format!("just before {}{place}", describe(call, paths))
            }
            EventKind::Mark(_) => "between two calls".to_string(),
        },
        None => "at the end".to_string(),
    };
    let when = when(index, trace, at, names);
    let crash = if layers == 1 { "power loss".to_string() } else { format!("power loss {}", index + 1) };
    format!("{crash} {when}, {before}")
}

/// Which operation of process number `index` was the last before `at`, in words.
fn when(index: usize, trace: &Trace, at: Pos, names: &Names<'_>) -> String {
    let opening = if index == 0 { "while opening the store" } else { "during recovery" };
    let mut when = opening.to_string();
    for event in &trace.events[..at as usize] {
        match event.kind {
            EventKind::Mark(Mark::Issued { op }) => {
                when = format!("in operation {op}: {}", (names.op_line)(index, op));
            }
            EventKind::Mark(Mark::Acknowledged { op, .. } | Mark::Refused { op } | Mark::Unknown { op }) => {
                when = format!("after operation {op}: {}", (names.op_line)(index, op));
            }
            EventKind::Mark(Mark::Recovered) => when = "after recovery".to_string(),
            EventKind::Call(_) => {}
        }
    }
    when
}

/// What became of an update.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Not in doubt at the crash: synced before it.
    Durable,
    Persisted,
    Lost,
    Torn,
    Either,
}

impl Fate {
    fn word(self) -> &'static str {
        match self {
            Fate::Durable => "durable",
            Fate::Persisted => "persisted",
            Fate::Lost => "lost",
            Fate::Torn => "torn",
            Fate::Either => "either",
        }
    }
}

struct Update {
    at: Pos,
    fate: Fate,
    /// Whether a file's new length is there and nothing of what was written.
    only_size: bool,
    what: String,
    /// The same as a noun: what did or did not reach the disk.
    noun: String,
    call: Call,
    site: String,
}

/// The updates of a layer before a crash at `at`, with their fate.
fn updates(
    world: &World,
    index: usize,
    layer: &CrashedLayer,
    bounds: &mut Bounds,
    at: Pos,
    paths: &mut Paths,
    names: &Names<'_>,
) -> Vec<Update> {
    let recording = &layer.recording;
    let changes = recording.updates();
    let mut found = Vec::new();
    let mut next = 0;
    for (position, event) in (0..at).zip(&recording.trace.events) {
        let first = next;
        while next < changes.len() && changes[next].at == position {
            next += 1;
        }
        let EventKind::Call(call) = &event.kind else { continue };
        let (what, noun) = (describe(call, paths), order::noun(call, paths));
        paths.apply(call);
        let mut fates = Vec::new();
        let (mut size_survived, mut data_survived) = (false, false);
        for change in &changes[first..next] {
            let (cell, version) = (&change.cell, change.index);
            if matches!(recording.cell(*cell).versions[version as usize - 1].value, Value::Garbage(_)) {
                continue;
            }
            if version <= layer.persisted.lower_bound(*cell, at) {
                fates.push(Fate::Durable);
                continue;
            }
            let (lo, hi) = bounds.get(world, index, *cell);
            let fate = match () {
                () if lo >= version => Fate::Persisted,
                () if hi < version => Fate::Lost,
                () => Fate::Either,
            };
            let is_size = matches!(recording.cell(*cell).key, CellKey::Size { .. });
            size_survived |= is_size && fate == Fate::Persisted;
            data_survived |= !is_size && fate != Fate::Lost;
            fates.push(fate);
        }
        let Some(fate) = combine(&fates) else { continue };
        let note = if fate == Fate::Torn && size_survived { " (the size is there)" } else { "" };
        let (what, site) = (format!("{what}{note}"), names.site(&recording.trace, position));
        let only_size = size_survived && !data_survived;
        found.push(Update { at: position, fate, only_size, what, noun, call: call.clone(), site });
    }
    found
}

fn combine(fates: &[Fate]) -> Option<Fate> {
    let has = |fate| fates.contains(&fate);
    if fates.is_empty() {
        return None;
    }
    Some(match (has(Fate::Persisted), has(Fate::Lost)) {
        (true, true) => Fate::Torn,
        (true, false) => Fate::Persisted,
        (false, true) => Fate::Lost,
        (false, false) if has(Fate::Either) => Fate::Either,
        (false, false) => Fate::Durable,
    })
}

/// A call in words, with the paths that its inodes have before it.
pub fn describe(call: &Call, paths: &Paths) -> String {
    match call {
        Call::Create { dir, name, .. } => format!("create {}", paths.join(*dir, name)),
        Call::CreateDir { dir, name, .. } => format!("create directory {}", paths.join(*dir, name)),
        Call::Write { inode, offset, data } => {
            format!("write {} at {offset}, {} bytes", paths.of(*inode), data.len)
        }
        Call::SetLen { inode, len } => format!("set length of {} to {len}", paths.of(*inode)),
        Call::Allocate { inode, offset, len } => {
            format!("allocate {} bytes at {offset} of {}", len, paths.of(*inode))
        }
        Call::Rename { from_dir, from, to_dir, to, .. } => {
            format!("rename {} to {}", paths.join(*from_dir, from), paths.join(*to_dir, to))
        }
        Call::Link { dir, name, inode } => {
            format!("link {} as {}", paths.of(*inode), paths.join(*dir, name))
        }
        Call::Remove { dir, name, .. } => format!("remove {}", paths.join(*dir, name)),
        Call::RemoveDir { dir, name, .. } => format!("remove directory {}", paths.join(*dir, name)),
        Call::SyncFile { inode, data_only: true } => format!("fdatasync {}", paths.of(*inode)),
        Call::SyncFile { inode, data_only: false } => format!("fsync {}", paths.of(*inode)),
        Call::SyncDir { dir } => format!("fsync directory {}", paths.of(*dir)),
        Call::SyncAll => "syncfs".to_string(),
        Call::Failed { text, .. } => text.to_string(),
        Call::LostWrite { inode, offset, data, lands } => {
            let fate = lands.map_or("lost".to_string(), |at| format!("misdirected to {at}"));
            format!("write {} at {offset}, {} bytes, {fate}", paths.of(*inode), data.len)
        }
        Call::Exchange { a_dir, a, b_dir, b, .. } => {
            format!("exchange {} and {}", paths.join(*a_dir, a), paths.join(*b_dir, b))
        }
        Call::ZeroRange { inode, offset, len, .. } => {
            format!("zero {len} bytes at {offset} of {}", paths.of(*inode))
        }
    }
}
