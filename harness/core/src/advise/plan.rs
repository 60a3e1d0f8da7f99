//! What to change in a subject's calls, and what to note of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Site;
use crate::fuzz::Behaviour;

/// Before or after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Once the call has returned Ok.
    After,
    /// Just before it is made.
    Before,
}

/// What a further sync makes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The file that the call is about.
    File,
    /// The directory that the call's name is in; for a rename across directories both.
    Dir,
}

/// A further sync at each call of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Addition {
    /// The calls.
    pub site: Site,
    /// Before or after them.
    pub place: Place,
    /// Of what.
    pub target: Target,
}

/// One change of a subject's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edit {
    /// The calls of a site (syncs, renames, removals) return Ok and do nothing.
    Drop(Site),
    /// Further syncs.
    Add(Addition),
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub site: Site,
    /// The file or directory, by the name it was opened by; of a rename the old name.
    pub path: PathBuf,
}

/// Changes, and notes of what was called. Shared by all runs of an exploration.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) edits: Vec<Edit>,
    pub(super) added: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// Calls listed, and cost, when a plain run's workload was over.
    workload: Mutex<(usize, i64)>,
    log: Option<Mutex<Vec<Entry>>>,
    sites: Option<Mutex<BTreeSet<Site>>>,
    pub(super) behaviour: Option<Arc<Behaviour>>,
}

impl Plan {
    /// Makes these changes.
    pub fn new(edits: Vec<Edit>) -> Plan {
        Plan { edits, ..Plan::default() }
    }

    /// Keeps a list of all calls, in order: for a run on one thread.
    pub fn logging(edits: Vec<Edit>) -> Plan {
        Plan { log: Some(Mutex::default()), ..Plan::new(edits) }
    }

    /// Keeps the set of places that made calls.
    pub fn collecting(edits: Vec<Edit>) -> Plan {
        Plan { sites: Some(Mutex::default()), ..Plan::new(edits) }
    }

    /// Notes behaviour.
    pub fn observing(behaviour: Arc<Behaviour>) -> Plan {
        Plan { behaviour: Some(behaviour), ..Plan::default() }
    }

    /// The calls so far, if they were listed.
    pub fn entries(&self) -> Vec<Entry> {
        self.log
            .as_ref()
            .map(|log| log.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default()
    }

    /// The places so far, if they were collected.
    pub fn sites(&self) -> BTreeSet<Site> {
        let sites = self.sites.as_ref();
        sites.map(|sites| sites.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }

    /// A plain run's workload is over.
    pub(crate) fn end_workload(&self) {
        let end = (self.entries().len(), self.cost());
        *self.workload.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    /// How many calls a plain run's workload made, and what the changes cost it.
    pub fn workload(&self) -> (usize, i64) {
        *self.workload.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Syncs added less syncs dropped so far.
    pub fn cost(&self) -> i64 {
        self.added.load(Ordering::Relaxed) as i64 - self.dropped.load(Ordering::Relaxed) as i64
    }

    pub(super) fn note(&self, site: Site, path: &Path) {
        if let Some(log) = &self.log {
            let entry = Entry { site, path: path.to_path_buf() };
            log.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        }
        if let Some(sites) = &self.sites {
            sites.lock().unwrap_or_else(PoisonError::into_inner).insert(site);
        }
    }

    /// Whether a call is to be left out.
    pub(super) fn drops(&self, site: Site) -> bool {
        let drops = self.edits.contains(&Edit::Drop(site));
        if drops {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        drops
    }

    /// What to sync at a place.
    pub(super) fn additions(&self, site: Site, place: Place) -> impl Iterator<Item = Target> + '_ {
        self.edits.iter().filter_map(move |edit| match edit {
            Edit::Add(addition) if addition.site == site && addition.place == place => Some(addition.target),
            _ => None,
        })
    }
}
