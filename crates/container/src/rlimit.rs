//! Names and numbers of resource limits, getrlimit(2).

use coble_plan::RLIMITS;

/// The number of a limit; the name is taken exactly as getrlimit(2) writes it.
pub(crate) fn number(name: &str) -> Option<u32> {
    RLIMITS.iter().zip(0..).find_map(|(known, number)| (*known == name).then_some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernel() {
        let known = [
            ("RLIMIT_CPU", 0),
            ("RLIMIT_NOFILE", 7),
            ("RLIMIT_AS", 9),
            ("RLIMIT_NICE", 13),
            ("RLIMIT_RTTIME", 15),
        ];
        for (text, value) in known {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for (name, value) in RLIMITS.iter().zip(0..) {
            assert_eq!(number(name), Some(value));
        }
    }

    #[test]
    fn names_are_taken_literally() {
        for text in ["", "NOFILE", "rlimit_nofile", "RLIMIT_NOFILE ", "RLIMIT_", "RLIMIT_MOON", "7"]
        {
            assert_eq!(number(text), None, "{text:?}");
        }
    }
}
