"""The environment variables of settings."""

import difflib

from edgetally.config.declaration import PREFIX
from edgetally.config.sections import SETTINGS

VARIABLES = {one.variable: one for one in SETTINGS.values()}

MISSPELT = {
    **{f"{PREFIX}{one.name}".upper(): one for one in SETTINGS.values() if one.section},
    **{one.variable.replace("__", "_"): one for one in SETTINGS.values()},
}
"""Variables without their section, or with one underscore behind it. Either is easily overlooked."""


def hint(variable: str) -> str:
    """Return which variable was meant instead of one that there is not."""
    if variable in MISSPELT:
        return f"did you mean {MISSPELT[variable].variable}?"
    # Without what all of them have in common, by which they would all be alike.
    names = [one.removeprefix(PREFIX) for one in VARIABLES]
    close = difflib.get_close_matches(variable.removeprefix(PREFIX), names, cutoff=0.8)
    return (
        f"did you mean {', '.join(PREFIX + one for one in close)}?" if close else f"expected {PREFIX}SECTION__SETTING"
    )
