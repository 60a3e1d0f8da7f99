//! One crash point: every disk that it may leave, and every crash of the recovery from it.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::crew::Crew;
use super::judge::{Wrong, judge, panicked, stop_failure};
use super::nested::PutOff;
use super::process::{self, End};
use super::recovery::Leaf;
use super::token::CrashEvidence;
use super::{Settings, Step};
use crate::disk::{Barrier, Choice, Chooser, Made, Memo, Narrowing, Policy, Scratch, SimDisk, World};
use crate::fault::Injector;
use crate::model::Persisted;
use crate::oracle::{Failure, History, aftermath};
use crate::subject::Subject;
use crate::trace::Pos;

/// A crashed layer as the oracle sees it.
#[derive(Clone)]
pub struct Crashed<St> {
    /// Which layer of the world it is. A process that was killed and the one that went on share a layer.
    pub layer: usize,
    /// What the process did and was promised, after its recovery.
    pub history: Arc<History<St>>,
    /// Where its recovery was over; `None` for the workload itself.
    pub recovered_at: Option<Pos>,
    /// The earliest crash position that this crash point stands for.
    pub first: Pos,
    /// The crash position.
    pub at: Pos,
}

impl<St> Crashed<St> {
    /// The part of the crash positions `from..=at` at which this layer's own history is what counts.
    pub(super) fn own(&self, from: Pos) -> Option<(Pos, Pos)> {
        let begin = self.recovered_at.map_or(from, |recovered| from.max(recovered + 1));
        (begin <= self.at).then_some((begin, self.at))
    }

    /// Whether some of them lie before the end of its recovery.
    pub(super) fn reaches_below(&self, from: Pos) -> bool {
        self.recovered_at.is_some_and(|recovered| from <= recovered)
    }
}

/// A violation, not confirmed yet.
pub struct Found<St> {
    /// What failed.
    pub failure: Failure,
    /// The disk that recovery ran on.
    pub world: Arc<World>,
    /// What the last recovery's questions decided about it.
    pub decided: Vec<Narrowing>,
    /// The crashes and answers.
    pub crashes: Vec<CrashEvidence>,
    /// The crash position, in each layer, at which it is a violation.
    pub positions: Vec<Pos>,
    /// Which entry of `stack` was promised something else, if that is what failed.
    pub failing: Option<usize>,
    /// Where a process was killed, if one was.
    pub killed_at: Option<Pos>,
    /// Whether it showed in the aftermath of a recovery that was right.
    pub aftermath: bool,
    /// What failed in the last recovery, as it was before it.
    pub faults: Injector,
    /// Whether the disk lies.
    pub lying: bool,
    /// The oracle's view of the layers.
    pub stack: Vec<Crashed<St>>,
}

/// How far a crash point was explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coverage {
    /// Every legal state was covered.
    Exhausted,
    /// Some were only sampled.
    Probed,
    /// The work was not finished.
    Unexplored,
}

/// Explores one crash point.
pub struct Explorer<'a, S: Subject> {
    pub subject: &'a S,
    pub settings: &'a Settings,
    pub epilogue: &'a [Step<S::Op>],
    /// The workers of this exploration.
    pub crew: &'a Crew,
    /// The one being explored.
    pub index: usize,
    pub recoveries: u64,
    /// Faults injected into them.
    pub faults_fired: u64,
    pub coverage: Coverage,
    /// Where the process was killed whose successor is being crashed.
    pub killed_at: Option<Pos>,
    /// Told of every recovery instead of judging it.
    pub observer: Option<Observer<'a, S::State>>,
    /// Whether to crash recoveries only behind the first fault that they meet.
    pub behind_faults: bool,
    pub(super) scratch: Scratch,
    /// What recoveries that nobody crashes came to.
    pub(super) memo: Memo<S::State>,
    pub(super) made: Made,
}

/// Takes the crash positions (first and last, by layer) of a recovery and the state that came back, if any.
pub(super) type Observer<'a, St> = &'a mut dyn FnMut(&[Crashed<St>], &[Pos], Option<&St>);

/// The path that a recovery took, and the state that it returned.
pub(super) type Took<St> = (Vec<Choice>, Arc<St>);

/// Ends with the first violation found; `T` is what a part that found none leaves.
pub(super) type Walk<St, T = ()> = ControlFlow<Box<Found<St>>, T>;

