"""Requirements as people and other tools declare them: lines, files, tables, and direct references."""
