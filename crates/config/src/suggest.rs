//! "did you mean": the known word closest to an unknown one.

/// The closest of `known`, if it is close enough to be meant. Letter case, `-` and `_` do not count.
pub(crate) fn closest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Longer words than any of ours are no slip of the finger, and comparing them costs.
    if word.chars().count() > 64 {
        return None;
    }
    let plain = fold(word);
    let allowed = (plain.len() / 3).min(2);
    known
        .into_iter()
        .map(|candidate| (distance(&plain, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn fold(word: &str) -> Vec<char> {
    word.chars()
        .filter(|char| !matches!(char, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Insertions, deletions, replacements and swaps of neighbours between two words (Damerau-Levenshtein), row by row.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(line + 1);
        let mut last = line + 1;
        for (column, to) in right.iter().enumerate() {
            let at =
                |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&row, column) + usize::from(from != to))
                .min(at(&row, column + 1) + 1)
                .min(last + 1);
            // Two neighbours in the wrong order: what stood two rows up and two columns back, and one swap.
            let swapped = line > 0
                && column > 0
                && left.get(line - 1) == Some(to)
                && right.get(column - 1) == Some(from);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            next.push(best);
            last = best;
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let chars = |word: &str| word.chars().collect::<Vec<_>>();
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("listen", "silent", 4),
            ("abc", "abc", 0),
            ("RS265", "RS256", 1),
            ("ab", "ba", 1),
        ] {
            assert_eq!(
                distance(&chars(left), &chars(right)),
                expected,
                "{left} {right}"
            );
        }
    }

    #[test]
    fn close_words_are_offered_and_far_ones_not() {
        let known = ["public_url", "listen", "cors", "limits"];
        assert_eq!(closest("publicUrl", known), Some("public_url"));
        assert_eq!(closest("public-url", known), Some("public_url"));
        assert_eq!(closest("listem", known), Some("listen"));
        assert_eq!(closest("limit", known), Some("limits"));
        assert_eq!(closest("x", known), None);
        assert_eq!(closest("tls", known), None);
        assert_eq!(closest(&"x".repeat(100), known), None);
    }
}
