"""Django's PostgreSQL backend, with one answer to a server that cannot do its work now.

Named as the ENGINE in core/settings.py. Whatever asks the database (pages, sockets, the writer, the
admin, commands, timers) gets `django.db.OperationalError` for it, on a connection that is not used
again where another one would do better (base.py, failures.py).
"""
