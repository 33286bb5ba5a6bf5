"""What the tests of a process need not do again and again."""

from django.contrib.staticfiles.finders import get_finders
from servestatic.middleware import ServeStaticMiddleware


def read_no_static_files() -> None:
    """With DEBUG a file is looked for when it is asked for, and yet all are read at the start: that
    is, for each `django.test.Client`, twice."""
    read = ServeStaticMiddleware.add_files_from_finders

    def name_their_folders(self: ServeStaticMiddleware) -> None:
        if not self.autorefresh:
            return read(self)
        for finder in get_finders():
            for storage in finder.storages.values():
                self.insert_directory(storage.location, self.static_prefix)
        return None

    ServeStaticMiddleware.add_files_from_finders = name_their_folders
