//! A program that runs, whose output is shown as it comes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::{Result, process};

/// What was seen of a program.
pub(crate) struct Seen {
    /// What it printed, to either stream.
    pub(crate) text: String,
    /// Whether it succeeded; or, of one that was killed at its deadline, the process tree below it at that moment.
    pub(crate) success: std::result::Result<bool, String>,
}

/// Runs a program to its end or its deadline, and shows what it prints.
pub(crate) fn watch(command: &mut Command, deadline: Duration) -> Result<Seen> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    let text = Arc::new(Mutex::new(String::new()));
    let (ended, ends) = mpsc::channel();
    if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
        show(out, &text, ended.clone());
        show(err, &text, ended);
    }
    let success = match process::ends_within(&child, deadline)? {
        true => Ok(child.wait().map_err(|e| e.to_string())?.success()),
        false => Err(process::end(&mut child)?),
    };
    // Whatever outlived the program can keep its output open for ever.
    for _ in 0..2 {
        let _ = ends.recv_timeout(Duration::from_secs(10));
    }
    let text = text.lock().map(|text| text.clone()).unwrap_or_default();
    Ok(Seen { text, success })
}

/// Prints a stream's lines as they come, keeps them, and says when it ended.
fn show(stream: impl Read + Send + 'static, text: &Arc<Mutex<String>>, ended: Sender<()>) {
    let text = Arc::clone(text);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(std::io::Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            if let Ok(mut text) = text.lock() {
                text.push_str(&line);
                text.push('\n');
            }
        }
        // Nobody listens any more when the stream outlived the wait.
        let _ = ended.send(());
    });
}
