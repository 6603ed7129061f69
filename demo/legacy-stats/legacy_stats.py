"""A project that insists on an old numpy; see the notebook beside it."""
