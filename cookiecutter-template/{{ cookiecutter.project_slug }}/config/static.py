"""Which static files of the distributions are collected, and how."""

from django.contrib.staticfiles.apps import StaticFilesConfig as DjangosStaticFilesConfig
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesConfig(DjangosStaticFilesConfig):
    """Leaves out what no page asks for: the API answers in JSON alone, and Swagger UI is its documentation."""

    ignore_patterns = [*DjangosStaticFilesConfig.ignore_patterns, "*.map", "rest_framework", "redoc"]


class Storage(CompressedManifestStaticFilesStorage):
    """Does not look for source maps, which only the authors of a library need."""

    patterns = tuple(
        (glob, tuple(rule for rule in rules if "sourceMappingURL" not in str(rule)))
        for glob, rules in CompressedManifestStaticFilesStorage.patterns
    )
