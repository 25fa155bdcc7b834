"""Static files for another machine are told by the class of their storage, in a build and where it runs."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import collect_static
from estiba_runtime import uploads
from estiba_runtime.failure import StartError

LOCAL = "whitenoise.storage.CompressedManifestStaticFilesStorage"
REMOTE = "storages.backends.s3.S3ManifestStaticStorage"


class FileSystemStorage:
    """Stands in for Django's: Django is not installed where this is tested."""


class Local(FileSystemStorage):
    """As WhiteNoise's."""


class Remote:
    """As those of django-storages."""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return the settings of a service, and put what is asked of Django in its place."""
    found = SimpleNamespace()
    classes: dict[str, Any] = {LOCAL: Local, REMOTE: Remote}
    contents: dict[str, dict[str, Any]] = {
        "django": {},
        "django.conf": {"settings": found},
        "django.core": {},
        "django.core.files": {},
        "django.core.files.storage": {"FileSystemStorage": FileSystemStorage},
        "django.utils": {},
        "django.utils.module_loading": {"import_string": classes.__getitem__},
    }
    for name, members in contents.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    return found


@pytest.mark.parametrize(("backend", "expected"), [(LOCAL, ""), (REMOTE, REMOTE)])
@pytest.mark.parametrize("is_old", [False, True])
def test_storage_is_told_by_its_class(settings: SimpleNamespace, backend: str, expected: str, *, is_old: bool) -> None:
    """No object is made, which could ask for its manifest; before Django 4.2 the setting has another name."""
    if is_old:
        settings.STATICFILES_STORAGE = backend
    else:
        settings.STORAGES = {"staticfiles": {"BACKEND": backend}}

    assert uploads.find_storage() == expected
    assert collect_static.is_remote(settings) == bool(expected)


def test_service_without_a_storage_keeps_its_files(settings: SimpleNamespace) -> None:
    """So does one with Django's own, of which nothing is imported."""
    assert uploads.find_storage() == ""
    assert not collect_static.is_remote(settings)
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}
    assert uploads.find_storage() == ""


def test_storage_that_cannot_be_imported_is_an_error(settings: SimpleNamespace) -> None:
    """Such as one whose package is not locked."""
    settings.STORAGES = {"staticfiles": {"BACKEND": "storages.backends.gcloud.GoogleCloudStorage"}}
    with pytest.raises(StartError, match="GoogleCloudStorage"):
        uploads.find_storage()
