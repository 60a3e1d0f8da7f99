//! From paths to the files that are replayed.

use std::fs;
use std::path::{Path, PathBuf};

use super::Replayer;
use crate::error::CliError;

/// One thing to replay.
pub(super) struct Target {
    pub path: PathBuf,
    /// The sidecar that speaks of it, if there is one.
    pub sidecar: Option<PathBuf>,
    /// Its path in the store directory, if it lies in one.
    pub in_store: Option<PathBuf>,
    /// Whether it was found by walking, not named by the user: then an unknown file is no error.
    pub found: bool,
}

/// All targets below the paths, in sorted order; sidecars and hidden files are none.
pub(super) fn targets(replayer: &dyn Replayer, paths: &[PathBuf]) -> Result<Vec<Target>, CliError> {
    let mut targets = Vec::new();
    for path in paths {
        fs::metadata(path).map_err(|e| CliError::file("read", path, &e))?;
        walk(replayer, path, false, &mut targets)?;
    }
    Ok(targets)
}

fn walk(
    replayer: &dyn Replayer,
    path: &Path,
    found: bool,
    targets: &mut Vec<Target>,
) -> Result<(), CliError> {
    let sidecar = sidecar_of(path);
    let mut push = |path: &Path, sidecar: &Option<PathBuf>, in_store, found| {
        targets.push(Target { path: path.to_path_buf(), sidecar: sidecar.clone(), in_store, found });
    };
    if !path.is_dir() {
        push(path, &sidecar, None, found);
        return Ok(());
    }
    if replayer.is_store(path) {
        push(path, &sidecar, None, found);
        for file in files_below(path)? {
            let inner = file.strip_prefix(path).unwrap_or(&file).to_path_buf();
            push(&file, &sidecar, Some(inner), true);
        }
        return Ok(());
    }
    for entry in entries(path)? {
        if entry.extension().is_some_and(|extension| extension == "expect") {
            let fixture = entry.with_extension("");
            if !fixture.exists() {
                let message = "the fixture is missing, but its expectation is there";
                return Err(CliError::environment(format!("{}: {message}", fixture.display())));
            }
            continue;
        }
        let hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden {
            walk(replayer, &entry, true, targets)?;
        }
    }
    Ok(())
}

/// `X.expect` beside `X`.
fn sidecar_of(path: &Path) -> Option<PathBuf> {
    let mut name = path.file_name()?.to_os_string();
    name.push(".expect");
    Some(path.with_file_name(name)).filter(|sidecar| sidecar.is_file())
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, CliError> {
    let fail = |e| CliError::file("read the directory", dir, &e);
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail)? {
        paths.push(entry.map_err(fail)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn files_below(dir: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in entries(dir)? {
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
