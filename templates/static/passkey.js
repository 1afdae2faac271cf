// Passkeys (WebAuthn). The page's form carries the options as the server wrote them; the browser's answer goes back in its field
// "credential". On the sign-in page passkeys are also offered while one types (conditional mediation).
(() => {
  "use strict";

  const form = document.querySelector("form[data-passkey]");
  if (!form || !window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) => {
    const raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(raw, (c) => c.charCodeAt(0));
  };
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const list = (credentials) => (credentials || []).map((c) => ({ ...c, id: bytes(c.id) }));

  const options = () => {
    const o = JSON.parse(form.dataset.options);
    o.challenge = bytes(o.challenge);
    if (o.user) o.user.id = bytes(o.user.id);
    if (o.allowCredentials) o.allowCredentials = list(o.allowCredentials);
    if (o.excludeCredentials) o.excludeCredentials = list(o.excludeCredentials);
    return o;
  };

  const answer = (credential) => {
    const r = credential.response;
    const response = { clientDataJSON: text(r.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (r[name]) response[name] = text(r[name]);
    }
    if (r.getTransports) response.transports = r.getTransports();
    return JSON.stringify({
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
      authenticatorAttachment: credential.authenticatorAttachment || undefined,
      clientExtensionResults: credential.getClientExtensionResults(),
    });
  };

  const send = (credential) => {
    form.elements.credential.value = answer(credential);
    form.submit();
  };

  const say = (sentence) => {
    const box = document.getElementById("passkey-problem");
    if (!box) return;
    box.querySelector("p").textContent = sentence;
    box.hidden = sentence === "";
    box.setAttribute("role", "alert");
  };

  const why = (error) => {
    switch (error.name) {
      case "InvalidStateError": return "This device has a passkey for your account already.";
      case "NotSupportedError": return "This device cannot make such a passkey. Choose another way.";
      case "SecurityError": return "Passkeys do not work at this address. Choose another way.";
      default: return "That was cancelled, or took too long. Try again, or choose another way.";
    }
  };

  let waiting = null; // the conditional request, which has to end before another may begin

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (waiting) waiting.abort();
    say("");
    form.setAttribute("aria-busy", "true");
    try {
      const publicKey = options();
      send(form.dataset.passkey === "create"
        ? await navigator.credentials.create({ publicKey })
        : await navigator.credentials.get({ publicKey }));
    } catch (error) {
      form.removeAttribute("aria-busy");
      say(why(error));
    }
  });

  if (form.dataset.passkey !== "sign-in") return;
  form.hidden = false;
  if (!PublicKeyCredential.isConditionalMediationAvailable) return;
  PublicKeyCredential.isConditionalMediationAvailable().then(async (available) => {
    if (!available) return;
    waiting = new AbortController();
    try {
      send(await navigator.credentials.get({ publicKey: options(), mediation: "conditional", signal: waiting.signal }));
    } catch {
      // Nobody chose one.
    }
  });
})();
