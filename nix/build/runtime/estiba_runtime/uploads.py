"""Static files whose storage is on another machine, such as S3: an image has none, and a release brings them."""

from __future__ import annotations

import importlib
import traceback

from estiba_runtime.failure import EX_CONFIG, StartError, redact

_DJANGO = "django.contrib.staticfiles.storage."


def find_storage() -> str:
    """Return the class of the service's storage of static files, as its settings name it; empty if it keeps files here.

    The builder `collect_static.py` has the same rule, for the same settings.

    Raises:
        StartError: It cannot be imported; the message ends with the reason.
    """
    settings = importlib.import_module("django.conf").settings
    # Before Django 4.2 it is a setting of its own.
    listed = getattr(settings, "STORAGES", {}).get("staticfiles", {})
    backend = str(listed.get("BACKEND") or getattr(settings, "STATICFILES_STORAGE", ""))
    if not backend or backend.startswith(_DJANGO):
        return ""
    try:
        found = importlib.import_module("django.utils.module_loading").import_string(backend)
        local = importlib.import_module("django.core.files.storage").FileSystemStorage
    except Exception as error:
        raise StartError(redact(traceback.format_exc()).strip(), EX_CONFIG) from error
    return "" if issubclass(found, local) else backend
