//! The bytes around a place of a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of a row.
const ROW: u64 = 16;
/// Rows before the place, and all of them.
const ROWS_BEFORE: u64 = 1;
const ROWS: u64 = 6;

/// Rows of bytes around a place, that of the place marked. Zeros at the end of it are left out.
pub(super) fn around(path: &Path, place: u64) -> io::Result<Vec<String>> {
    let start = (place - place % ROW).saturating_sub(ROWS_BEFORE * ROW);
    let mut bytes = vec![0; (ROWS * ROW) as usize];
    let file = File::open(path)?;
    let mut len = 0;
    while len < bytes.len() {
        match file.read_at(&mut bytes[len..], start + len as u64) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(len);
    let mut rows = Vec::new();
    for (index, row) in (0..).zip(bytes.chunks(ROW as usize)) {
        let offset = start + index * ROW;
        rows.push(line(
            offset,
            row,
            (offset..offset + ROW).contains(&place).then(|| (place - offset) as usize),
        ));
    }
    if len < (ROWS * ROW) as usize {
        rows.push(format!("  {:>10}  the file ends", start + len as u64));
    }
    Ok(rows)
}

/// `> 1024  00 01 …  |..|`
fn line(offset: u64, row: &[u8], marked: Option<usize>) -> String {
    let mut hex = String::new();
    for (at, byte) in row.iter().enumerate() {
        hex.push(if marked == Some(at) { '>' } else { ' ' });
        hex += &format!("{byte:02x}");
    }
    let text: String =
        row.iter().map(|b| if (b' '..=b'~').contains(b) { char::from(*b) } else { '.' }).collect();
    let mark = if marked.is_some() { '>' } else { ' ' };
    format!("{mark} {offset:>10} {hex:<48}  |{text}|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_marked_and_the_end_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let bytes: Vec<u8> = (0..50).collect();
        std::fs::write(&path, bytes).unwrap();
        let rows = around(&path, 35).unwrap();
        assert_eq!(
            rows,
            [
                "          16  10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f  |................|",
                ">         32  20 21 22>23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f  | !\"#$%&'()*+,-./|",
                "          48  30 31                                            |01|",
                "          50  the file ends",
            ]
        );
        assert_eq!(around(&path, 900).unwrap(), ["         880  the file ends"]);
    }
}
