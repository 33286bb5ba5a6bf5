import pytest

from chat.slack.emoji import emoji
from chat.slack.markup import Names

NAMES = Names(
    users={"U1": "Ann", "U2": "Bob <b>"},
    rooms={"C1": "general"},
    private=frozenset({"G1"}),
)


@pytest.mark.parametrize(
    ("slack", "text"),
    [
        ("<@U1> hi", "@Ann hi"),
        ("<@U1|ann.old> hi", "@Ann hi"),
        ("<@U2>", "@Bob <b>"),
        ("<@U9|zed>", "@zed"),
        ("<@U9>", "@unknown U9"),
        ("<#C1|general>, <#C1>", "#general, #general"),
        ("<#C9|elsewhere>", "#elsewhere"),
        ("<#C9>", "#private-channel"),
        ("<!here> <!channel> <!everyone|everyone>", "@here @channel everyone"),
        ("<!subteam^S1|@ops> <!subteam^S2>", "@ops @group"),
        ("<!date^1700000000^{date}|14 November> <!date^1^x>", "14 November a date"),
        ("<https://a.test/x?a=1&amp;b=2>", "https://a.test/x?a=1&b=2"),
        ("<https://a.test|the &lt;page&gt;>", "the <page> (https://a.test)"),
        ("<https://a.test|https://a.test>", "https://a.test"),
        ("<http://a.test|a.test>", "a.test"),
        (
            "<https://a.test/x>を見て、<https://a.test>。",
            "https://a.test/x を見て、https://a.test。",
        ),
        (
            "<https://a.test/:smile:/>:smile: <https://a.test>: 😄",
            "https://a.test/:smile:/ 😄 https://a.test: 😄",
        ),
        ("<https://a.test/x>s <https://a.test|it>s", "https://a.test/x s it (https://a.test) s"),
        ("<mailto:ann@a.test|ann@a.test>", "ann@a.test"),
        ("<mailto:ann@a.test|write to Ann>", "write to Ann (ann@a.test)"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt; stays", "&lt; stays"),
        ("*bold* _it_ ~gone~ `code` ```<@U1> &lt;```", "*bold* _it_ ~gone~ `code` ```@Ann <```"),
        ("well :smile: :+1::skin-tone-3:", "well 😄 👍🏼"),
        (":tada::tada:", "🎉🎉"),
        (":our_logo: at 12:100:30", ":our_logo: at 12:100:30"),
        ("`:smile:` :smile: ```\n:smile:\n```", "`:smile:` 😄 ```\n:smile:\n```"),
        ("a < b, <, >, <> <T> (<!) and & alone", "a < b, <, >, <> <T> (<!) and & alone"),
        ("a > b < c", "a > b < c"),
    ],
)
def test_markup_becomes_text_that_people_read(slack: str, text: str) -> None:
    assert NAMES.readable(slack) == text


def test_the_name_of_a_private_room_stays_in_it() -> None:
    assert NAMES.readable("see <#G1|the-merger>") == "see #private-channel"


def test_a_notice_calls_people_by_their_bare_name() -> None:
    assert NAMES.readable("<@U1> has joined the channel", at="") == "Ann has joined the channel"


def test_an_emoji_outside_the_table_keeps_its_name() -> None:
    assert emoji("wave::skin-tone-6") == "👋🏿"
    assert emoji("party_parrot") == ":party_parrot:"
    assert emoji("party_parrot::skin-tone-2") == ":party_parrot::skin-tone-2:"
