//! Log entries, in the two forms that callers of container runtimes read.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::time::SystemTime;

use crate::call::Given;
use crate::failure::Failure;
use crate::table::{DEBUG, LOG, LOG_FORMAT};

/// Where entries go, and how they look.
#[derive(Default)]
pub(crate) struct Log {
    file: Option<File>,
    format: Format,
    debug: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Format {
    #[default]
    Text,
    Json,
}

impl Log {
    /// The log that the global flags ask for. The file is only ever appended to.
    pub(crate) fn open(global: &Given) -> Result<Self, Failure> {
        let format = match global.value(&LOG_FORMAT).map(OsStr::to_string_lossy).as_deref() {
            None | Some("" | "text") => Format::Text,
            Some("json") => Format::Json,
            Some(other) => return Err(Failure::new(format!("invalid log-format: {other}"))),
        };
        let file = match global.path(&LOG) {
            None => None,
            Some(path) => {
                let opened = OpenOptions::new().append(true).create(true).mode(0o644).open(&path);
                Some(opened.map_err(|error| {
                    Failure::io(format_args!("open log {}", path.display()), &error)
                })?)
            }
        };
        Ok(Self { file, format, debug: global.has(&DEBUG) })
    }

    /// Says why the command failed: in the log file, and on standard error for whoever called.
    pub(crate) fn error(&self, message: &str) {
        self.report("error", "", message);
    }

    /// Says what the command passed over.
    pub(crate) fn warning(&self, message: &str) {
        self.report("warning", "warning: ", message);
    }

    /// Whether [`Log::debug`] does anything.
    pub(crate) fn debugs(&self) -> bool {
        self.debug
    }

    /// Notes what is done, with `--debug` only: in the log file if there is one, else on standard error.
    pub(crate) fn debug(&self, message: &str) {
        if self.debug {
            self.write_entry("debug", message);
        }
    }

    /// With a log file, or if nobody asked for JSON, standard error gets a line for people.
    fn report(&self, level: &str, prefix: &str, message: &str) {
        if self.file.is_some() || self.format == Format::Json {
            self.write_entry(level, message);
        }
        if self.file.is_some() || self.format == Format::Text {
            let line = format!("coble: {prefix}{}\n", Visible(message));
            // There is nowhere left to say that standard error can't be written.
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    /// One write for one entry: processes that share the file don't tear each other's lines.
    fn write_entry(&self, level: &str, message: &str) {
        let time = second(SystemTime::now());
        let line = match self.format {
            Format::Text => text_entry(level, message, &time),
            Format::Json => json_entry(level, message, &time),
        };
        // A full disk must not change what the command does; an error goes to standard error as well.
        let _ = match &self.file {
            Some(file) => (&*file).write_all(line.as_bytes()),
            None => io::stderr().write_all(line.as_bytes()),
        };
    }
}

/// The whole second in which `time` lies, RFC 3339.
fn second(time: SystemTime) -> String {
    let mut text = coble_container::rfc3339(time);
    if let Some(point) = text.find('.') {
        text.truncate(point);
        text.push('Z');
    }
    text
}

/// An entry as the Go library logrus writes it to a file.
fn text_entry(level: &str, message: &str, time: &str) -> String {
    format!("time=\"{time}\" level={level} msg={}\n", Quoted(message))
}

/// An entry as containerd, Docker and Podman read it: they look for the last one whose level is `error`.
fn json_entry(level: &str, message: &str, time: &str) -> String {
    format!("{{\"level\":\"{level}\",\"msg\":{},\"time\":\"{time}\"}}\n", Json(message))
}

/// A value of a text entry: bare if it can't be misread, else in quotes with Go's escapes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/@^+".contains(&byte);
        if !self.0.is_empty() && self.0.bytes().all(bare) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                control if control.is_ascii_control() => {
                    write!(f, "\\x{:02x}", u32::from(control))?
                }
                control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
                plain => f.write_char(plain)?,
            }
        }
        f.write_char('"')
    }
}

/// A JSON string (RFC 8259, section 7).
struct Json<'a>(&'a str);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self.0).map_err(|_| fmt::Error)?)
    }
}

/// A message on one line, with nothing in it that a terminal would obey.
struct Visible<'a>(&'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                control if control.is_control() => write!(f, "{}", control.escape_default())?,
                plain => f.write_char(plain)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn text_entries_are_quoted_like_go() {
        let entry = |message| text_entry("error", message, "2026-11-23T21:00:00Z");
        let cases = [
            ("plain", "plain"),
            ("", "\"\""),
            ("two words", "\"two words\""),
            ("exec: \"sh\": not\nfound\t\\", "\"exec: \\\"sh\\\": not\\nfound\\t\\\\\""),
            ("\u{1b}[31m\u{7f}\u{85}", "\"\\x1b[31m\\x7f\\u0085\""),
            ("größer", "\"größer\""),
        ];
        for (message, quoted) in cases {
            let line = format!("time=\"2026-11-23T21:00:00Z\" level=error msg={quoted}\n");
            assert_eq!(entry(message), line);
        }
    }

    #[test]
    fn json_entries_are_one_object_on_one_line() {
        let line = json_entry("error", "a \"b\"\n\u{1b}c", "2026-11-23T21:00:00Z");
        assert_eq!(
            line,
            "{\"level\":\"error\",\"msg\":\"a \\\"b\\\"\\n\\u001bc\",\"time\":\"2026-11-23T21:00:00Z\"}\n"
        );
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["msg"], "a \"b\"\n\u{1b}c");
    }

    #[test]
    fn times_are_whole_seconds() {
        assert_eq!(second(UNIX_EPOCH + Duration::new(1, 999_999_999)), "1970-01-01T00:00:01Z");
        assert_eq!(second(UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn what_people_see_is_one_harmless_line() {
        assert_eq!(Visible("a\nb\u{1b}[2Jc").to_string(), "a\\nb\\u{1b}[2Jc");
    }
}
