"""Gates of a release: each looks at one thing, and refuses the release unless it has seen that the thing is right."""
