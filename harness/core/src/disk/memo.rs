//! What processes were told before, and what came of it.
//!
//! A process is told the same on many disks: where it looks, they do not differ. It then does the same, and comes to
//! the same end. So what it asked and was told is kept as a tree, the next inquiry at each node and a branch for each
//! answer; who is told what some process before it was told need not run.
//!
//! Behind its last fork most of a tree is the same over and over, as what recovery does after a record that is torn
//! here or there. Such a rest is kept once.

use std::sync::{Arc, Weak};

use rustc_hash::FxHashMap;

use super::below::Below;
use super::told::{Inquiry, Log, Step, Told};
use super::transcript::Transcript;
use super::{Bounds, Chooser, Finished, Narrowing, Scratch, World};

/// Nodes, and steps of rests, that are kept, some 30 bytes each. If there are more, all is forgotten and found
/// out anew.
const NODES_MAX: usize = 1 << 21;
/// Bytes kept of what was read.
const BYTES_MAX: usize = 64 << 20;
/// Ends kept that are not the same.
const ENDS_MAX: usize = 1 << 12;
/// How many of the last ends a new one is held against.
const ENDS_TRIED: usize = 64;

/// What is known of processes that did the same, as long as they were told the same: recoveries of one subject,
/// that nobody crashes and in which nothing fails.
pub struct Memo<T> {
    inquiries: Vec<Arc<Inquiry>>,
    inquiry_ids: FxHashMap<Arc<Inquiry>, u32>,
    answer_ids: FxHashMap<Told, u32>,
    /// Bytes in the answers.
    bytes: usize,
    nodes: Vec<Node>,
    branches: FxHashMap<(u32, u32), u32>,
    rests: Vec<Arc<Rest>>,
    rest_ids: FxHashMap<Arc<Rest>, u32>,
    /// Steps in the rests.
    steps: usize,
    ends: Vec<Arc<T>>,
    last: Last,
    bounds: Bounds,
}

#[derive(Clone, Copy)]
enum Node {
    /// Nobody was here.
    Open,
    /// The process asks this, and there is a branch for each answer that some process got.
    Asks(u32),
    /// All that were here went on like this: from so many steps behind the beginning of a rest.
    Goes { rest: u32, from: u32 },
}

/// Inquiries and answers without a fork, up to the end of the process.
#[derive(PartialEq, Eq, Hash)]
struct Rest {
    steps: Box<[(u32, u32)]>,
    /// None if the end was not worth keeping.
    end: Option<u32>,
}

/// A node, or a step of the rest that begins there.
#[derive(Clone, Copy, Default)]
struct Place {
    node: u32,
    /// Steps behind the node.
    behind: u32,
}

/// The last process.
#[derive(Default)]
struct Last {
    world: Weak<World>,
    /// Its places, and how far in its run it was there.
    steps: Vec<(Place, Step)>,
    /// The place behind them.
    place: Place,
    /// How many of its decisions were those of the one before.
    same: usize,
    /// What it decided was given away and did not come back.
    is_lent: bool,
    /// How many of its answers are those of the last one that ran.
    shared: usize,
}

impl<T> Default for Memo<T> {
    fn default() -> Memo<T> {
        Memo {
            inquiries: Vec::new(),
            inquiry_ids: FxHashMap::default(),
            answer_ids: FxHashMap::default(),
            bytes: 0,
            nodes: vec![Node::Open],
            branches: FxHashMap::default(),
            rests: Vec::new(),
            rest_ids: FxHashMap::default(),
            steps: 0,
            ends: Vec::new(),
            last: Last::default(),
            bounds: Bounds::default(),
        }
    }
}

/// What comes next in the tree.
enum Next {
    /// Nobody came further.
    Open,
    /// This is asked.
    Asks(u32),
    /// The process is at its end.
    Ends(u32),
}

