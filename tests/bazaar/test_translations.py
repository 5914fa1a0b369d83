"""Chinese pages and refusals; `test_wording.py` reads the catalogue itself."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import translation


class TestChinese:
    @pytest.mark.django_db
    def test_is_what_a_chinese_browser_gets(self, client: Client) -> None:
        page = client.get("/login", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).content.decode()
        assert "用户名或邮箱" in page
        assert 'lang="zh-Hans"' in page

    def test_speaks_for_refusals_too(self) -> None:
        from hub.accounts.errors import NameTaken

        with translation.override("zh-hans"):
            assert str(NameTaken(name="ada")) == "名称“ada”已被占用。"
