//! Simpler operations, for shrinking.

use super::{KvBytes, KvChange, KvOp};

/// Value lengths that tell stores' behaviours apart, ascending: within a sector, more than one, many.
const LENGTHS: [usize; 4] = [1, 100, 600, 5000];

/// Operations simpler than `op`, the simplest first; repeating it comes to an end.
pub fn simpler(op: &KvOp) -> Vec<KvOp> {
    match op {
        KvOp::Change(change) => changes(change).into_iter().map(KvOp::Change).collect(),
        KvOp::Batch(parts) => {
            let mut out: Vec<KvOp> = Vec::new();
            if let [only] = &parts[..] {
                out.push(KvOp::Change(only.clone()));
            }
            for skipped in 0..if parts.len() > 1 { parts.len() } else { 0 } {
                let mut fewer = parts.clone();
                fewer.remove(skipped);
                out.push(KvOp::Batch(fewer));
            }
            for (index, part) in parts.iter().enumerate() {
                for change in changes(part) {
                    let mut other = parts.clone();
                    other[index] = change;
                    out.push(KvOp::Batch(other));
                }
            }
            out
        }
        _ => Vec::new(),
    }
}

fn changes(change: &KvChange) -> Vec<KvChange> {
    match change {
        KvChange::Put { key, value } => {
            let values = values(value).into_iter().map(|value| KvChange::Put { key: key.clone(), value });
            let keys = keys(key).into_iter().map(|key| KvChange::Put { key, value: value.clone() });
            values.chain(keys).collect()
        }
        KvChange::Del { key } => keys(key).into_iter().map(|key| KvChange::Del { key }).collect(),
    }
}

fn values(value: &KvBytes) -> Vec<KvBytes> {
    let shorter = LENGTHS.into_iter().filter(|len| *len < value.as_slice().len());
    shorter.map(|len| value.cut(len)).collect()
}

fn keys(key: &KvBytes) -> Vec<KvBytes> {
    let shorter = [2, 20].into_iter().filter(|len| *len < key.as_slice().len());
    shorter.map(|len| key.cut(len)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(line: &str) -> Vec<String> {
        simpler(&line.parse().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn values_get_shorter_keys_too_and_batches_lose_parts() {
        assert_eq!(
            lines("put ka fill(3,700)"),
            ["put ka fill(3,1)", "put ka fill(3,100)", "put ka fill(3,600)"]
        );
        assert_eq!(lines("put longer 1"), ["put lo 1"]);
        assert_eq!(lines("batch put a 1; del b"), ["batch del b", "batch put a 1"]);
        assert_eq!(lines("batch del b"), ["del b"]);
        assert!(lines("sync").is_empty() && lines("del b").is_empty());
    }

    #[test]
    fn simplifying_comes_to_an_end() {
        let mut op: KvOp =
            "batch put longest fill(1,9000); put other fill(2,9000); del third".parse().unwrap();
        let mut rounds = 0;
        while let Some(next) = simpler(&op).pop() {
            op = next;
            rounds += 1;
            assert!(rounds < 100, "{op}");
        }
        assert!(rounds > 3);
    }
}
