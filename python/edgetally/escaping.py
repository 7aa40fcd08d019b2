"""Text from elsewhere, made so that it neither ends a line nor controls a terminal."""


def escape(value: str | float | bytes) -> str | int | float:
    """
    Return `value` with everything that is not printable as a backslash escape.

    Bytes of file names that are no UTF-8, which Python reads as surrogates, are escaped as bytes.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, str) and not value.isprintable():
        return "".join(one if one.isprintable() else _escaped(one) for one in value)
    return value


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) & 0xFF:02x}"
    return character.encode("unicode_escape").decode()
