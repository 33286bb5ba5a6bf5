"""Presence's scopes: a room's pk, and one for the whole site. Its users are people's pks."""

SITE = "site"  # everybody who is in any room
