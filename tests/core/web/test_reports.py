"""What an error's page shows to a developer of the settings."""

import os
import subprocess
import sys

from tests.support.databases import ROOT

PAGE = """
import django
django.setup()
from django.test import RequestFactory
from django.views.debug import technical_500_response
try:
    raise LookupError
except LookupError as error:
    request = RequestFactory().get("/")
    page = technical_500_response(request, type(error), error, error.__traceback__)
print(page.content.decode())
"""


def test_addresses_with_passwords_are_hidden() -> None:
    """In a process of its own: what the settings' module makes of them counts as well."""
    env = {
        "DEBUG": "on",
        "SECRET_KEY": "S3cret" * 10,
        "REDIS_URL": "redis://:S3cret@h/0",
        "DATABASE_URL": "postgres://chat:S3cret@h/chat",
        "DJANGO_SETTINGS_MODULE": "core.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", PAGE],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "<td>REDIS_URL</td>" in done.stdout
    assert "S3cret" not in done.stdout
