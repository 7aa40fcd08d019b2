"""Sums of rows, as ClickHouse makes them: exact also where 64 bits are not enough."""

from collections.abc import Sequence

from edgetally.history.clickhouse.tables import TABLE_OF

EMPTY = "''"

LARGE = 1 << 32
"""Values from here on have a second half. There are few, so it costs nothing to look for them."""


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
    are_large = f"arrayFilter((one, value) -> value >= {LARGE}, {{}}, {values})"
    low = f"{ids}, arrayMap(value -> bitAnd(value, {LARGE - 1}), {values})"
    high = f"{are_large.format(ids)}, arrayMap(value -> bitShiftRight(value, 32), {are_large.format(values)})"
    grouped = ""
    if step > tier or not by_pop:
        # Otherwise nearly all rows would be groups of one.
        low, high, grouped = f"sumMap({low})", f"sumMap({high})", "GROUP BY name, at_pop, at"
    return (
        f"SELECT name, {'pop' if by_pop else EMPTY} AS at_pop, "
        f"toUInt32(intDiv(toUInt32(time), {step}) * {step}) AS at, {low}, {high} "
        f"FROM {TABLE_OF[tier]} FINAL WHERE {' AND '.join(where)} {grouped} FORMAT RowBinary"
    )
