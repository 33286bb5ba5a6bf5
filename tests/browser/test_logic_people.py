"""Presence, typing and what people write, without a page around them."""

from typing import Any

import pytest
from playwright.sync_api import Page

from chat.rooms.slugs import slug_for
from core.templatetags.people import hue, initials
from core.visible import can_be_seen
from tests.browser.modules import cost, run


class TestPresence:
    SET_UP = """
      let asked = 0;
      const presence = new all.Presence(() => { asked += 1; });
      globalThis.asked = () => asked;
      const user = (id) => ({id, name: `User ${id}`});
      const joined = (id, version, online) =>
        ({type: "presence.joined", user: user(id), version, online});
      presence.receive({type: "presence.state", users: [user(2), user(1)], online: 2, version: 5});
      const ids = () => presence.users.map(({id}) => id);
    """

    def test_comings_and_goings_in_turn(self, page: Page) -> None:
        script = f"""{self.SET_UP}
          presence.receive(joined(3, 6, 3));
          presence.receive(joined(3, 6, 3));
          presence.receive({{type: "presence.left", user: user(1), version: 7, online: 2}});
          return [ids(), presence.online, asked];
        """
        assert run(page, "presence", script) == [[2, 3], 2, 0]

    def test_a_gap_is_asked_about_once(self, page: Page) -> None:
        script = f"""{self.SET_UP}
          for (const version of [8, 9, 10]) presence.receive(joined(version, version, 9));
          const before = [ids(), asked];
          presence.receive({{type: "presence.state", users: [user(9)], online: 1, version: 10}});
          return [before, ids(), asked];
        """
        assert run(page, "presence", script) == [[[1, 2], 1], [9], 1]
        page.clock.run_for(5_000)
        assert page.evaluate("asked()") == 1

    def test_what_is_old_is_passed_over(self, page: Page) -> None:
        script = f"""{self.SET_UP}
          presence.receive(joined(3, 4, 3));
          presence.receive({{type: "presence.left", user: user(1), version: 5, online: 1}});
          presence.receive({{type: "presence.count", version: 5, online: 9, joined: [user(4)]}});
          return [ids(), presence.online, asked];
        """
        assert run(page, "presence", script) == [[1, 2], 2, 0]

    def test_a_crowd_is_a_number_and_those_that_are_named(self, page: Page) -> None:
        script = f"""{self.SET_UP}
          const named = [user(1), user(2)];
          presence.receive(
            {{type: "presence.state", users: named, online: 300, version: 300, more: true}});
          const before = [ids(), presence.online, presence.unnamed];
          presence.receive({{type: "presence.count", version: 340, online: 310}});
          presence.receive({{type: "presence.count", version: 390, online: 305,
                            joined: [user(3)], left: [user(1)]}});
          return [before, ids(), presence.online, presence.unnamed, asked];
        """
        assert run(page, "presence", script) == [[[1, 2], 300, 298], [2, 3], 305, 303, 0]

    def test_a_crowd_that_is_not_known_yet_is_asked_about(self, page: Page) -> None:
        script = """
          let asked = 0;
          const presence = new all.Presence(() => { asked += 1; });
          presence.receive({type: "presence.count", version: 9, online: 300, joined: [{id: 1}]});
          return [asked, presence.known, presence.users];
        """
        assert run(page, "presence", script) == [1, False, []]

    def test_in_a_large_room_the_rest_is_a_number(self, page: Page) -> None:
        script = f"""{self.SET_UP}
          presence.receive({{type: "presence.state", users: [user(1)], online: 300, version: 9}});
          return presence.unnamed;
        """
        assert run(page, "presence", script) == 299


def test_typing_is_told_a_little_less_often_than_the_server_passes_on(page: Page) -> None:
    run(
        page,
        "typing",
        "let n = 0; globalThis.typing = new all.Typing(() => { n += 1; }, 7); "
        "globalThis.told = () => n;",
    )
    page.evaluate("typing.typed(); typing.typed();")
    assert page.evaluate("told()") == 1
    page.clock.run_for(3_100)
    page.evaluate("typing.typed()")
    assert page.evaluate("told()") == 1
    page.clock.run_for(300)
    page.evaluate("typing.typed()")
    assert page.evaluate("told()") == 2


