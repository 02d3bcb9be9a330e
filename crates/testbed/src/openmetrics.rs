//! A page of metrics, read as strictly as `OpenMetrics` 1.0 is written: what a lenient reader lets pass is lost in some other one.
//!
//! For tests: what breaks a rule panics with the line.
#![expect(
    clippy::missing_panics_doc,
    reason = "said once, above: a test can do nothing with an error but fail"
)]

use std::collections::{BTreeMap, BTreeSet};

/// The labels of one series.
pub type Labels = BTreeMap<String, String>;

/// All metrics of one name.
#[derive(Clone, Debug, Default)]
pub struct Family {
    pub kind: String,
    pub help: String,
    pub unit: String,
    /// Full name, labels, value, in their order.
    pub samples: Vec<(String, Labels, f64)>,
}

/// Reads a page; families by name.
#[track_caller]
pub fn read(page: &str) -> BTreeMap<String, Family> {
    let body = page.strip_suffix("# EOF\n").expect("# EOF at the end");
    assert!(!body.contains("# EOF"), "# EOF once");
    assert!(body.is_empty() || body.ends_with('\n'), "whole lines");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in body.lines() {
        if let Some(described) = line.strip_prefix("# ") {
            describe(described, &mut current, &mut families);
        } else {
            let (name, labels, value) = sample(line);
            let family = families.get_mut(&current);
            let family = family.unwrap_or_else(|| panic!("nothing says what this is: {line}"));
            let suffix = name.strip_prefix(&*current);
            let suffix = suffix.unwrap_or_else(|| panic!("{line} among {current}"));
            assert!(fits(&family.kind, suffix), "{suffix} of a {}", family.kind);
            family.samples.push((name, labels, value));
        }
    }
    for (name, family) in &families {
        judge(name, family);
    }
    families
}

/// `TYPE`, `UNIT` or `HELP`, which come before the first sample, each at most once.
#[track_caller]
fn describe(line: &str, current: &mut String, families: &mut BTreeMap<String, Family>) {
    let (word, rest) = line.split_once(' ').expect("a word and a name");
    let (name, text) = rest.split_once(' ').expect("a name and a text");
    assert!(is_name(name), "{line}");
    if name != current {
        assert!(!families.contains_key(name), "{name} in two places");
        name.clone_into(current);
    }
    let family = families.entry(name.to_owned()).or_default();
    assert!(family.samples.is_empty(), "after its samples: {line}");
    let place = match word {
        "TYPE" => &mut family.kind,
        "UNIT" => &mut family.unit,
        "HELP" => &mut family.help,
        _ => panic!("a comment: {line}"),
    };
    assert_eq!(place, "", "twice: {line}");
    text.clone_into(place);
}

