from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import lay

from estiba.errors import ConfigError
from estiba.service import requirements
from estiba.service.declarations import foreign
from estiba.service.declarations.direct import Source
from estiba.service.declarations.foreign import DEFAULT, FIRST, LAST, ONLY, Index

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PROJECT = '[project]\nname = "harbour"\ndependencies = ["crane", "django"]\n'


def load(folder: Path, text: str) -> requirements.Requirements:
    """Read the requirements of a project with further tables."""
    return requirements.load(folder, tomllib.loads(PROJECT + text))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay out a folder with a package."""
    return lay(tmp_path, {"libs/crane/pyproject.toml": '[project]\nname = "crane"\n'})


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (
            '[tool.uv.sources]\nCrane = { path = "libs/crane", editable = true }\n',
            Source(name="crane", path="libs/crane"),
        ),
        (
            f'[tool.uv.sources]\ncrane = {{ git = "https://example.org/c", rev = "{COMMIT}", subdirectory = "py" }}\n',
            Source(name="crane", url="https://example.org/c", commit=COMMIT, subdirectory="py"),
        ),
        (
            '[tool.uv.sources]\ncrane = { workspace = true }\n[tool.uv.workspace]\nmembers = ["libs/*"]\n',
            Source(name="crane", path="libs/crane"),
        ),
        (
            '[tool.uv.sources]\ncrane = [{ url = "x", marker = "os_name == \'nt\'" }, { path = "libs/crane" }]\n',
            Source(name="crane", path="libs/crane"),
        ),
        (
            f'[tool.poetry.dependencies]\ncrane = {{ git = "git@example.org:c.git", rev = "{COMMIT}" }}\n',
            Source(name="crane", url="git@example.org:c.git", commit=COMMIT),
        ),
        (
            '[tool.poetry.group.main.dependencies]\ncrane = { path = "./libs/crane", develop = true }\n',
            Source(name="crane", path="libs/crane"),
        ),
    ],
)
def test_sources_are_taken_over(folder: Path, text: str, source: Source) -> None:
    """A package comes from where uv or Poetry take it, and from nowhere else."""
    found = load(folder, text)

    assert found.sources == (source,)
    assert found.runtime == ("crane", "django")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[tool.uv.sources]\ncrane = { git = "https://example.org/c", branch = "main" }\n',
            "names 'main', which may move",
        ),
        ('[tool.uv.sources]\ncrane = { url = "https://example.org/c.whl" }\n', "is taken from an address"),
        ("[tool.uv.sources]\ncrane = { workspace = true }\n", "no member of [tool.uv.workspace]"),
        ('[tool.uv.sources]\ncrane = { index = "inside" }\n', "comes from the index 'inside', which no table gives"),
        (
            "[tool.uv.sources]\ncrane = [{ path = 'libs/crane', extra = 'a' }, { url = 'x', extra = 'b' }]\n",
            "has sources that differ by platform or extra",
        ),
        ('[tool.uv]\nfind-links = ["x"]\n', "[tool.uv] find-links: put it into pip's configuration"),
        ('[tool.uv]\nexclude-dependencies = ["x"]\n', "exclude-dependencies names x"),
        ('[[tool.uv.dependency-metadata]]\nname = "x"\n', "dependency-metadata gives x other metadata"),
        ("[tool.uv]\noverride-dependencies = [\"x>1 ; sys_platform == 'never'\"]\n", "pip has no overrides"),
        ('[tool.poetry.dependencies]\ncrane = { url = "https://example.org/c.whl" }\n', "is taken from an address"),
        ('[tool.poetry.dependencies]\ncrane = { version = "1", source = "inside" }\n', "comes from the index 'inside'"),
        ('[[tool.pdm.source]]\nname = "x"\nurl = "x"\nexclude_packages = ["y"]\n', "leaves out some packages"),
        ('[tool.pip-tools]\nfind-links = ["x"]\n', "[tool.pip-tools] find-links"),
    ],
)
def test_what_cannot_be_taken_over_is_named(folder: Path, text: str, said: str) -> None:
    """An entry that a lock would ignore stops it, with the table and the name."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text)

    assert said in str(caught.value)