def test_who_types_fades_and_own_typing_is_no_news(page: Page) -> None:
    script = """
      globalThis.typing = new all.Typing(() => {}, 7);
      for (const id of [7, 8, 9]) typing.receive({type: "chat.typing", user: {id, name: `U${id}`}});
      typing.receive({...live(1), user: {id: 9, name: "U9"}});
      globalThis.names = () => typing.people.map(({name}) => name);
      return [names(), all.sentence(names()), all.sentence(["A", "B", "C"]),
              all.sentence(["A", "B", "C", "D"])];
    """
    assert run(page, "typing", script) == [
        ["U8"],
        "U8 is typing…",
        "A, B and C are typing…",
        "Several people are typing…",
    ]
    page.clock.run_for(5_600)
    assert page.evaluate("names()") == []


def test_who_leaves_types_no_more(page: Page) -> None:
    script = """
      const typing = new all.Typing(() => {}, 7);
      for (const id of [8, 9]) typing.receive({type: "chat.typing", user: {id, name: `U${id}`}});
      typing.receive({type: "presence.left", user: {id: 8, name: "U8"}, version: 2, online: 2});
      return typing.people.map(({name}) => name);
    """
    assert run(page, "typing", script) == ["U9"]


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("plain", [[["text", "plain"]]]),
        ("a `b` c", [[["text", "a "], ["code", "b"], ["text", " c"]]]),
        ("```\na  b\n```", ["a  b"]),
        ("so:\n```py\nx = 1\n```\nand", [[["text", "so:"]], "x = 1", [["text", "and"]]]),
        ("see ```one line```", [[["text", "see"]], "one line"]),
        ("```never closed", [[["text", "```never closed"]]]),
        ("hi @bob.b, mail@x.y", [[["text", "hi "], ["mention", "@bob.b"], ["text", ", mail@x.y"]]]),
        (
            "(https://a.b/c_(d)).",
            [[["text", "("], ["link", "https://a.b/c_(d)"], ["text", ")."]]],
        ),
        ("https:// http://", [[["text", "https:// http://"]]]),
        (
            "see www.a.example/b, or",
            [[["text", "see "], ["link", "www.a.example/b"], ["text", ", or"]]],
        ),
        ("www. www.a www..b x.www.a.b", [[["text", "www. www.a www..b x.www.a.b"]]]),
    ],
)
def test_what_people_write_is_taken_apart(page: Page, text: str, blocks: list[Any]) -> None:
    script = """
      return all.parse(input).map((block) =>
        block.type === "code" ? block.text : block.parts.map(({type, text}) => [type, text]));
    """
    assert run(page, "format", script, text) == blocks


def test_an_address_without_its_beginning_leads_to_its_site(page: Page) -> None:
    script = "return all.inline('www.a.example')[0].href"
    assert run(page, "format", script) == "https://www.a.example/"


@pytest.mark.parametrize("start", ["https://a.b/", "www.a.", "```", "@a.", "`", "http://x((("])
def test_no_text_takes_long_to_take_apart(page: Page, start: str) -> None:
    script = """
      const texts = [input + ")".repeat(40000), input.repeat(8000), input + ".".repeat(40000)];
      texts.forEach((text) => all.parse(text));
    """
    assert cost(page, "format", script, start) < 500


NAMES = [
    "Lobby",
    " Öl & Gas ",
    "a -- b",
    "_x_",
    "カフェ",
    "ＬＯＢＢＹ",
    "🎉",
    "x" * 99,
    "İstanbul",
    "--a__",
    *("हिन्दी", "हिन्द", "ภาษาไทย", "שָׁלוֹם", "عَرَبِيّ", "தமிழ்", "Tiếng Việt", "ΟΔΟΣ", "ﬁsh", "½", "x²"),
    *("❤️", "❤️ tea", "1️⃣ one", "\u0301", "e!\u0301", "a\u034fb", "I\u0307", "i\u0307\u0301"),
    *(
        "C",
        "C++",
        "C#",
        "\u3164",
        "\u115f\u1160",
        "te\uffa0a",
        "te\u3164a",
        "\u2800",
        "tea\u200b\u034f",
    ),
    *("private--7k2m9p4q8r3s6t5v", "Private-7K2M9P4Q8R3S6T5V", "\u200bdirect -- " + "0f" * 16),
    *("private—7k2m9p4q8r3s6t\u00ad5v", "ｐrivate--7k2m9p4q8r3s6tß", "private" + "o" * 16),
    *("private" + "_" * 57 + "a" * 16 + "x", "private--7k2m9p4q8r3s6t5", "private-party"),
]


def test_browser_and_server_make_the_same_address(page: Page) -> None:
    assert run(page, "slug", "return input.map(all.slugFor);", NAMES) == [
        slug_for(n) for n in NAMES
    ]


