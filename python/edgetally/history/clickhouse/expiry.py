"""What is too old: ClickHouse removes whole months, all of which are older than they are kept."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from edgetally.history.clickhouse.tables import TABLE_OF
from edgetally.history.tiers import DAY, DAYS, HOUR, HOURS, MINUTE, MINUTES, Tier, month_of

FEWEST_DAYS = 2
"""Minutes stay at least so long, so that their hours and days are made of them."""

PARTITION = re.compile(r"(?:\(([0-9]+),)?([0-9]{4})([0-9]{2})\)?")
"""How ClickHouse calls a month, or the month of a tier."""

OF_TABLE = {table: seconds for seconds, table in TABLE_OF.items()}


def gone_before(days: Mapping[str, int], tier: Tier, now: int) -> int:
    """Return the second before which everything of a tier is removed at second `now`."""
    return month_of(max(now - max(days[tier.name], FEWEST_DAYS) * DAY, 0))


def is_over(table: str, partition: str, days: Mapping[str, int], now: int) -> bool:
    """Whether a part of a table is not needed any more at second `now`."""
    match = PARTITION.fullmatch(partition)
    if not match:
        return False
    tier = OF_TABLE.get(table, int(match[1] or 0))
    month = int(datetime(int(match[2]), int(match[3]), 1, tzinfo=UTC).timestamp())
    needed = {MINUTE: [MINUTES], HOUR: [HOURS], DAY: [DAYS]}.get(tier)
    if needed is None:
        return False
    if table == "marks" and tier == HOUR:
        # They say which minutes are known, too.
        needed.append(MINUTES)
    return all(month < gone_before(days, one, now) for one in needed)
