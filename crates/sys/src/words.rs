//! What the kernel answers, in words.

use std::io;
use std::string::{String, ToString as _};

use rustix::io::Errno;

/// What strerror(3) says of the number, with a small first letter: engines look for `permission denied` and its like.
pub fn errno_words(errno: Errno) -> String {
    error_words(&io::Error::from(errno))
}

/// The same of an error that may be std's own.
pub fn error_words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_a_small_first_letter_and_no_number() {
        assert_eq!(errno_words(Errno::NOENT), "no such file or directory");
        assert_eq!(errno_words(Errno::IO), "input/output error");
        let own = io::Error::new(io::ErrorKind::UnexpectedEof, "Too short");
        assert_eq!(error_words(&own), "too short");
    }
}
