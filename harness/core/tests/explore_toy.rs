//! The exploration on a toy store: finds what is planted, finds nothing where nothing is.

mod common;

use common::{MISTAKES, Mistake, Op, Toy, settings, steps};
use unplug::explore::{Settings, explore};
use unplug::model::Model;

fn workload() -> Vec<Op> {
    use Op::{Compact, Put, Sync};
    vec![
        Put(1, 1),
        Put(2, 1),
        Sync,
        Put(1, 2),
        Put(3, 2),
        Put(2, 3),
        Sync,
        Put(1, 4),
        Compact,
        Put(2, 5),
        Sync,
    ]
}

#[test]
fn a_correct_store_has_no_violation() {
    for record_len in [16, 200, 512, 700] {
        let toy = Toy { mistake: Mistake::None, record_len };
        let found = explore(&toy, &steps(&workload()), &settings(Model::posix(), 2));
        assert_eq!(found.internal_error, None);
        assert_eq!(found.violations, [], "records of {record_len}");
        assert_eq!((found.probed, found.unexplored), (0, 0));
        println!(
            "{record_len}: {} points, {} recoveries, 2^{}",
            found.crash_points, found.recoveries, found.states_log2
        );
    }
}

#[test]
fn every_mistake_is_found() {
    for mistake in MISTAKES.into_iter().skip(1) {
        let toy = Toy { mistake, record_len: 700 };
        let found = explore(&toy, &steps(&workload()), &settings(Model::posix(), 2));
        assert_eq!(found.internal_error, None, "{mistake:?}");
        assert!(!found.violations.is_empty(), "{mistake:?} in {} recoveries", found.recoveries);
        println!("{mistake:?}: {:#?}", found.violations);
    }
}

#[test]
fn workers_that_share_a_crash_point_find_what_one_finds_alone() {
    use Op::Put;
    // Nothing is synced, so that there are few crash points and much to each.
    let unsynced = vec![Put(1, 1), Put(2, 1), Put(1, 2)];
    let mut violated = 0;
    for mistake in MISTAKES {
        let toy = Toy { mistake, record_len: 700 };
        for (ops, kills) in [(workload(), false), (unsynced.clone(), false), (unsynced.clone(), true)] {
            for limit in [u64::MAX, 400, 150, 1] {
                let found = |jobs| {
                    let settings = settings(Model::posix(), 2);
                    let settings = Settings { jobs, limit, kills, ..settings };
                    format!("{:?}", explore(&toy, &steps(&ops), &settings))
                };
                let alone = found(1);
                violated += u32::from(alone.contains("violations: [Violation"));
                for jobs in [2, 3, 8] {
                    assert_eq!(found(jobs), alone, "{mistake:?}, {jobs} jobs, limit {limit}");
                }
            }
        }
    }
    assert!(violated > 0);
}
