//! The differences between coble and another runtime.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::ground::{Ground, Seen};
use crate::known;
use crate::peers::Runtime;

/// One file that doesn't say the same, or `refused`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// The other runtime.
    pub(crate) peer: Runtime,
    /// The file, with its hierarchy before a slash if that is v1's; `device NAME`; or `refused`.
    pub(crate) place: String,
    /// What it is with coble; of a refusal the words, if coble refused.
    pub(crate) ours: Option<String>,
    /// What it is with the other one.
    pub(crate) theirs: Option<String>,
}

impl Difference {
    /// What stays the same while a section shrinks.
    pub(crate) fn subject(&self) -> (&str, &str, Option<&str>) {
        let words = (self.place == "refused").then_some(self.theirs.as_deref()).flatten();
        (self.peer.name(), &self.place, words)
    }

    /// The file's name alone.
    pub(crate) fn file(&self) -> &str {
        self.place.rsplit('/').next().unwrap()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "(none)".to_owned());
        writeln!(f, "{}", self.place)?;
        writeln!(f, "    coble: {}", text(&self.ours))?;
        write!(f, "    {}:  {}", self.peer.name(), text(&self.theirs))
    }
}

/// What comes of a section with all three.
pub(crate) struct Compared {
    /// What is different and not meant to be.
    pub(crate) differences: Vec<Difference>,
    /// Why what is different is meant to be.
    pub(crate) meant: BTreeSet<&'static str>,
    /// With how many of the peers it could be compared: neither refused.
    pub(crate) compared: Vec<Runtime>,
    /// coble's words, if it refused.
    pub(crate) refused: Option<String>,
}

/// Runs a section with coble and the peers.
pub(crate) fn all(ground: &Ground, resources: &Value, peers: &[Runtime]) -> Compared {
    let ours = ground.run(resources, Runtime::Coble);
    let refused = match &ours {
        Seen::Refused(words) => Some(words.clone()),
        Seen::Made(_) => None,
    };
    let (differences, meant, compared) = (Vec::new(), BTreeSet::new(), Vec::new());
    let mut all = Compared { differences, meant, compared, refused };
    for &peer in peers {
        let theirs = ground.run(resources, peer);
        if matches!((&ours, &theirs), (Seen::Made(_), Seen::Made(_))) {
            all.compared.push(peer);
        }
        for difference in between(&ours, &theirs, peer) {
            match known::reason(resources, &difference) {
                Some(why) => drop(all.meant.insert(why)),
                None => all.differences.push(difference),
            }
        }
    }
    all
}

fn between(ours: &Seen, theirs: &Seen, peer: Runtime) -> Vec<Difference> {
    let refused = |ours: Option<&String>, theirs: Option<&String>| Difference {
        peer,
        place: "refused".to_owned(),
        ours: ours.cloned(),
        theirs: theirs.cloned(),
    };
    match (ours, theirs) {
        (Seen::Refused(_), Seen::Refused(_)) => Vec::new(),
        (Seen::Refused(words), Seen::Made(_)) => vec![refused(Some(words), None)],
        (Seen::Made(_), Seen::Refused(words)) => vec![refused(None, Some(words))],
        (Seen::Made(ours), Seen::Made(theirs)) => {
            let places: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
            let differ = places.into_iter().filter(|place| ours.get(*place) != theirs.get(*place));
            let difference = |place: &String| Difference {
                peer,
                place: place.clone(),
                ours: ours.get(place).cloned(),
                theirs: theirs.get(place).cloned(),
            };
            differ.map(difference).collect()
        }
    }
}
