"""The switch for TimescaleDB."""

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from {{ cookiecutter.project_slug }} import hypertables
from {{ cookiecutter.project_slug }}.models import Entry


@pytest.mark.django_db
def test_server_without_the_extension_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration with the switch, and a server that cannot do it, end with what to do; no model, no error."""
    app = apps.get_app_config("{{ cookiecutter.project_slug }}")
    monkeypatch.setattr(hypertables, "EXTENSION", "no_such_extension")

    with override_settings(TIMESCALEDB=True):
        hypertables.make_hypertables(app)
        monkeypatch.setattr(Entry, "hypertable", "written", raising=False)
        with pytest.raises(ImproperlyConfigured, match="has no extension no_such_extension: install it there"):
            hypertables.make_hypertables(app)
