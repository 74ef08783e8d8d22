//! A root file system whose ids are mapped, so that none of its files has to be given to the container's users: the
//! annotation `coble.rootfs.idmap`. The specification has mappings for mounts alone.

use coble_spec::{Linux, Mount, NamespaceKind, Spec};

use crate::mount_ids::MountIds;
use crate::mount_options::MountOptions;
use crate::validate::quoted;

/// The annotation. Its value is what would be the option of a mount: `idmap`, or `ridmap` for what is mounted below as
/// well, by itself or with mappings.
pub(crate) const ROOT_IDS: &str = "coble.rootfs.idmap";

/// Where it stands in `config.json`.
pub(crate) const POINTER: &str = "/annotations/coble.rootfs.idmap";

/// How the ids of the root are mapped; `None` if they are not.
///
/// # Errors
/// The value is another word, or there is nothing to map them by or on.
pub(crate) fn root_ids(spec: &Spec) -> Result<Option<MountIds>, String> {
    let Some(word) = spec.annotations.get(ROOT_IDS) else { return Ok(None) };
    let none = Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&none);
    let options = MountOptions::parse(&[word]).map_err(|bad| bad.to_string())?;
    if options != (MountOptions { id_map: options.id_map.clone(), ..MountOptions::default() })
        || options.id_map.is_none()
    {
        return Err(format!("{} is neither idmap nor ridmap", quoted(word)));
    }
    if linux.namespaces.iter().all(|own| own.kind != NamespaceKind::Mount) {
        return Err("the host's root can't be mapped: a mount namespace is needed".to_owned());
    }
    let options = MountOptions { bind: true, ..options };
    MountIds::of(&Mount::default(), &options, linux).map_err(|bad| bad.reason)
}

#[cfg(test)]
mod tests {
    use coble_spec::{IdMapping, Namespace};

    use super::*;

    fn spec(word: &str, kinds: &[NamespaceKind]) -> Spec {
        let namespace = |kind: &NamespaceKind| Namespace { kind: *kind, path: String::new() };
        let linux = Linux {
            namespaces: kinds.iter().map(namespace).collect(),
            uid_mappings: vec![IdMapping { container_id: 0, host_id: 1000, size: 10 }],
            ..Linux::default()
        };
        let annotations = [(ROOT_IDS.to_owned(), word.to_owned())].into();
        Spec { annotations, linux: Some(linux), ..Spec::default() }
    }

    const BOTH: [NamespaceKind; 2] = [NamespaceKind::Mount, NamespaceKind::User];

    #[test]
    fn the_words_are_those_of_mounts() {
        assert_eq!(root_ids(&Spec::default()), Ok(None));
        for (word, recursive) in [("idmap", false), ("ridmap", true)] {
            let ids = MountIds { recursive, ..MountIds::default() };
            assert_eq!(root_ids(&spec(word, &BOTH)), Ok(Some(ids)));
        }
        let word = "idmap=uids=0-7-10;gids=@0-0-10";
        assert!(root_ids(&spec(word, &BOTH)).unwrap_err().contains("not mapped together"));
        let word = "idmap=uids=0-@0-5;gids=0-7-10";
        assert!(root_ids(&spec(word, &BOTH)).is_err(), "no such form");
        let word = "idmap=uids=@0-0-5;gids=0-7-10";
        let ids = root_ids(&spec(word, &BOTH)).unwrap().unwrap();
        assert_eq!(ids.uids, [IdMapping { container_id: 0, host_id: 1000, size: 5 }]);
        assert_eq!(ids.gids, [IdMapping { container_id: 0, host_id: 7, size: 10 }]);
    }

    #[test]
    fn nothing_else_is_meant_by_it() {
        for word in ["", "true", "ro", "idmap,ro", "defaults"] {
            let reason = root_ids(&spec(word, &BOTH)).unwrap_err();
            assert_eq!(reason, format!("{word:?} is neither idmap nor ridmap"));
        }
        assert!(root_ids(&spec("idmap=x", &BOTH)).unwrap_err().contains("idmap=x"));
    }

    #[test]
    fn there_is_something_to_map_by_and_on() {
        let reason = root_ids(&spec("idmap", &BOTH[..1])).unwrap_err();
        assert_eq!(reason, "id-mapped mounts must have both uid and gid mappings specified");
        let reason = root_ids(&spec("idmap", &BOTH[1..])).unwrap_err();
        assert_eq!(reason, "the host's root can't be mapped: a mount namespace is needed");
    }
}
