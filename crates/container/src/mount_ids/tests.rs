use serde_json::{Value, json};

use super::*;

/// What becomes of a mount of `kind` with these options and mappings, in a container with or without a user
/// namespace, whose ids 0 to 9 are 1000 to 1009 and whose ids 10 to 19 are 50 to 59.
fn of(kind: &str, options: &[&str], own: &Value, user: bool) -> Result<Option<MountIds>, BadIds> {
    let mut mount =
        json!({ "destination": "/m", "type": kind, "source": "/s", "options": options });
    mount.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    let mount: Mount = serde_json::from_value(mount).unwrap();
    let map = json!([
        { "containerID": 0, "hostID": 1000, "size": 10 },
        { "containerID": 10, "hostID": 50, "size": 10 }
    ]);
    let linux = match user {
        true => {
            json!({ "namespaces": [{ "type": "user" }], "uidMappings": map, "gidMappings": map })
        }
        false => json!({}),
    };
    let linux: Linux = serde_json::from_value(linux).unwrap();
    MountIds::of(&mount, &MountOptions::parse(&mount.options).unwrap(), &linux)
}

fn own() -> Value {
    json!({
        "uidMappings": [{ "containerID": 0, "hostID": 7, "size": 1 }],
        "gidMappings": [{ "containerID": 1, "hostID": 8, "size": 2 }]
    })
}

fn range(container_id: u32, host_id: u32, size: u32) -> IdMapping {
    IdMapping { container_id, host_id, size }
}

#[test]
fn nothing_is_mapped_unasked() {
    assert_eq!(of("bind", &["rbind", "ro"], &json!({}), true), Ok(None));
    assert_eq!(of("tmpfs", &[], &json!({ "uidMappings": [] }), true), Ok(None));
}

#[test]
fn own_mappings_need_no_option() {
    for (options, recursive) in
        [(&["bind"][..], false), (&["bind", "idmap"], false), (&["rbind", "ridmap"], true)]
    {
        for user in [false, true] {
            let expected =
                MountIds { uids: vec![range(0, 7, 1)], gids: vec![range(1, 8, 2)], recursive };
            assert_eq!(of("bind", options, &own(), user), Ok(Some(expected)), "{options:?}");
        }
    }
    assert!(of("tmpfs", &[], &own(), true).unwrap().is_some());
}

#[test]
fn without_mappings_they_are_the_user_namespaces() {
    let container = MountIds { recursive: true, ..MountIds::default() };
    assert_eq!(of("bind", &["bind", "ridmap"], &json!({}), true), Ok(Some(container)));
    assert_eq!(of("tmpfs", &["idmap"], &json!({}), true), Ok(None), "it has that mapping itself");
    for kind in ["bind", "tmpfs"] {
        let bad = of(kind, &["idmap"], &json!({}), false).unwrap_err();
        assert_eq!((bad.member, bad.reason.as_str()), ("options", INCOMPLETE));
    }
}

#[test]
fn a_mapping_in_the_option_may_be_the_containers() {
    let options = ["bind", "idmap=uids=0-3-2#5-7-1;gids=@4-12-8"];
    let expected = MountIds {
        uids: vec![range(0, 3, 2), range(5, 7, 1)],
        gids: vec![range(4, 52, 8)],
        recursive: false,
    };
    assert_eq!(of("bind", &options, &json!({}), true), Ok(Some(expected)));
    for ids in ["@0-5-6", "@0-12-9", "@0-20-1", "@0-4294967295-4294967295"] {
        let option = format!("idmap=uids=0-0-1;gids={ids}");
        let bad = of("bind", &["bind", &option], &json!({}), true).unwrap_err();
        assert!(bad.reason.contains("not mapped together in the user namespace"), "{ids}: {bad:?}");
    }
    assert!(of("bind", &["bind", options[1]], &json!({}), false).is_err(), "relative to nothing");
}

#[test]
fn what_can_not_be_mapped() {
    let member = |kind: &str, options: &[&str], own: Value| {
        of(kind, options, &own, true).unwrap_err().member
    };
    assert_eq!(member("bind", &["bind", "remount"], own()), "options");
    assert_eq!(member("cgroup", &[], own()), "options");
    assert_eq!(member("cgroup2", &["idmap"], json!({})), "options");
    assert_eq!(member("bind", &["bind", "idmap=uids=0-0-1;gids=0-0-1"], own()), "options");
    let mut one = own();
    one["gidMappings"] = json!([]);
    assert_eq!(member("bind", &["bind"], one.clone()), "gidMappings");
    one["gidMappings"] = one["uidMappings"].take();
    assert_eq!(member("bind", &["bind"], one), "uidMappings");
}
