//! What makes cases.

use super::Random;
use crate::shrink::Case;
use crate::workload::{OptionValue, Options};

/// Makes random cases for a subject.
pub trait Generator: Send + Sync {
    /// A new case.
    fn fresh(&self, random: &mut Random) -> Case;

    /// A case like `case`, perhaps with parts of `other`.
    fn mutate(&self, case: &Case, other: &Case, random: &mut Random) -> Case;
}

/// Values that an option of a subject may have in a case; it is also left out.
#[derive(Clone, Debug)]
pub struct OptionChoices {
    /// The option's name.
    pub name: &'static str,
    /// In so many of a hundred cases it is set.
    pub percent: usize,
    /// Values.
    pub values: Vec<OptionValue>,
}

impl OptionChoices {
    /// Draws a value for `options`, or leaves it out.
    pub(super) fn draw(&self, options: &mut Options, random: &mut Random) {
        options.remove(self.name);
        if random.percent(self.percent)
            && let Some(value) = random.pick(&self.values)
        {
            options.set(self.name, value.clone());
        }
    }
}
