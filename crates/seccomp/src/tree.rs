//! JSON as it stands, and its parts with errors that have a place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::error::Error;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// `null`, which is the same as nothing.
    Null,
    /// A number that isn't negative and has no fraction.
    Number(u64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Self>),
    /// An object. No two members have the same name.
    Members(Vec<(String, Self)>),
    /// What no profile has: a truth value or another number.
    Other,
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(tree) = access.next_element()? {
            list.push(tree);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut members: Vec<(String, Tree)> = Vec::new();
        while let Some(name) = access.next_key::<String>()? {
            // Whoever looks at the members finds the few that there may be; many can be there for a config.json's words alone.
            let is_few = members.len() < FEW;
            if is_few && members.iter().any(|(other, _)| *other == name) {
                return Err(A::Error::custom("a member is there twice"));
            }
            members.push((name, access.next_value()?));
        }
        Ok(Tree::Members(members))
    }
}

/// More members than this no object of a profile has.
const FEW: usize = 64;

impl Tree {
    /// The member of an object with this name, if it isn't `null`.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Members(members) = self else { return None };
        let found = members.iter().find(|(other, _)| other == name).map(|(_, tree)| tree);
        found.filter(|tree| **tree != Self::Null)
    }
}

/// An object of a profile and where it is.
pub(crate) struct Object<'a> {
    pub(crate) pointer: String,
    tree: &'a Tree,
}

impl<'a> Object<'a> {
    /// An object that has no other members than these.
    ///
    /// # Errors
    /// It is something else, or has one more.
    pub(crate) fn read(pointer: String, tree: &'a Tree, names: &[&str]) -> Result<Self, Error> {
        let Tree::Members(members) = tree else {
            return Err(Error::at(pointer, "expected an object"));
        };
        match members.iter().find(|(name, _)| !names.contains(&&**name)) {
            Some((name, _)) => Err(Error::about(pointer, name, "is no member of a profile here")),
            None => Ok(Self { pointer, tree }),
        }
    }

    /// A member that is a string.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        match self.tree.member(name) {
            None => Ok(None),
            Some(Tree::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(name, "expected a string")),
        }
    }

    /// A member that is a number up to a highest one.
    pub(crate) fn number(&self, name: &str, most: u64) -> Result<Option<u64>, Error> {
        match self.tree.member(name) {
            None => Ok(None),
            Some(Tree::Number(number)) if *number <= most => Ok(Some(*number)),
            Some(_) => Err(self.wrong(name, "expected a whole number that isn't too large")),
        }
    }

    /// A member that is a list, with the pointer of each of its values.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<(String, &'a Tree)>, Error> {
        let list = match self.tree.member(name) {
            None => return Ok(Vec::new()),
            Some(Tree::List(list)) => list,
            Some(_) => return Err(self.wrong(name, "expected a list")),
        };
        let place = |(index, tree)| (format!("{}/{name}/{index}", self.pointer), tree);
        Ok(list.iter().enumerate().map(place).collect())
    }

    /// A member that is a list of strings.
    pub(crate) fn words(&self, name: &str) -> Result<Vec<String>, Error> {
        let word = |(pointer, tree): (String, &Tree)| match tree {
            Tree::Text(text) => Ok(text.clone()),
            _ => Err(Error::at(pointer, "expected a string")),
        };
        self.list(name)?.into_iter().map(word).collect()
    }

    /// A member that is there, or what `text` and `number` have.
    pub(crate) fn needed<T>(&self, name: &str, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| self.wrong(name, "it is missing"))
    }

    /// A member that is an object.
    pub(crate) fn object(&self, name: &str) -> Option<(String, &'a Tree)> {
        self.tree.member(name).map(|tree| (format!("{}/{name}", self.pointer), tree))
    }

    /// Whether there is such a member.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.tree.member(name).is_some()
    }

    fn wrong(&self, name: &str, reason: &str) -> Error {
        Error::at(format!("{}/{name}", self.pointer), reason)
    }
}