def test_source_of_what_is_not_required_is_no_matter(folder: Path) -> None:
    """A branch of a package that only other groups need stops nothing."""
    found = load(folder, '[tool.uv.sources]\ntheme = { git = "https://example.org/t", branch = "main" }\n')

    assert found.sources == ()


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        (
            (
                '[[tool.uv.index]]\nname = "inside"\nurl = "https://i/simple"\nexplicit = true\n'
                '[[tool.uv.index]]\nname = "unused"\nurl = "https://u/simple"\nexplicit = true\n'
                '[tool.uv.sources]\ncrane = { index = "inside" }\n'
            ),
            [Index(name="inside", url="https://i/simple", rank=ONLY, projects=("crane",))],
        ),
        (
            '[[tool.uv.index]]\nurl = "https://i"\n[[tool.uv.index]]\nname = "m"\nurl = "https://m"\ndefault = true\n',
            [
                Index(name="number 1", url="https://i", rank=FIRST),
                Index(name="m", url="https://m", rank=DEFAULT),
            ],
        ),
        (
            (
                '[[tool.poetry.source]]\nname = "i"\nurl = "https://i"\npriority = "supplemental"\n'
                '[[tool.poetry.source]]\nname = "PyPI"\npriority = "primary"\n'
            ),
            [Index(name="i", url="https://i", rank=LAST)],
        ),
        (
            (
                '[[tool.poetry.source]]\nname = "I"\nurl = "https://i"\npriority = "explicit"\n'
                '[tool.poetry.dependencies]\ncrane = { version = "*", source = "i" }\n'
                'django = { version = "*", source = "pypi" }\n'
            ),
            [Index(name="I", url="https://i", rank=ONLY, projects=("crane",))],
        ),
        (
            '[[tool.pdm.source]]\nname = "i"\nurl = "https://i"\ninclude_packages = ["crane", "Harbour-*"]\n',
            [Index(name="i", url="https://i", rank=ONLY, projects=("crane", "harbour-*"))],
        ),
        ('[[tool.rye.sources]]\nname = "i"\nurl = "https://i"\n', [Index(name="i", url="https://i", rank=FIRST)]),
    ],
)
def test_indexes_are_taken_over(folder: Path, text: str, indexes: list[Index]) -> None:
    """The order of indexes, and what each is asked for, is that of the tool that names them."""
    assert list(load(folder, text).indexes) == indexes


def test_versions_are_taken_over(folder: Path) -> None:
    """Constraints and overrides bound versions, and cause no installation; uv.toml counts as well."""
    (folder / "uv.toml").write_text('override-dependencies = ["urllib3<3"]\n')
    text = '[tool.uv]\nconstraint-dependencies = ["idna < 4"]\ndev-dependencies = ["pytest"]\n'
    found = load(folder, text + '[tool.pdm.resolution.overrides]\ncertifi = "2024.1"\n')

    assert found.constraints == ("certifi==2024.1", "idna<4", "urllib3<3")
    assert (found.runtime, found.dev) == (("crane", "django"), ("pytest",))


def test_marker_of_another_system() -> None:
    """A source for Windows or macOS is none for Linux."""
    assert foreign.is_elsewhere("sys_platform == 'win32'")
    assert not foreign.is_elsewhere("platform_machine == 'aarch64'")


WORKSPACE = """
[tool.uv.workspace]
members = ["site", "libs/*"]
exclude = ["libs/old"]

[tool.uv]
constraint-dependencies = ["django<6"]
dev-dependencies = ["pytest"]

[[tool.uv.index]]
name = "corp"
url = "https://corp.example/simple"
explicit = true

[tool.uv.sources]
crane = { SOURCE }
"""


def member(tmp_path: Path, place: str, source: str, text: str = "") -> requirements.Requirements:
    """Read the requirements of a project in a folder below the root of a workspace."""
    root = {"pyproject.toml": WORKSPACE.replace("SOURCE", source), "libs/crane/pyproject.toml": "[project]\n"}
    return load(lay(tmp_path, {**root, f"{place}/pyproject.toml": PROJECT + text}) / place, text)


