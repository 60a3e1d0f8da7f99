//! Makes the fixtures again, byte for byte: `cargo run -p unplug-scenarios --example make-fixtures -- fixtures`.

mod recipes;

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir] = args.as_slice() else {
        eprintln!("error: expected one argument, the directory to write the fixtures to");
        return ExitCode::from(2);
    };
    let files = recipes::files();
    for (path, bytes) in &files {
        if let Err(e) = write(&Path::new(dir).join(path), bytes) {
            eprintln!("error: failed to write {dir}/{path}: {e}");
            return ExitCode::from(3);
        }
    }
    println!("{} files written to {dir}", files.len());
    ExitCode::SUCCESS
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes)
}
