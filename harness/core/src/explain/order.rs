//! The order that a subject relied on and did not have, from the pair of updates that went wrong: a later one
//! that is on the disk, and an earlier one that is not.

use super::{Fate, Names, Paths, Update};
use crate::trace::{Call, EventKind, Inode, Pos, Trace};

/// What is not there.
pub(super) struct Broken {
    /// In words.
    pub sentence: String,
    /// The pair, by kind and where it was made.
    pub signature: String,
}

/// What came before its time.
enum Early<'a> {
    Update(&'a Update),
    Acknowledged(u32),
}

/// Finds the pair among the updates of a crashed process, in order. `promise` is the last acknowledgement as
/// durable before the crash, its position and operation.
pub(super) fn broken(
    check: &str,
    updates: &[Update],
    promise: Option<(Pos, u32)>,
    op_line: &dyn Fn(u32) -> String,
) -> Option<Broken> {
    let missing = |u: &&Update| matches!(u.fate, Fate::Lost | Fate::Torn);
    if check == "epoch"
        && let Some(torn) = updates.iter().find(|u| u.fate == Fate::Torn)
    {
        return Some(torn_write(torn));
    }
    let lost = |u: &&Update| u.fate == Fate::Lost;
    for wanted in RELATIONS {
        // A write of which a part is there is second choice: the part that counts may be either.
        for late in updates.iter().filter(lost).chain(updates.iter().filter(missing)) {
            if let Some(early) = wanted.find(check, late, updates, promise) {
                return Some(sentence(&early, late, op_line));
            }
        }
    }
    updates.iter().find(|u| u.fate == Fate::Torn).map(torn_write)
}

/// The most telling first.
const RELATIONS: [Relation; 6] = [
    Relation::Named,
    Relation::Removed,
    Relation::Switched,
    Relation::Later,
    Relation::Promised,
    Relation::Sealed,
];

/// Kinds of pairs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// A file was given a name before its content was there.
    Named,
    /// Something was removed before what replaces it was there.
    Removed,
    /// A later rename, which may have switched to what was not there.
    Switched,
    /// Any later update survived.
    Later,
    /// An operation was acknowledged.
    Promised,
    /// A later name was made durable.
    Sealed,
}

impl Relation {
    fn find<'a>(
        self,
        check: &str,
        late: &Update,
        updates: &'a [Update],
        promise: Option<(Pos, u32)>,
    ) -> Option<Early<'a>> {
        let mut after = updates.iter().filter(|u| u.at > late.at);
        let there = |u: &Update| matches!(u.fate, Fate::Persisted | Fate::Durable);
        let found = match self {
            Relation::Named => {
                let inode = content_of(&late.call)?;
                after.find(|u| there(u) && named_by(&u.call) == Some(inode))
            }
            Relation::Removed => {
                let removes = |u: &Update| matches!(u.call, Call::Remove { .. } | Call::RemoveDir { .. });
                after.find(|u| u.fate == Fate::Persisted && removes(u))
            }
            Relation::Switched | Relation::Later if check == "durability" => None,
            Relation::Switched => after.find(|u| there(u) && named_by(&u.call).is_some()),
            Relation::Later => after.find(|u| u.fate == Fate::Persisted),
            Relation::Promised => {
                let (_, op) = promise.filter(|(at, _)| *at > late.at)?;
                return Some(Early::Acknowledged(op));
            }
            Relation::Sealed => after.find(|u| u.fate == Fate::Durable && content_of(&u.call).is_none()),
        };
        found.map(Early::Update)
    }
}

fn sentence(early: &Early<'_>, late: &Update, op_line: &dyn Fn(u32) -> String) -> Broken {
    let promised = matches!(early, Early::Acknowledged(_));
    let rest = if promised { " reached the disk" } else { "" };
    let (before, signature) = match early {
        Early::Acknowledged(op) => {
            (format!("operation {op} ({}) was acknowledged", op_line(*op)), "acknowledged".to_string())
        }
        Early::Update(early) if early.noun == late.noun => {
            (format!("a later part of {} reached the disk", early.noun), key(early))
        }
        Early::Update(early) => (format!("{} reached the disk", early.noun), key(early)),
    };
    Broken {
        sentence: format!("{before} before {}{rest}", late.noun),
        signature: format!("{signature} before {}", key(late)),
    }
}

