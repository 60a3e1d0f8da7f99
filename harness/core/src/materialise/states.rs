//! From version chains to disk states: what may be picked, and what a pick looks like.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::chains::{Chain, Chains, Rule, Value};
use super::legal::Open;
use super::{Base, Cell, TooManyStates};
use crate::plain::{Tree, TreeNode};
use crate::trace::{Inode, Pos, ROOT};

/// For each cell, which version survived: an index into its chain, 0 for what was durable at the start.
pub type Picks = BTreeMap<Cell, usize>;

/// What to do with cells that a partial pick does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The oldest version that may go with the rest.
    Oldest,
    /// The newest version that may go with the rest.
    Newest,
}

impl Chains {
    /// Every cell, with its oldest and its newest version that may be picked. A piece of a file that no call
    /// changed is no cell.
    pub fn cells(&self) -> Vec<(Cell, usize, usize)> {
        self.chains.iter().map(|(cell, chain)| (cell.clone(), chain.lower, chain.newest())).collect()
    }

    /// The position of the event that made each version of a cell; none for version 0. One event may make
    /// several versions of a cell: sizes of a long write, garbage, the steps of a rename.
    pub fn positions(&self, cell: &Cell) -> Vec<Option<Pos>> {
        self.chains.get(cell).map(|chain| chain.positions.clone()).unwrap_or_default()
    }

    /// All versions of a file's size.
    pub fn sizes_of(&self, inode: Inode) -> Vec<u64> {
        let chain = self.chains.get(&Cell::Size { inode });
        chain.map_or(Vec::new(), |chain| (0..=chain.newest()).filter_map(|v| chain.size(v)).collect())
    }

    /// Whether a crash may leave exactly these versions. `picks` must name every cell.
    pub fn is_legal(&self, picks: &Picks) -> bool {
        let allows = |(cell, chain): (&Cell, &Chain)| {
            picks.get(cell).is_some_and(|pick| (chain.lower..=chain.newest()).contains(pick))
        };
        picks.len() == self.chains.len()
            && self.chains.iter().all(allows)
            && !self.rules.iter().any(|rule| is_broken(rule, picks))
    }

    /// Calls `visit` with each legal pick and its state. Different picks may give equal states.
    pub fn for_each(
        &self,
        states_max: u64,
        mut visit: impl FnMut(&Picks, Tree),
    ) -> Result<(), TooManyStates> {
        let mut seen = 0;
        let mut picks = self.chains.iter().map(|(cell, chain)| (cell.clone(), chain.lower)).collect();
        Open::of(self).for_each(&mut picks, &mut |picks| {
            seen += 1;
            if seen > states_max {
                return Err(TooManyStates { states_max });
            }
            visit(picks, self.tree(picks));
            Ok(())
        })
    }

    /// Every state that the crash may leave, each once. `states_max` bounds the number of legal picks.
    pub fn trees(&self, states_max: u64) -> Result<BTreeSet<Tree>, TooManyStates> {
        let mut trees = BTreeSet::new();
        self.for_each(states_max, |_, tree| {
            trees.insert(tree);
        })?;
        Ok(trees)
    }

    /// Completes a partial pick to a legal one; `None` if there is none. Version numbers that do not exist
    /// are never legal.
    pub fn complete(&self, partial: &Picks, fill: Fill) -> Option<Picks> {
        let mut picks = Picks::new();
        for (cell, oldest, newest) in self.cells() {
            let free = if fill == Fill::Oldest { oldest } else { newest };
            let pick = partial.get(&cell).copied().unwrap_or(free);
            picks.insert(cell, pick);
        }
        // Each repair moves a cell one way only, so this ends. Later calls imply earlier ones: going through
        // the rules in this order leaves little to a second round.
        loop {
            let mended = match fill {
                Fill::Oldest => {
                    self.rules.iter().rev().filter(|rule| raise(rule, &mut picks, partial)).count()
                }
                Fill::Newest => self.rules.iter().filter(|rule| lower(rule, &mut picks, partial)).count(),
            };
            if mended == 0 {
                break;
            }
        }
        let known = partial.keys().all(|cell| picks.contains_key(cell));
        (known && self.is_legal(&picks)).then_some(picks)
    }

