from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat import checks, signals  # noqa: F401 - checks registers itself
        from chat.moderation.moderators import make_group

        signals.connect()
        post_migrate.connect(make_group, dispatch_uid="chat.moderation.moderators")
