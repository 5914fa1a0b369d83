"""A lease's own pages in a real browser: JupyterLab at an origin of its own, and a stranger on the hub's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Response, WebSocket, expect

from compute_market.leases.starters import all_starters
from tests.servers.clients import jupyter_environment
from tests.servers.live import LiveBazaar
from tests.web.conftest import DESK, PATIENCE_MS
from tests.wire.test_market_agent import AgentProcess, wait_for
from tests.wire.test_market_tunnels import Tenant, ask

PASSWORD = "correct horse battery"
# A page asks the hub with its reader's cookies, and must learn nothing.
ASK_THE_HUB = """
async hub => {
    try {
        const answer = await fetch(hub + "/settings", {credentials: "include"});
        return await answer.text();
    } catch (error) {
        return "refused";
    }
}
"""
OWN_COOKIES = "() => { try { return document.cookie; } catch (error) { return 'refused'; } }"


class Notebook:
    """JupyterLab in a lease, and its holder in a browser window that has signed in."""

    def __init__(self, tenant: Tenant, context: BrowserContext) -> None:
        self.tenant, self.context = tenant, context
        # The same host as the leases' domain: what is kept apart is kept apart by more than the name.
        self.hub = f"http://localhost:{tenant.bazaar.port}"
        starter = next(starter for starter in all_starters() if starter.id == "jupyterlab")
        programs = jupyter_environment() / "bin"
        program, *words = starter.process["command"]
        tenant.far(
            "serve",
            command=[str(programs / program), *words],
            serves=starter.process["serves"],
            environment={"PATH": f"{programs}:/usr/bin:/bin"},
        )
        self.port = str(starter.opens)
        self.origin = f"http://{tenant.lease}--{self.port}.localhost:{tenant.bazaar.leases_port}"
        tenant.bazaar.manage("create_user", tenant.holder, f"--password={PASSWORD}")
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)

    def sign_in(self) -> None:
        self.page.goto(f"{self.hub}/login")
        self.page.fill("[name=name]", self.tenant.holder)
        self.page.fill("[name=password]", PASSWORD)
        with self.page.expect_navigation():
            self.page.click("main button.primary")

    def answers(self) -> int:
        """The status of the program's own API address."""
        headers = {"Authorization": f"Bearer {self.tenant.token}"}
        return ask(self.tenant.bazaar.port, f"{self.path}/api", headers=headers)[0]

    @property
    def path(self) -> str:
        return f"/leases/{self.tenant.lease}/ports/{self.port}"

    def cookies(self, url: str) -> set[str]:
        return {str(cookie.get("name")) for cookie in self.context.cookies(url)}


@pytest.fixture
def notebook(browser: Browser, live_sqlite: LiveBazaar, tmp_path: Path) -> Iterator[Notebook]:
    jupyter_environment()
    live_sqlite.start_tunnels()
    folder = tmp_path / "agent"
    folder.mkdir()
    agent = AgentProcess(live_sqlite, folder)
    context = browser.new_context(viewport=DESK)
    with closing(agent), closing(context):
        yield Notebook(Tenant(live_sqlite, agent), context)


class TestJupyterLab:
    def test_opens_by_its_button_and_nothing_passes_between_it_and_the_hub(self, notebook: Notebook) -> None:
        notebook.sign_in()
        before = notebook.cookies(notebook.hub)
        assert before
        lab = self.opened(notebook)
        self.runs_a_kernel(lab)
        # Nothing came to the hub, and nothing of the hub's is seen here.
        assert notebook.cookies(notebook.hub) == before
        assert "bazaar-grant" in notebook.cookies(notebook.origin)
        assert not set(lab.evaluate(OWN_COOKIES).split("=")) & before
        assert lab.evaluate(ASK_THE_HUB, notebook.hub) == "refused"
        self.is_a_stranger_on_the_hubs_own_address(notebook)

    def opened(self, notebook: Notebook) -> Page:
        """The page behind the lease's button, once all it asks for has come."""
        sent: list[Request] = []
        failed: list[str] = []

        def answered(response: Response) -> None:
            if response.status >= 400 and urlsplit(response.url).path.startswith(("/lab", "/static")):
                failed.append(f"{response.status} {response.url}")

        notebook.context.on("request", lambda request: sent.append(request))  # noqa: PLW0108 - Playwright wants a function
        notebook.context.on("response", answered)
        notebook.page.goto(f"{notebook.hub}/market/leases/{notebook.tenant.lease}")
        button = notebook.page.get_by_role("link", name="Open", exact=True)
        expect(button).to_be_visible(timeout=60_000)
        wait_for(notebook.answers, lambda status: status == 200, notebook.tenant.agent.log)
        with notebook.context.expect_page() as popup:
            button.click()
        lab = popup.value
        expect(lab).to_have_url(re.compile(re.escape(notebook.origin)), timeout=60_000)
        expect(lab.locator(".jp-Launcher-body")).to_be_visible(timeout=90_000)
        assert failed == []
        assert lab.evaluate("self.origin") == notebook.origin
        ours = [request for request in sent if request.url.startswith(notebook.origin)]
        assert len(ours) > 10
        for request in ours:
            given = request.all_headers().get("cookie", "")
            assert "sessionid" not in given
            assert "bazaar-grant=ey" not in urlsplit(lab.url).query
        return lab

    def runs_a_kernel(self, lab: Page) -> None:
        """Its WebSocket passes both ways."""
        with lab.expect_websocket(lambda found: "/channels" in found.url, timeout=60_000) as opened:
            lab.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
        socket: WebSocket = opened.value
        socket.wait_for_event("framereceived", timeout=60_000)

    def is_a_stranger_on_the_hubs_own_address(self, notebook: Notebook) -> None:
        """By a link below the hub's address a page has an origin of its own, without storage or cookies."""
        link = notebook.tenant.link(notebook.port).partition("?")[2]
        page = notebook.context.new_page()
        answer = page.goto(f"{notebook.hub}{notebook.path}/lab?{link}")
        assert answer is not None
        assert answer.status == 200
        assert "sandbox" in answer.headers["content-security-policy"]
        assert page.evaluate("self.origin") == "null"
        assert page.evaluate(OWN_COOKIES) == "refused"
        assert page.evaluate(ASK_THE_HUB, notebook.hub) == "refused"