def test_browser_and_server_paint_people_alike(page: Page) -> None:
    names = ["Alice Liddell", "bob", "guest-x7", "Ольга", "a.b.c", " "]
    assert run(page, "people", "return input.map(all.initials);", names) == [
        initials(n) for n in names
    ]
    assert run(page, "people", "return [0, 7, 12, 25].map(all.hue);") == [
        hue(n) for n in (0, 7, 12, 25)
    ]


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([7], "you"),
        ([8], "Bob"),
        ([99], "1 person"),
        ([98, 99], "2 people"),
        ([8, 7], "Bob and you"),
        ([98, 8, 9, 7], "Bob, Carol, you and 1 other"),
        ([8, 97, 98, 99], "Bob and 3 others"),
    ],
)
def test_who_reacted_is_named_as_far_as_that_is_known(
    page: Page, ids: list[int], said: str
) -> None:
    script = """
      const names = new all.Names();
      [{id: 8, name: "Bob"}, {id: 9, name: "Carol"}].forEach((user) => names.hear(user));
      return names.list(input, 7);
    """
    assert run(page, "people", script, ids) == said


def test_a_row_is_drawn_anew_when_it_becomes_known_who_reacted(page: Page) -> None:
    script = """
      const [history, names, me] = [new all.History(), new all.Names(), {id: 1}];
      history.receive({...page([]), messages: [message(1, {reactions: {"👍": [8]}})]});
      names.hear({id: 7, name: "Alice"});
      const sign = () => all.rowsOf({history, drafts: [], line: null, me, names}).at(-1).sign;
      const before = sign();
      const same = sign() === before;
      names.learn({id: 8, name: "Bob"});
      return [same, sign() === before];
    """
    assert run(page, "history people rows", script) == [True, False]


def test_only_who_is_known_is_mentioned(page: Page) -> None:
    script = """
      const [history, names, me] = [new all.History(), new all.Names(), {id: 1, name: "Me"}];
      names.learn(me);
      names.hear({id: 7, name: "Alice Moreau"});
      const text = "@alice @AliceMoreau @moreau @bob @nobody @me";
      history.receive({...page([]), messages: [message(1, {message: text})]});
      const look = () => {
        const row = all.rowsOf({history, drafts: [], line: null, me, names}).at(-1);
        const context = {names, me, target: undefined, grouped: false};
        const box = document.createElement("div");
        box.append(...all.viewOf(row.message, context));
        return [row.sign, [...box.querySelectorAll(".mention")].map((e) => e.textContent).join()];
      };
      const [before, known] = look();
      names.learn({id: 8, name: "Bob Okafor"});
      names.learn({id: 8, name: "Robert"});
      const [after, more] = look();
      return [known, more, before === after];
    """
    assert run(page, "history people rows message-view", script) == [
        "@alice,@AliceMoreau,@me",
        "@alice,@AliceMoreau,@bob,@me",  # also by the name they bore
        False,
    ]


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("has joined the channel", "Ann Smith has joined the channel"),
        ("Ann Smith has joined the channel", "Ann Smith has joined the channel"),  # an old import
        ("has asked @ann and @bob", "Ann Smith has asked @ann and @bob"),
    ],
)
def test_a_notice_says_once_whom_it_is_about(page: Page, text: str, reads: str) -> None:
    script = """
      const names = new all.Names();
      names.learn({id: 7, name: "Ann Smith"});
      const notice = message(1, {kind: "notice", message: input});
      const [view] = all.viewOf(notice, {names, me: {id: 1, name: "Me"}});
      return view.querySelector(".body").textContent;
    """
    assert run(page, "people message-view", script, text) == reads


COPY = "Not sent. You can still copy the text."


@pytest.mark.parametrize(
    ("code", "guest", "told"),
    [
        (4400, False, ("The connection was closed.", "Will be sent when you reconnect.", "reload")),
        (4401, False, ("You are signed out.", "Will be sent when you sign in again.", "sign-in")),
        (4401, True, ("You are signed out.", COPY, "sign-in")),
        (4403, False, ("You are banned.", COPY, None)),
        (4404, False, ("This room is no longer available.", COPY, None)),
        (4409, False, ("The connection was closed.", "Will be sent when you reconnect.", "reload")),
    ],
)
def test_each_ending_says_what_becomes_of_what_was_written_and_what_leads_back(
    page: Page, code: int, guest: bool, told: tuple[str, str, str | None]
) -> None:
    detail = "You are banned." if code == 4403 else ""
    script = "const {words, drafts, way} = all.ending(input); return [words, drafts, way ?? null];"
    said = run(page, "endings", script, {"code": code, "detail": detail, "guest": guest})
    assert said == list(told)


