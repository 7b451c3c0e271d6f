// A table that is wider than the screen scrolls: with the keyboard, too, once it can have the focus.
document$.subscribe(() => {
  for (const table of document.querySelectorAll(".md-typeset__scrollwrap")) {
    if (table.scrollWidth > table.clientWidth) {
      table.tabIndex = 0;
      table.setAttribute("role", "group");
      table.setAttribute("aria-label", `Table: ${table.querySelector("th")?.textContent ?? ""}`);
    }
  }
});
