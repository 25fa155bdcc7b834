from __future__ import annotations

import pytest

from estiba.tasks.rollback import _name


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(("1.4.0", "aaa", "sha256:1"), ("1.5.0", "bbb", "sha256:2"), "1.4.0", id="version"),
        pytest.param(("1.4.0", "aaa", "sha256:1"), ("1.4.0", "bbb", "sha256:2"), "1.4.0 (aaa)", id="commit"),
        pytest.param(("1.4.0", "aaa", "sha256:1"), ("1.4.0", "aaa", "sha256:2"), "1.4.0 (sha256:1)", id="digest"),
        pytest.param(("1.4.0", "", "sha256:1"), ("1.4.0", "bbb", "sha256:2"), "1.4.0 (sha256:1)", id="no-commit"),
        pytest.param(("1.4.0", "aaa", "sha256:1"), ("1.4.0", "aaa", "sha256:1"), "1.4.0", id="same"),
    ],
)
def test_name_tells_two_releases_apart(one: tuple[str, ...], other: tuple[str, ...], expected: str) -> None:
    """The same version twice would say nothing."""
    assert _name(one, other) == expected
