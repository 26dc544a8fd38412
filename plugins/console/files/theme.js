// Runs before anything is shown, so that no page flashes in the wrong colours.
(() => {
  let chosen = "auto";
  try {
    chosen = localStorage.getItem("penstock-theme") ?? "auto";
  } catch {
    // Without storage the system decides.
  }
  if (chosen !== "auto") document.documentElement.dataset.theme = chosen;
})();
