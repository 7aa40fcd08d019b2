"""What `make dist` builds: a wheel that runs without Rust, and a source distribution."""

import email
import os
import re
import subprocess
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import edgetally
from edgetally.snippets import snippets
from tests.support.pages import ROOT, blocks

pytestmark = pytest.mark.timeout(300)  # it may have to compile, and downloads what edgetally depends on

GOLDEN = ROOT / "tests" / "golden" / "nginx.log"


class Environment:
    """An empty virtual environment, with nothing else on the PATH."""

    def __init__(self, path: Path) -> None:
        venv.create(path, with_pip=True)
        self._folder = path
        self._variables = {
            name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}
        } | {"PATH": str(path / "bin")}

    def run(self, *command: str | Path) -> str:
        """Run a command of the environment; return what it prints."""
        program = self._folder / "bin" / command[0]
        done = subprocess.run(
            [program, *command[1:]],
            cwd=self._folder,
            env=self._variables,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    def write(self, name: str, text: bytes) -> Path:
        """Write a file into the folder in which commands run."""
        path = self._folder / name
        path.write_bytes(text)
        return path


@pytest.fixture(scope="module")
def dist() -> Path:
    subprocess.run(["make", "--silent", "dist"], cwd=ROOT, check=True)
    return ROOT / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("environment"))
    pins = re.findall(r"^[\w.-]+==\S+", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE)
    constraints = made.write("constraints.txt", "\n".join(pins).encode())
    made.run("pip", "install", "--quiet", "--only-binary", ":all:", "--constraint", constraints, wheel)
    return made


def test_the_installed_command_knows_its_version(environment: Environment) -> None:
    assert environment.run("edgetally", "--version") == f"edgetally {edgetally.__version__}\n"


def test_the_installed_command_folds_a_log(environment: Environment) -> None:
    assert environment.run("edgetally", "fold", GOLDEN) == GOLDEN.with_suffix(".jsonl").read_text()


def test_the_installed_command_prints_snippets(environment: Environment) -> None:
    assert environment.run("edgetally", "formats", "nginx") == (
        ROOT / "python" / "edgetally" / "snippets" / "nginx.conf"
    ).read_text("utf-8")


def test_the_installed_server_has_all_that_it_imports(environment: Environment) -> None:
    environment.run("python", "-W", "error", "-c", "import edgetally, edgetally.service.process, edgetally.demo.run")


def test_the_example_of_the_readme_runs_as_installed(environment: Environment) -> None:
    (log,) = [block.text for block in blocks(ROOT / "docs" / "library.md") if block.info == "json access.log"]
    environment.write("access.log", log.encode())
    examples = "".join(block.text for block in blocks(ROOT / "README.md") if block.info == "python")
    assert examples

    environment.run("python", "-m", "doctest", environment.write("examples.txt", examples.encode()))


def test_the_wheel_holds_types_snippets_and_the_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    folder = f"edgetally-{edgetally.__version__}.dist-info"

    assert {"edgetally/py.typed", "edgetally/_core.pyi", f"{folder}/licenses/LICENSE"} <= names
    assert {name.rpartition("/")[2].partition(".")[0] for name in names if "/snippets/" in name} == {
        *("__init__", "detection"),
        *(one.name for one in snippets()),
    }
    assert {name.partition("/")[0] for name in names} == {"edgetally", folder}


def test_the_wheel_fits_every_python_from_the_oldest_on(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name


def test_the_metadata_is_complete(wheel: Path) -> None:
    text = zipfile.ZipFile(wheel).read(f"edgetally-{edgetally.__version__}.dist-info/METADATA")
    metadata = email.message_from_bytes(text)

    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    assert metadata["Summary"]
    assert metadata["Keywords"]
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def test_the_source_distribution_holds_what_a_build_needs(dist: Path) -> None:
    (found,) = dist.glob("*.tar.gz")
    top = f"edgetally-{edgetally.__version__}"
    with tarfile.open(found) as archive:
        names = set(archive.getnames())

    needed = ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "pyproject.toml"]
    needed += [str(path.relative_to(ROOT)) for path in ROOT.glob("crates/*/src/**/*.rs")]
    needed += [str(path.relative_to(ROOT)) for path in ROOT.glob("python/edgetally/**/*.py")]
    assert [name for name in needed if f"{top}/{name}" not in names] == []
    assert [name for name in names if name.endswith(".so") or "/.venv/" in name] == []
