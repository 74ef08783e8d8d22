//! The options that coble knows, for those who ask before they write a configuration.

use super::{ATTRIBUTES, PROPAGATIONS, SUPERBLOCK};

/// Words of [`super::MountOptions::apply`] that are in no table.
const WORDS: [&str; 7] = ["bind", "defaults", "idmap", "rbind", "remount", "ridmap", "tmpcopyup"];

/// Every option that [`super::MountOptions::parse`] takes and carries out itself, sorted: from the tables that it
/// reads, and its other words. Parameters of file systems are not among them.
pub(crate) fn known() -> Vec<String> {
    let attributes =
        ATTRIBUTES.iter().flat_map(|(name, _)| [(*name).to_owned(), format!("r{name}")]);
    let superblock = SUPERBLOCK.iter().map(|(name, ..)| (*name).to_owned());
    let propagations =
        PROPAGATIONS.iter().flat_map(|(name, _)| [(*name).to_owned(), format!("r{name}")]);
    let words = WORDS.into_iter().map(str::to_owned);
    let mut all: Vec<_> = attributes.chain(superblock).chain(propagations).chain(words).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount_options::MountOptions;

    #[test]
    fn each_known_option_is_carried_out_and_not_handed_to_the_file_system() {
        for option in known() {
            let parsed = MountOptions::parse(&[&option]).expect(&option);
            assert!(parsed.data.is_empty(), "{option} is a parameter of the file system");
            let does_nothing = parsed == MountOptions::default();
            assert_eq!(does_nothing, option == "defaults", "{option}");
        }
    }

    /// config.md, "Linux mount options".
    #[test]
    fn the_specifications_options_are_known() {
        let specified = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev \
            nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime \
            rbind rdev rdiratime relatime remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime \
            rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid \
            rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable idmap ridmap";
        let known = known();
        for option in specified.split_whitespace() {
            assert!(known.iter().any(|other| other == option), "{option}");
        }
    }
}
