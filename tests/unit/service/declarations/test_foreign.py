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
