"""The page of results."""

from __future__ import annotations

from typing import Any

from benchmarks import caches

_HEAD = """\
# Benchmarks

`invoke bench` compares Estiba with `docker build` on one machine, in one run, with the same wheels at hand for both. It
writes this page and `benchmarks/results.json`. The service is the template's with {packages} distributions. The peer's
[Dockerfile](../benchmarks/peer/Dockerfile) starts from Debian's smallest system, installs apt's Python and the wheels,
copies the application and collects static files; dependencies come before the application. Both start with what they
need on disk: the peer with its base image, we with our builders. Medians of {cold} cold and {warm} other runs.

On {machine}:

| | Estiba | `docker build` | ratio |
| --- | ---: | ---: | ---: |
"""


def render(results: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    ours, peer, machine = results["ours"], results["peer"], results["machine"]
    shown = f"{machine['system']}, {machine['cores']} cores, {machine['memory_gb']} GB"
    head = _HEAD.format(
        packages=results["packages"],
        cold=len(ours["cold"]["runs"]),
        warm=len(ours["changed"]["runs"]),
        machine=shown,
    )
    rows = [
        _seconds("cold build", ours["cold"], peer["cold"]),
        _seconds("after a changed line", ours["changed"], peer["changed"]),
        _seconds("nothing changed", ours["unchanged"], peer["unchanged"]),
        _seconds("cold build for both platforms", ours["both"], None),
        _seconds("evaluation without cache", ours["evaluated"], None),
        _seconds("changed line to pushed", ours["pushed"], None),
        _megabytes("image, compressed", ours["size"], peer["size"]),
        _megabytes("layers that a changed line moves", ours["moved"], peer["moved"]),
    ]
    again = f"An unchanged image is pushed with {ours['requests']} requests and {ours['resent']} bytes of blobs."
    return head + "\n".join(rows) + f"\n\n{again}\n" + caches.render(results["cache"])


def _seconds(name: str, ours: dict[str, Any], peer: dict[str, Any] | None) -> str:
    if peer is None:
        return f"| {name} | {ours['median']:.2f} s | | |"
    return f"| {name} | {ours['median']:.2f} s | {peer['median']:.2f} s | {ours['median'] / peer['median']:.2f} |"


def _megabytes(name: str, ours: int, peer: int) -> str:
    return f"| {name} | {ours / 1e6:.2f} MB | {peer / 1e6:.2f} MB | {ours / peer:.2f} |"
