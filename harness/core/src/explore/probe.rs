//! Past the cap: probing instead of exhausting.
//!
//! At each open alternative of the search, recovery runs on the completions all-newest, all-oldest and some
//! random ones. If they all come back with the same state, that part of the tree is taken to be the same
//! throughout; if not, it is split at its first question. Uniform sampling would be bad: of `n` sectors, all
//! survive with probability 2^-n.

use std::ops::ControlFlow;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::crash_point::{Coverage, Crashed, Explorer, Walk};
use super::nested::PutOff;
use super::token::CrashEvidence;
use crate::disk::{Choice, Chooser, Policy, World};
use crate::subject::Subject;

/// Random completions tried at each prefix.
const RANDOM_COMPLETIONS: u64 = 4;

/// Probes everything that a depth-first search standing at `path` (its next one to run) has still to do.
pub(super) fn frontier<S: Subject>(
    explorer: &mut Explorer<'_, S>,
    world: &Arc<World>,
    (stack, crashes): (&[Crashed<S::State>], &[CrashEvidence]),
    path: Vec<Choice>,
    put_off: &mut PutOff<S::State>,
) -> Walk<S::State> {
    let mut open = Vec::new();
    // The path itself was not run yet; then the later answers at each of its questions, deepest first.
    open.push(path.clone());
    for depth in (0..path.len()).rev() {
        let choice = path[depth];
        for answer in choice.answer + 1..choice.question.options {
            let mut prefix = path[..depth].to_vec();
            prefix.push(Choice { answer, ..choice });
            open.push(prefix);
        }
    }
    open.reverse();
    while let Some(prefix) = open.pop() {
        if explorer.recoveries >= explorer.settings.limit {
            explorer.coverage = Coverage::Unexplored;
            return ControlFlow::Continue(());
        }
        if let Some(split) = probe(explorer, world, (stack, crashes), prefix, put_off)? {
            open.extend(split.into_iter().rev());
        }
    }
    ControlFlow::Continue(())
}

/// Probes below one prefix; if the completions disagree, returns the prefixes to go on with.
fn probe<S: Subject>(
    explorer: &mut Explorer<'_, S>,
    world: &Arc<World>,
    (stack, crashes): (&[Crashed<S::State>], &[CrashEvidence]),
    prefix: Vec<Choice>,
    put_off: &mut PutOff<S::State>,
) -> Walk<S::State, Option<Vec<Vec<Choice>>>> {
    let fixed = prefix.len();
    let begin = |policy| {
        let mut chooser = Chooser::default();
        chooser.start(prefix.clone(), policy);
        chooser
    };
    let (newest_path, newest) =
        explorer.leaf(world, (stack, crashes), (begin(Policy::Newest), fixed), put_off)?;
    let Some(first) = newest_path.get(fixed).copied() else {
        return ControlFlow::Continue(None);
    };
    let seed = explorer.settings.seed ^ u64::from(stack[0].at) << 32 ^ fixed as u64;
    let mut policies = vec![Policy::Oldest];
    for stream in 0..RANDOM_COMPLETIONS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        policies.push(Policy::Random(Box::new(rng)));
    }
    let mut agree = true;
    for policy in policies {
        // What crashes inside these recoveries may do was covered by the first completion or is left out:
        // probing promises nothing of them.
        let (_, state) = explorer.leaf(world, (stack, crashes), (begin(policy), usize::MAX), put_off)?;
        agree &= state == newest;
    }
    if agree {
        return ControlFlow::Continue(None);
    }
    let split = (0..first.question.options).map(|answer| {
        let mut next = newest_path[..fixed].to_vec();
        next.push(Choice { answer, ..first });
        next
    });
    ControlFlow::Continue(Some(split.collect()))
}
