"""The settings that commands need which read logs and do not serve."""

from typing import Annotated

from edgetally.config import forms
from edgetally.config.declaration import Flag, Form, LimitEffect, Meta, Section, declared
from edgetally.model import MAX_POP_BYTES, MAX_WEIGHT, KeyLimits
from edgetally.snippets import DELIVERED_LATE, USUAL_LATENESS

OVERFLOWED = "edgetally_service_rows_overflowed_total"
REJECTED = "edgetally_records_rejected_total"
"""Metrics that count what exceeds a limit."""

ServiceId = Annotated[str, Form("1 to 64 letters, digits, - and _", forms.is_service_id)]
Pop = Annotated[str, Form(f"1 to {MAX_POP_BYTES} bytes of printable characters", forms.is_pop)]
FormatName = Annotated[str, Form("a format", forms.is_format)]
Weight = Annotated[int, Meta(ge=1, le=MAX_WEIGHT)]
Lateness = Annotated[int, Meta(ge=1)]


class RecordsSettings(Section):
    """Defaults and limits of records."""

    service_id: Annotated[
        ServiceId, Meta(description="Service of records that name none."), Flag("--service-id", "ID")
    ] = "default"
    pop: Annotated[Pop, Meta(description="POP of records that name none."), Flag("--pop", "CODE")] = "local"
    format: Annotated[
        FormatName,
        Meta(description="Format of lines: a name that `edgetally formats` lists, or `canonical`."),
        Flag("--format", "NAME", "format of lines, as `edgetally formats` names it"),
    ] = "canonical"
    weight: Annotated[
        Weight,
        Meta(description="Requests that a line without a weight stands for: 10 if the edge logs one in ten."),
        Flag("--weight", "COUNT", "requests that a line stands for, in sampled logs"),
    ] = 1
    max_line: Annotated[
        int,
        Meta(ge=1024, description="Bytes of the longest line."),
        LimitEffect("The line is rejected as `too_long`. Its first 1024 bytes are kept for inspection.", REJECTED),
    ] = 262_144
    max_lateness: Annotated[
        Lateness | None,
        Meta(
            description="Seconds that a record may be in the past. Default: "
            + ", ".join(f"{seconds} for `{format}`" for format, seconds in DELIVERED_LATE.items())
            + f", which deliver late, and {USUAL_LATENESS} for all other formats.",
        ),
        LimitEffect("The line is rejected as `too_old`.", REJECTED),
    ] = None
    max_ahead: Annotated[
        int,
        Meta(ge=0, le=60, description="Seconds that a record may be in the future."),
        LimitEffect("The line is rejected as `too_new`.", REJECTED),
    ] = 5


class WindowSettings(Section):
    """When a second is sealed, and how many keys it may have. Keys beyond a limit count as `_other`."""

    aggregate_delay: Annotated[
        int,
        Meta(ge=1, le=60, description="Seconds between the start of a second and its seal."),
        Flag("--aggregate-delay", "SECONDS"),
    ] = 2
    max_domains: Annotated[
        int,
        Meta(ge=1, description="Distinct domains per service and second. Known domains are exempt."),
        LimitEffect("The domain counts as `_other`.", OVERFLOWED),
    ] = 10_000
    max_origins: Annotated[
        int,
        Meta(ge=1, description="Distinct origins per service and second."),
        LimitEffect("The origin counts as `_other`.", OVERFLOWED),
    ] = 1_000
    max_origin_ips: Annotated[
        int,
        Meta(ge=1, description="Distinct pairs of an origin and an address per service and second."),
        LimitEffect("The address counts as `_other`.", OVERFLOWED),
    ] = 10_000
    max_pops: Annotated[
        int,
        Meta(ge=1, description="Distinct POPs per service and second."),
        LimitEffect("The POP counts as `_other`.", OVERFLOWED),
    ] = 1_000
    max_services: Annotated[
        int,
        Meta(ge=1, description="Distinct services per second and in the last five minutes."),
        LimitEffect("A new service counts as `_other`.", OVERFLOWED),
    ] = 10_000

    @property
    def limits(self) -> KeyLimits:
        """How many keys are kept apart."""
        return KeyLimits(
            domains=self.max_domains,
            origins=self.max_origins,
            addresses=self.max_origin_ips,
            pops=self.max_pops,
            services=self.max_services,
        )


class LogConfig(Section):
    """The sections that say how logs are counted."""

    records: RecordsSettings = RecordsSettings()
    window: WindowSettings = WindowSettings()


LOG_SETTINGS = {one.path: one for one in [*declared("records", RecordsSettings), *declared("window", WindowSettings)]}
"""Every setting of these, by its path."""