impl<T: PartialEq> Memo<T> {
    /// What a process comes to that recovers from `world`, its questions answered by `chooser`, if that is known:
    /// its end, and what else there is to say but what it did. If not, it has to [run](super::SimDisk::last), with
    /// this memory and the chooser that is returned, and what came of it to be [learnt](Memo::learn).
    pub fn look_up(
        &mut self,
        world: &Arc<World>,
        chooser: Chooser,
        scratch: &mut Scratch,
    ) -> Result<(Arc<T>, Finished), Chooser> {
        if self.nodes.len() + self.steps > NODES_MAX || self.bytes > BYTES_MAX || self.ends.len() > ENDS_MAX {
            *self = Memo::default();
        }
        if self.last.is_lent || !std::ptr::eq(self.last.world.as_ptr(), Arc::as_ptr(world)) {
            self.last = Last { world: Arc::downgrade(world), ..Last::default() };
            self.bounds.start(world);
        }
        let mut below = self.back_to(world, chooser, scratch);
        let mut place = self.last.place;
        let end = loop {
            match self.next(place) {
                Next::Open => break None,
                Next::Ends(end) => break Some(end),
                Next::Asks(inquiry) => {
                    let step = below.step();
                    let told = below.answer(&self.inquiries[inquiry as usize]).ok();
                    let told = told.and_then(|told| self.answer_ids.get(&told).copied());
                    let Some(next) = told.and_then(|told| self.behind(place, told)) else { break None };
                    self.last.steps.push((place, step));
                    place = next;
                }
            }
        };
        self.last.place = place;
        let Below { bounds, settled, mut chooser, .. } = below;
        (self.bounds, scratch.settled) = (bounds, settled);
        let last = &mut self.last;
        match end {
            Some(end) => {
                last.is_lent = true;
                let decided = std::mem::take(self.bounds.trail_mut());
                let finished = Finished::known(chooser.take_path(), decided, std::mem::take(scratch));
                Ok((self.ends[end as usize].clone(), finished))
            }
            None => {
                scratch.log = Some(Log { skipped: last.steps.len(), entries: Vec::new() });
                chooser.start_again(last.shared);
                Err(chooser)
            }
        }
    }

    /// How many of the last process's decisions were those of the one before, on the same disk.
    pub fn same(&self) -> usize {
        self.last.same
    }

    /// Takes back what was decided in a run that was looked up: the next one may begin like it.
    pub fn give_back(&mut self, decided: Vec<Narrowing>) {
        if std::mem::take(&mut self.last.is_lent) {
            *self.bounds.trail_mut() = decided;
        }
    }

    /// The disk as the last process had it when it was asked the first question that `chooser` answers otherwise.
    fn back_to(&mut self, world: &Arc<World>, mut chooser: Chooser, scratch: &mut Scratch) -> Below {
        let last = &mut self.last;
        let shared = chooser.shared().1;
        last.shared = last.shared.min(shared);
        last.steps.truncate(last.steps.partition_point(|(_, step)| step.asked <= shared));
        let (place, step) = last.steps.pop().unwrap_or_default();
        (last.place, last.same) = (place, step.decided);
        self.bounds.take_back(step.decided);
        chooser.pass(step.asked);
        let (world, bounds) = (world.clone(), std::mem::take(&mut self.bounds));
        let settled = std::mem::take(&mut scratch.settled);
        Below { world, bounds, chooser, settled, transcript: Transcript::default(), log: None }
    }

    fn next(&self, Place { node, behind }: Place) -> Next {
        match self.nodes[node as usize] {
            Node::Open => Next::Open,
            Node::Asks(inquiry) => Next::Asks(inquiry),
            Node::Goes { rest, from } => {
                let rest = &self.rests[rest as usize];
                match (rest.steps.get((from + behind) as usize), rest.end) {
                    (Some((inquiry, _)), _) => Next::Asks(*inquiry),
                    (None, Some(end)) => Next::Ends(end),
                    (None, None) => Next::Open,
                }
            }
        }
    }

    /// The place behind this one and this answer.
    fn behind(&self, Place { node, behind }: Place, told: u32) -> Option<Place> {
        match self.nodes[node as usize] {
            Node::Goes { rest, from } => {
                let (_, known) = *self.rests[rest as usize].steps.get((from + behind) as usize)?;
                (known == told).then_some(Place { node, behind: behind + 1 })
            }
            _ => self.branches.get(&(node, told)).map(|node| Place { node: *node, behind: 0 }),
        }
    }