def test_member_of_a_workspace_has_what_its_root_says(tmp_path: Path) -> None:
    """An index that the root names for a package is the only one that is asked for it, and constraints of it hold."""
    found = member(tmp_path, "site", 'index = "corp"')
    assert found.indexes == (Index(name="corp", url="https://corp.example/simple", rank=ONLY, projects=("crane",)),)
    assert (found.constraints, found.dev) == (("django<6",), ())


@pytest.mark.parametrize("source", ['path = "libs/crane"', "workspace = true"])
def test_package_of_a_workspace_that_no_build_sees_is_refused(tmp_path: Path, source: str) -> None:
    """No index is asked for the name of a package that lies beside the service."""
    with pytest.raises(ConfigError) as caught:
        member(tmp_path, "site", source)
    assert [line.partition(": ")[0] for line in caught.value.problems] == ["../pyproject.toml [tool.uv.sources] crane"]


def test_source_of_the_member_comes_first(tmp_path: Path) -> None:
    """As for uv, what a member says of a package is more than what the root says."""
    own = f'[tool.uv.sources]\ncrane = {{ git = "https://example.org/c", rev = "{COMMIT}" }}\n'
    found = member(tmp_path, "site", 'index = "corp"', own)
    assert (found.sources, found.indexes) == ((Source(name="crane", url="https://example.org/c", commit=COMMIT),), ())


@pytest.mark.parametrize("place", ["libs/old", "elsewhere"])
def test_project_that_is_no_member_stands_alone(tmp_path: Path, place: str) -> None:
    """What a workspace leaves out, and what is only below its root, has nothing of it."""
    assert member(tmp_path, place, 'index = "corp"').constraints == ()


def test_what_else_tools_lock_by_is_taken_over(folder: Path) -> None:
    """Files of constraints, constraints for builds and groups of development are read as the tool does."""
    (folder / "constraints.txt").write_text("django<6\nharbour==1\n")
    text = (
        '[tool.pip-tools]\nconstraint = ["constraints.txt"]\n[tool.uv]\nbuild-constraint-dependencies = ["cython<3"]\n'
        '[tool.pdm.dev-dependencies]\ntest = ["pytest", "-e file:///${PROJECT_ROOT}/libs/crane#egg=crane"]\n'
    )
    found = load(folder, text)
    assert (found.constraints, found.build_constraints) == (("django<6", "harbour==1"), ("cython<3",))
    assert found.dev == ("crane", "pytest")
    assert found.sources == (Source(name="crane", path="libs/crane"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[tool.uv]\nindex = "https://corp.example/simple"\n', "[tool.uv]: is not what uv reads"),
        ('[tool.poetry]\nsource = { url = "x" }\n', "[tool.poetry]: is not what poetry reads"),
        ('[tool.poetry.group.dev]\ndependencies = ["x"]\n', "[tool.poetry]: is not what poetry reads"),
        ('[tool.pdm]\nsource = "x"\n', "[tool.pdm]: is not what pdm reads"),
        ('[tool.rye]\nsources = "x"\n', "[tool.rye]: is not what rye reads"),
        ("[tool.uv]\nno-index = true\n", "[tool.uv] no-index: put it into pip's configuration"),
        ("[tool.pip-tools]\nno-index = true\n", "[tool.pip-tools] no-index: put it into pip's configuration"),
    ],
)
def test_table_that_cannot_be_read_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """What is no table of that tool is one clear error, and so is an option that would leave out all indexes."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert [line.startswith(problem) for line in caught.value.problems] == [True]


def test_damaged_file_of_uv_is_a_problem(tmp_path: Path) -> None:
    """So is one that is nested without end; that of a folder above is nobody's concern."""
    lay(tmp_path, {"pyproject.toml": "a = " + "[" * 50000, "site/uv.toml": "a = " + "[" * 50000})
    with pytest.raises(ConfigError, match=r"uv\.toml: "):
        load(tmp_path / "site", "")
