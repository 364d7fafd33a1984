//! How many threads share a piece of work.

/// The maximum number of threads; more of them wait for the disk.
const MAX_THREADS: usize = 8;

/// How many threads do this many pieces of work; one, where they are fewer than `fewest`: starting more takes longer.
pub fn count_threads(pieces: usize, fewest: usize) -> usize {
    if pieces < fewest {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)
}
