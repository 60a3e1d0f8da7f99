//! Figures, as lines of case, setting, store, metric and value.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::load::Times;
use crate::peers::Result;

static ONLY: OnceLock<String> = OnceLock::new();

/// From here on only this store is measured, and nothing is saved.
pub fn only(store: String) {
    let _ = ONLY.set(store);
}

/// Whether a store is to be measured.
pub fn wanted(store: &str) -> bool {
    ONLY.get().is_none_or(|only| only == store)
}

/// In the order of measurement.
pub struct Results(Vec<Figure>);

#[derive(Clone, Debug)]
pub struct Figure {
    pub case: String,
    pub setting: String,
    pub store: String,
    pub metric: String,
    pub value: f64,
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/results.tsv"))
}

impl Results {
    pub fn load() -> Result<Results> {
        let text = match fs::read_to_string(path()) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(format!("cannot read {}: {e}", path().display()).into()),
        };
        let figure = |line: &str| {
            let mut fields = line.split('\t').map(str::to_string);
            let mut next = || fields.next().ok_or_else(|| format!("a field is missing: {line}"));
            let (case, setting, store, metric) = (next()?, next()?, next()?, next()?);
            let value = next()?.parse().map_err(|e| format!("{line}: {e}"))?;
            Ok(Figure { case, setting, store, metric, value })
        };
        text.lines().map(figure).collect::<Result<_>>().map(Results)
    }

    pub fn save(&self) -> Result<()> {
        if ONLY.get().is_some() {
            return Ok(());
        }
        let line =
            |f: &Figure| format!("{}\t{}\t{}\t{}\t{:.3}\n", f.case, f.setting, f.store, f.metric, f.value);
        Ok(fs::write(path(), self.0.iter().map(line).collect::<String>())?)
    }

    /// Drops what an earlier run said of a case.
    pub fn forget(&mut self, case: &str) {
        self.0.retain(|figure| figure.case != case);
    }

    pub fn add(&mut self, case: &str, setting: &str, store: &str, metric: &str, value: f64) {
        println!("{case:<12} {setting:<24} {store:<8} {metric:<14} {value:>14.3}");
        self.0.push(Figure {
            case: case.into(),
            setting: setting.into(),
            store: store.into(),
            metric: metric.into(),
            value,
        });
    }

    /// Of several rounds the one with the middle rate.
    pub fn add_median(&mut self, case: &str, setting: &str, store: &str, mut rounds: Vec<Times>) {
        rounds.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        let Some(times) = rounds.get(rounds.len() / 2) else { return };
        self.add(case, setting, store, "per_s", times.rate);
        self.add(case, setting, store, "mean_us", times.mean_us);
        self.add(case, setting, store, "p99_us", times.p99_us);
    }

    pub fn get(&self, case: &str, setting: &str, store: &str, metric: &str) -> Option<f64> {
        let is =
            |f: &&Figure| f.case == case && f.setting == setting && f.store == store && f.metric == metric;
        self.0.iter().find(is).map(|figure| figure.value)
    }

    /// The settings of a case, in order, each with its stores.
    pub fn settings(&self, case: &str) -> Vec<String> {
        let mut seen = BTreeMap::new();
        let mine = self.0.iter().filter(|figure| figure.case == case);
        mine.filter(|f| seen.insert(f.setting.clone(), ()).is_none()).map(|f| f.setting.clone()).collect()
    }
}
