from __future__ import annotations

import pytest

from estiba.storepath import store_name


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("django-5.2.1-py3-none-any.whl", "django-5.2.1-py3-none-any.whl"),
        ("libssl3t64_3.5.7-1~deb13u2_amd64.deb", "libssl3t64_3.5.7-1_deb13u2_amd64.deb"),
        ("git_1%3a2.39.5-0+deb12u2_amd64.deb", "git_1_3a2.39.5-0+deb12u2_amd64.deb"),
        ("x-1.0!local-py3-none-any.whl", "x-1.0_local-py3-none-any.whl"),
        (".hidden", "_hidden"),
        ("año.tar.gz", "a_o.tar.gz"),
    ],
)
def test_store_name_replaces_what_nix_refuses(file_name: str, expected: str) -> None:
    """Letters, digits and `+-._?=` stay; anything else, and a leading dot, becomes an underscore."""
    assert store_name(file_name) == expected
