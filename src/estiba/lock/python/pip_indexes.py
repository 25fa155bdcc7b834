"""Package indexes of a project, for pip: which of them are asked for which project, and in which order.

Part of the driver, which runs under the service's interpreter. Between two indexes of its configuration pip takes the
higher version, so whoever publishes one under a private name on a public index is installed. uv, Poetry and PDM ask one
after another, and the first that has a project is the only one; that order is kept here. What indexes have for another
Python or platform is told.
"""

from __future__ import annotations

import fnmatch
import platform
import threading
import urllib.parse
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_asked = threading.local()
_SETTINGS: Final = {"default": "index-url"}


def restrict(indexes: Sequence[Mapping[str, Any]], withheld: Sequence[str]) -> list[str]:
    """Patch pip to ask each index for its own projects alone.

    Args:
        indexes: Indexes of the project: `name`, `url`, `rank` and `projects`, as in `foreign.Index`.
        withheld: Normalised names of projects that no index is asked for.

    Returns:
        A sentence for each index that pip's configuration lacks, and with it its credentials.
    """
    from pip._internal.index.package_finder import PackageFinder  # noqa: PLC0415 - the emulation comes first
    from pip._internal.models.index import PyPI  # noqa: PLC0415
    from pip._internal.models.search_scope import SearchScope  # noqa: PLC0415
    from pip._vendor.packaging.utils import canonicalize_name  # noqa: PLC0415

    configured = _read_configuration()
    known = {key(url): url for url in configured}
    # PyPI is whatever pip's configuration has as its main index: a mirror, where there is one.
    named = [index for index in indexes if not is_public(index["url"], PyPI.simple_url)]
    own = [index for index in named if index["rank"] != "default"]
    rest = [url for url in configured if key(url) not in {key(index["url"]) for index in own}]
    find, locate = PackageFinder.find_all_candidates, SearchScope.get_index_urls_locations

    def find_in_order(self: Any, project_name: str) -> Any:  # noqa: ANN401 - pip has no types for others
        found: Any = self._all_candidates.get(project_name, [])
        for urls in plan(canonicalize_name(project_name), own, rest, withheld=withheld):
            if found:
                break
            self._all_candidates.pop(project_name, None)
            _asked.urls = [known.get(key(url), url) for url in urls]
            try:
                found = find(self, project_name)
            finally:
                _asked.urls = None
        return found

    def locate_asked(self: Any, project_name: str) -> list[str]:  # noqa: ANN401
        urls = getattr(_asked, "urls", None)
        if urls is None:
            return locate(self, project_name)
        return locate(SearchScope(find_links=[], index_urls=urls, no_index=False), project_name)

    patched: Any = PackageFinder
    patched.find_all_candidates = find_in_order
    SearchScope.get_index_urls_locations = locate_asked  # type: ignore[method-assign]
    return list(_find_missing(named, known))


def plan(
    project: str, indexes: Sequence[Mapping[str, Any]], rest: Sequence[str], *, withheld: Iterable[str]
) -> Iterator[list[str]]:
    """Yield the indexes to ask for a project, one group after another until one has it.

    Args:
        project: Normalised name.
        indexes: Indexes of the project beside pip's own.
        rest: Indexes of pip's configuration that are none of these.
        withheld: Names that no index is asked for.
    """
    if project in withheld:
        # Folders of files (find-links) belong to none, and are looked into all the same.
        yield []
        return
    only = [index for index in indexes if any(fnmatch.fnmatchcase(project, one) for one in index["projects"])]
    if only:
        yield from ([index["url"]] for index in only)
        return
    yield from ([index["url"]] for index in indexes if index["rank"] == "first")
    yield list(rest)
    yield from ([index["url"]] for index in indexes if index["rank"] == "last")


def key(url: str) -> str:
    """Return an address without credentials, and in one form, to compare it with others."""
    parts = urllib.parse.urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path.rstrip('/')}"


def is_public(url: str, public: str) -> bool:
    """Return whether an address is that of the public index, or its one of before 2018, which old Pipfiles have.

    Args:
        url: The address.
        public: That of the public index; the former one was in the domain python.org.
    """
    host = urllib.parse.urlsplit(public).hostname or ""
    return key(url) in {key(public), key(public.replace(host, host.replace(".", ".python.")))}


def _read_configuration() -> list[str]:
    """Return the indexes of pip's configuration, its main one first."""
    from pip._internal.commands.download import DownloadCommand  # noqa: PLC0415 - the emulation comes first

    options, _ = DownloadCommand("download", "").parse_args([])
    return [] if options.no_index else [options.index_url, *options.extra_index_urls]


def _find_missing(indexes: Sequence[Mapping[str, Any]], known: Mapping[str, str]) -> Iterator[str]:
    for index in indexes:
        if key(index["url"]) not in known:
            setting = _SETTINGS.get(index["rank"], "extra-index-url")
            yield f"{index['name']} is {key(index['url'])}: pip config set global.{setting} {key(index['url'])}"


def note_wheels(make: Callable[[str], Any], passed_over: list[str]) -> Callable[[str], Any]:
    """Return a maker of link evaluators that note the wheels for another Python or platform."""
    from pip._internal.index.package_finder import LinkType  # noqa: PLC0415 - the emulation comes first

    def make_noting(project_name: str) -> Any:  # noqa: ANN401 - pip has no types for others
        evaluator = make(project_name)
        evaluate = evaluator.evaluate_link

        def note(link: Any) -> Any:  # noqa: ANN401
            answer = evaluate(link)
            if answer[0] == LinkType.platform_mismatch:
                passed_over.append(link.filename)
            return answer

        evaluator.evaluate_link = note
        return evaluator

    return make_noting


def describe_wheels(files: Sequence[str], usable: set[str]) -> list[str]:
    """Return a sentence for each version of which there are but wheels that cannot be used."""
    wheels: dict[str, list[tuple[str, str]]] = {}
    for file in files:
        # As PEP 427 names them; what precedes is the name.
        version, *_, python, _, system = file.removesuffix(".whl").split("-")[1:]
        wheels.setdefault(version, []).append((python, system))
    found, own = [], f"*linux*{platform.machine()}*"
    for version, tags in sorted(wheels.items()):
        # Where one is for this platform, it is the Python that does not fit.
        pythons = {python for python, system in tags if system == "any" or fnmatch.fnmatch(system, own)}
        named = sorted(pythons or {system for _, system in tags})
        if version not in usable:
            found.append(f"{version} has wheels for {', '.join(named)} alone")
    return found
