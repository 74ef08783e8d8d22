//! Keeps a container alive, runs commands in it, one after the other, and shows what each of them writes.
//!
//! The root file system needs no more than the programs that are run and `sleep`. No `config.json` is read: the
//! configuration is made here.
//!
//! ```text
//! sudo cargo run -p coble-container --example exec -- /srv/bundle/rootfs hostname 'ps -o pid,args'
//! ```

use std::error::Error;
use std::io::{Read, pipe};
use std::path::Path;
use std::sync::Arc;

use coble_container::{
    Additions, Create, ExampleHost, Exec, ExecProcess, Facts, Signal, Streams, delete, example,
    kill, start,
};

const ROOT: &str = "/run/coble-example";

/// Runs one command in the container and returns what it wrote.
fn output(id: &str, command: &str) -> Result<String, Box<dyn Error>> {
    let (mut reader, writer) = pipe()?;
    let args = command.split_whitespace().map(str::to_owned).collect();
    let exec = Exec {
        root: ROOT.into(),
        id: id.to_owned(),
        process: ExecProcess::Additions(Additions { args, ..Additions::default() }),
        streams: Streams { stdout: Some(Arc::new(writer.into())), ..Streams::default() },
        ..Exec::default()
    };
    let mut process = exec.spawn()?;
    // This end of the pipe is closed, so that reading it ends when the command does.
    drop(exec);
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    process.child.wait()?;
    Ok(text)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let rootfs = words.next().ok_or("usage: exec ROOTFS COMMAND...")?;
    let cgroup2 = Facts::look()?.is_unified();
    let mut spec = example(ExampleHost { rootless: None, cgroup2 });
    if let (Some(root), Some(process)) = (&mut spec.root, &mut spec.process) {
        root.path = rootfs;
        process.terminal = false;
        process.args = ["sleep", "1000000"].map(str::to_owned).into();
    }
    let id = format!("exec-{}", std::process::id());
    let create = Create {
        root: ROOT.into(),
        id: id.clone(),
        bundle: ".".into(),
        spec: Some(Box::new(spec)),
        ..Create::default()
    };
    let mut container = create.execute()?;
    let root = Path::new(ROOT);
    start(root, &id)?;
    for command in words {
        match output(&id, &command) {
            Ok(text) => print!("{command}: {text}"),
            Err(error) => println!("{command}: {error}"),
        }
    }
    kill(root, &id, Signal::KILL, false)?;
    container.child.wait()?;
    delete(root, &id, false)?;
    Ok(())
}
