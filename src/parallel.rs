//! One piece of work for many things, on all cores.

/// The results of `work` for parts of `items`, in their order; the parts are worked on at the same time, each of at least
/// `least` items. A thread takes some 50 µs to start, so what is quick enough together stays on one.
pub fn in_parts<I: Sync, T: Send>(items: &[I], least: usize, work: impl Fn(&[I]) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    in_threads(items, cores, least, work)
}

/// The same on at most `threads` threads, for work that waits more than it computes.
pub fn in_threads<I: Sync, T: Send>(
    items: &[I],
    threads: usize,
    least: usize,
    work: impl Fn(&[I]) -> T + Sync,
) -> Vec<T> {
    let threads = threads.min(items.len() / least.max(1)).max(1);
    let (first, rest) = items.split_at(items.len().div_ceil(threads));
    std::thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = rest.chunks(first.len().max(1)).map(|part| scope.spawn(move || work(part))).collect();
        let mut results = vec![work(first)];
        for other in others {
            results.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_and_the_order_stays() {
        for count in [0_usize, 1, 2, 63, 64, 129, 1000] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(in_parts(&items, 64, <[usize]>::to_vec).concat(), items);
        }
    }
}
