//! Models as files.

use std::fmt;

use super::{Model, Order};

/// Why a text is not a model: where, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelError {
    /// The file's name, as given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl std::error::Error for ModelError {}

impl Model {
    /// Parses a model file: TOML with every knob by its name, as `models/ext4-journal.toml` shows. A knob
    /// that is missing, unknown or has another value than its kind allows is an error, never a default.
    pub fn parse(file: &str, text: &str) -> Result<Model, ModelError> {
        let error = |line: usize, message: String| ModelError { file: file.to_string(), line, message };
        let model: Model = toml::from_str(text).map_err(|e| {
            let at = e.span().map_or(0, |span| span.start.min(text.len()));
            // The only knob that is a number.
            let message = e.message().replace("expected u32", "expected 8, 512 or 4096");
            error(text[..at].matches('\n').count() + 1, message)
        })?;
        let line_of = |key: &str| {
            let found = text.lines().position(|line| line.trim_start().starts_with(key));
            found.map_or(1, |index| index + 1)
        };
        if !matches!(model.torn_unit, 8 | 512 | 4096) {
            let message = format!("torn-unit: expected 8, 512 or 4096, found {}", model.torn_unit);
            return Err(error(line_of("torn-unit"), message));
        }
        if model.torn_unit == 8 && model.data == Order::InOrder {
            let message =
                "data: a journal that takes content writes whole sectors; expected `free` with torn-unit 8";
            return Err(error(line_of("data"), message.to_string()));
        }
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if model.name.is_empty() || !model.name.chars().all(fits) {
            let message = "name: expected lower-case letters, digits and `-`".to_string();
            return Err(error(line_of("name"), message));
        }
        if Model::NAMES.contains(&model.name.as_str()) {
            let message = format!("name: `{}` is a built-in model, choose another", model.name);
            return Err(error(line_of("name"), message));
        }
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(change: impl FnOnce(&mut Model)) -> String {
        let mut model = Model { name: "mine".to_string(), ..Model::ext4() };
        change(&mut model);
        toml::to_string(&model).unwrap()
    }

    #[test]
    fn a_model_prints_and_parses_back() {
        for name in Model::NAMES {
            let model = Model { name: format!("my-{name}"), ..Model::by_name(name).unwrap() };
            assert_eq!(Model::parse("f", &toml::to_string(&model).unwrap()), Ok(model));
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_what_was_expected() {
        let wrong = |text: String| Model::parse("my.toml", &text).unwrap_err().to_string();
        let unknown = wrong(text(|_| {}).replace("shrink = \"in-order\"", "shrink = \"sometimes\""));
        assert!(unknown.starts_with("my.toml:") && unknown.contains("sometimes"), "{unknown}");
        assert!(unknown.contains("in-order"), "{unknown}");
        let line = text(|_| {}).lines().position(|l| l.starts_with("shrink")).unwrap() + 1;
        assert!(unknown.starts_with(&format!("my.toml:{line}:")), "{unknown}");
        let missing = wrong(text(|_| {}).replace("torn-unit = 512\n", ""));
        assert!(missing.contains("torn-unit"), "{missing}");
        let more = wrong(format!("colour = 1\n{}", text(|_| {})));
        assert!(more.starts_with("my.toml:1:") && more.contains("colour"), "{more}");
        assert!(wrong(text(|m| m.torn_unit = 100)).contains("expected 8, 512 or 4096, found 100"));
        let word = wrong(text(|_| {}).replace("torn-unit = 512", "torn-unit = \"sector\""));
        assert!(word.ends_with("string \"sector\", expected 8, 512 or 4096"), "{word}");
        assert!(wrong(text(|m| (m.torn_unit, m.data) = (8, Order::InOrder))).contains("whole sectors"));
        assert!(wrong(text(|m| m.name = "ext4".into())).contains("built-in"));
    }
}
