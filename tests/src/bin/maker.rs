//! A program that makes and deletes containers in many threads until it is killed.
//!
//! Arguments: the state folder, the bundle, the beginning of the containers' names, the number of threads.

use std::path::PathBuf;
use std::thread;

use coble_container::{Create, delete, start};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, root, bundle, name, threads] = &arguments[..] else { panic!("{arguments:?}") };
    let threads: u32 = threads.parse().expect("a number");
    let makers: Vec<_> = (0..threads)
        .map(|number| {
            let create = Create {
                root: PathBuf::from(root),
                id: format!("{name}-{number}"),
                bundle: PathBuf::from(bundle),
                ..Create::default()
            };
            thread::spawn(move || make_for_ever(&create))
        })
        .collect();
    makers.into_iter().for_each(|maker| maker.join().expect("a maker"));
}

fn make_for_ever(create: &Create) {
    loop {
        let mut made = create.execute().expect("create");
        start(&create.root, &create.id).expect("start");
        delete(&create.root, &create.id, true).expect("delete");
        made.child.wait().expect("wait");
    }
}
