"""Things that people borrow: catalogue, assignment, return, Excel import; a sample, and a folder to delete.

It shows an API with rights, a cache that is read until something changes, an import that takes a workbook as a whole or
not at all (`manage.py import_items`), and `manage.py smoke`, which tries all that after a deployment.
"""
