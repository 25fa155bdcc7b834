"""Run of a release: the plan is computed, its steps are done one by one, and a journal remembers them."""