impl<'a, S: Subject> Explorer<'a, S> {
    pub fn new(
        subject: &'a S,
        settings: &'a Settings,
        epilogue: &'a [Step<S::Op>],
        crew: &'a Crew,
    ) -> Explorer<'a, S> {
        Explorer {
            subject,
            settings,
            epilogue,
            crew,
            index: 0,
            recoveries: 0,
            faults_fired: 0,
            coverage: Coverage::Exhausted,
            killed_at: None,
            observer: None,
            behind_faults: false,
            scratch: Scratch::default(),
            memo: Memo::default(),
            made: Made::default(),
        }
    }

    /// Explores a crash point from scratch: all disks, then the aftermath on the newest and oldest of them.
    pub fn crash_point(&mut self, world: &Arc<World>, crashed: Crashed<S::State>) -> Walk<S::State> {
        self.killed_at = None;
        let at = crashed.at;
        let stack = vec![crashed];
        let crashes = vec![CrashEvidence { at, choices: Vec::new() }];
        self.world(world, &stack, &crashes)?;
        if self.observer.is_some() || !self.settings.has_plain_recoveries() || self.stopped() {
            return ControlFlow::Continue(());
        }
        for policy in [Policy::Newest, Policy::Oldest] {
            let mut chooser = Chooser::default();
            chooser.start(Vec::new(), policy);
            self.aftermath(world, &stack, &crashes, chooser)?;
        }
        ControlFlow::Continue(())
    }

    pub(super) fn stopped(&mut self) -> bool {
        let over = self.recoveries >= self.settings.limit;
        if over || self.crew.violated() < self.index || self.settings.is_interrupted() {
            self.coverage = Coverage::Unexplored;
            return true;
        }
        false
    }

    /// Explores all disks that `world` may be: depth first over the answers to recovery's questions.
    pub(super) fn world(
        &mut self,
        world: &Arc<World>,
        stack: &[Crashed<S::State>],
        crashes: &[CrashEvidence],
    ) -> Walk<S::State> {
        let mut path: Vec<Choice> = Vec::new();
        let mut put_off = PutOff::new();
        let mut runs = 0;
        loop {
            if self.stopped() {
                return ControlFlow::Continue(());
            }
            if runs >= self.settings.cap {
                self.coverage = self.coverage.max(Coverage::Probed);
                super::probe::frontier(self, world, (stack, crashes), path, &mut put_off)?;
                return self.explore_put_off(world, stack, crashes, &mut put_off, true);
            }
            runs += 1;
            let fixed = path.len();
            let mut chooser = Chooser::default();
            chooser.start_beside(path, Policy::Newest);
            path = self.leaf(world, (stack, crashes), (chooser, fixed), &mut put_off)?.0;
            self.explore_put_off(world, stack, crashes, &mut put_off, false)?;
            loop {
                match path.last_mut() {
                    None => return self.explore_put_off(world, stack, crashes, &mut put_off, true),
                    Some(last) if last.answer + 1 < last.question.options => {
                        last.answer += 1;
                        break;
                    }
                    Some(_) => drop(path.pop()),
                }
            }
        }
    }

    /// One recovery, checked; its crashes behind question number `fixed`, which no other recovery reaches, are
    /// put off. Returns the whole path and the state that came back.
    pub(super) fn leaf(
        &mut self,
        world: &Arc<World>,
        (stack, crashes): (&[Crashed<S::State>], &[CrashEvidence]),
        (chooser, fixed): (Chooser, usize),
        put_off: &mut PutOff<S::State>,
    ) -> Walk<S::State, Took<S::State>> {
        let nested = (stack.len() as u32) < self.settings.depth;
        let (mut leaf, same) = if nested || !self.settings.has_plain_recoveries() {
            (self.run(world, chooser, nested), 0)
        } else {
            (self.run_unless_known(world, chooser), self.memo.same())
        };
        self.made.update(world, &leaf.finished.decided, same);
        let state = if let Some(observer) = &mut self.observer {
            let (decided, made) = (&leaf.finished.decided, &self.made);
            let earliest = |c: &Crashed<S::State>| world.earliest_crash(c.layer, decided, c.first, made);
            let first: Vec<Pos> = stack.iter().map(earliest).collect();
            let state = if let End::State(state) = &leaf.end { Some(state) } else { None };
            observer(stack, &first, state.map(|state| &**state));
            state.cloned()
        } else {
            self.check(world, stack, crashes, &leaf)?
        };
        let state = state.unwrap_or_else(|| Arc::new(self.subject.initial_state()));
        let path = std::mem::take(&mut leaf.finished.path);
        self.scratch = std::mem::take(&mut leaf.finished.scratch);
        if nested {
            leaf.recovered_at.get_or_insert(leaf.finished.recording.trace.end());
            self.put_off(world, leaf, (&path, fixed), &state, put_off);
        } else {
            self.memo.give_back(leaf.finished.decided);
            self.scratch.recycle(leaf.finished.recording);
        }
        ControlFlow::Continue((path, state))
    }

    pub(super) fn check(
        &self,
        world: &Arc<World>,
        stack: &[Crashed<S::State>],
        crashes: &[CrashEvidence],
        leaf: &Leaf<S::State>,
    ) -> Walk<S::State, Option<Arc<S::State>>> {
        let verdict = judge(self.subject, (world, &self.made), stack, leaf, (self.epilogue, self.settings));
        match (verdict, &leaf.end) {
            (Ok(()), End::State(state)) => ControlFlow::Continue(Some(state.clone())),
            // A store may fail to open where a fault was injected.
            (Ok(()), _) => ControlFlow::Continue(None),
            (Err(wrong), _) => {
                let Wrong { positions, failing, failure } = wrong;
                let mut crashes = crashes.to_vec();
                if let Some(last) = crashes.last_mut() {
                    last.choices = answers(&leaf.finished.path);
                }
                ControlFlow::Break(Box::new(Found {
                    failure,
                    world: world.clone(),
                    decided: leaf.finished.decided.clone(),
                    crashes,
                    positions,
                    failing,
                    killed_at: self.killed_at,
                    aftermath: false,
                    faults: self.recovery_faults(world),
                    lying: self.settings.is_disk_lying(),
                    stack: stack.to_vec(),
                }))
            }
        }
    }

    /// The aftermath of one completion.
    pub(super) fn aftermath(
        &mut self,
        world: &Arc<World>,
        stack: &[Crashed<S::State>],
        crashes: &[CrashEvidence],
        chooser: Chooser,
    ) -> Walk<S::State> {
        let scratch = std::mem::take(&mut self.scratch);
        let disk = SimDisk::new(world.clone(), chooser, self.settings.calls_max, scratch);
        self.recoveries += 1;
        let failure = aftermath_of(self.subject, &disk, &mut self.recoveries);
        let finished = disk.finish();
        let failure = match &finished.stop {
            Some(stop) => Some(stop_failure(stop)),
            None => failure,
        };
        let Some(failure) = failure else {
            self.scratch = finished.scratch;
            self.scratch.recycle(finished.recording);
            return ControlFlow::Continue(());
        };
        let mut crashes = crashes.to_vec();
        if let Some(last) = crashes.last_mut() {
            last.choices = answers(&finished.path);
        }
        ControlFlow::Break(Box::new(Found {
            failure,
            world: world.clone(),
            decided: finished.decided,
            crashes,
            positions: world.layers.iter().map(|layer| layer.at).collect(),
            failing: None,
            killed_at: self.killed_at,
            aftermath: true,
            faults: Injector::default(),
            lying: false,
            stack: stack.to_vec(),
        }))
    }
}

/// Recovers on `machine` and checks the aftermath; `None` if all is well or recovery itself went wrong
/// (which the exploration reports by itself).
pub(super) fn aftermath_of<S: Subject>(
    subject: &S,
    machine: &dyn aftermath::Machine,
    opens: &mut u64,
) -> Option<Failure> {
    let (store, state) = process::recover(subject, machine.vfs()).ok()?;
    let checked =
        process::guarded(|| aftermath::check(subject, machine, process::root(), store, &state, opens));
    match checked {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(unwound) => match unwound.into_end::<S::State>() {
            End::Panicked(message) => Some(panicked(&message)),
            _ => None,
        },
    }
}

/// The barriers of a run at which something un-synced was at stake, and its end.
pub(super) fn worth_crashing(barriers: &[Barrier], persisted: &Persisted) -> Vec<Barrier> {
    let end = barriers.len().saturating_sub(1);
    let effective =
        |(i, b): &(usize, &Barrier)| *i == end || persisted.barriers().binary_search(&b.at).is_ok();
    barriers.iter().enumerate().filter(effective).map(|(_, b)| *b).collect()
}

pub(super) fn answers(path: &[Choice]) -> Vec<u32> {
    path.iter().map(|choice| choice.answer).collect()
}
