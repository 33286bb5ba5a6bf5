import pytest
from django.test import Client

from chat.factories import UserFactory
from tests.chat.admin.pages import Look, Page


@pytest.fixture
def moderator(client: Client) -> Client:
    client.force_login(UserFactory(staff=True))
    return client


@pytest.fixture
def look(moderator: Client) -> Look:
    def look(address: str) -> Page:
        page = Page(moderator, address)
        assert page.response.status_code == 200, page.response
        return page

    return look
