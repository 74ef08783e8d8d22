//! Names of containers.

/// Longest name of a container in bytes. A file's name may have 255 (NAME_MAX); the rest is left for what is
/// put around the name in names of files and cgroups.
pub const MAX_ID: usize = 200;

/// Checks the name of a container: letters A to Z and a to z, digits, `_`, `+`, `-` and `.`, but neither `.`
/// nor `..`, and at most [`MAX_ID`] of them. It becomes the name of a directory.
///
/// # Errors
/// One line that says why not.
pub fn validate_id(id: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    if id.is_empty() {
        Err("container id cannot be empty".to_owned())
    } else if !id.bytes().all(allowed) || matches!(id, "." | "..") {
        Err("invalid container ID format".to_owned())
    } else if id.len() > MAX_ID {
        let length = id.len();
        Err(format!(
            "invalid container ID format: {length} characters, at most {MAX_ID} are possible"
        ))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for id in ["a", "0", "-", "_+-.", "a.b", "...", "..a", ".a", "A-z_0+9", &"x".repeat(MAX_ID)]
        {
            assert_eq!(validate_id(id), Ok(()), "{id}");
        }
        assert_eq!(validate_id("").unwrap_err(), "container id cannot be empty");
        let odd =
            [".", "..", "a/b", "/", "../a", "a b", "a\0", "a\n", "é", "a:b", "a@b", "~", "a\\b"];
        for id in odd {
            assert_eq!(validate_id(id).unwrap_err(), "invalid container ID format", "{id:?}");
        }
        let error = validate_id(&"x".repeat(MAX_ID + 1)).unwrap_err();
        assert_eq!(error, "invalid container ID format: 201 characters, at most 200 are possible");
    }
}
