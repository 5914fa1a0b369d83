"""A browser and an object store at an origin of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers import s3
from tests.servers.live import LiveBazaar, unique
from tests.web.conftest import Visit

# One red pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100"
    "c9fe92ef0000000049454e44ae426082"
)


class TestUploading:
    def test_goes_straight_to_the_store_and_pictures_come_from_it(
        self,
        visit: Visit,
        make_bazaar: Callable[..., LiveBazaar],
        s3_store: s3.ObjectStore,
        tmp_path: Path,
    ) -> None:
        site = make_bazaar(
            **s3.settings_of(s3_store, bucket=unique("pages")),
            BAZAAR_LFS_PARTS_ABOVE_BYTES=str(1 << 20),
            BAZAAR_LFS_PART_BYTES=str(5 << 20),
        )
        visitor, name = visit(site=site, store=s3_store.endpoint), unique("sam")
        page = visitor.page
        sent: list[str] = []
        page.on("requestfinished", lambda r: sent.append(r.url) if r.method == "PUT" else None)
        visitor.sign_up(name)
        visitor.go("/new")
        page.fill("[name=name]", "afar")
        visitor.press("main button.primary")
        weights, picture = tmp_path / "weights.bin", tmp_path / "red.png"
        weights.write_bytes(hashlib.shake_256(b"afar").digest(6 << 20))
        picture.write_bytes(PIXEL)
        page.set_input_files("[data-files] >> nth=0", [str(weights), str(picture)])
        with page.expect_navigation(url="**/tree/main"):
            page.click("#upload .form-end button")
        assert {urlsplit(address).netloc for address in sent} == {urlsplit(s3_store.endpoint).netloc}
        assert len(sent) == 3  # the weights in two parts, the picture whole

        visitor.go(f"/{name}/afar/blob/main/red.png")
        page.wait_for_function("document.querySelector('.picture img').naturalWidth === 1")


class TestThePolicy:
    def test_names_no_other_origin_without_a_store(self, visit: Visit) -> None:
        visitor = visit()
        answer = visitor.page.goto(f"{visitor.url}/login")
        assert answer
        assert "connect-src 'self';" in answer.headers["content-security-policy"]
