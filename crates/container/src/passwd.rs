//! The host's users, passwd(5).

/// The names of a user.
pub(crate) fn names_of(uid: u32) -> Vec<String> {
    let text = std::fs::read("/etc/passwd").unwrap_or_default();
    names_in(&String::from_utf8_lossy(&text), uid)
}

fn names_in(text: &str, uid: u32) -> Vec<String> {
    let names = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_may_have_several_names_or_none() {
        let text =
            "root:x:0:0::/root:/bin/sh\nann:x:7:8::/:\n# ann\nbob::8:7::/:\nanne:x:7:7::/:\n";
        assert_eq!(names_in(text, 7), ["ann", "anne"]);
        assert_eq!(names_in(text, 9), [""; 0]);
    }
}
