"""What the driver uses of pip and pip-tools that is private; where this fails, the driver has to follow."""

from __future__ import annotations

import importlib
import inspect
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from estiba.errors import ConfigError
from estiba.lock.python import interpreter

PYPROJECT = Path(__file__).parents[4] / "pyproject.toml"


@pytest.mark.parametrize(
    ("module", "name", "parameters"),
    [
        ("pip._internal.operations.prepare", "_get_prepared_distribution", {"req"}),
        ("pip._internal.metadata", "get_metadata_distribution", {"metadata_contents", "filename", "canonical_name"}),
        ("pip._internal.commands.download", "DownloadCommand._build_session", {"self", "options"}),
        ("pip._internal.commands.download", "DownloadCommand._build_package_finder", {"self", "options", "session"}),
        ("pip._internal.index.package_finder", "PackageFinder.find_all_candidates", {"self", "project_name"}),
        ("pip._internal.index.package_finder", "PackageFinder.make_link_evaluator", {"self", "project_name"}),
        (
            "pip._internal.index.package_finder",
            "PackageFinder.find_best_candidate",
            {"self", "project_name", "specifier", "hashes"},
        ),
        ("pip._internal.index.package_finder", "LinkEvaluator.evaluate_link", {"self", "link"}),
        ("pip._internal.index.package_finder", "PackageFinder.requires_python_skipped_reasons", {"self"}),
        ("pip._internal.resolution.resolvelib.factory", "Factory.get_installation_error", {"self", "e", "constraints"}),
        ("pip._internal.resolution.resolvelib.base", "Requirement.get_candidate_lookup", {"self"}),
        ("pip._internal.resolution.resolvelib.base", "Candidate.get_install_requirement", {"self"}),
        ("pip._internal.utils.hashes", "Hashes", {"hashes"}),
        ("piptools.repositories.pypi", "PyPIRepository._get_file_hash", {"self", "link"}),
        ("piptools.repositories.pypi", "PyPIRepository._get_hashes_from_pypi", {"self", "ireq"}),
    ],
)
def test_insides_are_where_the_driver_looks(module: str, name: str, parameters: set[str]) -> None:
    """Each function is there and takes what it is given."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)

    assert parameters <= set(inspect.signature(found).parameters)


@pytest.mark.parametrize(
    ("module", "name", "attributes"),
    [
        ("pip._internal.index.package_finder", "LinkType", {"candidate", "format_unsupported"}),
        ("pip._internal.exceptions", "InstallationSubprocessError", set()),
        ("pip._internal.exceptions", "DistributionNotFound", set()),
        ("piptools.scripts.compile", "cli", {"main"}),
        (
            "pip._internal.models.link",
            "Link",
            {"filename", "file_path", "hash", "hash_name", "is_file", "is_wheel", "url_without_fragment"},
        ),
    ],
)
def test_values_are_as_the_driver_reads_them(module: str, name: str, attributes: set[str]) -> None:
    """Each class has the attributes that are read."""
    assert attributes <= set(dir(getattr(importlib.import_module(module), name)))


@pytest.mark.parametrize("name", ["pip", "pip-tools"])
def test_bounds_are_those_of_the_project(name: str) -> None:
    """What is installed with Estiba is what the driver was tried with, and nothing that is newer."""
    listed = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    (wanted,) = [one for one in map(Requirement, listed) if one.name == name]

    assert wanted.specifier == interpreter._KNOWN[name]
    assert version(name) in wanted.specifier


def test_unknown_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pip whose insides may be others is not tried."""
    monkeypatch.setitem(interpreter._KNOWN, "pip", SpecifierSet(">=99"))

    with pytest.raises(ConfigError, match=r"tools: pip [\d.]+ is installed beside Estiba, which supports >=99"):
        interpreter._locate("pip")
