"""The addresses of this service; /livez, /readyz and /metrics are answered before them."""

from importlib import import_module

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.utils.module_loading import module_has_submodule
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.throttling import AnonRateThrottle
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from {{ cookiecutter.project_slug }} import views

# Swagger UI has styles in its page.
documentation = csp_replace({"style-src": [SELF, UNSAFE_INLINE], "img-src": [SELF, "data:"]})(
    SpectacularSwaggerSplitView.as_view(url_name="schema")
)
api = [
    path("docs/", documentation, name="docs"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("token/", TokenObtainPairView.as_view(throttle_classes=[AnonRateThrottle]), name="token"),
    path("token/refresh/", TokenRefreshView.as_view(), name="token-refresh"),
    *(
        path("", include(f"{app}.urls"))
        for app in settings.LOCAL_APPS
        if module_has_submodule(import_module(app), "urls")
    ),
]
urlpatterns = [
    path("", views.index, name="index"),
    # Browsers ask for it on pages that name no icon, such as those of the admin.
    path("favicon.ico", views.icon),
    path("admin/", admin.site.urls),
    path("queues/", include("django_rq.urls")),
    path("api/", include(api)),
    *([path("oidc/", include("mozilla_django_oidc.urls"))] if hasattr(settings, "OIDC_RP_CLIENT_ID") else []),
]
handler400 = "config.problems.bad_request"
handler403 = "config.problems.forbidden"
handler404 = "config.problems.not_found"
handler500 = "config.problems.fault"
