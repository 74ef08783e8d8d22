//! `linux.intelRdt` (config-linux.md, "IntelRdt").

use coble_spec::IntelRdt;

use super::Invalid;
use super::text::quoted;

/// Checks the section; pointers start at it.
pub(crate) fn check(rdt: &IntelRdt) -> Result<(), Invalid> {
    let class = rdt.clos_id.as_str();
    // It becomes the name of a directory; the kernel takes no line break there.
    let is_path = class != "/" && class.contains('/');
    if is_path || matches!(class, "." | "..") || class.contains('\n') {
        return Err(Invalid::at("/closID", format!("invalid intelRdt.ClosID {}", quoted(class))));
    }
    let bandwidth = rdt.mem_bw_schema.as_str();
    if !bandwidth.is_empty() && !bandwidth.starts_with("MB:") {
        let reason = format!("{} does not start with \"MB:\"", quoted(bandwidth));
        return Err(Invalid::at("/memBwSchema", reason));
    }
    // A cache that is divided into code and data has two lines, which the specification doesn't rule out.
    let lines = rdt.schemata.iter().enumerate();
    let single = [("/memBwSchema".to_owned(), bandwidth)]
        .into_iter()
        .chain(lines.map(|(index, line)| (format!("/schemata/{index}"), line.as_str())));
    for (pointer, line) in single {
        if line.contains('\n') {
            return Err(Invalid::at(pointer, format!("{} has a line break", quoted(line))));
        }
    }
    Ok(())
}
