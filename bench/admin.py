"""How long the admin's pages take with a million messages: `python -m bench.admin`.

Uses the database of the environment (`DATABASE_URL`, or the one beside `make run`) and fills it up
to a million messages where it has fewer: one room with 900,000, one with 10. Prints a line a page
and exits 1 where one is over the limit.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter

MESSAGES = 1_000_000
SIZES = (900_000, 50_000, 30_000, 15_000, 4_990, 10)
USERS = 500
SEED = 900
LIMIT = 300  # ms


def prepare() -> None:
    """Settings and servers as `manage.py` has them; only then can Django's parts be imported."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
    from core.local import checkout

    checkout.prepare(["bench"])
    import django

    django.setup()


def fill() -> None:
    """A million messages, and a table as autovacuum would leave it in a quiet hour."""
    from django.db import connection
    from django.utils import timezone
    from tqdm import tqdm

    from chat.demo import seeding
    from chat.models import Message

    if Message.objects.order_by()[:MESSAGES].count() < MESSAGES:
        with tqdm(total=sum(SIZES), unit=" messages") as bar:
            seeding.fill_rooms(
                seed=SEED,
                users=seeding.people(SEED, USERS),
                sizes=SIZES,
                until=timezone.now(),
                progress=bar.update,
            )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) chat_message")
    seeding.refresh_statistics()


def pages() -> dict[str, str]:
    """Names and addresses: each filter with much and with little behind it, alone and combined."""
    from chat.models import Membership, Message, Room

    big = Room.objects.order_by("-message_count").first()
    small = Room.objects.filter(message_count__gte=1).order_by("message_count").first()
    if big is None or small is None or big == small:
        sys.exit("There must be two rooms with messages.")
    middle = Message.objects.get(room=big, seq=big.message_count // 2)
    day = f"{middle.created_at:%Y-%m-%d}"
    small_day = f"{small.messages.order_by('-seq')[0].created_at:%Y-%m-%d}"
    talker = big.messages.order_by("-seq")[0].author_id
    quiet = Membership.objects.filter(room=big).order_by("-id")[0].user_id
    commit = re.search(r"\b[0-9a-f]{9}\b", big.messages.filter(body__contains="commit ")[0].body)
    rare = commit[0] if commit else "bisect"
    deleted = Message.objects.exclude(deleted_at=None)[0].pk
    messages, b, s = "chat/message/", f"room={big.pk}", f"room={small.pk}"
    return {
        "messages": messages,
        "messages, page 2": f"{messages}?p=2",
        "messages, last page": f"{messages}?p=200",
        "search: common word": f"{messages}?q=the",
        "search: common, page 2": f"{messages}?q=the&p=2",
        "search: common, last page": f"{messages}?q=the&p=20",
        "search: one in a hundred": f"{messages}?q=moon",
        "search: one in a hundred, last page": f"{messages}?q=moon&p=20",
        "search: rare word": f"{messages}?q={rare}",
        "search: no such word": f"{messages}?q=zyzzyva",
        "search: two that never meet": f"{messages}?q=the+tell+moon",
        "search: without": f"{messages}?q=the+-moon",
        "search: id": f"{messages}?q=id:{middle.pk}",
        "room of 900,000": f"{messages}?{b}",
        "room of 900,000, page 2": f"{messages}?{b}&p=2",
        "room of 900,000, last page": f"{messages}?{b}&p=200",
        "room of 10": f"{messages}?{s}",
        "author, talkative": f"{messages}?author={talker}",
        "author, talkative, page 10": f"{messages}?author={talker}&p=10",
        "author, quiet": f"{messages}?author={quiet}",
        "day": f"{messages}?day={day}",
        "day without a message": f"{messages}?day=1999-12-31",
        "deleted": f"{messages}?state=deleted",
        "deleted, room of 900,000": f"{messages}?state=deleted&{b}",
        "room of 900,000 and day": f"{messages}?{b}&day={day}",
        "room of 10 and day": f"{messages}?{s}&day={small_day}",
        "room of 900,000 and common word": f"{messages}?{b}&q=the",
        "room of 900,000 and rare word": f"{messages}?{b}&q={rare}",
        "room of 900,000 and no such word": f"{messages}?{b}&q=zyzzyva",
        "room of 10 and common word": f"{messages}?{s}&q=the",
        "room of 900,000 and talkative": f"{messages}?{b}&author={talker}",
        "room of 900,000 and quiet": f"{messages}?{b}&author={quiet}",
        "room of 10 and talkative": f"{messages}?{s}&author={talker}",
        "talkative and common word": f"{messages}?author={talker}&q=the",
        "quiet and common word": f"{messages}?author={quiet}&q=the",
        "day and common word": f"{messages}?day={day}&q=the",
        "all four": f"{messages}?{b}&author={talker}&day={day}&q=the",
        "message in its talk": f"{messages}?{b}&upto={middle.seq}",
        "a message": f"{messages}{middle.pk}/change/",
        "a deleted message": f"{messages}{deleted}/change/",
        "rooms": "chat/room/",
        "rooms, search": "chat/room/?q=lease",
        "page of the room of 900,000": f"chat/room/{big.pk}/change/",
        "members of the room": f"chat/membership/?{b}",
        "memberships": "chat/membership/",
        "users": "core/user/",
        "a user": f"core/user/{talker}/change/",
    }


def measure(get: Callable[[str], int], repeats: int) -> list[tuple[str, float, float, int]]:
    """(name, median ms, worst ms, queries) of each page, after one visit that nobody times."""
    rows = []
    for name, address in pages().items():
        queries = get(address)
        times = []
        for _ in range(repeats):
            start = perf_counter()
            get(address)
            times.append((perf_counter() - start) * 1000)
        rows.append((name, median(times), max(times), queries))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="visits of each page; default 7")
    repeats = parser.parse_args().repeats
    prepare()
    fill()

    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from chat.models import Message
    from chat.moderation.moderators import moderators
    from core.models import User

    settings.ALLOWED_HOSTS = ["*"]
    moderator = User.objects.create(username=f"bench-{os.getpid()}", is_staff=True)
    try:
        moderator.groups.add(moderators())
        client = Client()
        client.force_login(moderator)

        def get(address: str) -> int:
            with CaptureQueriesContext(connection) as captured:
                response = client.get(f"/admin/{address}", secure=True)
            if response.status_code != 200:
                sys.exit(f"/admin/{address}: {response.status_code}")
            return len(captured)

        rows = measure(get, repeats)
        client.logout()
    finally:
        moderator.delete()
    print(f"{Message.objects.count():,} messages, median of {repeats}, limit {LIMIT} ms\n")
    print(f"{'page':38}{'median ms':>10}{'worst ms':>10}{'queries':>9}")
    for name, middle, worst, queries in rows:
        over = "   over the limit" if middle > LIMIT else ""
        print(f"{name:38}{middle:10.0f}{worst:10.0f}{queries:9}{over}")
    return int(any(middle > LIMIT for _, middle, _, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
