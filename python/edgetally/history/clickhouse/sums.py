"""Sums of rows, as ClickHouse makes them: exact also where 64 bits are not enough."""

from collections.abc import Sequence

from edgetally.history.clickhouse.tables import TABLE_OF

LOW, HIGH = "bitAnd(value, 4294967295)", "bitShiftRight(value, 32)"


def sums_of(
    tier: int, where: Sequence[str], *, step: int, columns: Sequence[int] | None = None, by_pop: bool = True
) -> str:
    """
    Return a query for the rows of a table whose windows have `tier` seconds, added up for `_core.summed_chunks`.

    Args:
        tier: The length of its windows.
        where: Conditions that hold for all rows.
        step: The length of the windows that are made of them.
        columns: The counters that are needed; None: all.
        by_pop: Whether rows of several POPs are kept apart.
    """
    ids, values = "counters.id", "counters.value"
    if columns is not None:
        wanted = f"[{', '.join(map(str, columns))}]"
        values = f"arrayFilter((value, id) -> has({wanted}, id), {values}, {ids})"
        ids = f"arrayFilter(id -> has({wanted}, id), {ids})"
    halves = (f"sumMap({ids}, arrayMap(value -> {half}, {values}))" for half in (LOW, HIGH))
    return (
        f"SELECT name, {'pop' if by_pop else chr(39) * 2} AS at_pop, "
        f"toUInt32(intDiv(toUInt32(time), {step}) * {step}) AS at, {', '.join(halves)} "
        f"FROM {TABLE_OF[tier]} FINAL WHERE {' AND '.join(where)} GROUP BY name, at_pop, at FORMAT RowBinary"
    )
