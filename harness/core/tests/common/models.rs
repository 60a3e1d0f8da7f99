//! Models to test with: the built-in ones, and any mixture of their knobs.

use proptest::prelude::*;
use proptest::sample::select;
use unplug::model::{
    Append, DirSync, FailedSize, FileSync, Model, Order, Rename, SizeImplies, TornSide, Unwritten,
};

/// The built-in models.
pub fn built_in() -> Vec<Model> {
    Model::NAMES.iter().filter_map(|name| Model::by_name(name)).collect()
}

/// A built-in model or a mixture.
pub fn models() -> impl Strategy<Value = Model> {
    prop_oneof![2 => select(built_in()), 1 => mixed()]
}

fn order() -> impl Strategy<Value = Order> {
    select(vec![Order::Free, Order::InOrder])
}

fn rename() -> impl Strategy<Value = Rename> {
    select(vec![Rename::Atomic, Rename::NewBeforeOld, Rename::Steps])
}

fn append() -> impl Strategy<Value = Append> {
    let implied = select(vec![SizeImplies::Nothing, SizeImplies::ItsPage, SizeImplies::ItsData]);
    (order(), implied).prop_map(|(size, size_implies)| Append { size, size_implies })
}

fn file_sync() -> impl Strategy<Value = FileSync> {
    use FileSync::*;
    select(vec![Nothing, ItsNames, OrderedIfResized, OrderedIfPending])
}

fn mixed() -> impl Strategy<Value = Model> {
    let names = (order(), rename(), rename());
    let content = (append(), append(), order(), order());
    let syncs = (
        file_sync(),
        file_sync(),
        select(vec![DirSync::ItsEntries, DirSync::Ordered, DirSync::OrderedIfChanged]),
        select(vec![FailedSize::MayMove, FailedSize::NeedsItsData]),
    );
    let tears = (
        select(vec![8u32, 512, 4096]),
        select(vec![TornSide::Left, TornSide::Right]),
        select(vec![Unwritten::Zeros, Unwritten::Garbage]),
    );
    (names, content, syncs, tears).prop_map(|(names, content, syncs, tears)| Model {
        name: "mixed".to_string(),
        source: "drawn".to_string(),
        directory_operations: names.0,
        rename_within_directory: names.1,
        rename_across_directories: names.2,
        append_in_block: content.0,
        append_new_block: content.1,
        shrink: content.2,
        // A journal that takes content writes whole sectors.
        data: if tears.0 == 8 { Order::Free } else { content.3 },
        fsync: syncs.0,
        fdatasync: syncs.1,
        sync_dir: syncs.2,
        failed_sync_size: syncs.3,
        torn_unit: tears.0,
        torn_side: tears.1,
        unwritten: tears.2,
    })
}
