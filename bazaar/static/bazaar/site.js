// What makes every page quicker or kinder. Everything here is an addition: pages work without it.

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) {
    const text = button.dataset.copy || button.parentElement.querySelector("pre, code, input")?.textContent || "";
    await copy(text.trim());
    button.dataset.done = "";
    setTimeout(() => delete button.dataset.done, 1600);
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Plain HTTP, as on a laptop or an internal network: the browser offers only the old way.
  const area = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    document.querySelector(".seek input")?.focus();
  }
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    // Suggestions are walked by the arrows; Enter in the field itself still searches everything.
    const seek = event.target.closest(".seek");
    const links = [...(seek?.querySelectorAll("#found a") ?? [])];
    if (links.length) {
      event.preventDefault();
      const at = links.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      (at < 0 ? seek.querySelector("input") : links[Math.min(at, links.length - 1)]).focus();
    }
  }
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
    document.getElementById("found")?.replaceChildren();
  }
});

// On a phone a row of tabs may be wider than the screen: begin where the present one is seen.
for (const tab of document.querySelectorAll(".rail [aria-current], .tabs [aria-current]")) {
  const bar = tab.parentElement;
  if (bar.scrollWidth > bar.clientWidth) bar.scrollLeft = tab.offsetLeft - bar.offsetLeft - 16;
}

// A choice that changes the page sends its form at once; without scripts there is a button.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// Typed confirmation: the button wakes when the text is what it asks for. The server checks it too.
document.addEventListener("input", (event) => {
  const input = event.target.closest("[data-must-equal]");
  if (input) input.form.querySelector("[type=submit]").disabled = input.value !== input.dataset.mustEqual;
});
for (const input of document.querySelectorAll("[data-must-equal]")) {
  input.form.querySelector("[type=submit]").disabled = true;
}

// Tabs that are radio-like groups of panels: all panels are shown where scripts do not run.
for (const group of document.querySelectorAll("[data-switch]")) {
  const panels = [...group.querySelectorAll("[data-panel]")];
  const bar = group.querySelector("[data-switch-bar]");
  const show = (name) => {
    for (const panel of panels) panel.hidden = panel.dataset.panel !== name;
    for (const button of bar.children) button.setAttribute("aria-pressed", button.dataset.name === name);
  };
  for (const panel of panels) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: panel.dataset.label });
    button.dataset.name = panel.dataset.panel;
    button.addEventListener("click", () => show(panel.dataset.panel));
    bar.append(button);
  }
  bar.hidden = false;
  if (panels.length) show(panels[0].dataset.panel);
}
