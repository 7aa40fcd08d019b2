//! Labels and values as text.

/// `name="value"`, with the escapes of both text formats.
pub fn label(name: &str, value: &str) -> String {
    let mut text = format!("{name}=\"");
    for char in value.chars() {
        match char {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            _ => text.push(char),
        }
    }
    text.push('"');
    text
}

/// Milliseconds as seconds.
pub fn seconds(milliseconds: u64) -> String {
    decimal(milliseconds, 3)
}

/// `value` with its last `digits` behind the decimal point, without zeros at the end.
pub fn decimal(value: u64, digits: usize) -> String {
    let text = format!("{value:0width$}", width = digits + 1);
    let (whole, fraction) = text.split_at(text.len() - digits);
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_point_moves_digits() {
        let values = [(0, 3), (5, 3), (50, 3), (61_000, 3), (1_500_000, 6), (7, 0)];
        let want = ["0", "0.005", "0.05", "61", "1.5", "7"];
        assert_eq!(want.map(str::to_owned), values.map(|(value, digits)| decimal(value, digits)));
    }

    #[test]
    fn quotes_backslashes_and_line_feeds_are_escaped() {
        assert_eq!(r#"domain="a\"b\\c\nd""#, label("domain", "a\"b\\c\nd"));
    }
}
