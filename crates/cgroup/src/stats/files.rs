//! Numbers from the files of a cgroup.

use coble_sys::rustix::io::Errno;

use crate::Error;
use crate::error::is_gone;

/// The files of one directory.
pub(super) struct Files<'a> {
    pub(super) dir: &'a str,
    pub(super) is_v2: bool,
    pub(super) read: &'a dyn Fn(&str) -> Result<String, Error>,
}

impl Files<'_> {
    /// The text of a file; none if it isn't there, or is switched off.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        match (self.read)(name) {
            Ok(text) => Ok(Some(text)),
            Err(Error::Os { errno, .. }) if is_gone(errno) || errno == Errno::OPNOTSUPP => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The only number of a file. `max` is the greatest one, and a negative one is 0.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        self.parse(name, text.trim_end()).map(Some)
    }

    /// The same; 0 if there is no such file.
    pub(super) fn count(&self, name: &str) -> Result<u64, Error> {
        self.number(name).map(Option::unwrap_or_default)
    }

    /// The lines `KEY NUMBER` of a file; none if there is no such file.
    pub(super) fn pairs(&self, name: &str) -> Result<Vec<(String, u64)>, Error> {
        let text = self.text(name)?.unwrap_or_default();
        let pair = |line: &str| {
            let (key, value) = line.split_once(' ').ok_or_else(|| self.odd(name, line))?;
            Ok((key.to_owned(), self.parse(name, value.trim())?))
        };
        text.lines().map(pair).collect()
    }

    pub(super) fn parse(&self, name: &str, number: &str) -> Result<u64, Error> {
        match number.parse() {
            Ok(number) => Ok(number),
            Err(_) if number == "max" => Ok(u64::MAX),
            Err(_) if number.parse::<i64>().is_ok() => Ok(0),
            Err(_) => Err(self.odd(name, number)),
        }
    }

    /// The error for a file that has something odd in it.
    pub(super) fn odd(&self, name: &str, what: &str) -> Error {
        Error::Unreadable {
            path: format!("{}/{name}", self.dir),
            reason: format!("it says {:?}", what.trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::stats::tests::over;

    #[test]
    fn numbers() {
        let texts = [
            ("a", "7\n"),
            ("max", "max\n"),
            ("less", "-5\n"),
            ("odd", "x\n"),
            ("big", "18446744073709551615\n"),
        ];
        let number = |name: &str| over(true, &texts, |files| files.number(name));
        assert_eq!(number("a"), Ok(Some(7)));
        assert_eq!(number("max"), Ok(Some(u64::MAX)));
        assert_eq!(number("big"), Ok(Some(u64::MAX)));
        assert_eq!(number("less"), Ok(Some(0)));
        assert_eq!(number("none"), Ok(None));
        let odd = Error::Unreadable { path: "/cg/odd".into(), reason: "it says \"x\"".into() };
        assert_eq!(number("odd"), Err(odd));
    }

    #[test]
    fn pairs() {
        let texts = [("a", "x 1\ny 2\n"), ("odd", "x\n")];
        let pairs = |name: &str| over(true, &texts, |files| files.pairs(name));
        assert_eq!(pairs("a"), Ok(vec![("x".to_owned(), 1), ("y".to_owned(), 2)]));
        assert_eq!(pairs("none"), Ok(Vec::new()));
        assert!(pairs("odd").is_err());
    }
}
