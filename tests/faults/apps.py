from django.apps import AppConfig
from django.conf import settings


class FaultsConfig(AppConfig):
    """Hooks in a server under test; nothing outside tests/faults installs it."""

    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        from tests.faults import breaks

        breaks.log_closings()
        breaks.fill_soon()
        breaks.show_what_hangs()
        if ahead := settings.FAULTS_AHEAD:  # type: ignore[misc]
            breaks.set_clock(ahead)
        if broken := settings.FAULTS_BREAK:  # type: ignore[misc]
            breaks.BREAKS[broken]()
