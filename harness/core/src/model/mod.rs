//! Persistence models: which parts of a trace may survive a crash. A model is data, not code paths.

mod count;
mod persisted;

pub use count::{StateCount, count_states, log2_sum};
pub use persisted::Persisted;

/// A persistence model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its name.
    pub name: String,
}

impl Model {
    /// The default model: what POSIX and its common implementations promise, and nothing more.
    pub fn posix() -> Model {
        Model { name: "posix".to_string() }
    }

    /// Names of the built-in models.
    pub const NAMES: [&'static str; 1] = ["posix"];

    /// A built-in model by its name.
    pub fn by_name(name: &str) -> Option<Model> {
        (name == "posix").then(Model::posix)
    }
}
