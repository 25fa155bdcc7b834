"""The bills of materials of the sample service, read by the validators of those who wrote the formats."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from packageurl import PackageURL

from estiba import config

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.build.oci_image import Built

PLATFORMS = ("aarch64-linux", "x86_64-linux")

VALIDATE_CYCLONEDX = """
import pathlib, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
document = pathlib.Path(sys.argv[1]).read_text()
for found in JsonStrictValidator(SchemaVersion.V1_6).validate_str(document, all_errors=True) or ():
    print(found)
"""

SPDX_TOOLS = "spdx-tools==0.8.5"
"""SPDX's own validator; larger than all the rest that only tests need, so it is not among the locked tools."""

VALIDATE_SPDX = """
import sys
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
for found in validate_full_spdx_document(parse_file(sys.argv[1])):
    print(found.context.spdx_id, found.validation_message)
"""


def judge(code: str, document: Path, *, path: str = "") -> list[str]:
    """Run a validator in a process of its own, where builders' modules have nobody's name, and return what it finds."""
    argv = [sys.executable, "-W", "ignore", "-c", code, str(document)]
    env = config.load().environment(PYTHONPATH=path)
    return subprocess.run(argv, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def spoil(document: Path, old: str, new: str, *, folder: Path) -> Path:
    """Copy a document with one mistake in it."""
    text = document.read_text()
    assert old in text
    copy = folder / document.name
    copy.write_text(text.replace(old, new, 1))
    return copy


@pytest.fixture(scope="module")
def spdx_tools(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Install SPDX's validator and return the folder to import it from."""
    folder = tmp_path_factory.mktemp("spdx-tools")
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), SPDX_TOOLS]
    subprocess.run(argv, check=True)
    return str(folder)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_cyclonedx_follows_its_schema(shop_image: Built, platform: str, tmp_path: Path) -> None:
    """The document is valid CycloneDX 1.6 without unknown keys, and one with an unknown hash algorithm is not."""
    document = shop_image.path / "sbom" / f"{platform}.cdx.json"

    assert judge(VALIDATE_CYCLONEDX, document) == []
    assert judge(VALIDATE_CYCLONEDX, spoil(document, '"SHA-256"', '"SHA-257"', folder=tmp_path)) != []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_package_urls_are_canonical(shop_image: Built, platform: str) -> None:
    """Scanners compare package URLs letter by letter."""
    document = json.loads((shop_image.path / "sbom" / f"{platform}.cdx.json").read_text())
    urls = [part["purl"] for part in document["components"]]

    assert len(urls) > 50
    assert [PackageURL.from_string(url).to_string() for url in urls] == urls


@pytest.mark.parametrize("platform", PLATFORMS)
def test_spdx_follows_its_rules(shop_image: Built, spdx_tools: str, platform: str, tmp_path: Path) -> None:
    """The document is valid SPDX 2.3, and one that refers to a package that it lacks is not."""
    document = shop_image.path / "sbom" / f"{platform}.spdx.json"
    broken = spoil(document, '"relatedSpdxElement": "SPDXRef-1"', '"relatedSpdxElement": "SPDXRef-x"', folder=tmp_path)

    assert judge(VALIDATE_SPDX, document, path=spdx_tools) == []
    assert judge(VALIDATE_SPDX, broken, path=spdx_tools) != []
