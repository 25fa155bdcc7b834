from __future__ import annotations

from estiba.release.changelog import group, render


def test_conventional_commits_are_grouped() -> None:
    """Breaking changes come first, and what is of no interest to users last."""
    subjects = ("chore: Tidy", "fix(cart): Count", "feat!: Sell by weight", "feat: Sell hats", "Say hello")

    assert group(subjects) == {
        "Breaking changes": ("Sell by weight",),
        "Features": ("Sell hats",),
        "Fixes": ("cart: Count",),
        "Other changes": ("chore: Tidy", "Say hello"),
    }


def test_other_subjects_are_one_list() -> None:
    """Whoever does not write Conventional Commits sees no headings."""
    assert render(("Say hello", "Note: say goodbye")) == "- Say hello\n- Note: say goodbye\n"


def test_no_commit_is_no_change() -> None:
    """A release of the same commit says so."""
    assert render(()) == "No changes.\n"
