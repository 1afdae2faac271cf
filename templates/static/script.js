// Everything works without this file. It adds: a switch that shows passwords, a guard against sending a form twice, and a
// button that copies the reference id.
(() => {
  "use strict";

  for (const button of document.querySelectorAll("button[data-shows]")) {
    const input = document.getElementById(button.dataset.shows);
    const show = (on) => {
      input.type = on ? "text" : "password";
      button.setAttribute("aria-pressed", String(on));
    };
    button.addEventListener("click", () => show(input.type === "password"));
    // Hidden again before it is sent: browsers offer to save only what is in a password field.
    input.form.addEventListener("submit", () => show(false));
    button.hidden = false;
  }

  for (const form of document.querySelectorAll("form[method=post]:not([data-passkey])")) {
    let sent = 0;
    const settle = () => {
      sent = 0;
      form.removeAttribute("aria-busy");
    };
    form.addEventListener("submit", (event) => {
      // The button is not disabled: that would take the focus away and leave a dead page when the answer does not come.
      if (Date.now() - sent < 5000) {
        event.preventDefault();
        return;
      }
      sent = Date.now();
      form.setAttribute("aria-busy", "true");
      setTimeout(settle, 5000);
    });
    // A page that comes back from the browser's memory starts afresh.
    window.addEventListener("pageshow", settle);
  }

  for (const button of document.querySelectorAll("button[data-copies]")) {
    if (!navigator.clipboard) continue;
    const label = button.textContent;
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copies).textContent;
      let said = "Copied";
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        said = "Select it and copy it by hand";
      }
      button.textContent = said;
      button.parentElement.querySelector("[role=status]").textContent = said;
      setTimeout(() => { button.textContent = label; }, 3000);
    });
    button.hidden = false;
  }
})();
