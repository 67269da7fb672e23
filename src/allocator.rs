//! The allocator of every program of this package, also of the SQLite within.
//!
//! jemalloc, because with it the steady workload takes a sixth less CPU than with glibc's (`docs/performance.md`): records
//! and answers are many small pieces, made on one thread and freed on another.

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Two arenas are enough for a few threads, and what is freed goes back to the system within half a second: a worker
/// that waits for the hour should be small again soon after a busy one. `MALLOC_CONF` in the environment has the last word.
#[unsafe(export_name = "malloc_conf")]
static MALLOC_CONF: &[u8; 46] = b"narenas:2,dirty_decay_ms:500,muzzy_decay_ms:0\0";
