//! From version chains to disk states: what may be picked, and what a pick looks like.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::chains::Chains;
use super::{Base, Cell, SECTOR_LEN, TooManyStates};
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
    /// Every cell, with its oldest and its newest version that may be picked.
    pub fn cells(&self) -> Vec<(Cell, usize, usize)> {
        let names = self.names.iter().map(|((dir, name), chain)| {
            (Cell::Name { dir: *dir, name: name.clone() }, chain.lower, chain.newest())
        });
        let sizes =
            self.sizes.iter().map(|(&inode, chain)| (Cell::Size { inode }, chain.lower, chain.newest()));
        let sectors = self
            .sectors
            .iter()
            .map(|(&(inode, index), chain)| (Cell::Sector { inode, index }, chain.lower, chain.newest()));
        names.chain(sizes).chain(sectors).collect()
    }

    /// The position of the event that made each version of a cell; none for version 0. A long write makes
    /// several sizes at one position: see [`Chains::sizes_of`].
    pub fn positions(&self, cell: &Cell) -> Vec<Option<Pos>> {
        let positions = match cell {
            Cell::Name { dir, name } => self.names.get(&(*dir, name.clone())).map(|chain| &chain.positions),
            Cell::Size { inode } => self.sizes.get(inode).map(|chain| &chain.positions),
            Cell::Sector { inode, index } => {
                self.sectors.get(&(*inode, *index)).map(|chain| &chain.positions)
            }
        };
        positions.cloned().unwrap_or_default()
    }

    /// All versions of a file's size.
    pub fn sizes_of(&self, inode: Inode) -> &[u64] {
        self.sizes.get(&inode).map_or(&[], |chain| &chain.versions)
    }

    /// Whether a crash may leave exactly these versions. `picks` must name every cell.
    pub fn is_legal(&self, picks: &Picks) -> bool {
        let cells = self.cells();
        picks.len() == cells.len()
            && cells.iter().all(|(cell, oldest, newest)| {
                picks.get(cell).is_some_and(|pick| (oldest..=newest).contains(&pick))
            })
            && self.keeps_rules(picks)
    }

    /// Whether no rule between two cells that `picks` names is broken.
    fn keeps_rules(&self, picks: &Picks) -> bool {
        self.rules.iter().all(|rule| match (picks.get(&rule.cell), picks.get(&rule.then)) {
            (Some(&pick), Some(&then)) => pick < rule.at_least || then >= rule.then_at_least,
            _ => true,
        })
    }

    /// Calls `visit` with each legal pick and its state. Different picks may give equal states.
    pub fn for_each(
        &self,
        states_max: u64,
        mut visit: impl FnMut(&Picks, Tree),
    ) -> Result<(), TooManyStates> {
        let mut seen = 0;
        self.enumerate(&self.cells(), &mut Picks::new(), &mut |picks| {
            seen += 1;
            if seen > states_max {
                return Err(TooManyStates { states_max });
            }
            visit(picks, self.tree(picks));
            Ok(())
        })
    }

    fn enumerate(
        &self,
        cells: &[(Cell, usize, usize)],
        picks: &mut Picks,
        visit: &mut impl FnMut(&Picks) -> Result<(), TooManyStates>,
    ) -> Result<(), TooManyStates> {
        let Some(((cell, oldest, newest), rest)) = cells.split_first() else {
            return visit(picks);
        };
        for pick in *oldest..=*newest {
            picks.insert(cell.clone(), pick);
            if self.keeps_rules(picks) {
                self.enumerate(rest, picks, visit)?;
            }
        }
        picks.remove(cell);
        Ok(())
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
        // Each round moves a cell one way only, so this ends.
        while let Some((cell, pick)) = self.repair(&picks, partial, fill) {
            picks.insert(cell, pick);
        }
        let known = partial.keys().all(|cell| picks.contains_key(cell));
        (known && self.is_legal(&picks)).then_some(picks)
    }

    /// A cell that `partial` leaves open and that a broken rule moves: up from the oldest, down from the
    /// newest.
    fn repair(&self, picks: &Picks, partial: &Picks, fill: Fill) -> Option<(Cell, usize)> {
        self.rules.iter().find_map(|rule| {
            let (pick, then) = (*picks.get(&rule.cell)?, *picks.get(&rule.then)?);
            if pick < rule.at_least || then >= rule.then_at_least {
                return None;
            }
            let (cell, to) = match fill {
                Fill::Oldest => (&rule.then, rule.then_at_least),
                Fill::Newest => (&rule.cell, rule.at_least - 1),
            };
            (!partial.contains_key(cell)).then(|| (cell.clone(), to))
        })
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
        for ((dir, name), chain) in &self.names {
            let pick = pick_of(picks, &Cell::Name { dir: *dir, name: name.clone() });
            if let Some(inode) = chain.versions.get(pick).copied().flatten() {
                base.dirs.entry(*dir).or_default().insert(name.clone(), inode);
            }
        }
        for inode in self.sizes.keys() {
            base.files.insert(*inode, self.content(picks, *inode).to_vec());
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
        let dir = above.last().copied().unwrap_or(ROOT);
        for ((_, name), chain) in self.names.iter().filter(|((d, _), _)| *d == dir) {
            let pick = pick_of(picks, &Cell::Name { dir, name: name.clone() });
            let Some(inode) = chain.versions.get(pick).copied().flatten() else {
                continue;
            };
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
        let size = pick_of(picks, &Cell::Size { inode });
        let size = self.sizes_of(inode).get(size).copied().unwrap_or(0);
        let mut content = vec![0; size as usize];
        for (&(_, index), chain) in self.sectors.range((inode, 0)..(inode, size.div_ceil(SECTOR_LEN))) {
            let start = (index * SECTOR_LEN) as usize;
            let len = (size as usize - start).min(SECTOR_LEN as usize);
            let pick = pick_of(picks, &Cell::Sector { inode, index });
            if let Some(sector) = chain.versions.get(pick) {
                content[start..start + len].copy_from_slice(&sector[..len]);
            }
        }
        Arc::new(content)
    }
}

fn pick_of(picks: &Picks, cell: &Cell) -> usize {
    picks.get(cell).copied().unwrap_or(0)
}
