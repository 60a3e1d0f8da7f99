//! The operation lines of a key-value store, and its model.
//!
//! One operation a line:
//!
//! ```text
//! put KEY VALUE
//! del KEY
//! batch put a 1; del b; put c 2
//! sync
//! compact
//! ```
//!
//! A key or value is a bare word of `A-Z a-z 0-9 _ . -`, a quoted text (`"…"` with the escapes `\"`, `\\`,
//! `\n`, `\r`, `\t` and `\x00`; `""` is empty), or `fill(SEED,LEN)`: `LEN` bytes that look random and are a
//! fixed function of `SEED` (see [`fill`]).

mod bytes;
mod op;
mod simpler;
mod state;

pub use bytes::{KvBytes, fill};
pub use op::{KvChange, KvOp};
pub use simpler::simpler;
pub use state::KvState;

/// Operations that show that a recovered store still works: writes of `value_len` bytes under two-letter
/// keys, so that their records fall where equally long ones lay; a sync; a compaction; one more write.
pub fn epilogue(value_len: usize) -> Vec<KvOp> {
    let put = |key: &str, seed: u64| {
        KvOp::Change(KvChange::Put {
            key: KvBytes::from(key.as_bytes()),
            value: KvBytes::filled(seed, value_len),
        })
    };
    vec![
        put("e0", 0xe0),
        put("e1", 0xe1),
        put("e2", 0xe2),
        KvOp::Sync,
        KvOp::Compact,
        put("e3", 0xe3),
        KvOp::Sync,
    ]
}
