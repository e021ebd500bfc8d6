//! Counting tests from what cargo and Node print.

use std::ops::AddAssign;

/// How many tests passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Counts {
    /// A check that is not a test: nothing passed, but a failure is one.
    pub(crate) fn of_check(succeeded: bool) -> Self {
        Self { passed: 0, failed: u64::from(!succeeded) }
    }

    /// A run of tests: where the command failed but no test says so, it counts as one failure.
    pub(crate) fn of_tests(mut self, succeeded: bool) -> Self {
        if !succeeded && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

/// Sums cargo's `test result:` lines.
pub(crate) fn cargo(output: &str) -> Counts {
    let mut sum = Counts::default();
    for line in output.lines().filter_map(|line| line.trim_start().strip_prefix("test result: ")) {
        sum += Counts { passed: number_before(line, " passed"), failed: number_before(line, " failed") };
    }
    sum
}

fn number_before(line: &str, word: &str) -> u64 {
    let before = line.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Reads the summary of Node's test runner (reporters `spec` and `tap`); a cancelled test has failed.
pub(crate) fn node(output: &str) -> Counts {
    let mut sum = Counts::default();
    for line in output.lines() {
        let mut words = line.split_whitespace();
        if !matches!(words.next(), Some("ℹ" | "#")) {
            continue;
        }
        let (what, number) = (words.next(), words.next().and_then(|number| number.parse::<u64>().ok()));
        match (what, number, words.next()) {
            (Some("pass"), Some(number), None) => sum.passed += number,
            (Some("fail" | "cancelled"), Some(number), None) => sum.failed += number,
            _ => {}
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_results_are_summed() {
        let output = "running 3 tests\n\
            test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.2s\n";
        assert_eq!(cargo(output), Counts { passed: 15, failed: 2 });
        assert_eq!(cargo("error: could not compile"), Counts::default());
    }

    #[test]
    fn nodes_summary_is_read_from_both_reporters() {
        let spec = "✔ logs in (3ms)\nℹ tests 4\nℹ suites 1\nℹ pass 2\nℹ fail 1\nℹ cancelled 1\nℹ skipped 0\n";
        assert_eq!(node(spec), Counts { passed: 2, failed: 2 });
        let tap = "ok 1 - logs in\n# tests 1\n# pass 1\n# fail 0\n# cancelled 0\n# duration_ms 3.5\n";
        assert_eq!(node(tap), Counts { passed: 1, failed: 0 });
    }

    #[test]
    fn a_command_that_fails_without_a_count_is_one_failure() {
        assert_eq!(Counts::default().of_tests(false), Counts { passed: 0, failed: 1 });
        assert_eq!(Counts { passed: 3, failed: 2 }.of_tests(false), Counts { passed: 3, failed: 2 });
        assert_eq!(Counts { passed: 3, failed: 0 }.of_tests(true), Counts { passed: 3, failed: 0 });
    }
}
