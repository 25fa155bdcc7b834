"""An application, not what a run of the tests left."""
