//! Tables and pictures of the figures.

mod svg;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::peers::Result;
use crate::results::Results;
use svg::Bars;

const STORES: [&str; 4] = ["unplug", "redb", "fjall", "sled"];
const BEGIN: &str = "<!-- figures -->";
const END: &str = "<!-- end of figures -->";

fn docs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"))
}

/// Writes the figures into the page, between its marks, and the picture beside it.
pub fn run(results: &Results) -> Result<()> {
    let page = docs().join("BENCHMARKS.md");
    let text = fs::read_to_string(&page)?;
    let (head, rest) = text.split_once(BEGIN).ok_or("BENCHMARKS.md: the mark before the figures is gone")?;
    let (_, tail) = rest.split_once(END).ok_or("BENCHMARKS.md: the mark behind the figures is gone")?;
    fs::write(&page, format!("{head}{BEGIN}\n\n{}\n{END}{tail}", tables(results)))?;
    fs::write(docs().join("benchmarks.svg"), picture(results))?;
    Ok(())
}

/// Three digits that matter, and commas.
fn number(value: f64) -> String {
    if value < 100.0 {
        let digits = if value < 1.0 { 2 } else { 1 };
        return format!("{value:.digits$}");
    }
    let unit = 10f64.powf((value.log10().floor() - 2.0).max(0.0));
    let digits = format!("{:.0}", (value / unit).round() * unit);
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn cell(value: Option<f64>) -> String {
    value.map_or("·".to_string(), number)
}

/// The engine's figure over the best of the others; for times, theirs over its.
fn ratio(results: &Results, (case, setting, metric): (&str, &str, &str), less_is_better: bool) -> String {
    let get = |store: &&str| results.get(case, setting, store, metric);
    let others = STORES[1..].iter().filter_map(get);
    let best = if less_is_better { others.fold(f64::MAX, f64::min) } else { others.fold(0.0, f64::max) };
    match get(&"unplug") {
        Some(own) if best > 0.0 && best < f64::MAX => {
            format!("{:.2}", if less_is_better { best / own } else { own / best })
        }
        _ => "·".to_string(),
    }
}

/// One row a setting, one column a store.
fn table(
    out: &mut String,
    results: &Results,
    (case, metric): (&str, &str),
    what: &str,
    less_is_better: bool,
) {
    let _ = writeln!(out, "| {what} | {} | ratio |", STORES.join(" | "));
    let _ = writeln!(out, "|---|{}", "---:|".repeat(STORES.len() + 1));
    for setting in results.settings(case) {
        let cells: Vec<_> =
            STORES.iter().map(|store| cell(results.get(case, &setting, store, metric))).collect();
        if cells.iter().any(|cell| cell != "·") {
            let ratio = ratio(results, (case, &setting, metric), less_is_better);
            let _ = writeln!(out, "| {setting} | {} | {ratio} |", cells.join(" | "));
        }
    }
    out.push('\n');
}

/// One row a setting, one column a metric, of the engine alone.
fn own(out: &mut String, results: &Results, case: &str, what: &str, metrics: &[(&str, &str)]) {
    let names: Vec<_> = metrics.iter().map(|(_, name)| *name).collect();
    let _ = writeln!(out, "| {what} | {} |", names.join(" | "));
    let _ = writeln!(out, "|---|{}", "---:|".repeat(metrics.len()));
    for setting in results.settings(case) {
        let get = |metric: &str| results.get(case, &setting, "unplug", metric);
        let cells: Vec<_> = metrics.iter().map(|(metric, _)| get(metric)).collect();
        if cells.iter().all(Option::is_some) {
            let cells: Vec<_> = cells.into_iter().map(cell).collect();
            let _ = writeln!(out, "| {setting} | {} |", cells.join(" | "));
        }
    }
    out.push('\n');
}

fn tables(results: &Results) -> String {
    let mut out = String::from("### The disk\n\n| | mean, µs | P99, µs |\n|---|---:|---:|\n");
    for (what, store) in
        [("write of 512 bytes + fdatasync", "bare"), ("synced write of the engine", "unplug")]
    {
        let get = |metric| cell(results.get("writes", "disk", store, metric));
        let _ = writeln!(out, "| {what} | {} | {} |", get("mean_us"), get("p99_us"));
    }
    out.push_str("\n### Writes of 100 bytes, one thread\n\n");
    table(&mut out, results, ("writes", "per_s"), "in each second", false);
    table(&mut out, results, ("writes", "mean_us"), "mean, µs", true);
    table(&mut out, results, ("writes", "p99_us"), "P99, µs", true);
    out.push_str("### Batches, each of them synced\n\n");
    table(&mut out, results, ("batches", "per_s"), "entries in each second, by size", false);
    out.push_str("### Threads\n\n");
    table(&mut out, results, ("threads", "per_s"), "writes in each second", false);
    table(&mut out, results, ("threads", "p99_us"), "P99, µs", true);
    out.push_str("### Reads, a million entries\n\n");
    table(&mut out, results, ("reads", "per_s"), "entries in each second", false);
    out.push_str("### Ready again after a kill\n\n");
    table(&mut out, results, ("reopen", "ms"), "ms", true);
    own(
        &mut out,
        results,
        "reopen",
        "the engine's replay",
        &[("per_s", "records/s"), ("mb_per_s", "MB/s of values")],
    );
    out.push_str("### Beside a compaction, one million entries\n\n");
    let latencies =
        [("p50_us", "P50, µs"), ("p99_us", "P99, µs"), ("p999_us", "P99.9, µs"), ("max_us", "max, µs")];
    own(
        &mut out,
        results,
        "compaction",
        "writes",
        &[&latencies[..], &[("compactions", "compactions")]].concat(),
    );
    out.push_str("### Snapshots of a million entries\n\n");
    own(&mut out, results, "compaction", "", &[("ms", "ms"), ("mb", "MB")]);
    own(&mut out, results, "compaction", "space saved by compaction", &[("saved_percent", "%")]);
    out.push_str("### Memory, entries of 116 bytes\n\n");
    table(&mut out, results, ("memory", "mb"), "resident, MB", true);
    table(&mut out, results, ("memory", "ratio"), "resident over raw", true);
    out.push_str("### Ten minutes of overwrites\n\n");
    own(
        &mut out,
        results,
        "soak",
        "",
        &[("mb", "resident, MB"), ("writes", "writes so far"), ("compactions", "compactions so far")],
    );
    out
}

fn picture(results: &Results) -> String {
    let bars = |case: &str, setting: &str, metric: &str, title: &str| {
        let bar = |store: &&str| {
            results.get(case, setting, store, metric).map(|value| (store.to_string(), value, number(value)))
        };
        Bars { title: title.to_string(), bars: STORES.iter().filter_map(bar).collect() }
    };
    svg::picture(&[
        bars("writes", "process", "per_s", "Asynchronous writes a second, in the process"),
        bars("writes", "kernel", "per_s", "Asynchronous writes a second, in the kernel"),
        bars("threads", "disk, 1", "per_s", "Synced writes a second, 1 thread"),
        bars("threads", "disk, 8", "per_s", "Synced writes a second, 8 threads"),
        bars("reads", "get, 1 threads", "per_s", "Look-ups a second"),
        bars("reopen", "100-byte values", "ms", "Ready again after a kill, ms (less is better)"),
    ])
}
