from urllib.parse import quote

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chat.forms import RoomNameForm
from chat.live import bus
from chat.models import Membership, Room
from chat.models.slugs import is_nearly_made
from chat.online import pages
from chat.rooms import entering, lists, slugs
from core.accounts import guests
from core.accounts.views import next_page
from core.models import User
from core.web import throttle

# What the menu of a message offers; others may come from other clients.
REACTIONS = ("👍", "❤️", "😂", "🎉", "😮", "😢", "👀", "✅")
# What a room's page loads, so that the browser fetches all at once, not one import after the other.
STYLE_SHEETS = [
    f"chat/css/{name}.css"
    for name in ["body", "composer", "layout", "log", "menu", "message", "side", "print"]
]
_MODULES = """
    elements/all elements/chat-composer elements/connection-state elements/delete-dialog
    elements/message-list elements/message-menu elements/people-list elements/room-list
    elements/side-drawer elements/spoken-news elements/typing-line elements/visibility-choice
    model/bidi model/calls model/close model/composing model/drafts model/edits model/endings
    model/format model/history model/hosts model/ids model/kept model/links model/mode-label
    model/patience model/people model/presence model/reading model/rows model/scripts model/sendable
    model/slash model/socket model/time model/typing model/visible
    view/copying view/dom view/files view/focus view/folding view/fresh view/left-drafts
    view/message-actions view/message-view view/midnight view/other-text view/person view/room-head
    view/scroller
"""
MODULES = [f"chat/js/{name}.js" for name in _MODULES.split()]
# Of one person: each is a coming or going that others are told of at once.
VISIBILITY_CHANGES = "20/minute"
# From one address, as one types: no index leads to a part of a name.
LOOK_UPS = "600/minute"


@never_cache
@require_safe
def rooms(request: HttpRequest) -> HttpResponseBase:
    """Asks which room to enter, and lists those there are."""
    if not request.user.is_authenticated and not settings.CHAT_GUESTS:
        return redirect_to_login(request.get_full_path())
    if request.GET.get("part") == "list":  # what a room's page fetches anew now and then
        (yours,) = pages.with_presence(*lists.told_apart(lists.rooms_of(request.user)))
        current = request.GET.get("current")
        line = next((each for each in yours if each.slug == current and each.other), None)
        context = {"yours": yours, "current": current, "line": line}
        return render(request, "chat/_fresh.html", context)
    typed = request.GET if "name" in request.GET else None
    form = RoomNameForm(typed, label_suffix="", host=request.get_host())
    if request.GET.get("part") == "found":  # what the page asks while somebody types
        if not throttle.allowed("look-up", LOOK_UPS, throttle.address_of(request)):
            return throttle.too_many(
                request, "Too many requests from your network. Wait a moment, then try again."
            )
        found = lists.found_by_name(form.named if form.is_valid() else "", request.user)
        (found,) = pages.with_presence(*lists.told_apart(found))
        return render(request, "chat/_found.html", {"found": found})
    if form.is_valid():
        return redirect("room", slug=form.cleaned_data["name"])
    lines = lists.told_apart(lists.rooms_of(request.user), lists.rooms_beside(request.user))
    yours, others = pages.with_presence(*lines)
    more_yours, more_others = lists.left_out(request.user, yours, others)
    shown = {"yours": yours, "more_yours": more_yours, "others": others, "more_others": more_others}
    asking = {"form": form, "may_open": entering.may_open(request.user)}
    return render(request, "chat/rooms.html", shown | asking)


@never_cache
@require_safe
def room(request: HttpRequest, slug: str) -> HttpResponseBase:
    """A room's page. Its messages and people come over the socket."""
    if not request.user.is_authenticated and not settings.CHAT_GUESTS:
        return redirect_to_login(request.get_full_path())
    try:
        # First, so that an address without a room makes no guest and no room.
        there = entering.find(slug, request.user)
    except entering.NoSuchRoom:
        return _elsewhere(request, slug)
    if there is not None and there.slug != slug:  # its address of before
        return redirect("room", slug=there.slug)
    if request.method == "HEAD":  # of whoever checks links: to look is not to come in
        return HttpResponse()
    return _enter(request, slug)


def _enter(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        user = request.user if isinstance(request.user, User) else guests.welcome(request)
        return _page(request, user, *entering.enter(slug, user, throttle.address_of(request)))
    except entering.NoSuchRoom:  # since a moment ago
        return _no_room(request)
    except (guests.TooManyGuests, entering.TooManyRooms) as error:
        return throttle.too_many(request, str(error))


def _page(request: HttpRequest, user: User, found: Room, membership: Membership) -> HttpResponse:
    lines = lists.told_apart(lists.rooms_of(user), [lists.line_of(found, user)])
    yours, (line,) = pages.with_presence(*lines)
    context = {
        "room": found,
        "line": line,
        "name": line.name,
        "membership": membership,
        "yours": yours,
        "socket": f"/ws/chat/{quote(found.slug)}/",
        "stylesheets": STYLE_SHEETS,
        "modules": MODULES,
        "emojis": REACTIONS,
        "message_max": settings.CHAT_MESSAGE_MAX,
        "history_page": settings.CHAT_HISTORY_PAGE,
    }
    return render(request, "chat/room.html", context)


@never_cache
def visibility(request: HttpRequest) -> HttpResponseBase:
    """Be seen online, or not (POST). The address is also that of a room of this name."""
    if request.method != "POST":
        return room(request, "visibility")
    if not isinstance(request.user, User):
        return redirect_to_login(reverse("rooms"))
    if not throttle.allowed("visibility", VISIBILITY_CHANGES, str(request.user.pk)):
        return throttle.too_many(
            request, "You are changing this too often. Wait a minute, then try again."
        )
    invisible = request.POST.get("invisible") == "on"
    User.objects.filter(pk=request.user.pk).update(is_invisible=invisible)
    told = bus.tell_processes(bus.UserChanged(request.user.pk, invisible))
    if invisible:
        pages.hide(request.user)
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"invisible": invisible, "told": told})
    if not told:
        messages.warning(request, "Reload your open rooms for this to take effect.")
    return redirect(next_page(request) or "rooms")


def _elsewhere(request: HttpRequest, slug: str) -> HttpResponse:
    """Nothing for this visitor, whatever is here. Capitals and the like are one room with its plain
    address, not a second one beside it. A private room's address with a mistake leads to no open
    room, in which a member would write for everybody."""
    plain = slugs.slug_for(slug)
    if plain in ("", slug) or is_nearly_made(slug):
        return _no_room(request)
    return redirect("room", slug=plain)


def _no_room(request: HttpRequest) -> HttpResponse:
    return render(request, "chat/no_room.html", status=404)
