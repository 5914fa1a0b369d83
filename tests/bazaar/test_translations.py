"""The Chinese catalogue: whole, well-formed, and what a Chinese browser is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

CATALOGUE = Path(settings.LOCALE_PATHS[0]) / "zh_Hans" / "LC_MESSAGES" / "django.po"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}")
ENTRY = re.compile(r'^msgid "(.+)"\n(?:msgid_plural ".*"\n)?msgstr(?:\[0\])? "(.*)"', re.MULTILINE)


class TestTheCatalogue:
    def test_translates_everything_it_lists_with_the_same_placeholders(self) -> None:
        entries = re.findall(
            r'^msgid "(.+)"\n(?:msgid_plural ".*"\n)?msgstr(?:\[0\])? "(.*)"',
            CATALOGUE.read_text(),
            re.MULTILINE,
        )
        assert len(entries) > 700
        for message, translated in entries:
            assert translated, message
            assert set(PLACEHOLDER.findall(translated)) == set(PLACEHOLDER.findall(message)), message

    @pytest.mark.django_db
    def test_is_what_a_chinese_browser_gets(self, client: Client) -> None:
        page = client.get("/login", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).content.decode()
        assert "用户名或邮箱" in page
        assert 'lang="zh-Hans"' in page

    def test_speaks_for_refusals_too(self) -> None:
        from hub.accounts.errors import NameTaken

        with translation.override("zh-hans"):
            assert str(NameTaken(name="ada")) == "名称“ada”已被占用。"
