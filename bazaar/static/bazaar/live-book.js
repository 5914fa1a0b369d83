// The book of a product page follows the market: news on the stream reloads the three live sections.
// Without scripts, or where the stream does not answer, the page is as fresh as its last load.

const book = document.getElementById("book");
if (book && "EventSource" in window) {
  const stream = new EventSource(book.dataset.stream);
  let waiting = false;
  const refresh = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(async () => {
      waiting = false;
      const response = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      const old = book.closest(".stack");
      const next = fresh.getElementById("book")?.closest(".stack");
      if (!next) return;
      for (const [index, section] of [...old.children].entries()) section.innerHTML = next.children[index]?.innerHTML ?? "";
    }, 500);
  };
  // The stream begins with what the page shows already; every later snapshot or delta is news.
  let seen = false;
  stream.addEventListener("snapshot", () => { if (seen) refresh(); seen = true; });
  stream.addEventListener("delta", refresh);
  stream.onerror = () => { if (stream.readyState === EventSource.CLOSED) stream.close(); };
}
