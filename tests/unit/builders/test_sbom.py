from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

import sbom

if TYPE_CHECKING:
    from pathlib import Path

SHA = "5" * 64


def deb(name: str, version: str = "1.0-1", *, depends: tuple[str, ...] = (), arch: str = "amd64") -> dict[str, Any]:
    """Make a Debian record of a lock."""
    file = f"{name}_{version}_{arch}.deb"
    return {"name": name, "version": version, "arch": arch, "depends": list(depends), "file": file, "sha256": SHA}


def distribution(name: str, version: str = "1.0", *, requires: tuple[str, ...] = ()) -> dict[str, Any]:
    """Make a Python record of a lock."""
    file = f"{name}-{version}-py3-none-any.whl"
    return {"name": name, "version": version, "requires": list(requires), "file": file, "sha256": SHA}


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """Describe a platform with three Debian packages and three distributions."""
    bundled = {"pillow": [{"type": "library", "name": "libjpeg", "bom-ref": "x"}, {"type": "library", "name": "zlib"}]}
    for name in ("django", "asgiref", "pillow"):
        description = {
            "bundled": bundled.get(name, []),
            "expression": "BSD-3-Clause" if name == "django" else "",
            "license": "MIT License" if name == "pillow" else "",
            "summary": "",
        }
        (tmp_path / name).mkdir()
        (tmp_path / name / "description.json").write_text(json.dumps(description))
    return {
        "service": "shop",
        "version": "1.2",
        "platform": "x86_64-linux",
        "suite": "trixie",
        "distribution": "",
        "debs": [
            deb("libc6", "2.41-12", depends=("libgcc-s1", "debconf")),
            deb("libstdc++6", "14.2.0-19", depends=("libc6", "libc6")),
            deb("tzdata", arch="all"),
        ],
        "distributions": [
            distribution("asgiref"),
            distribution("django", requires=("asgiref", "tzdata")),
            distribution("pillow"),
        ],
        "descriptions": {name: str(tmp_path / name) for name in ("django", "asgiref", "pillow")},
    }


@pytest.mark.parametrize(
    ("record", "suite", "expected"),
    [
        (deb("libc6", "2.41-12"), "trixie", "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13"),
        (
            deb("git", "1:2.39.5-0+deb12u2"),
            "bookworm",
            "pkg:deb/debian/git@1:2.39.5-0%2Bdeb12u2?arch=amd64&distro=debian-12",
        ),
        (
            deb("libstdc++6", "14~rc1-1", arch="arm64"),
            "forky",
            "pkg:deb/debian/libstdc%2B%2B6@14~rc1-1?arch=arm64&distro=forky",
        ),
    ],
    ids=["plain", "epoch", "signs"],
)
def test_purl_of_a_debian_package(record: dict[str, Any], suite: str, expected: str) -> None:
    """The form is the canonical one: an epoch's colon stays, plus signs are encoded."""
    assert sbom.deb_purl(record, suite) == expected


def test_purl_of_another_distribution() -> None:
    """A package of Ubuntu has vulnerabilities of its own, by which scanners look it up."""
    found = sbom.deb_purl(deb("libc6", "2.39-0ubuntu8"), "noble", "ubuntu-24.04")

    assert found == "pkg:deb/ubuntu/libc6@2.39-0ubuntu8?arch=amd64&distro=ubuntu-24.04"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (distribution("django", "5.2.1"), "pkg:pypi/django@5.2.1"),
        (distribution("torch", "2.7.0+cpu"), "pkg:pypi/torch@2.7.0%2Bcpu"),
        (distribution("pytz", "1!2004"), "pkg:pypi/pytz@1%212004"),
    ],
    ids=["plain", "local version", "epoch"],
)
def test_purl_of_a_distribution(record: dict[str, Any], expected: str) -> None:
    """Names are normalised in the lock already; versions are percent-encoded."""
    assert sbom.pypi_purl(record) == expected


