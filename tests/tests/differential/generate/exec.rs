//! A call of `exec`.

use serde_json::json;

use super::{Own, one_in, process, some};
use crate::prng::Prng;
use crate::setup::Exec;

/// With flags, or with a file that says all that runc takes from it.
pub(super) fn exec(random: &mut Prng, own: &Own, terminal: bool) -> Exec {
    if one_in(random, 3) {
        let mut process = process::process(random, own);
        process["args"] = json!(["/bin/probe"]);
        // Where nothing is said runc has other values than the container's, see `known`.
        process["rlimits"] = process::rlimits(random);
        if terminal && one_in(random, 3) {
            process["terminal"] = json!(true);
        }
        return Exec::process(process);
    }
    let mut flags = Vec::new();
    if one_in(random, 3) {
        flags.extend(["--user", *random.pick(&["0", "1000", "7:9", "0:1000", "1000:5"])]);
    }
    if one_in(random, 3) {
        flags.extend(["--cwd", *random.pick(&["/", "/dir", "/link-dir/inner", "/tmp"])]);
    }
    let variables = ["A=exec", "B=", "C=x=y", "HOME=/there", "E= é"];
    let gids = ["5", "10", "1999"];
    let capabilities = ["CAP_CHOWN", "CAP_NET_RAW", "CAP_SETPCAP"];
    let lists =
        [("--env", some(random, 4, &variables)), ("--additional-gids", some(random, 5, &gids))];
    for (flag, values) in lists.into_iter().chain([("--cap", some(random, 5, &capabilities))]) {
        flags.extend(values.into_iter().flat_map(|value| [flag, value]));
    }
    if one_in(random, 5) {
        flags.push("--no-new-privs");
    }
    if terminal && one_in(random, 3) {
        flags.push("--tty");
    }
    Exec::flags(&flags)
}