    /// The state in which exactly these versions survived. Cells that `picks` does not name show what was
    /// durable at the start, and so do versions that do not exist.
    pub fn tree(&self, picks: &Picks) -> Tree {
        let mut nodes = BTreeMap::new();
        self.collect(picks, "", &mut vec![ROOT], &mut nodes);
        Tree::from_nodes(nodes)
    }

    /// The same state by inode, unreachable files included: what the next process starts from.
    pub fn base(&self, picks: &Picks) -> Base {
        let mut base = Base::empty();
        for dir in &self.dirs {
            base.dirs.entry(*dir).or_default();
        }
        for (cell, chain) in &self.chains {
            let pick = pick_of(picks, cell);
            match cell {
                Cell::Name { dir, name } => {
                    if let Some(inode) = chain.inode(pick) {
                        base.dirs.entry(*dir).or_default().insert(name.clone(), inode);
                    }
                }
                Cell::Size { inode } => {
                    base.files.insert(*inode, self.content(picks, *inode).to_vec());
                }
                Cell::Sector { .. } => {}
            }
        }
        base
    }

    fn collect(
        &self,
        picks: &Picks,
        prefix: &str,
        above: &mut Vec<Inode>,
        nodes: &mut BTreeMap<String, TreeNode>,
    ) {
        let here = above.last().copied().unwrap_or(ROOT);
        for (cell, chain) in &self.chains {
            let Cell::Name { dir, name } = cell else { continue };
            let Some(inode) = chain.inode(pick_of(picks, cell)).filter(|_| *dir == here) else { continue };
            let path = format!("{prefix}{name}");
            if !self.dirs.contains(&inode) {
                nodes.insert(path, TreeNode::File { content: self.content(picks, inode), id: inode.0 });
            } else if !above.contains(&inode) {
                above.push(inode);
                self.collect(picks, &format!("{path}/"), above, nodes);
                above.pop();
                nodes.insert(path, TreeNode::Dir);
            }
        }
    }

    fn content(&self, picks: &Picks, inode: Inode) -> Arc<Vec<u8>> {
        let cell = Cell::Size { inode };
        let size = self.chains.get(&cell).and_then(|chain| chain.size(pick_of(picks, &cell))).unwrap_or(0);
        let mut content = self.files.get(&inode).cloned().unwrap_or_default();
        content.resize(size as usize, 0);
        for (cell, _) in self.pieces(inode, 0..size.div_ceil(self.unit)) {
            let (Cell::Sector { index, .. }, Some(chain)) = (&cell, self.chains.get(&cell)) else { continue };
            if let Some(Value::Data(piece)) = chain.versions.get(pick_of(picks, &cell)) {
                let start = (index * self.unit) as usize;
                let len = (size as usize - start).min(piece.len());
                content[start..start + len].copy_from_slice(&piece[..len]);
            }
        }
        Arc::new(content)
    }
}

fn is_broken(rule: &Rule, picks: &Picks) -> bool {
    match (picks.get(&rule.cell), picks.get(&rule.then)) {
        (Some(&pick), Some(&then)) => rule.holds && pick >= rule.at_least && then < rule.then_at_least,
        _ => false,
    }
}

/// Mends a broken rule upwards, unless `partial` forbids it.
fn raise(rule: &Rule, picks: &mut Picks, partial: &Picks) -> bool {
    let mends = is_broken(rule, picks) && !partial.contains_key(&rule.then);
    if mends {
        picks.insert(rule.then.clone(), rule.then_at_least);
    }
    mends
}

/// Mends a broken rule downwards, unless `partial` forbids it.
fn lower(rule: &Rule, picks: &mut Picks, partial: &Picks) -> bool {
    let mends = is_broken(rule, picks) && !partial.contains_key(&rule.cell);
    if mends {
        picks.insert(rule.cell.clone(), rule.at_least - 1);
    }
    mends
}

fn pick_of(picks: &Picks, cell: &Cell) -> usize {
    picks.get(cell).copied().unwrap_or(0)
}
