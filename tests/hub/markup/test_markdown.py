"""The HTML of Markdown. The safety of this HTML is tested in tests/hub/web/test_safety.py."""

from __future__ import annotations

from hub.markup import markdown


class TestBareAddresses:
    def test_become_links_that_do_not_vouch(self) -> None:
        html = markdown.render("See https://example.org/a?b=1&c=2.")
        assert '<a href="https://example.org/a?b=1&amp;c=2" rel="noopener nofollow">' in html
        assert html.rstrip().endswith("</a>.</p>")

    def test_are_only_what_names_its_scheme(self) -> None:
        assert "<a" not in markdown.render("Run train.py, read notes.md, mail me@example.org, or go.sh")

    def test_stay_text_in_code_and_within_a_link(self) -> None:
        assert "<a" not in markdown.render("`https://example.org`\n\n```\nhttps://example.org\n```\n")
        assert markdown.render("[https://a.example](https://b.example)").count("<a") == 1


class TestMentions:
    def test_lead_to_the_name_where_people_talk(self) -> None:
        assert '<a href="/ada" rel="noopener nofollow">@ada</a>,' in markdown.render(
            "Thanks @ada, fine", mentions=True
        )
        assert "<a" not in markdown.render("Thanks @ada")

    def test_leave_code_links_and_addresses_alone(self) -> None:
        text = "`@ada` [@ada](https://example.org) x@ada.org\n\n```python\n@torch.no_grad()\n```\n"
        html = markdown.render(text, mentions=True)
        assert 'href="/' not in html
        assert "@torch" in html


class TestEverything:
    def test_that_cards_use_is_understood(self) -> None:
        html = markdown.render("| a |\n|--|\n| ~~b~~ |\n\n- [x] done\n\nWord[^1]\n\n[^1]: Note\n\n$$x^2$$\n")
        for part in ("<table>", "<s>b</s>", 'type="checkbox"', "footnote", "<math", "<msup>"):
            assert part in html
