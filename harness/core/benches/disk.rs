//! What a question to the simulated disk costs: a name, a size, a sector. On an undetermined disk, the first
//! time (when it is decided and written down) and once it is settled; beside the plain in-memory file system.
//!
//! `cargo bench -p unplug --bench disk`

#![allow(clippy::unwrap_used, reason = "a failed benchmark is meant to panic")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use unplug::disk::{Chooser, CrashedLayer, Scratch, SimDisk, World};
use unplug::model::{Model, Persisted};
use unplug::plain::MemFs;
use unplug_vfs::{OpenOptions, Vfs, VfsFile};

const FILES: usize = 64;
const SECTOR: usize = 512;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let world = undetermined();
    let asking = || SimDisk::new(world.clone(), Chooser::default(), u64::MAX, Scratch::default());
    let settled = asking();
    let plain = MemFs::new();
    write_all(&plain);

    let mut group = criterion.benchmark_group("lookup");
    let lookup = |disk: &dyn Vfs| {
        for at in 0..FILES {
            let _ = black_box(disk.metadata(&path(at)));
        }
    };
    cases(&mut group, &asking, &settled, &plain, lookup);
    group.finish();

    let mut group = criterion.benchmark_group("size");
    on_files(&mut group, &asking, &settled, &plain, |file| {
        black_box(file.len().unwrap());
    });
    group.finish();

    let mut group = criterion.benchmark_group("read of a sector");
    on_files(&mut group, &asking, &settled, &plain, |file| {
        let mut buf = [0; SECTOR];
        black_box(file.read_at(&mut buf, 0).unwrap());
    });
    group.finish();
    criterion.final_summary();
}

fn path(at: usize) -> PathBuf {
    PathBuf::from(format!("/dir/file-{at:04}"))
}

/// Files of which nothing but the name is durable: two versions of a sector, two of a size.
fn write_all(disk: &dyn Vfs) {
    disk.create_dir(Path::new("/dir")).unwrap();
    let files: Vec<_> = (0..FILES).map(|at| disk.open(&path(at), OpenOptions::CREATE_NEW).unwrap()).collect();
    disk.sync_dir(Path::new("/dir")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    for (at, file) in files.iter().enumerate() {
        file.write_at(&[1; SECTOR], 0).unwrap();
        file.write_at(&[2; SECTOR], 0).unwrap();
        disk.rename(&path(at), &path(at + FILES)).unwrap();
        disk.rename(&path(at + FILES), &path(at)).unwrap();
    }
}

/// The power goes at the end of it.
fn undetermined() -> Arc<World> {
    let model = Model::posix();
    let empty = World::empty(model.rules());
    let disk = SimDisk::new(Arc::new(empty.clone()), Chooser::default(), u64::MAX, Scratch::default());
    write_all(&disk);
    let recording = Arc::new(disk.finish().recording);
    let persisted = Arc::new(Persisted::new(&model, &recording));
    let at = recording.trace.end();
    Arc::new(empty.crash(CrashedLayer { recording, persisted, at }, &[]))
}

/// The same questions to each file of three disks; one of them is new each time, so that all are asked anew.
fn cases(
    group: &mut BenchmarkGroup<'_, WallTime>,
    asking: &dyn Fn() -> SimDisk,
    settled: &SimDisk,
    plain: &MemFs,
    ask: impl Fn(&dyn Vfs),
) {
    group.throughput(Throughput::Elements(FILES as u64));
    group.bench_function("undetermined, first time", |bencher| {
        bencher.iter_batched(
            asking,
            |disk| {
                ask(&disk);
                disk
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("undetermined, settled", |bencher| bencher.iter(|| ask(settled)));
    group.bench_function("plain map of files", |bencher| bencher.iter(|| ask(plain)));
}

/// As [`cases`], on files that are open already.
fn on_files(
    group: &mut BenchmarkGroup<'_, WallTime>,
    asking: &dyn Fn() -> SimDisk,
    settled: &SimDisk,
    plain: &MemFs,
    ask: impl Fn(&dyn VfsFile),
) {
    let opened = |disk: &dyn Vfs| -> Vec<Box<dyn VfsFile>> {
        (0..FILES).map(|at| disk.open(&path(at), OpenOptions::READ).unwrap()).collect()
    };
    let ask_all = |files: &[Box<dyn VfsFile>]| files.iter().for_each(|file| ask(&**file));
    group.throughput(Throughput::Elements(FILES as u64));
    group.bench_function("undetermined, first time", |bencher| {
        let fresh = || {
            let disk = asking();
            (opened(&disk), disk)
        };
        bencher.iter_batched(
            fresh,
            |(files, disk)| {
                ask_all(&files);
                (files, disk)
            },
            BatchSize::SmallInput,
        );
    });
    let files = opened(settled);
    group.bench_function("undetermined, settled", |bencher| bencher.iter(|| ask_all(&files)));
    let files = opened(plain);
    group.bench_function("plain map of files", |bencher| bencher.iter(|| ask_all(&files)));
}
