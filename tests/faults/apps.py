from django.apps import AppConfig
from django.conf import settings


class FaultsConfig(AppConfig):
    """Hooks in a server under test; nothing outside tests/faults installs it."""

    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        from tests.faults import breaks

        breaks.log_closings()
        breaks.keep_little_in_the_kernel()
        breaks.show_what_hangs()
        if settings.FAULTS_BREAK:
            breaks.BREAKS[settings.FAULTS_BREAK]()
