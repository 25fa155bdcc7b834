"""Binary caches: signing keys, what is pushed to one, what one holds, and which ones a machine takes from."""
