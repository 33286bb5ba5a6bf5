from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import RedirectView

from core.accounts import views
from core.web import robots

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="rooms"), name="home"),
    path("chat/", include("chat.urls")),
    path("accounts/sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("accounts/sign-out/", LogoutView.as_view(), name="sign-out"),
    path("accounts/sign-up/", views.sign_up, name="sign-up"),
    path("admin/login/", views.admin_sign_in),  # before the admin's own, which counts nothing
    path("admin/password_change/", views.admin_password_change),
    path("admin/", admin.site.urls),
    path("robots.txt", robots.robots, name="robots"),
]
