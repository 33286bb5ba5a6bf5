"""What a developer's page of an error shows of the settings."""

import re

from django.views.debug import SafeExceptionReporterFilter


class AddressesHidden(SafeExceptionReporterFilter):
    """Hides also the settings in whose addresses there is a password."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|REDIS_URL|CHANNEL_LAYERS",
        re.IGNORECASE,
    )
