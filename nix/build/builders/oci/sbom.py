"""Builder: bills of materials of one platform's image, in CycloneDX 1.6 and SPDX 2.3, from lock and closure alone.

Both come from one list of components; names of packages follow the purl specification (types `deb` and `pypi`).
"""

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs

_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_DISTRO = {"bookworm": "debian-12", "trixie": "debian-13"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One package of the image."""

    ref: str
    name: str
    version: str
    purl: str
    file: str
    sha256: str
    expression: str = ""
    license: str = ""
    summary: str = ""
    depends: tuple[str, ...] = ()
    bundled: tuple[dict[str, Any], ...] = field(default=())


def deb_purl(record: dict[str, Any], suite: str) -> str:
    """Return `pkg:deb/debian/NAME@VERSION?arch=ARCH&distro=debian-N`."""
    # An epoch's colon stays as it is, everything else is percent-encoded: the canonical form.
    version = quote(record["version"], safe=":")
    distro = _DISTRO.get(suite, suite)
    return f"pkg:deb/debian/{quote(record['name'], safe='')}@{version}?arch={record['arch']}&distro={distro}"


def pypi_purl(record: dict[str, Any]) -> str:
    """Return `pkg:pypi/NAME@VERSION`; a package of a folder or of a repository is not the one that PyPI may have."""
    if record.get("kind") == "local" or "source" in record:
        origin = f"?vcs_url={quote(record['source'], safe='')}" if "source" in record else ""
        return f"pkg:generic/{record['name']}@{quote(record['version'], safe='')}{origin}"
    return f"pkg:pypi/{record['name']}@{quote(record['version'], safe='')}"


def components(given: dict[str, Any]) -> list[Component]:
    """List all packages of a platform, Debian's first, each with the packages that it needs.

    Args:
        given: `debs` and `distributions` (records of the lock), `descriptions` (name to store path), `suite`.
    """
    debs = {record["name"]: deb_purl(record, given["suite"]) for record in given["debs"]}
    wheels = {record["name"]: pypi_purl(record) for record in given["distributions"]}
    found = [_component(record, debs[record["name"]], _edges(record["depends"], debs)) for record in given["debs"]]
    for record in given["distributions"]:
        path = Path(given["descriptions"][record["name"]]) / "description.json"
        description = json.loads(path.read_text())
        found.append(_component(record, wheels[record["name"]], _edges(record["requires"], wheels), description))
    return found


def cyclonedx(given: dict[str, Any], parts: list[Component]) -> dict[str, Any]:
    """Return a CycloneDX 1.6 document without a time, its serial number a hash of its content."""
    top = {"bom-ref": "service", "name": given["service"], "type": "application", "version": given["version"]}
    direct = sorted(part.ref for part in parts)
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "components": [_cyclonedx_component(part) for part in parts],
        "dependencies": [
            {"dependsOn": direct, "ref": "service"},
            *({"dependsOn": list(part.depends), "ref": part.ref} for part in parts),
        ],
        "metadata": {"component": top, "properties": [{"name": "estiba:platform", "value": given["platform"]}]},
        "specVersion": "1.6",
        "version": 1,
    }
    return {**document, "serialNumber": f"urn:uuid:{_identity(document)}"}


def spdx(given: dict[str, Any], parts: list[Component]) -> dict[str, Any]:
    """Return an SPDX 2.3 document.

    The format asks for a time; a constant keeps the document the same from one commit to the next, as its content is.
    """
    identifiers = {part.ref: f"SPDXRef-{index}" for index, part in enumerate(parts, start=1)}
    top = {
        "SPDXID": "SPDXRef-0",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "name": given["service"],
        "primaryPackagePurpose": "CONTAINER",
        "versionInfo": given["version"],
    }
    relations = [_relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-0")]
    for part in parts:
        relations.append(_relation("SPDXRef-0", "CONTAINS", identifiers[part.ref]))
        relations += [_relation(identifiers[part.ref], "DEPENDS_ON", identifiers[ref]) for ref in part.depends]
    document = {
        "SPDXID": "SPDXRef-DOCUMENT",
        "creationInfo": {"created": "1970-01-01T00:00:00Z", "creators": ["Tool: estiba"]},
        "dataLicense": "CC0-1.0",
        "name": f"{given['service']}-{given['version']}-{given['platform']}",
        "packages": [top, *(_spdx_package(part, identifiers[part.ref]) for part in parts)],
        "relationships": relations,
        "spdxVersion": "SPDX-2.3",
    }
    return {**document, "documentNamespace": f"urn:uuid:{_identity(document)}"}


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    parts = components(given)
    out = attrs.output(given)
    out.mkdir()
    for name, document in {"cdx": cyclonedx(given, parts), "spdx": spdx(given, parts)}.items():
        (out / f"{name}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def _component(
    record: dict[str, Any], purl: str, depends: tuple[str, ...], description: dict[str, Any] | None = None
) -> Component:
    more = description or {"bundled": [], "expression": "", "license": "", "summary": ""}
    return Component(
        ref=purl,
        purl=purl,
        depends=depends,
        expression=more["expression"],
        license=more["license"],
        summary=more["summary"],
        bundled=tuple(more["bundled"]),
        **{key: record[key] for key in ("name", "version", "file", "sha256")},
    )


def _edges(names: list[str], purls: dict[str, str]) -> tuple[str, ...]:
    return tuple(sorted({purls[name] for name in names if name in purls}))


def _cyclonedx_component(part: Component) -> dict[str, Any]:
    document: dict[str, Any] = {
        "bom-ref": part.ref,
        "hashes": [{"alg": "SHA-256", "content": part.sha256}],
        "name": part.name,
        "properties": [{"name": "estiba:file", "value": part.file}],
        "purl": part.purl,
        "type": "library",
        "version": part.version,
    }
    if part.summary:
        document["description"] = part.summary
    if part.expression:
        document["licenses"] = [{"expression": part.expression}]
    elif part.license:
        document["licenses"] = [{"license": {"name": part.license}}]
    if part.bundled:
        # References inside a bundled bill would clash between wheels, so they are made unique per wheel.
        document["components"] = [
            {**inner, "bom-ref": f"{part.ref}#{number}"} for number, inner in enumerate(part.bundled)
        ]
    return document


def _spdx_package(part: Component, identifier: str) -> dict[str, Any]:
    return {
        "SPDXID": identifier,
        "checksums": [{"algorithm": "SHA256", "checksumValue": part.sha256}],
        "copyrightText": "NOASSERTION",
        "downloadLocation": "NOASSERTION",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceLocator": part.purl, "referenceType": "purl"}
        ],
        "filesAnalyzed": False,
        "licenseComments": part.license or part.expression or "not stated",
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": part.expression or "NOASSERTION",
        "name": part.name,
        "packageFileName": part.file,
        "versionInfo": part.version,
    }


def _relation(source: str, kind: str, target: str) -> dict[str, str]:
    return {"relatedSpdxElement": target, "relationshipType": kind, "spdxElementId": source}


def _identity(document: dict[str, Any]) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True))


if __name__ == "__main__":
    main()
