from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from estiba.errors import ConfigError
from estiba.release import settings
from estiba.service import project as projects

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = "[tool.estiba.targets]\nstaging = {}\nproduction = {}\n"


def parse(folder: Path, text: str) -> settings.Settings:
    """Parse the settings of a project with these lines."""
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "shop"\ndependencies = []\n[tool.estiba]\nmanage = ""\n{text}'
    )
    return settings.parse(projects.load(folder))


def test_targets_are_those_of_the_service(tmp_path: Path) -> None:
    """Without settings a release goes to all targets, in the order of the file."""
    found = parse(tmp_path, TARGETS)

    assert (found.targets, found.tag, found.required) == (
        ("staging", "production"),
        "v{version}",
        ("SECRET_KEY", "DATABASE_URL"),
    )


def test_schema_of_the_service_says_what_is_required(tmp_path: Path) -> None:
    """A service that describes its variables need not repeat which of them a target has to give."""
    (tmp_path / "env.schema.json").write_text('{"properties": {}, "then": {"required": ["REDIS_URL"]}}')

    assert parse(tmp_path, TARGETS).required == ("REDIS_URL",)
    assert parse(tmp_path, "[tool.estiba.release]\nrequired = []\n").required == ()


def test_service_without_targets_is_released_to_this_machine(tmp_path: Path) -> None:
    """`local` needs no settings."""
    assert parse(tmp_path, "").targets == ("local",)


def test_all_problems_are_listed(tmp_path: Path) -> None:
    """Unknown keys get the nearest known one, and wrong types are named."""
    with pytest.raises(ConfigError) as caught:
        parse(tmp_path, '[tool.estiba.release]\ntaget = "v1"\ntag = "v1"\nrequired = "SECRET_KEY"\n')

    assert caught.value.problems == (
        "unknown key 'taget', did you mean 'targets'?",
        "'tag' is 'v1', and must contain {version} once",
        "'required' must be a list of strings, not 'SECRET_KEY'",
    )


def test_target_that_is_not_declared_is_refused(tmp_path: Path) -> None:
    """A name in `targets` or `approvals` is that of a target."""
    with pytest.raises(ConfigError, match=r"there is no target 'qa'; \[tool.estiba.targets.qa\] declares it"):
        parse(tmp_path, f"{TARGETS}[tool.estiba.release]\napprovals = {{qa = ['ana@example.com']}}\n")
