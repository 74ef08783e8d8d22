//! What holds of the plan of every configuration.

use coble_plan::Steps;

use super::random_spec::random_case;
use super::*;
use crate::prng::Prng;

/// The place is there, or would stand in something that is.
fn exists(config: &Value, pointer: &str) -> bool {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    config.pointer(pointer).is_some() || config.pointer(parent).is_some()
}

/// What compile may refuse of a configuration that has passed the checks: what depends on the host, or on
/// more than one part at once.
const REFUSALS: [&str; 12] = [
    "the host has cgroup v1 alone",
    "cannot be mounted because it is inside /proc",
    "cannot be mounted because it is not of type proc",
    "a mount namespace can't be joined",
    "needs mount_setattr(2)",
    "tmpcopyup",
    "id-mapped mounts ",
    "can't be mapped with these options",
    "read-only to a user namespace without mount_setattr",
    "the host's cgroups can't be shown with another option",
    "cgroups have no iversion",
    "not safe without pivot_root",
];

fn hold(case: &Case) -> bool {
    let launch = match case.compile() {
        Ok(launch) => launch,
        Err(error) => {
            let error = error.to_string();
            assert!(REFUSALS.iter().any(|known| error.contains(known)), "{error}\n{case:?}");
            return false;
        }
    };
    let plan = &launch.plan;
    assert_eq!(coble_plan::verify(plan), Ok(()), "{}", text(plan).join("\n"));
    let mut again = Plan::default();
    for (step, (_, origin)) in Steps::new(plan.as_bytes()).zip(plan.iter()) {
        again.push(step.unwrap(), origin.to_owned());
    }
    assert_eq!(again, *plan, "{}", text(plan).join("\n"));
    let config = serde_json::to_value(&case.spec).unwrap();
    for (step, origin) in plan.iter() {
        assert!(exists(&config, origin), "{step} [{origin}] in {config}");
        clean_paths(&step);
    }
    true
}

/// Paths below the root are absolute and say nothing twice.
fn clean_paths(step: &Step<'_>) {
    let path = match *step {
        Step::MountFs { destination, .. }
        | Step::MountClassic { destination, .. }
        | Step::MountBind { destination, .. }
        | Step::Remount { destination, .. } => destination,
        Step::Mknod { path, .. }
        | Step::BindDevice { path, .. }
        | Step::Symlink { path, .. }
        | Step::MakeDirectory { path }
        | Step::MaskPath { path, .. }
        | Step::ReadonlyPath { path, .. }
        | Step::ChangeDirectory { path }
        | Step::ConfirmDirectory { path } => path,
        _ => return,
    };
    let path = path.to_str().unwrap();
    assert_eq!(text::clean(path), path, "{step}");
}

#[test]
fn every_plan_is_in_order_and_says_where_it_comes_from() {
    let mut random = Prng(11);
    let (mut compiled, mut refused, mut invalid) = (0, 0, 0);
    for _ in 0..4000 {
        let case = random_case(&mut random);
        if crate::validate(&case.spec).is_err() {
            invalid += 1;
        } else if hold(&case) {
            compiled += 1;
        } else {
            refused += 1;
        }
    }
    assert!(
        compiled > 1000 && refused > 20 && invalid > 20,
        "{compiled} compiled, {refused} refused, {invalid} invalid: the configurations are not mixed"
    );
}

#[test]
fn a_plan_depends_on_nothing_else() {
    let mut random = Prng(12);
    for _ in 0..200 {
        let case = random_case(&mut random);
        let (one, other) = (case.compile(), case.compile());
        assert_eq!(one.map(|launch| launch.plan), other.map(|launch| launch.plan));
    }
}
