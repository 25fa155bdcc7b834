"""An existing Django project that becomes a service."""
