from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login, update_session_auth_hash, views
from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from core.accounts.forms import SignUpForm
from core.models import User
from core.web import throttle

# Tries for one name from one address; a right password starts the count again.
WRONG_PASSWORDS = "10/minute"
TOO_MANY_PASSWORDS = "Too many wrong passwords. Wait a minute, then try again."
# Reads a name as the form does: "bob " and "ｂｏｂ" are bob, and not a further ten tries each.
AS_TYPED = UsernameField(max_length=150, required=False)


class SignIn(views.LoginView):
    redirect_authenticated_user = False  # a guest signs in from within their guest's session

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # Counted before it is looked at: of a thousand at once no more than the limit are tried.
        if not throttle.allowed("wrong-password", WRONG_PASSWORDS, self._who()):
            return throttle.too_many(request, TOO_MANY_PASSWORDS)
        # For whatever names: each try costs us a hash, which is slow on purpose.
        address = throttle.address_of(request)
        if not throttle.allowed("sign-in", settings.CHAT_SIGN_INS_PER_ADDRESS, address):
            return throttle.too_many(
                request,
                "Too many sign-in attempts from your network. Wait a minute, then try again.",
            )
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        throttle.forget("wrong-password", WRONG_PASSWORDS, self._who())
        return super().form_valid(form)

    def _who(self) -> str:
        name = AS_TYPED.to_python(self.request.POST.get("username", "")) or ""
        return f"{throttle.address_of(self.request)} {name[:150].casefold()}"


@never_cache
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """The admin has no form of its own: there is one way to try passwords, and it is counted."""
    target = next_page(request) or reverse("admin:index")
    if admin.site.has_permission(request):
        return redirect(target)
    return views.redirect_to_login(target)


def admin_password_change(request: HttpRequest) -> HttpResponse:
    """The admin's own page, which asks for the old password: wrong ones are counted here too."""
    who = f"{throttle.address_of(request)} {request.user.get_username().casefold()}"
    if request.method == "POST" and not throttle.allowed("wrong-password", WRONG_PASSWORDS, who):
        return throttle.too_many(request, TOO_MANY_PASSWORDS)
    response = admin.site.admin_view(admin.site.password_change, cacheable=True)(request)
    if response.status_code == 302:
        throttle.forget("wrong-password", WRONG_PASSWORDS, who)
    return response


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponseBase:
    """A guest who signs up keeps their row, and with it their messages and rooms."""
    guest = request.user if isinstance(request.user, User) and request.user.is_guest else None
    if request.user.is_authenticated and guest is None:
        return redirect(settings.LOGIN_REDIRECT_URL)
    if request.method != "POST":
        return _sign_up_page(request, SignUpForm())
    # Whatever becomes of them: the form says which names are taken, and nobody may ask for many.
    address = throttle.address_of(request)
    if not throttle.allowed("sign-up try", settings.CHAT_SIGN_UP_TRIES_PER_ADDRESS, address):
        return throttle.too_many(
            request, "Too many sign-up attempts from your network. Try again later."
        )
    form = SignUpForm(request.POST, instance=guest)
    if form.is_valid():
        if not throttle.allowed("sign-up", settings.CHAT_SIGN_UPS_PER_ADDRESS, address):
            return throttle.too_many(
                request, "Too many new accounts from your network. Try again later."
            )
        if user := _saved(form):
            if guest is None:
                login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            else:
                update_session_auth_hash(request, user)
            return redirect(next_page(request) or settings.LOGIN_REDIRECT_URL)
    if guest is not None:
        guest.refresh_from_db()  # validation wrote the form's values into it
    return _sign_up_page(request, form)


def _saved(form: SignUpForm) -> User | None:
    """None, and the form says so, where somebody else took the name a moment ago."""
    try:
        with transaction.atomic():
            return form.save()
    except IntegrityError:
        form.add_error("username", form.instance.unique_error_message(User, ("username",)))
        return None


def _sign_up_page(request: HttpRequest, form: SignUpForm) -> HttpResponse:
    return render(request, "registration/sign_up.html", {"form": form, "next": next_page(request)})


def next_page(request: HttpRequest) -> str:
    """Where the visitor wanted to go, if that is on this site."""
    target = request.POST.get("next", request.GET.get("next", ""))
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if safe else ""
