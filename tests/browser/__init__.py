"""A package, so that its package-scoped browser ends with these tests and not with the session."""
