"""Addresses of the API below /api/."""

from rest_framework.routers import SimpleRouter

from lending.api import AssignmentViewSet, ItemViewSet

router = SimpleRouter()
router.register("items", ItemViewSet)
router.register("assignments", AssignmentViewSet)
urlpatterns = router.urls
