//! All legal picks, one after the other, without a dead end.
//!
//! A version of a cell needs each other cell to be at least as new as some version. All rules are of that
//! form, so picks that suit each other two by two can always be completed.

use super::chains::Chains;
use super::{Cell, Picks, TooManyStates};

/// The cells of which more than one version may be picked.
pub(super) struct Open {
    cells: Vec<Cell>,
    /// The oldest and the newest version of each.
    bounds: Vec<(usize, usize)>,
    /// By cell and version, counted from its oldest: how new each cell must be at least.
    needs: Vec<Vec<Vec<usize>>>,
}

impl Open {
    pub fn of(chains: &Chains) -> Open {
        let open: Vec<_> = chains.cells().into_iter().filter(|(_, oldest, newest)| oldest < newest).collect();
        let cells: Vec<Cell> = open.iter().map(|(cell, ..)| cell.clone()).collect();
        let bounds: Vec<_> = open.iter().map(|&(_, oldest, newest)| (oldest, newest)).collect();
        let mut rules = vec![Vec::new(); cells.len()];
        for rule in chains.rules.iter().filter(|rule| rule.holds) {
            let (from, then) = (cells.binary_search(&rule.cell), cells.binary_search(&rule.then));
            if let (Ok(from), Ok(then)) = (from, then) {
                rules[from].push((rule.at_least, then, rule.then_at_least));
            }
        }
        let mut open = Open { cells, bounds, needs: Vec::new() };
        for (cell, &(oldest, newest)) in open.bounds.iter().enumerate() {
            open.needs.push((oldest..=newest).map(|version| open.needs_of(&rules, cell, version)).collect());
        }
        open
    }

    fn needs_of(&self, rules: &[Vec<(usize, usize, usize)>], cell: usize, version: usize) -> Vec<usize> {
        let mut needs: Vec<usize> = self.bounds.iter().map(|&(oldest, _)| oldest).collect();
        needs[cell] = version;
        let mut raised = vec![cell];
        while let Some(cell) = raised.pop() {
            for &(at_least, then, then_at_least) in &rules[cell] {
                if needs[cell] >= at_least && needs[then] < then_at_least {
                    needs[then] = then_at_least;
                    raised.push(then);
                }
            }
        }
        needs
    }

    fn needs(&self, cell: usize, version: usize) -> &[usize] {
        &self.needs[cell][version - self.bounds[cell].0]
    }

    /// Calls `visit` with each legal pick. `picks` names the other cells.
    pub fn for_each(
        &self,
        picks: &mut Picks,
        visit: &mut impl FnMut(&Picks) -> Result<(), TooManyStates>,
    ) -> Result<(), TooManyStates> {
        self.go_on(&mut Vec::new(), picks, visit)
    }

    fn go_on(
        &self,
        chosen: &mut Vec<usize>,
        picks: &mut Picks,
        visit: &mut impl FnMut(&Picks) -> Result<(), TooManyStates>,
    ) -> Result<(), TooManyStates> {
        let cell = chosen.len();
        let Some(&(oldest, newest)) = self.bounds.get(cell) else {
            return visit(picks);
        };
        for version in oldest..=newest {
            let suits = |(other, &pick): (usize, &usize)| {
                self.needs(other, pick)[cell] <= version && self.needs(cell, version)[other] <= pick
            };
            // A version may need more of its own cell than itself: atomic groups of one event.
            if self.needs(cell, version)[cell] == version && chosen.iter().enumerate().all(suits) {
                chosen.push(version);
                picks.insert(self.cells[cell].clone(), version);
                self.go_on(chosen, picks, visit)?;
                chosen.pop();
            }
        }
        Ok(())
    }
}
