"""Secrets that a machine makes for itself."""

import os
import secrets
import tempfile
from pathlib import Path


def keep(path: Path) -> str:
    """Return the secret in `path`; made on the first call, readable by its owner only.

    It appears under its name at once and whole (a hard link to a finished file), so that two
    processes that start together agree on one.
    """
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(48))
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
    if path.stat().st_mode & 0o077:  # restored or copied by something that did not keep it
        path.chmod(0o600)
    return path.read_text().strip()
