"""What is wrong is called as whoever has to mend it wrote it."""

import re
from pathlib import Path

import pytest

from edgetally.cli.flags import named, settings
from edgetally.cli.main import main, parser
from edgetally.errors import ConfigError


def test_a_flag_that_is_wrong_is_named_and_not_its_setting() -> None:
    with pytest.raises(ConfigError, match=r"^--weight: it has to be a whole number of at least 1$"):
        settings(parser().parse_args(["serve", "--weight", "0"]))


@pytest.mark.parametrize("flags", [["--pop", "AMS"], ["--weight", "2", "--follow", "a.log"]], ids=len)
def test_a_file_in_which_something_is_wrong_is_named_with_its_setting(flags: list[str], tmp_path: Path) -> None:
    path = tmp_path / "edgetally.toml"
    path.write_text("[records]\nweight = 3\n[[sources.syslog]]\nlisten = 5514\n")

    with pytest.raises(ConfigError) as raised:
        settings(parser().parse_args(["serve", "--config", str(path), *flags]))

    assert str(raised.value) == f"{path}: sources.syslog[0].listen: it has to be text, not a whole number"


@pytest.mark.parametrize(
    ("where", "flags", "called"),
    [
        pytest.param("api.listen", ["--listen", "x"], "--listen", id="given"),
        pytest.param("api.listen", [], "--listen", id="what holds if nobody says anything"),
        pytest.param("api.listen", ["--config", "FILE"], "FILE: api.listen", id="in the file"),
        pytest.param("api.listen", ["--config", "FILE", "--listen", "x"], "--listen", id="a flag wins over the file"),
        pytest.param("journal.data_dir", ["--config", "FILE"], "journal.data_dir", id="not in the file"),
        pytest.param("sources.follow", ["--follow", "a", "--follow", "b"], "--follow", id="of a list"),
        pytest.param("sources.syslog", ["--config", "FILE", "--syslog", "x"], "--syslog", id="not in the file's list"),
        pytest.param(
            "sources.follow", ["--config", "FILE", "--follow", "b"], "FILE: sources.follow", id="in one or the other"
        ),
        pytest.param("shelf.keep", [], "shelf.keep", id="what has no flag"),
        pytest.param("/no/such.toml", ["--config", "/no/such.toml"], "/no/such.toml", id="the file itself"),
    ],
)
def test_what_is_found_out_later_is_called_the_same(where: str, flags: list[str], called: str, tmp_path: Path) -> None:
    path = tmp_path / "edgetally.toml"
    path.write_text('api.listen = "x"\n[[sources.follow]]\npath = "a"\n')
    arguments = parser().parse_args(["serve", *(flag.replace("FILE", str(path)) for flag in flags)])

    error = named(ConfigError(where, "no"), arguments)

    assert str(error) == f"{called.replace('FILE', str(path))}: no"
    assert str(named(error, arguments)) == str(error)


def test_a_command_names_no_flag_that_it_does_not_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "edgetally.toml"
    path.write_text("api.listen = 7\n")

    assert main(["fold", "--config", str(path)]) == 2

    assert re.fullmatch(rf"edgetally: {path}: api\.listen: .*\n", capsys.readouterr().err)
