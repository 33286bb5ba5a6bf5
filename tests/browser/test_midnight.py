""" "Today" is today, also on a page that stays open."""

from datetime import datetime

from playwright.sync_api import Page, expect

from tests.browser.acting import enter, frame_of, hide, new_room, stored, told_by_the_server
from tests.browser.conftest import NewContext


def late_evening(new_context: NewContext) -> Page:
    context = new_context(locale="en-GB", timezone_id="Europe/Berlin")
    tell = told_by_the_server(context)
    context.clock.install(time=datetime.fromisoformat("2026-11-22T22:58:30Z"))  # 23:58:30 there
    page = enter(context, new_room())
    tell(frame_of(1, "last night", created="2026-11-21T20:00:00Z"))
    tell(frame_of(2, "now", created="2026-11-22T22:58:00Z"))
    expect(stored(page, "now")).to_have_count(1)
    return page


def test_at_midnight_today_becomes_yesterday(new_context: NewContext) -> None:
    """In one leap: with step after step no answer would come in time, and a page that connects anew
    draws all days anew."""
    page = late_evening(new_context)
    expect(page.locator(".day-row").last).to_have_text("Today")
    page.clock.fast_forward(120_000)
    expect(page.locator(".day-row").last).to_have_text("Yesterday")


def test_a_page_that_slept_over_midnight_knows_when_it_is_looked_at(
    new_context: NewContext,
) -> None:
    page = late_evening(new_context)
    hide(page, hidden=True)
    page.clock.set_fixed_time(datetime.fromisoformat("2026-11-24T07:00:00Z"))  # no timer runs
    expect(page.locator(".day-row").last).to_have_text("Today")
    hide(page, hidden=False)
    expect(page.locator(".day-row").last).to_have_text("Sunday 22 November")
