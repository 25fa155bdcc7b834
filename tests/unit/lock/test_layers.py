from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.unit.lock.test_model import DJANGO

from estiba.lock import layers

if TYPE_CHECKING:
    from estiba.lock.model import Layer

MB = 1_000_000


def plan(sizes: dict[str, int], previous: tuple[Layer, ...] = ()) -> dict[str, tuple[str, ...]]:
    """Return a plan as a dictionary."""
    return {layer.name: layer.distributions for layer in layers.plan(sizes, previous)}


def test_big_ones_alone_small_ones_together() -> None:
    """Whatever is upgraded often and weighs much has a layer of its own."""
    found = plan({"django": 8 * MB, "pillow": 6 * MB, "asgiref": 30_000, "sqlparse": 40_000})

    assert found == {"django": ("django",), "pillow": ("pillow",), "small": ("asgiref", "sqlparse")}


def test_an_upgrade_moves_nothing_else() -> None:
    """Other sizes, even past the limit, leave everything where it was."""
    sizes = {"django": 8 * MB, "asgiref": 30_000, "sqlparse": 40_000}
    before = layers.plan(sizes)

    assert layers.plan({"django": 900_000, "asgiref": 5 * MB, "sqlparse": 40_000}, before) == before


def test_new_and_gone_ones_leave_the_rest() -> None:
    """A distribution that comes or goes changes its own layer only."""
    before = layers.plan({"django": 8 * MB, "asgiref": 30_000, "sqlparse": 40_000})
    after = plan({"django": 8 * MB, "lxml": 5 * MB, "sqlparse": 40_000, "redis": 200_000}, before)

    assert after == {"django": ("django",), "lxml": ("lxml",), "small": ("redis", "sqlparse")}


def test_there_are_never_too_many_layers() -> None:
    """Past the limit, big ones share two layers of about the same size."""
    sizes = {f"big-{number:02}": (20 - number) * MB for number in range(14)}
    found = plan(sizes)
    shared = [sum(sizes[name] for name in found[layer]) for layer in ("small", "small-2")]

    assert len(found) == 10
    assert abs(shared[0] - shared[1]) < max(sizes.values())


def test_platforms_share_what_is_the_same_on_all() -> None:
    """Small native distributions have a layer of their own; once placed, one stays there even if it becomes pure."""
    sizes = {"django": 8 * MB, "asgiref": 30_000, "cffi": 200_000}
    before = layers.plan(sizes, native={"cffi"})

    assert {layer.name: layer.distributions for layer in before} == {
        "django": ("django",), "small": ("asgiref",), "small-native": ("cffi",),
    }  # fmt: skip
    assert layers.plan(sizes, before) == before


def test_native_is_what_its_file_says() -> None:
    """Wheels for a platform, and what has yet to be built."""
    files = {
        "pure": "pure-1-py3-none-any.whl",
        "cffi": "cffi-1-cp313-cp313-manylinux_2_17_x86_64.whl",
        "old": "old-1.tar.gz",
    }

    assert layers.native([replace(DJANGO, name=name, file=file) for name, file in files.items()]) == {"cffi", "old"}


def test_a_distribution_named_like_a_shared_layer() -> None:
    """A name of a distribution that is a shared layer's too does no harm."""
    before = layers.plan({"x": 10})

    assert plan({"x": 10, "small": 2 * MB}, before) == {"small": ("small", "x")}


def test_no_distributions_no_layers() -> None:
    """An empty service has an empty plan."""
    assert layers.plan({}) == ()


def test_sizes_are_of_the_runtime_and_the_largest_file() -> None:
    """Only what is in the image counts, by its largest file."""
    dev = replace(DJANGO, name="pytest", groups=("dev",))
    small = replace(DJANGO, file="django-other.whl", size=5)

    assert layers.measure([small, DJANGO, dev]) == {"django": 20}


def test_packages_of_the_service_have_layers_of_their_own() -> None:
    """They change with its code, which moves no other distribution, whatever layer they were in."""
    before = layers.plan({"django": 8 * MB, "shelf": 2000, "sqlparse": 40_000})
    found = layers.plan({"django": 8 * MB, "shelf": 2000, "sqlparse": 40_000}, before, own={"shelf"})

    assert [(one.name, one.distributions) for one in found][1:] == [("shelf", ("shelf",)), ("small", ("sqlparse",))]
