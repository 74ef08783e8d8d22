//! Runs a bundle and prints how its program ended.
//!
//! ```text
//! sudo cargo run -p coble-container --example run -- /srv/bundle
//! ```

use std::path::Path;
use std::process::ExitCode;

use coble_container::{Create, Result, Run, delete};

fn run(bundle: &str) -> Result<()> {
    // A state folder of the program's own keeps its containers apart from those of the command `coble`.
    let root = Path::new("/run/coble-example");
    let id = format!("run-{}", std::process::id());
    let create =
        Create { root: root.into(), id: id.clone(), bundle: bundle.into(), ..Create::default() };
    // `spawn` returns once the program runs, and changes nothing of this process.
    let mut container = Run { create, ..Run::default() }.spawn()?;
    for warning in &container.warnings {
        eprintln!("warning: {warning}");
    }
    println!("the container runs as process {}", container.child.pid());
    println!("{}", container.child.wait()?);
    delete(root, &id, false)?;
    Ok(())
}

fn main() -> ExitCode {
    let Some(bundle) = std::env::args().nth(1) else {
        eprintln!("usage: run BUNDLE");
        return ExitCode::FAILURE;
    };
    match run(&bundle) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
