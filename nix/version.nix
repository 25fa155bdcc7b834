/**
  The library's version, which an image names since another version may build other bytes from the same commit.
*/
builtins.head (
  builtins.match ".*__version__: Final = \"([^\"]*)\".*" (builtins.readFile ../src/estiba/__init__.py)
)