class TestNamesakes:
    """Whose username and mark stand beside their name (PROTOCOL.md, "a person")."""

    ALICES = """
      const names = new all.Names();
      const alice = {id: 1, name: "Alice", username: "al", looks: ["allce"]};
      const other = {id: 2, name: "Аlice", looks: ["xllce", "allce"]};
      const bob = {id: 3, name: "Bob", username: "bob3"};
      const handles = () => [1, 2, 3, 4].map((id) => names.handle(id));
    """

    def test_those_who_share_a_look_are_shown_with_their_usernames(self, page: Page) -> None:
        script = f"""{self.ALICES}
          names.learn(alice);
          const alone = handles();
          names.hear(other);
          names.hear(bob);
          names.hear({{id: 4, name: "bob"}});
          return [alone, handles(), names.label(1), names.label(9), names.list([1, 3], 3)];
        """
        assert run(page, "people", script) == [
            ["", "", "", ""],
            ["@al", "@аlice", "@bob3", "@bob"],
            "Alice @al",
            "someone",
            "Alice @al and you",
        ]

    def test_a_namesake_who_was_only_heard_changes_what_is_shown_of_the_other(
        self, page: Page
    ) -> None:
        script = f"""{self.ALICES}
          names.learn(alice);
          names.learn(bob);
          let changes = 0;
          names.addEventListener("change", () => {{ changes += 1; }});
          const after = (person) => [names.hear(person), changes, names.handle(1)].slice(1);
          return [
            after({{id: 5, name: "Eve"}}), after(other), after(other),
            after({{...other, mark: "staff"}}), after({{id: 3, name: "Alice"}}),
            after({{id: 2, name: "Olga"}}), after({{id: 5, name: "Eva"}}),
          ];
        """
        assert run(page, "people", script) == [
            [0, ""],
            *[[1, "@al"]] * 4,
            *[[2, ""]] * 2,
        ]

    def test_who_is_renamed_is_a_namesake_no_longer(self, page: Page) -> None:
        script = f"""{self.ALICES}
          let changes = 0;
          names.addEventListener("change", () => {{ changes += 1; }});
          names.learn(alice);
          names.hear(other);
          names.hear(alice); // the same person again is nobody else
          names.learn({{id: 2, name: "Olga", username: "Аlice"}});
          names.learn({{id: 2, name: "Olga", username: "Аlice"}});
          return [handles(), changes];
        """
        assert run(page, "people", script) == [["", "", "", ""], 3]

    def test_marks_come_with_the_person_and_with_the_room(self, page: Page) -> None:
        script = f"""{self.ALICES}
          const marks = () => [1, 2, 3, 4].map((id) => names.mark(id));
          names.learn({{...alice, mark: "staff"}});
          names.learn({{...other, mark: "guest"}});
          names.learn(bob);
          const before = marks();
          names.moderatedBy([1, 3]);
          const with_room = marks();
          names.moderatedBy([2]);
          return [before, with_room, marks()];
        """
        assert run(page, "people", script) == [
            ["staff", "guest", "", ""],
            ["staff", "guest", "moderator", ""],
            ["staff", "moderator", "", ""],
        ]

    def test_a_row_is_drawn_anew_when_somebody_else_is_called_the_same(self, page: Page) -> None:
        script = f"""{self.ALICES}
          const history = new all.History();
          names.hear({{...alice, id: 7}});
          history.receive({{...page([]), messages: [message(1, {{user: {{...alice, id: 7}}}})]}});
          const sign = () =>
            all.rowsOf({{history, drafts: [], line: null, me: {{id: 9}}, names}}).at(-1).sign;
          const before = sign();
          names.hear(other);
          const after = sign();
          names.moderatedBy([7]);
          return [before !== after, after !== sign()];
        """
        assert run(page, "history people rows", script) == [True, True]


def test_the_page_sees_what_the_server_sees(page: Page) -> None:
    """For each character of Unicode, of which the browser knows more than Python's tables."""
    points = [code for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    script = "return input.filter((code) => all.canBeSeen(String.fromCodePoint(code)));"
    seen = set(run(page, "visible", script, points))
    assert seen == {code for code in points if can_be_seen(chr(code))}
