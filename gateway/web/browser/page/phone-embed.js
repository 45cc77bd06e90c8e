// <gateway-phone>: a button in a page of another site that opens the browser phone in a frame.
//
//   <script src="https://gateway.example.com/phone/embed.js" async></script>
//   <gateway-phone link="/talk-to-us" label="Talk to us"></gateway-phone>
//
// `link` is an address of the site's own server. It is asked by POST when a visitor opens the
// phone, and answers {"url": "https://gateway.example.com/phone#..."}, as the gateway gave it.

(() => {
  if (customElements.get("gateway-phone")) return;
  const HOME = new URL(document.currentScript.src).origin;
  const STYLE = `
    :host { display: inline-block; }
    button { font: inherit; cursor: pointer; }
    .open { padding: .7em 1.3em; border: 0; border-radius: 999px; background: var(--gateway-phone-colour, #2d7046); color: var(--gateway-phone-text, #fff); font-weight: 600; }
    .open:disabled { opacity: .6; cursor: default; }
    .open:focus-visible, .close:focus-visible { outline: 3px solid #1f6a78; outline-offset: 3px; }
    dialog { position: fixed; inset: auto 1.25rem 1.25rem auto; width: min(25rem, calc(100vw - 2.5rem)); height: min(46rem, calc(100dvh - 2.5rem)); margin: 0; padding: 0; border: 1px solid #0002; border-radius: 20px; overflow: hidden; box-shadow: 0 12px 48px #0004; z-index: 2147483000; background: #fff; }
    iframe { display: block; width: 100%; height: 100%; border: 0; }
    .close { position: absolute; top: .6rem; inset-inline-end: .6rem; width: 2.4rem; height: 2.4rem; border: 0; border-radius: 50%; background: #7773; color: inherit; font-size: 1.2rem; line-height: 1; }
    .problem { margin: .5em 0 0; color: #a8323a; font-size: .9em; }
    @media (max-width: 480px) { dialog { inset: 0; width: 100vw; max-width: none; height: 100dvh; max-height: none; border: 0; border-radius: 0; } }
  `;

  function made(tag, properties) { return Object.assign(document.createElement(tag), properties); }

  class GatewayPhone extends HTMLElement {
    constructor() {
      super();
      const root = this.attachShadow({ mode: "open" }), sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE); // no <style>: a site's policy may forbid it
      root.adoptedStyleSheets = [sheet];
      this.button = made("button", { type: "button", className: "open" });
      this.button.setAttribute("part", "button");
      this.button.addEventListener("click", () => this.open());
      this.problem = made("p", { className: "problem", hidden: true });
      this.problem.setAttribute("role", "alert");
      root.append(this.button, this.problem);
      this.on_message = (event) => this.hear(event);
    }

    connectedCallback() {
      this.button.textContent = this.getAttribute("label") ?? "Talk to us";
      window.addEventListener("message", this.on_message);
    }

    disconnectedCallback() {
      window.removeEventListener("message", this.on_message);
      this.close();
    }

    /** Asks the site's server for a link, and shows the phone. */
    async open() {
      if (this.dialog) return;
      this.button.disabled = true;
      this.problem.hidden = true;
      try {
        const response = await fetch(this.getAttribute("link"), { method: "POST", credentials: "same-origin" });
        const { url } = response.ok ? await response.json() : {};
        if (!url || new URL(url).origin !== HOME) throw new Error("no link");
        this.show(url);
      } catch {
        this.problem.textContent = this.getAttribute("problem") ?? "The call cannot be made at the moment.";
        this.problem.hidden = false;
      } finally {
        this.button.disabled = false;
      }
    }

    show(url) {
      this.frame = made("iframe", { title: this.button.textContent, allow: "microphone; autoplay; screen-wake-lock" });
      this.frame.src = url;
      const close = made("button", { type: "button", className: "close", textContent: "×" });
      close.setAttribute("aria-label", this.getAttribute("close-label") ?? "Close");
      close.addEventListener("click", () => this.close());
      this.dialog = made("dialog", {});
      this.dialog.setAttribute("part", "dialog");
      this.dialog.append(this.frame, close);
      this.shadowRoot.append(this.dialog);
      this.dialog.show();
    }

    /** Hangs up, and takes the phone away. */
    close() {
      this.dialog?.remove();
      this.dialog = this.frame = null;
    }

    hear({ origin, source, data }) {
      if (origin !== HOME || !this.frame || source !== this.frame.contentWindow) return;
      if (data?.source === "gateway-phone") {
        this.dispatchEvent(new CustomEvent("state", { detail: data.state, bubbles: true }));
      }
    }
  }

  customElements.define("gateway-phone", GatewayPhone);
})();
