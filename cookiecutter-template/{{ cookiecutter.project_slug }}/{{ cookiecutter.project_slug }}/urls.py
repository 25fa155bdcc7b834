"""Addresses of the API below /api/; those of other apps are in their own `urls.py`."""

from rest_framework.routers import SimpleRouter

from {{ cookiecutter.project_slug }}.api import EntryViewSet
from {{ cookiecutter.project_slug }}.audit import AuditViewSet

router = SimpleRouter()
router.register("entries", EntryViewSet)
router.register("audit_log", AuditViewSet, basename="audit-log")
urlpatterns = router.urls
