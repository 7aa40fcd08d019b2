"""The answer of `/top`. The core makes it: these structs are for the OpenAPI document and for `edgetally top`."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edgetally.api.answers import Answer, Count, ForAll

Totals = Annotated[list[Count], Meta(description="One number per column.")]

Series = Annotated[
    dict[str, list[Count | None]],
    Meta(description="By column, one number per second, oldest first; null where nothing is known."),
]

Measurements = Annotated[dict[str, int | float], Meta(description="As in an entry: fields that are 0 are left out.")]


class RankedSum(Answer):
    """What all names did."""

    now: Totals
    before: Totals
    series: Series


class RankedName(Answer):
    """What one name did."""

    name: str
    silent: Annotated[bool, Meta(description="It had requests before and has none now.")]
    now: Totals
    before: Totals
    series: Series
    pops: Annotated[
        list[Annotated[list[Count], Meta(min_length=2, max_length=2)]],
        Meta(description="Requests and 5xx now, of each POP in `pops`."),
    ]


class RankedRest(Answer):
    """What all names without a row did."""

    names: Count
    now: Totals
    before: Totals


class RankedPop(Answer):
    """What all names did in one POP."""

    name: str
    now: Totals
    before: Totals


class FocusPop(Answer):
    """What the focus did in one POP."""

    name: str
    now: Measurements
    before: Measurements
    series: Series


class FocusAddress(Answer):
    """What one address of the focus did."""

    name: str
    now: Measurements
    before: Measurements


class Focus(Answer, kw_only=True):
    """Everything of one name."""

    name: str
    now: Measurements
    before: Measurements
    series: Series
    pops: list[FocusPop]
    addresses: Annotated[
        list[FocusAddress] | UnsetType, Meta(description="Of an origin: as many as `rows`, the worst first.")
    ] = UNSET
    more_addresses: Annotated[Count | UnsetType, Meta(description="How many others there are.")] = UNSET


class KnownSeconds(Answer):
    """How many seconds are known."""

    now: Count
    before: Count


class RankingAnswer(Answer, kw_only=True):
    """The names that matter most in one second: rows and rest together are all."""

    service: str
    of: Literal["domains", "origins"]
    by: str
    second: Annotated[Count, Meta(description="The second that is shown.")]
    timestamp: Count = msgspec.field(name="Timestamp")
    aggregate_delay: Count = msgspec.field(name="AggregateDelay")
    since: Annotated[Count, Meta(description="The first second of which anything is known.")]
    window: Annotated[Count, Meta(description="`now` is the sum of so many seconds, up to `second`.")]
    ago: Annotated[Count, Meta(description="`before` is the same, so many seconds earlier.")]
    known: Annotated[
        KnownSeconds, Meta(description="Seconds known of `now` and `before`: rates are sums divided by them.")
    ]
    columns: list[str]
    all: RankedSum
    rows: list[RankedName]
    rest: RankedRest
    pops: list[RankedPop]
    focus: Focus | None
    late: Annotated[Count, Meta(description="Records of sealed seconds that were counted now.")]
    overflowed: Annotated[Count, Meta(description="Rows under `_other` now because of a limit on keys.")]
    other: Annotated[Count, Meta(description="Requests (or responses) of `_other` now, whether or not it has a row.")]
    invalid: Annotated[Count, Meta(description="The same of `_invalid`.")]
    rejected: Annotated[Count, ForAll] | UnsetType = UNSET
