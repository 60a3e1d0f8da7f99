//! The stores that unplug tests, the mistakes planted in them, and the suite of scenarios.

pub mod engine;
pub mod kill;
pub mod planted;
pub mod replay;
pub mod suite;
pub mod tools;

use unplug::subject::AnySubject;
use unplug_cli::Registry;

/// Everything that the `unplug` binary has.
pub fn registry() -> Registry {
    let mut registry = Registry::new("unplug", env!("CARGO_PKG_VERSION"))
        .subject(
            "engine",
            "the bundled store: write-ahead log, snapshots, one-rename epochs",
            |options, bug| {
                engine::Engine::new(options, bug).map(|engine| Box::new(engine) as Box<dyn AnySubject>)
            },
        )
        .generator("engine", engine::generator())
        .bugs(planted::BUGS)
        .replayer(replay::FileReplayer)
        .toolbox(tools::EngineTools)
        .victim(kill::EngineVictim);
    for (name, text) in suite::SCENARIOS {
        registry = registry.scenario(name, text);
    }
    registry
}
