//! The exploration on a toy store: finds what is planted, finds nothing where nothing is.

mod common;

use common::{MISTAKES, Mistake, Op, Toy, settings, steps};
use unplug::explore::explore;
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
