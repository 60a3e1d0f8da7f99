//! The `options` table of a scenario: what a subject's factory is told.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// One value of the table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OptionValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionValue::Bool(value) => write!(f, "{value}"),
            OptionValue::Int(value) => write!(f, "{value}"),
            OptionValue::Text(value) => write!(f, "{}", super::scenario::quoted(value)),
        }
    }
}

/// The whole table, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, OptionValue>);

impl Options {
    /// An empty table.
    pub fn new() -> Options {
        Options::default()
    }

    /// Sets an option.
    pub fn set(&mut self, name: impl Into<String>, value: OptionValue) {
        self.0.insert(name.into(), value);
    }

    /// Takes an option away, if it is there.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OptionValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Takes options one after another; [`OptionReader::finish`] then refuses those that nobody asked for.
    pub fn reader(&self) -> OptionReader<'_> {
        OptionReader { options: self, asked: Vec::new() }
    }
}

/// Reads an [`Options`] table; a misspelt option is an error, not silence.
pub struct OptionReader<'a> {
    options: &'a Options,
    asked: Vec<&'static str>,
}

impl OptionReader<'_> {
    fn value(&mut self, name: &'static str) -> Option<&OptionValue> {
        self.asked.push(name);
        self.options.0.get(name)
    }

    /// A number that is not negative.
    pub fn number(&mut self, name: &'static str) -> Result<Option<u64>, String> {
        match self.value(name) {
            None => Ok(None),
            Some(OptionValue::Int(value)) => u64::try_from(*value)
                .map(Some)
                .map_err(|_| format!("option `{name}`: expected a number from 0 up, found {value}")),
            Some(other) => Err(format!("option `{name}`: expected a whole number, found {other}")),
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>, String> {
        match self.value(name) {
            None => Ok(None),
            Some(OptionValue::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(format!("option `{name}`: expected true or false, found {other}")),
        }
    }

    /// A text.
    pub fn text(&mut self, name: &'static str) -> Result<Option<&str>, String> {
        match self.value(name) {
            None => Ok(None),
            Some(OptionValue::Text(value)) => Ok(Some(value)),
            Some(other) => Err(format!("option `{name}`: expected a text, found {other}")),
        }
    }

    /// One of several texts; returns its index in `choices`.
    pub fn choice(&mut self, name: &'static str, choices: &[&str]) -> Result<Option<usize>, String> {
        let Some(value) = self.value(name) else { return Ok(None) };
        if let OptionValue::Text(text) = value
            && let Some(index) = choices.iter().position(|choice| choice == text)
        {
            return Ok(Some(index));
        }
        let expected: Vec<String> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
        Err(format!("option `{name}`: expected {}, found {value}", expected.join(" or ")))
    }

    /// Fails if the table has an option that was not asked for.
    pub fn finish(self) -> Result<(), String> {
        match self.options.0.keys().find(|name| !self.asked.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) if self.asked.is_empty() => Err(format!("unknown option `{name}`: it takes none")),
            Some(name) => Err(format!("unknown option `{name}`: expected one of {}", self.asked.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Options {
        let mut options = Options::new();
        options.set("size", OptionValue::Int(5));
        options.set("mode", OptionValue::Text("slow".into()));
        options
    }

    #[test]
    fn options_are_taken_by_type_and_the_rest_is_refused() {
        let options = table();
        let mut reader = options.reader();
        assert_eq!(reader.number("size"), Ok(Some(5)));
        assert_eq!(reader.flag("missing"), Ok(None));
        assert_eq!(reader.choice("mode", &["fast", "slow"]), Ok(Some(1)));
        assert_eq!(reader.finish(), Ok(()));

        let mut reader = options.reader();
        assert_eq!(reader.number("size"), Ok(Some(5)));
        assert_eq!(reader.finish(), Err("unknown option `mode`: expected one of size".into()));
    }

    #[test]
    fn a_wrong_type_says_what_was_expected() {
        let options = table();
        assert_eq!(
            options.reader().number("mode"),
            Err("option `mode`: expected a whole number, found \"slow\"".into())
        );
        assert_eq!(
            options.reader().choice("mode", &["a", "b"]),
            Err("option `mode`: expected \"a\" or \"b\", found \"slow\"".into())
        );
    }
}
