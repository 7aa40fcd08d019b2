"""
How a setting is declared: once, as an annotated field of its section.

    pop: Annotated[Pop, Meta(description="POP of records that name none."), Flag("--pop", "CODE")] = "local"

Its type, bounds and default check what is given. The same declaration makes its flag and the help of that, its
environment variable, its error messages and its row in `docs/settings.md`.
"""

from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from types import MappingProxyType, UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, Union, dataclass_transform, get_args, get_origin

PREFIX = "EDGETALLY_"
"""What every environment variable of a setting begins with."""

REQUIRED = object()
"""The default of a setting that has none."""


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Section:
    """
    A table of settings. They never change after the start.

    Neither a dataclass nor a struct of msgspec: importing either takes longer than a command that counts a small log.
    """

    annotations: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """The type of each setting."""

    def __init_subclass__(cls) -> None:
        cls.annotations = {**cls.__annotations__, **cls.annotations}

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 - of any type
        for name in values.keys() - self.annotations.keys():
            raise TypeError(f"no such setting: {name}")
        for name in self.annotations:
            if name not in values:
                # Raises AttributeError when a required one is missing.
                values[name] = getattr(type(self), name)
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings never change: {name}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.values().values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.values().items())})"

    def values(self) -> dict[str, Any]:
        """Return the value of each setting, by name."""
        return {name: self.__dict__[name] for name in self.annotations}

    def replace(self, **values: Any) -> Self:  # noqa: ANN401 - of any type
        """Return the same settings with some others instead."""
        return type(self)(**{**self.__dict__, **values})

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Yield settings whose values exclude each other, and the problem of each."""
        return iter(())


class Meta(NamedTuple):
    """The description of a setting, and the bounds of a number."""

    description: str = ""
    ge: float | None = None
    gt: float | None = None
    le: float | None = None

    def contains(self, number: float) -> bool:
        """Whether a number is within the bounds. What is no number is not."""
        return (
            (self.ge is None or number >= self.ge)
            and (self.gt is None or number > self.gt)
            and (self.le is None or number <= self.le)
        )


class Flag(NamedTuple):
    """The flag of a setting."""

    name: str
    metavar: str = ""
    """What its value is called in the help. Choices name themselves, and a switch has no value."""
    help: str = ""
    """Instead of the description, if that is too long for a terminal."""


class LimitEffect(NamedTuple):
    """What a limit does."""

    beyond: str
    """What happens to whatever is beyond it."""
    counted: str
    """The metric that shows it."""


class Form(NamedTuple):
    """What the text of a setting has to look like."""

    words: str
    """For people."""
    accepts: Callable[[str], object]
    """Whether a text is of this form. A ConfigError that it raises says more than these words."""


class Setting(NamedTuple):
    """A declared setting."""

    section: str
    name: str
    annotation: Any
    default: Any
    """REQUIRED if there is none."""
    description: str
    flag: Flag | None
    limit: LimitEffect | None

    @property
    def path(self) -> str:
        """Its name in the settings file, for example `api.listen`."""
        return f"{self.section}.{self.name}".removeprefix(".")

    @property
    def variable(self) -> str:
        """Its environment variable, for example `EDGETALLY_API__LISTEN`."""
        return f"{PREFIX}{self.path.replace('.', '__')}".upper()

    @property
    def is_required(self) -> bool:
        """Whether there is no default."""
        return self.default is REQUIRED

    @property
    def is_switch(self) -> bool:
        """Whether it is either on or off."""
        return self.bare_type is bool

    @property
    def is_path(self) -> bool:
        """Whether it is the path of a file."""
        kind = self.bare_type
        return isinstance(kind, type) and issubclass(kind, PathLike)

    @property
    def bare_type(self) -> Any:  # noqa: ANN401 - any type
        """Its type, without annotations and without None."""
        return _taken_apart(self.annotation)[0]

    @property
    def choices(self) -> tuple[str, ...]:
        """All values that it can have, if these are few words."""
        return get_args(self.bare_type) if get_origin(self.bare_type) is Literal else ()

    @property
    def table(self) -> type[Section] | None:
        """Of a list of tables, what each of them is."""
        kind = self.bare_type
        item = get_args(kind)[0] if get_origin(kind) is tuple else None
        return item if isinstance(item, type) and issubclass(item, Section) else None

    @property
    def named_table(self) -> type[Section] | None:
        """Of tables that have names, what each of them is."""
        kind = self.bare_type
        item = _taken_apart(get_args(kind)[1])[0] if get_origin(kind) is Mapping else None
        return item if isinstance(item, type) and issubclass(item, Section) else None

    @property
    def is_open_table(self) -> bool:
        """Whether it is a table of any names, each with a text."""
        return get_origin(self.bare_type) is Mapping and not self.named_table

    @property
    def form_of_names(self) -> Form:
        """What the names of tables have to look like."""
        return next(one for one in _taken_apart(get_args(self.bare_type)[0])[1] if isinstance(one, Form))

    @property
    def section_type(self) -> type[Section] | None:
        """What a table is."""
        kind = self.bare_type
        return kind if isinstance(kind, type) and issubclass(kind, Section) else None

    @property
    def form(self) -> Form | None:
        """What its text has to look like, if not every text will do."""
        return next((one for one in _taken_apart(self.annotation)[1] if isinstance(one, Form)), None)

    def contains(self, value: float) -> bool:
        """Whether a number is within the bounds."""
        return all(one.contains(value) for one in _taken_apart(self.annotation)[1] if isinstance(one, Meta))

    @property
    def words(self) -> str:
        """Its type and bounds, for people."""
        kind, notes = _taken_apart(self.annotation)
        if self.choices:
            return f"one of: {', '.join(self.choices)}"
        if self.form:
            return self.form.words
        if self.named_table:
            return "tables by name"
        if self.is_open_table:
            return "a table"
        if self.is_path:
            return "a path"
        names = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}
        return names.get(kind, "a list of tables") + "".join(_bounds(one) for one in notes if isinstance(one, Meta))


def declared(section: str, kind: type[Section]) -> list[Setting]:
    """Return the settings that a section declares."""
    key = section, kind
    if key not in _DECLARED:
        _DECLARED[key] = [_setting(section, kind, name) for name in kind.annotations]
    return _DECLARED[key]


_DECLARED: dict[tuple[str, type[Section]], list[Setting]] = {}


def _setting(section: str, kind: type[Section], name: str) -> Setting:
    annotation = kind.annotations[name]
    notes = _taken_apart(annotation)[1]
    return Setting(
        section=section,
        name=name,
        annotation=annotation,
        default=getattr(kind, name, REQUIRED),
        description=next((one.description for one in notes if isinstance(one, Meta) and one.description), ""),
        flag=next((one for one in notes if isinstance(one, Flag)), None),
        limit=next((one for one in notes if isinstance(one, LimitEffect)), None),
    )


def _taken_apart(kind: Any) -> tuple[Any, list[object]]:  # noqa: ANN401 - any type
    """Return a type without annotations and without None, and the annotations."""
    if get_origin(kind) is Annotated:
        inner, *notes = get_args(kind)
        kind, deeper = _taken_apart(inner)
        return kind, [*notes, *deeper]
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not type(None))
        return _taken_apart(kind)
    return kind, []


def _bounds(meta: Meta) -> str:
    above = f" above {meta.gt}" if meta.gt is not None else f" of at least {meta.ge}" if meta.ge is not None else ""
    if meta.le is None:
        return above
    return f" from {meta.ge} to {meta.le}" if meta.ge is not None else f"{above}, at most {meta.le}"
