//! Divides the accounts into the jobs of a workflow: one entry of the matrix for each account, several for one with many users.

use serde::Serialize;

use super::collection::CollectedJob;
use super::part::Part;

/// The most parts of an account.
const MAX_PARTS: usize = 100;

/// The value of `strategy.matrix`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    pub include: Vec<MatrixEntry>,
}

/// One job: the arguments of `keytide fleet audit`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct MatrixEntry {
    /// An account; several with commas between them where a workflow cannot have a job for each.
    pub account: String,
    pub part: String,
}

/// Returns the jobs of an account of which the policy files list this many users.
pub fn divide_account(account: &str, users: usize, users_per_job: usize) -> Vec<CollectedJob> {
    let of = users.div_ceil(users_per_job.max(1)).clamp(1, MAX_PARTS);
    let of = u32::try_from(of).unwrap_or(1);
    (1..=of).map(|number| CollectedJob { account: account.to_owned(), part: Part { number, of } }).collect()
}

/// Returns the matrix. GitHub makes at most 256 jobs of one, so that more of them share their jobs.
pub fn build_matrix(jobs: &[CollectedJob], max_jobs: usize) -> Matrix {
    let divided = jobs.iter().filter(|job| !job.part.is_whole()).count();
    let whole = jobs.len() - divided;
    let places = max_jobs.saturating_sub(divided).max(1);
    let size = whole.div_ceil(places).max(1);
    let mut include: Vec<MatrixEntry> = Vec::new();
    let undivided: Vec<&CollectedJob> = jobs.iter().filter(|job| job.part.is_whole()).collect();
    for group in undivided.chunks(size) {
        let accounts: Vec<&str> = group.iter().map(|job| job.account.as_str()).collect();
        include.push(MatrixEntry { account: accounts.join(","), part: Part::WHOLE.to_string() });
    }
    for job in jobs.iter().filter(|job| !job.part.is_whole()) {
        include.push(MatrixEntry { account: job.account.clone(), part: job.part.to_string() });
    }
    Matrix { include }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(number: usize) -> Vec<CollectedJob> {
        (0..number).flat_map(|index| divide_account(&format!("{index:012}"), 40, 1000)).collect()
    }

    #[test]
    fn each_account_is_a_job_until_there_are_too_many() {
        let matrix = build_matrix(&accounts(256), 256);
        assert_eq!(matrix.include.len(), 256);
        assert_eq!(
            matrix.include[1],
            MatrixEntry { account: "000000000001".to_owned(), part: "1/1".to_owned() }
        );
        let matrix = build_matrix(&accounts(500), 256);
        assert_eq!(matrix.include.len(), 250);
        assert_eq!(matrix.include[0].account, "000000000000,000000000001");
        let named: usize = matrix.include.iter().map(|entry| entry.account.split(',').count()).sum();
        assert_eq!(named, 500);
        assert!(build_matrix(&accounts(10_000), 256).include.len() <= 256);
        assert_eq!(build_matrix(&[], 256).include, []);
    }

    #[test]
    fn an_account_with_many_users_is_divided() {
        let parts = |users| -> Vec<String> {
            divide_account("123456789012", users, 1000).iter().map(|job| job.part.to_string()).collect()
        };
        assert_eq!(parts(0), ["1/1"]);
        assert_eq!(parts(1000), ["1/1"]);
        assert_eq!(parts(1001), ["1/2", "2/2"]);
        assert_eq!(parts(5000).len(), 5);
        assert_eq!(parts(1_000_000).len(), 100);
        let mut jobs = accounts(300);
        jobs.extend(divide_account("123456789012", 5000, 1000));
        let matrix = build_matrix(&jobs, 256);
        assert!(matrix.include.len() <= 256, "{}", matrix.include.len());
        assert_eq!(matrix.include.iter().filter(|entry| entry.part != "1/1").count(), 5);
    }
}
