"""Which part of a text is a link, and what of it is shown."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.modules import cost, run

# Texts with their links in ⸠ ⸡, as the data of UTS 58 has them (U+2E20 and U+2E21.)
MARKED = [
    # what ends an address wherever it is
    "see ⸠https://example.com/αβγ/δεζ?δ⸡ εφ#λμν",
    "⸠https://example.com/c⸡\u3000と ⸠https://example.com⸡\u200bfoo ⸠https://example.com/c⸡\u200bd",
    # what ends it unless more follows
    "⸠https://example.com/αβγ/δεζ?δ.εφ#λμν⸡. See ⸠http://foo.example.com⸡.",
    "⸠https://example.com/123⸡... ⸠http://foo.example.com./αβγ⸡! ⸠https://a.b/⸡? ⸠https://a.b⸡:",
    "⸠https://ja.wikipedia.org/wiki/君の名は。_(映画)⸡、",
    "⸠https://example.com/c⸡\u202e gpj.exe ⸠https://example.com/c⸡\u2060",
    "⸠https://example.com/end⸡… ⸠https://example.com/a…b⸡‥ ⸠https://example.com/x⸡\u200d",
    "⸠https://example.com/c⸡\ufffcd",
    # brackets
    "⸠https://en.wikipedia.org/wiki/Foo_(bar)⸡), (⸠https://a.b/c_(d)⸡).",
    "⸠https://example.com/α[(β)]γ/δρς?α=[(θ)]&[(β)]=κ#λμν:~:text=[(φχψ)]⸡",
    "⸠https://example.com/α[(β⸡])γ/δρς?α=[(θ)]&[(β)]=κ",
    "⸠https://example.com/αβ(γ/δ⸡)ρς ⸠https://example.com/?α(=⸡)θ ⸠https://a.b/#μ(ν:~:x⸡)ψ",
    "このリンク「⸠https://testdomain.example⸡」を参照、《⸠https://example.com/c⸡》も",
    "【⸠https://example.com/c⸡】<⸠https://example.com/c⸡>[x](⸠https://example.com/c⸡)",
    # quotation marks
    "“⸠https://example.com/c⸡” „⸠https://example.com/c⸡“ «⸠https://example.com/c⸡», ‘⸠https://a.b⸡’",
    "“⸠https://example.com/c⸡”と言った \"⸠https://example.com/c⸡\"を '⸠https://a.b/d'articlos⸡'",
    # no space after the marks of Chinese and Japanese
    "⸠https://example.com/c⸡。次の文 ⸠https://example.com/c⸡（補足） ⸠https://example.com⸡。次",
    "⸠https://example.com⸡を参照 ⸠https://example.com⸡을 ⸠https://example.com⸡👍",
    "参照⸠www.example.com/a⸡、xwww.a.b.c",
    # emphasis as Slack marks it
    "*⸠https://a.example/b⸡* _⸠https://a.example/b⸡_ ~⸠https://a.example⸡~ ⸠https://a.example/b_⸡",
    # hosts
    "⸠https://foo.香港/測試⸡ ⸠https://münchen.example/ü⸡ ⸠https://пример.рф⸡ ⸠https://ยูเอทดสอบ.ไทย⸡",
    "⸠https://ཡོངས་ཁྱབ.com⸡ ⸠HTTP://FOO.VERMÖGEN.com⸡ ⸠http://localhost:8000⸡. ⸠http://a_b.example⸡",
    "⸠http://[::1]:8000⸡, ⸠http://[::1]:8000/x⸡ ⸠http://192.0.2.1:80⸡ ⸠https://i❤️.example⸡",
    # none, or not that one
    "http://.foo.example.com/α http://foo..example.com/α http://-foo.example-.com. https:// a",
    "http://john.smith@example.com http://u:p@example.com/foo www.x.example@y.z",
    "https://a.b:99999/",
    "http://⸠http://example.com⸡",
]
HREFS = {
    "このリンク「https://testdomain.example」を参照": "https://testdomain.example/",
    "https://example.com。次の文": "https://example.com/",
    "https://paypal.com\u200b.evil.example": "https://paypal.com/",
    "https://example.com\\@evil.example": "https://example.com/",
    "https://example.com⁄@evil.example": "https://example.com/",
}
SHOWN = {
    # one script, or what Chinese, Japanese and Korean write together
    "https://пример.com": None,
    "https://παράδειγμα.gr": None,
    "https://日本語とカナabc.example": None,
    "https://한국어漢字abc.example": None,
    "https://注音ㄅㄆabc.example": None,
    "https://bücher-münchen2.example": None,
    "https://мир.mir.рф": None,
    # mixed
    "https://pаypal.com/a": "https://xn--pypal-4ve.com/a",
    "https://deΩ.uk": "https://xn--de-fcc.uk",
    "https://x.ハングル한국.com": "https://x.xn--qck1c2d4a4695lrc0b.com",
    "https://кoт.рф": "https://xn--o-stbz.xn--p1ai",
    "https://ᏣᎳᎩ.com": "https://xn--f9dt7l.com",
    # whole labels that look Latin, where Latin is expected
    "https://раура.com:80/x": "https://xn--80aa0cbo.com:80/x",
    "https://раура.рф": None,
    "https://xn--80aa0cbo.com": None,
    "https://example.comノlogin.evil.com/": "https://example.xn--comlogin-634g.evil.com/",
    "www.pаypal.com/a": "www.xn--pypal-4ve.com/a",
    # what looks like more of an address, or like nothing
    "http://google.comﾉlogin.evil.example/": "http://google.xn--comlogin-634g.evil.example/",
    "http://google.comノノlogin.evil.example": "http://google.xn--comlogin-634ga.evil.example",
    "http://google.comː443.evil.example": "http://google.xn--com443-rnd.evil.example",
    "http://google・com.evil.example": "http://xn--googlecom-gl5h.evil.example",
    "http://google.com\u3164\u3164.evil.example/x": "http://google.com.evil.example/x",
    "http://ɡoogle.com": "http://xn--oogle-qmc.com",
    "https://paral·lel.example": None,
    "https://アンnote.example": None,
    # what cannot be seen, and what turns the text around
    "https://example.com/c\u202egpj.exe": "https://example.com/c%E2%80%AEgpj.exe",
    "https://example.com/\u2067אב": "https://example.com/%E2%81%A7אב",
    "https://example.com/a\u00adb\u2060c": "https://example.com/a%C2%ADb%E2%81%A0c",
    "https://example.com/❤️👨‍👩‍👧नमस्‍ते": None,
}


def test_a_link_ends_where_its_writer_ends_it(page: Page) -> None:
    script = """
      const marked = ({type, text}) => type === "link" ? `⸠${text}⸡` : text;
      return input.map((text) => all.inline(text).map(marked).join(""));
    """
    texts = [marked.replace("⸠", "").replace("⸡", "") for marked in MARKED]
    assert run(page, "format", script, texts) == MARKED


def test_a_link_leads_to_the_host_that_is_shown(page: Page) -> None:
    script = "return input.map((text) => all.inline(text).find(({href}) => href).href)"
    assert run(page, "format", script, list(HREFS)) == list(HREFS.values())


def test_a_link_shows_where_it_leads(page: Page) -> None:
    script = "return input.map((text) => all.inline(text).map(({type, text}) => [type, text]))"
    shown = [[["link", text or typed]] for typed, text in SHOWN.items()]
    assert run(page, "format", script, list(SHOWN)) == shown


def test_a_port_stays_that_is_the_scheme_s_own(page: Page) -> None:
    script = "return all.inline(input)[0]"
    found: dict[str, Any] = run(page, "format", script, "https://münchen.example:443/x?y#z.")
    assert found["text"] == "https://münchen.example:443/x?y#z"
    assert found["href"] == "https://xn--mnchen-3ya.example/x?y#z"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ありがとう@bob、「@ann」。@carl。", ["bob", "ann", "carl"]),
        ("mail@x.y हिन्दी@x.y @हिन्दी: @José", ["हिन्दी", "José"]),
        ("@علی‌رضا", ["علی‌رضا"]),
    ],
)
def test_a_mention_stands_beside_any_writing(page: Page, text: str, names: list[str]) -> None:
    assert run(page, "format", "return all.mentioned(input)", text) == names


def test_what_follows_a_name_without_a_space_is_no_part_of_it(page: Page) -> None:
    script = """
      const known = new Set(["bob", "山田", "bob山"]);
      return input.map((word) => all.calledIn(word, (name) => known.has(name)));
    """
    words = ["bob", "bobさん", "山田さん", "bob山", "bob山さん", "bobby", "さん"]
    called = ["bob", "bob", "山田", "bob山", "bob山", None, None]
    assert run(page, "format", script, words) == called


SLOW = ["(", "「", '"', "“", "http://", "http://a", "http://a:", "http://x(((", "“https://a.b/"]
SLOW += [
    "https://a.b/:~:",
    "https://漢a.",
    "https://a.com漢",
    "https://a_",
    "www.a.",
    "@漢",
    "\u202e",
]
# What fails, and could be tried again from within.
SLOW += [
    "漢www.",
    "漢www.a.b",
    "漢www.a-",
    "www.a.漢",
    "漢http://",
    "漢http://www.",
    "https://a.b:99999/",
]
SLOW += ["http://xn--a/", "http://a@", "漢@a.", "`", "`a\n", "```", "```a", " ", "\n "]
# What stands behind all that, once and as often.
ENDS = ["", ")", ".", "(", "@", "://", "`", "```a```"]


@pytest.mark.parametrize("piece", SLOW)
def test_twice_the_text_takes_twice_the_time(page: Page, piece: str) -> None:
    """Where it would be quadratic, four times; one of several runs is free of other noise.

    It takes some seconds, as each text has to be so long that its time can be measured.
    """
    script = """
      const [length, piece, ends] = input;
      for (const end of ends.flatMap((end) => [end, end.repeat(length)]))
        all.parse(piece.repeat(length / piece.length) + end);
    """

    def takes(length: int) -> float:
        return cost(page, "format", script, [length, piece, ENDS])

    takes(8_000)
    measured = ((takes(16_000), takes(32_000)) for _ in range(5))
    assert any(longer < 3 * long + 2 for long, longer in measured)


def test_code_marks_around_nothing_are_text(page: Page) -> None:
    texts = ["``` ```", "```\n```", "```\u200b```", "` `", "a `\u200b` b", "```x```", "`x`"]
    script = """
      const kinds = (text) => all.parse(text).flatMap((block) => block.parts ?? [block]);
      return input.map((text) => kinds(text).map(({type}) => type));
    """
    kinds = run(page, "format", script, texts)
    assert kinds == [*[["text"]] * 5, ["code"], ["code"]]
