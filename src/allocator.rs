//! The allocator of every program of this package, and of the SQLite in it.
//!
//! It is jemalloc, with which the steady workload takes a sixth less CPU than with glibc's allocator
//! (`docs/performance.md`): records and answers are many small pieces, allocated on one thread and freed on another.

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Two arenas are enough for a few threads. Freed memory goes back to the system within half a second, so that a worker
/// that waits for the hour is soon small again. `MALLOC_CONF` in the environment overrides this.
#[unsafe(export_name = "malloc_conf")]
static MALLOC_CONF: &[u8; 46] = b"narenas:2,dirty_decay_ms:500,muzzy_decay_ms:0\0";