fn torn_write(torn: &Update) -> Broken {
    let signature = format!("torn {}", key(torn));
    let sentence = match torn.only_size {
        true => format!("a new length of the file reached the disk before {}", torn.noun),
        false => format!("a part of one write ({}) reached the disk before the rest of it", torn.noun),
    };
    Broken { sentence, signature }
}

/// Where nothing was lost: what is on the disk came before something that had not even been done.
pub(super) fn too_early(
    check: &str,
    updates: &[Update],
    trace: &Trace,
    at: Pos,
    mut paths: Paths,
    names: &Names<'_>,
) -> Option<Broken> {
    if !matches!(check, "durability" | "epoch" | "liveness") {
        return None;
    }
    let early = updates.iter().rfind(|u| matches!(u.call, Call::Remove { .. } | Call::Rename { .. }))?;
    let behind = (at..).zip(&trace.events[at as usize..]);
    let late = behind.into_iter().find_map(|(at, event)| {
        let EventKind::Call(call) = &event.kind else { return None };
        let noun = noun(call, &paths);
        paths.apply(call);
        named_by(call).is_some().then(|| (noun, format!("{} {}", verb(call), names.site(trace, at))))
    });
    let (noun, signature) = late?;
    Some(Broken {
        sentence: format!("{} reached the disk before {noun} was even done", early.noun),
        signature: format!("{} before {signature}", key(early)),
    })
}

fn key(update: &Update) -> String {
    format!("{} {}", verb(&update.call), update.site)
}

/// The file that a call changes the content or the length of.
fn content_of(call: &Call) -> Option<Inode> {
    match call {
        Call::Write { inode, .. }
        | Call::SetLen { inode, .. }
        | Call::Allocate { inode, .. }
        | Call::ZeroRange { inode, .. } => Some(*inode),
        _ => None,
    }
}

/// The file that a call gives a further name.
fn named_by(call: &Call) -> Option<Inode> {
    match call {
        Call::Rename { inode, .. } | Call::Link { inode, .. } => Some(*inode),
        _ => None,
    }
}

fn verb(call: &Call) -> &'static str {
    match call {
        Call::Create { .. } => "create",
        Call::CreateDir { .. } => "create-dir",
        Call::Write { .. } => "write",
        Call::SetLen { .. } => "set-len",
        Call::Allocate { .. } => "allocate",
        Call::Rename { .. } => "rename",
        Call::Exchange { .. } => "exchange",
        Call::ZeroRange { .. } => "zero",
        Call::Link { .. } => "link",
        Call::Remove { .. } => "remove",
        Call::RemoveDir { .. } => "remove-dir",
        _ => "call",
    }
}

/// What a call brings to the disk, as a noun, with the paths before it.
pub(super) fn noun(call: &Call, paths: &Paths) -> String {
    match call {
        Call::Create { dir, name, .. } | Call::CreateDir { dir, name, .. } => {
            format!("the name {}", paths.join(*dir, name))
        }
        Call::Write { inode, .. } | Call::ZeroRange { inode, .. } => {
            format!("the data of {}", paths.of(*inode))
        }
        Call::SetLen { inode, .. } | Call::Allocate { inode, .. } => {
            format!("the length of {}", paths.of(*inode))
        }
        Call::Rename { from_dir, from, to_dir, to, .. } => {
            format!("the rename of {} to {}", paths.join(*from_dir, from), paths.join(*to_dir, to))
        }
        Call::Exchange { a_dir, a, b_dir, b, .. } => {
            format!("the exchange of {} and {}", paths.join(*a_dir, a), paths.join(*b_dir, b))
        }
        Call::Link { dir, name, .. } => format!("the link {}", paths.join(*dir, name)),
        Call::Remove { dir, name, .. } | Call::RemoveDir { dir, name, .. } => {
            format!("the removal of {}", paths.join(*dir, name))
        }
        _ => "a call".to_string(),
    }
}
