//! Lists the containers of a state folder, each with its status, its processes and how long it has been there.
//!
//! ```text
//! sudo cargo run -p coble-container --example ps -- /run/coble
//! ```

use std::path::PathBuf;

use coble_container::{Result, default_root, list, processes};

fn main() -> Result<()> {
    let root = std::env::args().nth(1).map_or_else(default_root, |root| Ok(PathBuf::from(root)))?;
    let (containers, warnings) = list(&root)?;
    println!("{:<24} {:<8} {:>9}  CREATED", "ID", "STATUS", "PROCESSES");
    for container in containers {
        // It may be deleted at this very moment: then it has none.
        let count = processes(&root, &container.id).map_or(0, |pids| pids.len());
        println!(
            "{:<24} {:<8} {count:>9}  {}",
            container.id,
            container.status.to_string(),
            container.created
        );
    }
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    Ok(())
}
