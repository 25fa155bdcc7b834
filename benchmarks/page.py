"""The page of results."""

from __future__ import annotations

from typing import Any

from benchmarks import caches, curve, releases, runner, servers, targets

_HEAD = """\
# Benchmarks

`invoke bench` compares Estiba with `docker build` on one machine, in one run, with the same wheels at hand for all. It
writes this page and `benchmarks/results.json`. The service is the template's with {packages} distributions, for one
platform unless a row says otherwise. It is built in four ways with Docker; in all, dependencies come before the
application, and static files are collected:

- as most write it: a [plain](../benchmarks/peer/Dockerfile.plain) Debian base, `apt-get install python3 python3-pip
  python3-venv` with all that apt recommends, a compiler among it, and the wheels copied into the image;
- without recommends: the same, with `--no-install-recommends`;
- as a [careful](../benchmarks/peer/Dockerfile.careful) team writes it: a slim base, no recommends, no pip from apt, and
  the wheels mounted for the installation alone;
- [with uv](../benchmarks/peer/Dockerfile.uv): a slim base that has Python already, and the wheels installed and
  compiled by uv. Beside it, "on a base" is our build in a store that has what comes from Debian: the packages' layer,
  Python and the bytecode of its library.

All start with what they need on disk: the peers with base image and Debian packages, we with the locked files and our
builders. A cold build is one with `--no-cache`, or in a store that has nothing of the service. Sizes are those of a
platform's layers in a registry. Medians of {cold} cold builds and {warm} other runs of each; all take turns.

On {machine}; in brackets, ours divided by theirs:

| | Estiba | as most write it | without recommends | careful | with uv |
| --- | ---: | ---: | ---: | ---: | ---: |
"""

_PUSH = """

After a changed line a push of both platforms sends {layers} layer, which they share, {others} configs, and {manifests}
manifests and indexes, of the image and of its bills of materials. An unchanged image is pushed with {requests} requests
and {resent} bytes of blobs.
"""


_BY_HAND = """
By hand, on a busy machine and in seconds of processors: uv installs, compiles and collects static files in {uv:.1f} s,
without Docker; our build of one platform on a base takes {based:.1f} s ({ratio:.2f} times). What remains is that each
layer is compressed and hashed in the build, each distribution described for the bills of materials, and each builder
started in a sandbox of its own.
"""


def render(results: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    ours, machine = results["ours"], results["machine"]
    peers = [results["peers"].get(name, {}) for name in targets.PEERS]
    head = _HEAD.format(
        packages=results["packages"],
        cold=len(ours["cold"]["runs"]),
        warm=len(ours["changed"]["runs"]),
        machine=f"{machine['system']}, {machine['cores']} cores, {machine['memory_gb']} GB",
    )
    slim, based = [*peers[:-1], {}], [{}, {}, {}, peers[-1]]
    rows = [
        _seconds("cold build", "cold", ours, slim),
        _row("cold build on a base", "s", _median(ours, "based"), [_median(peer, "cold") for peer in based]),
        _seconds("after a changed line", "changed", ours, peers),
        _seconds("nothing changed", "unchanged", ours, peers),
        _seconds("cold build for both platforms", "both", ours, []),
        _seconds("both platforms on a base", "based_both", ours, []),
        _seconds("evaluation without cache", "evaluated", ours, []),
        _seconds("changed line to pushed", "pushed", ours, []),
        _megabytes("image, compressed", "size", ours, peers),
        _megabytes("layers that a changed line moves", "moved", ours, peers),
    ]
    push = _PUSH.format(requests=ours["requests"], resent=ours["resent"], **ours["sent"])
    by_hand = results.get("by_hand")
    said = _BY_HAND.format(**by_hand, ratio=by_hand["based"] / by_hand["uv"]) if by_hand else ""
    chapters = targets.render(results) + said + caches.render(results["cache"])
    # Results that are older than a chapter have no figures for it.
    later = (
        ("curve", curve.render),
        ("runner", runner.render),
        ("releases", releases.render),
        ("servers", servers.render),
    )
    return (
        head + "\n".join(rows) + push + chapters + "".join(show(results[key]) for key, show in later if key in results)
    )


def _seconds(name: str, key: str, ours: dict[str, Any], peers: list[dict[str, Any]]) -> str:
    return _row(name, "s", _median(ours, key), [_median(peer, key) for peer in peers])


def _megabytes(name: str, key: str, ours: dict[str, Any], peers: list[dict[str, Any]]) -> str:
    return _row(name, "MB", ours[key] / 1e6, [peer[key] / 1e6 if key in peer else None for peer in peers])


def _median(found: dict[str, Any], key: str) -> float | None:
    """Return a measured time; results that are older than a row or a column have none."""
    return found[key]["median"] if key in found else None


def _row(name: str, unit: str, ours: float | None, theirs: list[float | None]) -> str:
    if ours is None:
        return f"| {name} | not measured | | | | |"
    cells = ["" if figure is None else f"{figure:.2f} {unit} ({ours / figure:.2f})" for figure in theirs]
    return f"| {' | '.join([name, f'{ours:.2f} {unit}', *(cells or [''] * len(targets.PEERS))])} |"
