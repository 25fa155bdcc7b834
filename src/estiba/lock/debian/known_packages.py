"""Debian packages that well-known Python distributions need at run time or to be built.

Of use where the metadata of wheels and sdists cannot say it: libraries loaded with dlopen(3), programs, headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from estiba.service.debian import STABLE
from estiba.service.postgresql import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.requirements import Requirement

PACKAGES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "cairosvg": (("libcairo2",), ()),
    "gitpython": (("git",), ()),
    "mysqlclient": (("libmariadb3",), ("libmariadb-dev", "pkgconf")),
    "pdf2image": (("poppler-utils",), ()),
    "psycopg": (("libpq5",), ()),
    "psycopg-c": (("libpq5",), ("libpq-dev",)),
    "psycopg2": (("libpq5",), ("libpq-dev",)),
    "pyodbc": (("unixodbc",), ()),
    "pysaml2": (("xmlsec1",), ()),
    "pytesseract": (("tesseract-ocr",), ()),
    "python-ldap": (("libldap2",), ("libldap-dev", "libsasl2-dev")),
    "python-magic": (("libmagic1",), ()),
    "uwsgi": ((), ("libpcre2-dev",)),
    "weasyprint": (("libharfbuzz-subset0", "libpango-1.0-0", "libpangoft2-1.0-0"), ()),
}
"""Debian packages of each distribution: those needed at run time, and those needed to build its sdist."""

# Names in `PACKAGES` are those of trixie.
_IN_BOOKWORM: Final = {"libldap2": "libldap-2.5-0", "libgdal36": "libgdal32"}
_GEOGRAPHY: Final = ("libgdal36", "libgeos-c1v5", "libproj25")


def find_postgis(python: str) -> str:
    """Return the Debian package of PostGIS for the PostgreSQL of the Debian release that a Python version decides."""
    version = VERSIONS.get(STABLE.get(python, ""))
    return f"postgresql-{version}-postgis-3" if version else "postgresql-postgis"


def find_packages(
    wanted: Iterable[Requirement], *, python: str, geography: bool = False
) -> dict[str, dict[str, list[str]]]:
    """Return the Debian packages that requirements need.

    Args:
        wanted: Requirements.
        python: Python minor version, which decides the Debian release.
        geography: Whether the project uses GeoDjango.

    Returns:
        Packages by distribution name, each under the settings `debian` and `debian-build` of `[tool.estiba]`.
    """
    found: dict[str, tuple[set[str], set[str]]] = {}
    if geography:
        found["django.contrib.gis"] = (set(_GEOGRAPHY), set())
    asked = [(canonicalize_name(requirement.name), requirement.extras) for requirement in wanted]
    bundled = {name.removesuffix("-binary") for name, _ in asked if name.endswith("-binary")}
    for name, extras in asked:
        runtime, build = PACKAGES.get(f"{name}-c" if "c" in extras else name, ((), ()))
        # What requirements need adds up: production's psycopg[c] is built, whatever development's psycopg[binary]
        # bundles. A distribution that is always built, such as psycopg2, needs its libraries beside any other.
        if (runtime or build) and "binary" not in extras and (build or name not in bundled):
            known = found.setdefault(name, (set(), set()))
            known[0].update(runtime)
            known[1].update(build)
    renamed = _IN_BOOKWORM if python == "3.11" else {}
    return {
        name: {
            key: [renamed.get(package, package) for package in sorted(packages)]
            for key, packages in zip(("debian", "debian-build"), entry, strict=True)
        }
        for name, entry in found.items()
    }
