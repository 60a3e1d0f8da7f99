//! "Did you mean …?"

/// The known name nearest to a misspelt one, as the end of a message; empty if none is near.
pub(crate) fn suggest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let limit = (wrong.chars().count() / 3).max(2);
    let near = known.into_iter().map(|name| (distance(wrong, name), name)).min();
    match near {
        Some((distance, name)) if distance <= limit => format!(": did you mean `{name}`?"),
        _ => String::new(),
    }
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_if_it_is_near() {
        assert_eq!((distance("kitten", "sitting"), distance("", "abc"), distance("a", "a")), (3, 3, 0));
        assert_eq!(suggest("posx", ["posix", "ext4"]), ": did you mean `posix`?");
        assert_eq!(suggest("something", ["posix"]), "");
        assert_eq!(suggest("x", []), "");
    }
}
