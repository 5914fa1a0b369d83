// The book of a product page follows the market: news on the stream asks for the pieces that change, and htmx
// puts each into its place. Without scripts, or where the stream does not answer, the page is as fresh as its load.

const book = document.getElementById("book");
if (book && "EventSource" in window) {
  const PAUSE_MS = 500;
  let waiting = false;
  let missed = false;
  const refresh = () => {
    if (document.hidden) {
      missed = true;
      return;
    }
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      window.htmx?.trigger(book, "news");
    }, PAUSE_MS);
  };
  document.addEventListener("visibilitychange", () => {
    if (!missed || document.hidden) return;
    missed = false;
    refresh();
  });
  // The stream goes on from what the page shows, so whatever comes is news.
  const stream = new EventSource(book.dataset.stream);
  stream.addEventListener("snapshot", refresh);
  stream.addEventListener("delta", refresh);
}
