// Everything works without this file. It adds: a switch that shows passwords, times in the reader's zone, a guard against sending a form twice, advice about a
// new password while it is typed, a pause before a mail is asked for again, and buttons that copy the reference id
// and print recovery codes.
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

  // Says what is wrong with a new password while it is typed. Length is counted here; the rest is asked from the server, which has
  // the last word when the form is sent.
  for (const rules of document.querySelectorAll("[data-advice-for]")) {
    const input = document.getElementById(rules.dataset.adviceFor);
    const again = input.form.elements.namedItem(input.name + "_confirm");
    const line = rules.querySelector("[role=status]");
    const say = (text, judged) => {
      if (line.textContent !== text) line.textContent = text;
      line.hidden = text === "";
      line.classList.toggle("good", judged === "good");
      line.classList.toggle("bad", judged === "bad");
    };
    let timer = 0;
    let asked = 0;
    const look = async () => {
      const turn = ++asked;
      const typed = input.value;
      if (typed === "") return say("");
      const missing = Number(rules.dataset.least) - [...typed.normalize("NFC")].length;
      if (missing > 0) return say(missing === 1 ? "One more character." : `${missing} more characters.`);
      let answer;
      try {
        const response = await fetch(rules.dataset.asks, {
          method: "POST", headers: { Accept: "application/json" },
          body: new URLSearchParams({ password: typed, username: input.form.elements.namedItem("username")?.value ?? input.form.elements.namedItem("identifier")?.value ?? "" }),
        });
        if (!response.ok) return say("");
        answer = await response.json();
      } catch {
        return say("");
      }
      if (turn !== asked) return;
      if (!answer.ok) return say(answer.problem, "bad");
      if (again && again.value !== "" && again.value !== typed) return say("A good password. The second field has another one.", "bad");
      say("A good password.", "good");
    };
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(look, 350);
    };
    input.addEventListener("input", later);
    again?.addEventListener("input", later);
  }

  // A mail that is asked for twice a minute makes the first one's link useless while it is on its way.
  for (const button of document.querySelectorAll("button[data-waits]")) {
    const label = button.textContent;
    button.disabled = true;
    button.textContent = "Again in a minute";
    setTimeout(() => {
      button.disabled = false;
      button.textContent = label;
    }, Number(button.dataset.waits) * 1000);
  }

  // Times are written in UTC; whoever reads them thinks in their own. Days stay as they are.
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of document.querySelectorAll("time[datetime*=T]")) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    time.title = time.textContent;
    time.textContent = local.format(at);
  }

  for (const button of document.querySelectorAll("button[data-prints]")) {
    button.addEventListener("click", () => window.print());
    button.hidden = false;
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
