//! The engine beside redb, fjall and sled, in the same run, on the same disk.
//!
//! `cargo run --release --manifest-path benchmarks/Cargo.toml -- [--dir DIR] [--store NAME] [CASE…]` measures, prints, and keeps the
//! figures in `benchmarks/results.tsv`; `-- render` makes the tables and pictures of `docs/BENCHMARKS.md` from them.

mod cases;
mod load;
mod peers;
mod render;
mod results;

use std::path::PathBuf;
use std::process::ExitCode;

use peers::Result;
use results::Results;

type Case = (&'static str, fn(&mut Results, &std::path::Path) -> Result<()>);

const CASES: [Case; 7] = [
    ("writes", cases::writes::run),
    ("batches", cases::writes::batches),
    ("threads", cases::writes::threads),
    ("reads", cases::reads::run),
    ("reopen", cases::reopen::run),
    ("compaction", cases::compaction::run),
    ("memory", cases::memory::run),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let mut dir = std::env::temp_dir();
    let mut names = Vec::new();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // For a profile of one of them; the figures are not kept.
            "--store" => results::only(args.next().ok_or("--store: expected a name")?),
            "--dir" => dir = args.next().map(PathBuf::from).ok_or("--dir: expected a directory")?,
            // What a case runs in a process of its own.
            "in-memory" => return cases::memory::child(args),
            "soak" => return cases::memory::soak(&dir, args.next()),
            "render" => return render::run(&Results::load()?),
            _ => names.push(arg),
        }
    }
    let known = |name: &String| CASES.iter().any(|(case, _)| case == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = CASES.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no case `{unknown}`: try {}, soak or render", all.join(", ")).into());
    }
    let mut results = Results::load()?;
    for (name, case) in CASES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            results.forget(name);
            case(&mut results, &dir)?;
            results.save()?;
        }
    }
    Ok(())
}
