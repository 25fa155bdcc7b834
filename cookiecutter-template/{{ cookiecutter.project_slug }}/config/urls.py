"""The addresses of this service; /livez and /readyz are answered before them."""

from django.contrib import admin
from django.urls import path

from {{ cookiecutter.project_slug }} import views

urlpatterns = [
    path("", views.index, name="index"),
    path("admin/", admin.site.urls),
]
