"""A person's browser without scripts: walks sign-in and consent pages, and stops at the application's address."""

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests


class Forms(HTMLParser):
    """The forms of a page: action, method, fields, buttons."""

    def __init__(self, html: str):
        super().__init__()
        self.forms = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "form":
            form = {"action": a.get("action", ""), "method": (a.get("method") or "get").lower()}
            self.forms.append({**form, "fields": {}, "buttons": [], "kinds": set()})
        elif self.forms and tag == "button" and a.get("type", "submit") == "submit":
            self.forms[-1]["buttons"].append((a.get("name"), a.get("value", "")))
        elif self.forms and tag == "input" and a.get("name"):
            self.forms[-1]["kinds"].add(a.get("type", "text"))
            self.forms[-1]["fields"][a["name"]] = a.get("value") or ""


class Browser:
    def __init__(self):
        self.session = requests.Session()

    def _go(self, method: str, url: str, home: str, data=None):
        """Follows redirects until a page, or an address outside `home`. Returns (page or None, address)."""
        for _ in range(12):
            if not url.startswith(home + "/"):
                return None, url
            reply = self.session.request(method, url, data=data, allow_redirects=False, headers={"Accept": "text/html"})
            if not reply.is_redirect:
                return reply, url
            url, method, data = urljoin(url, reply.headers["Location"]), "GET", None
        raise AssertionError(f"redirected in circles, last to {url}")

    def walk(self, url: str, username: str, password: str) -> str:
        """Signs in and allows, until the way leads to the application: returns that address."""
        home = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        page, url = self._go("GET", url, home)
        for _ in range(6):
            if page is None:
                return url
            for form in Forms(page.text).forms:
                fields = dict(form["fields"])
                if ("decision", "allow") in form["buttons"]:
                    fields["decision"] = "allow"
                elif "password" in form["kinds"]:
                    fields.update(username=username, password=password)
                else:
                    continue
                page, url = self._go(form["method"].upper(), urljoin(url, form["action"]), home, fields)
                break
            else:
                raise AssertionError(f"neither sign-in nor consent: {page.status_code} {url}\n{page.text}")
        raise AssertionError("no end of pages")
