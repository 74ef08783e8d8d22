//! `cargo xtask dist`: the release binary and what it is.

use crate::{Result, cargo, elf, flags::Flags};

/// Builds the release binary; prints where it is, its size and what it needs.
pub(crate) fn run(words: &[String]) -> Result<()> {
    Flags::new(words).end()?;
    let path = cargo::release("coble", "coble")?;
    let size = std::fs::metadata(&path).map_err(|e| format!("{}: {e}", path.display()))?.len();
    let needs = elf::needs(&path)?;
    println!("{}", path.display());
    println!("{size} bytes ({:.2} MiB), {}", size as f64 / 1_048_576.0, std::env::consts::ARCH);
    match needs.nothing() {
        true => println!("static: no loader, no shared library"),
        false => {
            return Err(format!(
                "not static: {} shared libraries, loader: {}",
                needs.libraries, needs.interpreter
            ));
        }
    }
    Ok(())
}
