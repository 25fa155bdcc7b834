"""Consistency checks of the lock files, which only `invoke lock` writes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from estiba.errors import LockFormatError
from estiba.lock import model
from estiba.lock.python import pins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from estiba.lock.model import Distribution, Lock
    from estiba.lock.python.pins import Pin

_HINT = "take the lock files from version control, or write them anew: invoke lock --upgrade"


def check(text: str, runtime: str, dev: str) -> Lock:
    """Parse estiba.lock and check that its records agree with each other and with the pinned requirements.

    Args:
        text: Text of estiba.lock.
        runtime: Text of requirements-lock.txt.
        dev: Text of requirements-dev-lock.txt, empty if there is none.

    Raises:
        LockFormatError: The files were edited by hand or are of different runs; the message lists all problems.
    """
    lock = model.parse(text)
    problems = [*_check_debs(lock), *_check_distributions(lock), *_check_layers(lock)]
    problems += _check_pins(lock, pins.parse(runtime), pins.parse(dev, file=pins.DEV_FILE))
    # Last, since the checks above explain an edited value better.
    if not problems and model.render(lock) != text:
        problems = ["the order or the form of its lines is not the one that invoke lock writes"]
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        msg = f"the lock files were edited by hand or do not belong together:{listed}"
        raise LockFormatError(msg, hint=_HINT)
    return lock


def _check_debs(lock: Lock) -> Iterator[str]:
    names = {platform: {deb.name for deb in lock.debs if platform in deb.platforms} for platform in lock.platforms}
    for index, deb in enumerate(lock.debs):
        unknown = {name for platform in deb.platforms for name in deb.depends if name not in names.get(platform, ())}
        yield from (f"debs[{index}].depends: {name!r} is not locked" for name in sorted(unknown))
    yield from _check_twice("debs", (f"{deb.file} ({deb.arch})" for deb in lock.debs))
    yield from _check_versions("debs", ((deb.name, platform) for deb in lock.debs for platform in deb.platforms))
    yield from _check_platforms(lock)


def _check_distributions(lock: Lock) -> Iterator[str]:
    names = {distribution.name for distribution in lock.distributions}
    builders = {f"{distribution.name}=={distribution.version}" for distribution in lock.build_distributions}
    for section, records in (("distributions", lock.distributions), ("build_distributions", lock.build_distributions)):
        for index, distribution in enumerate(records):
            if section == "distributions":
                yield from (
                    f"{section}[{index}].requires: {name!r} is not locked"
                    for name in distribution.requires
                    if name not in names
                )
            yield from (
                f"{section}[{index}].build: {name!r} is not locked"
                for name in distribution.build
                if name not in builders
            )
        yield from _check_files(section, records)
        yield from _check_twice(section, (f"{distribution.file} {distribution.sha256}" for distribution in records))
    yield from _check_versions(
        "distributions",
        ((distribution.name, platform) for distribution in lock.distributions for platform in distribution.platforms),
    )


def _check_files(section: str, distributions: Iterable[Distribution]) -> Iterator[str]:
    """Yield the wheels whose file names are of another name or version; the names of old sdists follow no rule."""
    for index, one in enumerate(distributions):
        if one.kind != "wheel":
            continue
        try:
            name, version, _, _ = parse_wheel_filename(one.file)
        except InvalidWheelFilename:
            yield f"{section}[{index}].file: {one.file!r} is not the name of a wheel (PEP 427)"
        else:
            if (name, str(version)) != (one.name, str(Version(one.version))):
                yield f"{section}[{index}].file: {one.file!r} is not {one.name} {one.version}"


def _check_layers(lock: Lock) -> Iterator[str]:
    placed = Counter(name for layer in lock.layers for name in layer.distributions)
    runtime = {distribution.name for distribution in lock.distributions if "runtime" in distribution.groups}
    yield from (f"layers: {name!r} is in no layer" for name in sorted(runtime - placed.keys()))
    yield from (f"layers: {name!r} is not a runtime distribution" for name in sorted(placed.keys() - runtime))
    yield from (f"layers: {name!r} is in more than one" for name, count in sorted(placed.items()) if count > 1)


def _check_platforms(lock: Lock) -> Iterator[str]:
    used = {platform for record in lock.artifacts for platform in record.platforms}
    yield from (f"platforms: {platform!r} is used by a record" for platform in sorted(used - set(lock.platforms)))


def _check_pins(lock: Lock, runtime: list[Pin], dev: list[Pin]) -> Iterator[str]:
    hashes = {(pin.name, pin.version): set(pin.hashes) for pin in (*runtime, *dev)}
    for distribution in lock.distributions:
        known = hashes.get((distribution.name, distribution.version))
        if known is None:
            yield f"{_file_of(distribution)} lacks {distribution.name}=={distribution.version}"
        elif distribution.sha256.hex not in known:
            yield f"{_file_of(distribution)} lacks the hash of {distribution.file}"
    locked = {(distribution.name, distribution.version) for distribution in lock.distributions}
    for name, version in sorted(hashes.keys() - locked):
        yield f"estiba.lock lacks {name}=={version}"


def _file_of(distribution: Distribution) -> str:
    return pins.RUNTIME_FILE if "runtime" in distribution.groups else pins.DEV_FILE


def _check_twice(section: str, keys: Iterable[str]) -> Iterator[str]:
    yield from (f"{section}: {key} is there twice" for key, count in sorted(Counter(keys).items()) if count > 1)


def _check_versions(section: str, keys: Iterable[tuple[str, str]]) -> Iterator[str]:
    counted = sorted(Counter(keys).items())
    yield from (
        f"{section}: {name} has {count} records for {platform}" for (name, platform), count in counted if count > 1
    )
