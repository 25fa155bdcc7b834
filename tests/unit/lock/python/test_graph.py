from __future__ import annotations

from estiba.lock.python import graph

X86 = graph.environment("3.13.5", "x86_64-linux")
ARM = graph.environment("3.13.5", "aarch64-linux")


def test_edges_follow_markers_of_the_platform() -> None:
    """A dependency of one machine is reached on that machine only."""
    metadata = {"a": ["b", "c; platform_machine == 'x86_64'"], "c": ["d"]}
    pins = dict.fromkeys("abcd", "1")

    assert graph.walk(["a"], pins=pins, metadata=metadata, environment=X86).edges == {
        "a": ("b", "c"),
        "b": (),
        "c": ("d",),
        "d": (),
    }
    assert graph.walk(["a"], pins=pins, metadata=metadata, environment=ARM).edges == {"a": ("b",), "b": ()}


def test_extras_are_followed_only_where_asked_for() -> None:
    """An extra of a root and one of a dependency are followed, others are not."""
    metadata = {"a": ["x; extra == 'fast'", "y; extra == 'slow'", "b[tls]"], "b": ["z; extra == 'tls'"]}
    pins = dict.fromkeys("abxyz", "1")
    found = graph.walk(["A[fast]"], pins=pins, metadata=metadata, environment=X86)

    assert found.edges == {"a": ("b", "x"), "b": ("z",), "x": (), "z": ()}


def test_what_the_pins_do_not_satisfy_is_missing() -> None:
    """An unpinned name and a pin of another version are told, so that pip can be asked for this platform."""
    found = graph.walk(["a>=2", "b"], pins={"a": "1"}, metadata={}, environment=X86)

    assert found.missing == ("a>=2", "b")


def test_roots_have_markers_too() -> None:
    """A root that is not for this Python is not missing."""
    assert graph.walk(["a; python_version < '3'"], pins={}, metadata={}, environment=X86).missing == ()


def test_circles_end() -> None:
    """Distributions may need each other."""
    found = graph.walk(["a"], pins={"a": "1", "b": "1"}, metadata={"a": ["b"], "b": ["a"]}, environment=X86)

    assert found.edges == {"a": ("b",), "b": ("a",)}


def test_pre_releases_that_are_pinned_count() -> None:
    """A pin is a decision: that it is a pre-release is no reason to ask again."""
    assert graph.walk(["a>=1"], pins={"a": "2.0rc1"}, metadata={}, environment=X86).missing == ()
