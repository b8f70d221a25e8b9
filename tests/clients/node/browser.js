// A person's browser without scripts: cookies, redirects and forms, over fetch.

import { filled, formsOf } from "./forms.js";

export class Browser {
  #jar = new Map(); // origin → Map(name → value)

  // Opens an address and follows redirects. Ends at a page, or as soon as the way leads to another origin than
  // `home`: then `left` is that address (and `posted` the fields, where a form was posted there).
  async open(url, home = new URL(url).origin) {
    return this.#travel(new URL(url), "GET", undefined, home);
  }

  // Presses a button of a form, with these values typed into its fields.
  async submit(page, form, values = {}, button = form.buttons[0]) {
    const data = filled(form, values, button);
    const action = new URL(button?.action || form.action, form.action);
    if (action.origin !== page.home) return { left: action, posted: data, home: page.home };
    if (form.method === "post") return this.#travel(action, "POST", data, page.home);
    action.search = data.toString();
    return this.#travel(action, "GET", undefined, page.home);
  }

  cookies(origin) {
    return this.#jar.get(origin) ?? new Map();
  }

  async #travel(url, method, data, home) {
    for (let hop = 0; hop < 12; hop++) {
      if (url.origin !== home) return { left: url, home };
      const reply = await fetch(url, { method, body: data, redirect: "manual", headers: this.#headers(url, method) });
      this.#keep(url, reply);
      const html = await reply.text();
      const location = reply.headers.get("location");
      if (reply.status < 300 || reply.status > 399 || !location) {
        return { url, home, status: reply.status, headers: reply.headers, html, forms: formsOf(html, url) };
      }
      url = new URL(location, url);
      if (reply.status !== 307 && reply.status !== 308) [method, data] = ["GET", undefined];
    }
    throw new Error(`redirected in circles, last to ${url}`);
  }

  #headers(url, method) {
    const headers = { accept: "text/html", "accept-language": "en" };
    const cookies = [...this.cookies(url.origin)].map(([name, value]) => `${name}=${value}`).join("; ");
    if (cookies) headers.cookie = cookies;
    if (method === "POST") headers.origin = url.origin;
    return headers;
  }

  #keep(url, reply) {
    const jar = this.cookies(url.origin);
    this.#jar.set(url.origin, jar);
    for (const line of reply.headers.getSetCookie()) {
      const [pair, ...rest] = line.split(";").map((part) => part.trim());
      const name = pair.slice(0, pair.indexOf("="));
      const gone = rest.some((a) => /^max-age=(0|-)/i.test(a) || (/^expires=/i.test(a) && Date.parse(a.slice(8)) < Date.now()));
      if (gone) jar.delete(name);
      else jar.set(name, pair.slice(name.length + 1));
    }
  }
}

const button = (page, name, value) => {
  for (const form of page.forms)
    for (const b of form.buttons) if (b.name === name && b.value === value) return [form, b];
  return undefined;
};

// Presses the button with this name and value, wherever on the page it stands.
export function press(browser, page, name, value) {
  const found = button(page, name, value);
  if (!found) throw new Error(`no button ${name}=${value}:\n${text(page)}`);
  return browser.submit(page, found[0], {}, found[1]);
}

// Goes where the pages lead: signs in where a password is asked for, decides where consent is asked for, confirms a
// sign-out; until the way leaves the issuer. Returns the address it left for, with `posted` merged in for form_post.
export async function walk(browser, page, { username, password, decision = "allow" } = {}) {
  const seen = [];
  for (let step = 0; step < 10; step++) {
    if (page.left) return { left: page.left, posted: page.posted, seen };
    const signIn = page.forms.find((form) => form.fields.some((field) => field.type === "password"));
    const consent = button(page, "decision", decision);
    const away = page.forms.find((form) => form.action.origin !== page.home);
    if (consent) {
      seen.push("consent");
      page = await browser.submit(page, consent[0], {}, consent[1]);
    } else if (signIn) {
      if (seen.includes("sign-in")) throw new Error(`asked to sign in again:\n${text(page)}`);
      seen.push("sign-in");
      page = await browser.submit(page, signIn, { username, password });
    } else if (away) {
      seen.push("form_post");
      page = await browser.submit(page, away);
    } else {
      return { page, seen };
    }
  }
  throw new Error(`no end of pages: ${seen}`);
}

export function text(page) {
  const words = page.html.replace(/<(style|script|head)[\s\S]*?<\/\1>/g, "").replace(/<[^>]+>/g, " ");
  return `${page.status} ${page.url}\n${words.replace(/\s+/g, " ").trim()}`;
}
