"""Services from the template, or from an existing Django project."""