def test_edges_stay_inside_the_image(given: dict[str, Any]) -> None:
    """A package points at each one that it needs and that is there, once, and never from Python to Debian."""
    parts = {part.name: part for part in sbom.components(given)}

    assert parts["libc6"].depends == ()
    assert parts["libstdc++6"].depends == (parts["libc6"].ref,)
    assert parts["django"].depends == (parts["asgiref"].ref,)


def test_cyclonedx_is_whole(given: dict[str, Any]) -> None:
    """Every package is a component with hash and purl, and every reference leads to one."""
    document = sbom.cyclonedx(given, sbom.components(given))

    refs = [component["bom-ref"] for component in document["components"]]
    nested = [inner["bom-ref"] for component in document["components"] for inner in component.get("components", [])]
    assert len(set(refs + nested)) == 6 + 2
    assert {component["purl"] for component in document["components"]} == set(refs)
    assert [entry["ref"] for entry in document["dependencies"]] == ["service", *refs]
    assert {ref for entry in document["dependencies"] for ref in entry["dependsOn"]} <= set(refs)
    assert document["components"][0]["hashes"] == [{"alg": "SHA-256", "content": SHA}]
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", document["serialNumber"])


def test_cyclonedx_names_licence_and_contents(given: dict[str, Any]) -> None:
    """Licences and what a wheel bundles are there where they are known."""
    components = {each["name"]: each for each in sbom.cyclonedx(given, sbom.components(given))["components"]}

    assert components["django"]["licenses"] == [{"expression": "BSD-3-Clause"}]
    assert components["pillow"]["licenses"] == [{"license": {"name": "MIT License"}}]
    assert "licenses" not in components["asgiref"]
    assert [inner["name"] for inner in components["pillow"]["components"]] == ["libjpeg", "zlib"]


def test_spdx_is_whole(given: dict[str, Any]) -> None:
    """The document describes the service, which contains every package, and every identifier leads somewhere."""
    document = sbom.spdx(given, sbom.components(given))

    identifiers = [package["SPDXID"] for package in document["packages"]]
    assert len(set(identifiers)) == 7
    related = {relation["relatedSpdxElement"] for relation in document["relationships"]}
    assert related == set(identifiers)
    assert document["creationInfo"] == {"created": "1970-01-01T00:00:00Z", "creators": ["Tool: estiba"]}
    declared = {package["name"]: package.get("licenseDeclared") for package in document["packages"]}
    assert (declared["django"], declared["pillow"]) == ("BSD-3-Clause", "NOASSERTION")
    assert document["packages"][1]["checksums"] == [{"algorithm": "SHA256", "checksumValue": SHA}]
    assert document["packages"][1]["externalRefs"][0]["referenceLocator"].startswith("pkg:deb/debian/libc6@")


def test_both_formats_have_the_same_edges(given: dict[str, Any]) -> None:
    """Whichever format a tool reads, it learns the same dependencies."""
    parts = sbom.components(given)
    spdx = sbom.spdx(given, parts)
    purls = {
        package["SPDXID"]: package["externalRefs"][0]["referenceLocator"]
        for package in spdx["packages"]
        if "externalRefs" in package
    }

    from_spdx = {
        (purls[relation["spdxElementId"]], purls[relation["relatedSpdxElement"]])
        for relation in spdx["relationships"]
        if relation["relationshipType"] == "DEPENDS_ON"
    }
    assert from_spdx == {
        (entry["ref"], ref)
        for entry in sbom.cyclonedx(given, parts)["dependencies"]
        if entry["ref"] != "service"
        for ref in entry["dependsOn"]
    }


def test_identity_is_the_content(given: dict[str, Any]) -> None:
    """The same packages give the same document to the byte; another version gives another serial number."""
    first = sbom.cyclonedx(given, sbom.components(given))
    again = sbom.cyclonedx(given, sbom.components(given))
    given["debs"][0]["version"] = "2.41-13"
    newer = sbom.cyclonedx(given, sbom.components(given))

    assert json.dumps(first, sort_keys=True) == json.dumps(again, sort_keys=True)
    assert first["serialNumber"] != newer["serialNumber"]