    /// What came of the process that ran after it had been looked up: what it decided, and its end, if that is
    /// worth keeping.
    pub fn learn(
        &mut self,
        world: &World,
        scratch: &mut Scratch,
        decided: &[Narrowing],
        end: Option<Arc<T>>,
    ) {
        self.last.shared = usize::MAX;
        let log = scratch.log.take().unwrap_or_default();
        let more = decided.get(self.bounds.trail().len()..);
        match more {
            Some(more) if log.skipped == 0 && self.add(log, end).is_some() => self.bounds.repeat(world, more),
            // Told the same, it did something else: of such a subject nothing is known.
            _ => *self = Memo::default(),
        }
    }

    /// Adds what comes behind the last place; None if that contradicts what is there.
    fn add(&mut self, log: Log, end: Option<Arc<T>>) -> Option<()> {
        let mut steps = Vec::with_capacity(log.entries.len());
        let mut at = Vec::with_capacity(log.entries.len());
        for (step, inquiry, told) in log.entries {
            at.push(step);
            steps.push((self.inquiry_id(inquiry), self.answer_id(told)));
        }
        let end = end.map(|end| self.end_id(end));
        let node = self.fork();
        let (node, added) = match (self.nodes[node as usize], steps.first()) {
            (Node::Open, _) => (node, &steps[..]),
            (Node::Asks(known), Some((inquiry, told))) if known == *inquiry => {
                let next = self.nodes.len() as u32;
                if self.branches.insert((node, *told), next).is_some() {
                    return None;
                }
                self.nodes.push(Node::Open);
                self.last.steps.push((Place { node, behind: 0 }, at.remove(0)));
                (next, &steps[1..])
            }
            _ => return None,
        };
        let rest = self.rest_id(Rest { steps: added.into(), end });
        self.nodes[node as usize] = Node::Goes { rest, from: 0 };
        self.last.steps.extend((0..).zip(at).map(|(behind, step)| (Place { node, behind }, step)));
        self.last.place = Place { node, behind: added.len() as u32 };
        Some(())
    }

    /// Makes the last place a node, if it is in the middle of a rest.
    fn fork(&mut self) -> u32 {
        let Place { node: first, behind } = self.last.place;
        let Node::Goes { rest, from } = self.nodes[first as usize] else { return first };
        let steps = self.rests[rest as usize].clone();
        let before = self.last.steps.len() - behind as usize;
        let mut node = first;
        for (nth, (inquiry, told)) in (from..).zip(&steps.steps[from as usize..]).take(behind as usize + 1) {
            let next = self.nodes.len() as u32;
            self.nodes.push(Node::Goes { rest, from: nth + 1 });
            self.nodes[node as usize] = Node::Asks(*inquiry);
            self.branches.insert((node, *told), next);
            if nth == from + behind {
                break;
            }
            self.last.steps[before + (nth - from) as usize].0 = Place { node, behind: 0 };
            node = next;
        }
        node
    }

    fn inquiry_id(&mut self, inquiry: Inquiry) -> u32 {
        if let Some(id) = self.inquiry_ids.get(&inquiry) {
            return *id;
        }
        let (id, inquiry) = (self.inquiries.len() as u32, Arc::new(inquiry));
        self.inquiries.push(inquiry.clone());
        self.inquiry_ids.insert(inquiry, id);
        id
    }

    fn answer_id(&mut self, told: Told) -> u32 {
        if let Some(id) = self.answer_ids.get(&told) {
            return *id;
        }
        if let Told::Bytes(bytes) = &told {
            self.bytes += bytes.len();
        }
        let id = self.answer_ids.len() as u32;
        self.answer_ids.insert(told, id);
        id
    }

    fn rest_id(&mut self, rest: Rest) -> u32 {
        if let Some(id) = self.rest_ids.get(&rest) {
            return *id;
        }
        self.steps += rest.steps.len();
        let (id, rest) = (self.rests.len() as u32, Arc::new(rest));
        self.rests.push(rest.clone());
        self.rest_ids.insert(rest, id);
        id
    }

    fn end_id(&mut self, end: Arc<T>) -> u32 {
        let mut tried = self.ends.iter().enumerate().rev().take(ENDS_TRIED);
        if let Some((id, _)) = tried.find(|(_, known)| **known == end) {
            return id as u32;
        }
        self.ends.push(end);
        self.ends.len() as u32 - 1
    }
}
