def test_browser(page):
    r = page.goto("/admin/login/")
    assert r.status == 200, r.status
    page.screenshot(path="/tmp/hb.png")
