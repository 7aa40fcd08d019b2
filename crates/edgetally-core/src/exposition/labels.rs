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

/// Milliseconds as seconds, without zeros at the end.
pub fn seconds(milliseconds: u64) -> String {
    let text = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
