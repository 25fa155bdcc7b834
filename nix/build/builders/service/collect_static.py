"""Run Django's `collectstatic` into a folder of the build; runs inside the service's root, with its Python.

Argument: the folder. It gets `place.json`, which says where the files belong (the service's STATIC_ROOT) and by which
addresses they are asked for, and `files`, unless the service does not use Django's static files at all.
"""

import gc
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

DEFAULT_STATIC_ROOT = "/app/staticfiles"


def main(target: Path) -> None:
    """Collect the files."""
    # The folder of manage.py comes first, where it is not this one.
    sys.path[:0] = [*filter(None, [os.environ.get("PYTHONPATH")]), str(Path.cwd())]
    if os.environ.get("DJANGO_CONFIGURATION"):
        # Settings that are classes: django-configurations has to be there when their module is imported.
        importlib.import_module("configurations.importer").install()
    import django  # noqa: PLC0415 - the service's own
    from django.apps import apps  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415
    from django.core.management import call_command  # noqa: PLC0415

    place: dict[str, Any] = {
        "media_root": str(settings.MEDIA_ROOT and Path(settings.MEDIA_ROOT).absolute()),
        "media_url": settings.MEDIA_URL,
        "static_root": str(Path(settings.STATIC_ROOT or DEFAULT_STATIC_ROOT).absolute()),
        "static_url": settings.STATIC_URL or "",
    }
    settings.STATIC_ROOT = str(target / "files")
    django.setup()
    if is_remote(settings):
        place["remote"] = True
    elif apps.is_installed("django.contrib.staticfiles"):
        from django.contrib.staticfiles.storage import staticfiles_storage  # noqa: PLC0415

        move(staticfiles_storage, place["static_root"], settings.STATIC_ROOT)
        call_command("collectstatic", interactive=False, verbosity=0)
    (target / "place.json").write_text(json.dumps(place, sort_keys=True))


def is_remote(settings: Any) -> bool:  # noqa: ANN401 - Django's, which is not installed here
    """Tell whether static files are kept on another machine, which a release brings them to, and a build cannot.

    Asked of the class: an object may ask the other machine for its manifest as it is made. The entry point has the same
    rule, in `estiba_runtime.uploads`.
    """
    from django.core.files.storage import FileSystemStorage  # noqa: PLC0415 - the service's own
    from django.utils.module_loading import import_string  # noqa: PLC0415

    listed = getattr(settings, "STORAGES", {}).get("staticfiles", {})
    backend = listed.get("BACKEND") or getattr(settings, "STATICFILES_STORAGE", "")
    return bool(backend) and not issubclass(import_string(backend), FileSystemStorage)


def move(storage: Any, before: str, after: str) -> None:  # noqa: ANN401 - Django's, which is not installed here
    """Have a storage write elsewhere that was made with the settings' folder, by its options or as the apps loaded.

    Args:
        storage: Django's lazy object around the storage.
        before: The folder that the settings name.
        after: The folder to write to.
    """
    location = getattr(storage, "location", "")
    if location and Path(location) == Path(before):
        made = storage._wrapped  # noqa: SLF001 - no other way to what it has kept
        made._location = after  # noqa: SLF001
        for name in ("base_location", "location"):
            vars(made).pop(name, None)


if __name__ == "__main__":
    # All that is loaded here stays until the end, and nothing of it is wanted then: without the search for garbage and
    # without the interpreter's own end this takes a quarter less.
    gc.disable()
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
