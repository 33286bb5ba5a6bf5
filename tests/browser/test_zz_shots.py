import re
from playwright.sync_api import expect
from tests.browser.acting import *
from tests.browser.test_presence import *
def test_admin(new_context, server):
    ctx=new_context(**PHONE)
    other=enter(ctx, "lobby"); two=enter(ctx,"lobby")
    two.goto("/chat/"); two.screenshot(path="/tmp/shots/guest-phone-list.png"); assert two.evaluate(WIDEST)<=390
    two.goto("/chat/lobby/"); wait_until_connected(two)
    server.manage("shell","--no-imports","-c","from core.models import User; User.objects.filter(username='alice').update(is_staff=True,is_superuser=True, display_name='Alice Moreau the very long named one')")
    page=sign_in(new_context(**DESK),"alice","カフェ")
    ph=sign_in(new_context(**PHONE),"alice","カフェ")
    ph.goto("/chat/"); ph.screenshot(path="/tmp/shots/staff-phone-list.png"); 
    page.wait_for_timeout(6000)
    page.goto("/admin/chat/room/"); page.get_by_role("link", name="Lobby").first.click()
    page.get_by_role("link", name=re.compile("^disconnect 1 of")).first.click()
    page.get_by_role("button", name="Disconnect").click()
    page.screenshot(path="/tmp/shots/admin-done.png")
    page.goto("/admin/core/user/"); page.screenshot(path="/tmp/shots/admin-users.png")
    page.wait_for_timeout(1500)
    other.screenshot(path="/tmp/shots/thrown1.png"); two.screenshot(path="/tmp/shots/thrown2.png")