/// What may stand behind the name of a family.
fn fits(kind: &str, suffix: &str) -> bool {
    let suffixes: &[&str] = match kind {
        "counter" => &["_total", "_created"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_count", "_sum", "_created"],
        "info" => &["_info"],
        _ => &[],
    };
    suffixes.contains(&suffix)
}

#[track_caller]
fn judge(name: &str, family: &Family) {
    assert!(!family.kind.is_empty(), "{name} has a type");
    assert!(!family.help.is_empty(), "{name} is explained");
    let unit = &family.unit;
    assert!(
        unit.is_empty() || name.ends_with(&format!("_{unit}")),
        "{name} ends with its unit {unit}"
    );
    let mut seen = BTreeSet::new();
    for (sample, labels, value) in &family.samples {
        assert!(seen.insert((sample, labels)), "twice: {sample} {labels:?}");
        assert!(!value.is_nan(), "{sample} {labels:?} is no number");
        assert!(
            family.kind == "gauge" || *value >= 0.0,
            "{sample} {labels:?} counts downwards"
        );
        assert!(
            family.kind != "info" || (*value - 1.0).abs() < f64::EPSILON,
            "{sample} is 1"
        );
    }
    if family.kind == "histogram" {
        histogram(name, family);
    }
}

/// Every histogram is whole: bounds rise, counts do not fall, and the last bucket has everything.
#[track_caller]
fn histogram(name: &str, family: &Family) {
    let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    let mut sums = BTreeSet::new();
    for (sample, labels, value) in &family.samples {
        let mut labels = labels.clone();
        let bound = labels.remove("le").map(|bound| number(&bound));
        match (sample.rsplit('_').next(), bound) {
            (Some("bucket"), Some(bound)) => {
                buckets.entry(labels).or_default().push((bound, *value));
            }
            (Some("count"), None) => {
                counts.insert(labels, *value);
            }
            (Some("sum"), None) => {
                sums.insert(labels);
            }
            _ => panic!("{sample} with le={bound:?}"),
        }
    }
    assert!(buckets.keys().eq(counts.keys()), "{name}: counts");
    assert!(buckets.keys().eq(sums.iter()), "{name}: sums");
    for (labels, buckets) in &buckets {
        let rises = |pair: &[(f64, f64)]| match pair {
            [(low, fewer), (high, more)] => low < high && fewer <= more,
            _ => false,
        };
        assert!(buckets.windows(2).all(rises), "{name} {labels:?}");
        let (bound, all) = buckets.last().expect("a bucket");
        assert!(bound.is_infinite(), "{name} {labels:?} has +Inf");
        let count = counts.get(labels).copied().unwrap_or(-1.0);
        assert!(
            (all - count).abs() < 0.1,
            "{name} {labels:?}: {all} {count}"
        );
    }
}

/// `name{label="value",…} number`, without a time or an exemplar: we write neither.
#[track_caller]
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            let (label, behind) = inside.split_once("=\"").expect("a label");
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let (value, behind) = quoted(behind);
            let before = labels.insert(label.to_owned(), value);
            assert_eq!(before, None, "a label twice: {line}");
            match behind.split_at_checked(1) {
                Some((",", more)) => inside = more,
                Some(("}", more)) => {
                    rest = more;
                    break;
                }
                _ => panic!("neither , nor }}: {line}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').expect("one blank");
    (name.to_owned(), labels, number(value))
}

/// The text up to the closing quote, and what is behind it.
#[track_caller]
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, text.get(at + 1..).unwrap_or_default()),
            '\\' => value.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, char @ ('\\' | '"'))) => char,
                other => panic!("escaped {other:?}"),
            }),
            _ => value.push(char),
        }
    }
    panic!("no closing quote: {text}")
}

fn is_name(name: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':');
    name.bytes().next().is_some_and(first)
        && name
            .bytes()
            .all(|byte| first(byte) || byte.is_ascii_digit())
}

#[track_caller]
fn number(text: &str) -> f64 {
    let plain = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    assert!(
        text == "+Inf" || text.bytes().all(plain),
        "no number: {text}"
    );
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a_seconds What.\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n\
        a_seconds_sum{r=\"x\"} 1.5\na_seconds_count{r=\"x\"} 2\na_seconds_bucket{r=\"x\",le=\"1.0\"} 1\na_seconds_bucket{r=\"x\",le=\"+Inf\"} 2\n\
        # HELP b What.\n# TYPE b counter\nb_total{l=\"\\\\ \\\" \\n,}\"} 3\n# EOF\n";

    #[test]
    fn a_good_page_is_read() {
        let families = read(GOOD);
        assert_eq!(families["a_seconds"].samples.len(), 4);
        assert_eq!(families["b"].samples[0].1["l"], "\\ \" \n,}");
    }

    #[test]
    fn whatever_breaks_a_rule_is_noticed() {
        for (from, to) in [
            ("# EOF\n", ""),
            ("# EOF\n", "# EOF\nmore 1\n"),
            ("b_total", "b"),
            ("b_total{l=", "b_total{l=\"x\",l="),
            ("} 3", "} -3"),
            ("} 3", "} NaN"),
            ("} 3", "}  3"),
            ("} 3", "} 3 123456789"),
            ("# TYPE b counter\n", ""),
            ("# HELP b What.\n", ""),
            ("# TYPE b counter", "# TYPE b counter\n# TYPE b gauge"),
            ("le=\"1.0\"} 1", "le=\"1.0\"} 3"),
            ("le=\"+Inf\"} 2", "le=\"+Inf\"} 3"),
            ("le=\"1.0\"", "le=\"+Inf\""),
            ("a_seconds_count{r=\"x\"} 2\n", ""),
            ("a_seconds_sum{r=\"x\"} 1.5\n", ""),
            ("# UNIT a_seconds seconds", "# UNIT a_seconds bytes"),
            ("\\n,}", "\\t,}"),
            ("b_total", "b-total"),
            ("# HELP b What.", "# HELP a_seconds What."),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            assert_ne!(bad, GOOD);
            let read = std::panic::catch_unwind(|| read(&bad));
            assert!(read.is_err(), "{from:?} -> {to:?}");
        }
    }
}
