"""A browser and an object store at an origin of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Request, Route, expect

from tests.servers import s3
from tests.servers.live import LiveBazaar, unique
from tests.web.conftest import Visit, Visitor

# One red pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100"
    "c9fe92ef0000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def site(s3_store: s3.ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBazaar]:
    """A bazaar whose objects are in S3, and come there in parts of 5 MiB."""
    variables = s3.settings_of(s3_store, bucket=unique("pages")) | {
        "BAZAAR_LFS_PARTS_ABOVE_BYTES": str(1 << 20),
        "BAZAAR_LFS_PART_BYTES": str(5 << 20),
    }
    with LiveBazaar(tmp_path_factory.mktemp("afar"), settings=variables) as bazaar:
        yield bazaar


class TestUploading:
    @pytest.fixture
    def visitor(self, visit: Visit, site: LiveBazaar, s3_store: s3.ObjectStore) -> Visitor:
        """Before the empty upload page of a new model."""
        visitor = visit(site=site, store=s3_store.endpoint)
        visitor.sign_up(unique("sam"))
        visitor.go("/new")
        visitor.page.fill("[name=name]", "afar")
        visitor.press("main button.primary")
        return visitor

    def test_goes_straight_to_the_store_and_pictures_come_from_it(
        self, visitor: Visitor, s3_store: s3.ObjectStore, tmp_path: Path
    ) -> None:
        page = visitor.page
        sent: list[str] = []
        page.on("requestfinished", lambda r: sent.append(r.url) if r.method == "PUT" else None)
        weights, picture = tmp_path / "weights.bin", tmp_path / "red.png"
        weights.write_bytes(hashlib.shake_256(b"afar").digest(6 << 20))
        picture.write_bytes(PIXEL)
        page.set_input_files("[data-files] >> nth=0", [str(weights), str(picture)])
        with page.expect_navigation(url="**/tree/main"):
            page.click("#upload .form-end button")
        assert {urlsplit(address).netloc for address in sent} == {urlsplit(s3_store.endpoint).netloc}
        assert len(sent) == 3  # the weights in two parts, the picture whole

        visitor.go(urlsplit(page.url).path.replace("/tree/", "/blob/") + "/red.png")
        page.wait_for_function("document.querySelector('.picture img').naturalWidth === 1")

    def test_goes_on_with_the_part_at_which_the_network_went(self, visitor: Visitor, tmp_path: Path) -> None:
        page = visitor.page
        weights = tmp_path / "weights.bin"
        data = hashlib.shake_256(b"cut").digest(11 << 20)
        weights.write_bytes(data)
        arrived: list[str] = []

        def arrive(request: Request) -> None:
            if request.method == "PUT":
                arrived.append(parse_qs(urlsplit(request.url).query)["partNumber"][0])

        def cut(route: Route) -> None:
            """The network goes as the second part begins."""
            if "partNumber=2" in route.request.url and page.evaluate("navigator.onLine") and not cuts:
                cuts.append(route.request.url)
                page.context.set_offline(True)
            route.continue_()

        cuts: list[str] = []
        page.on("requestfinished", arrive)
        page.route("**/*partNumber=*", cut)
        page.set_input_files("[data-files] >> nth=0", str(weights))
        page.click("#upload .form-end button")
        expect(page.locator("[data-list] tbody")).to_contain_text("Connection lost")
        with page.expect_navigation(url="**/tree/main"):
            page.context.set_offline(False)
        assert arrived == ["1", "2", "3"]
        visitor.go(urlsplit(page.url).path.replace("/tree/", "/blob/") + "/weights.bin")
        assert hashlib.sha256(data).hexdigest() in page.inner_text("main")


class TestThePolicy:
    def test_names_no_other_origin_without_a_store(self, visit: Visit) -> None:
        visitor = visit()
        answer = visitor.page.goto(f"{visitor.url}/login")
        assert answer
        assert "connect-src 'self';" in answer.headers["content-security-policy"]
