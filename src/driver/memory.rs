//! How much memory a supervisor holds while nothing happens.

use nix::libc;

use super::live::Live;

/// Threads of effects come and go: with an arena for each, what they leave free is spread over all of them and never given
/// back. Large buffers, of a policy or a status, are mapped and go at once, however many have gone before (mallopt(3)).
pub(super) fn keep_small() {
    #[cfg(target_env = "gnu")]
    for (setting, value) in [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, 128 << 10)] {
        // SAFETY: has no precondition; a value that is refused changes nothing.
        unsafe { libc::mallopt(setting, value) };
    }
}

/// Returns to the system what reading everything needed, and nothing until then does.
pub(super) fn give_back(live: &Live) {
    live.journal.shrink();
    #[cfg(target_env = "gnu")]
    // SAFETY: has no precondition; it only releases pages that the allocator has free.
    let _ = unsafe { libc::malloc_trim(0) };
}
