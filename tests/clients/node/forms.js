// Reads the forms of an HTML page as a browser without scripts would: fields with their values, and buttons.

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

export function decode(text) {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex) return String.fromCodePoint(parseInt(hex, 16));
    if (decimal) return String.fromCodePoint(Number(decimal));
    return ENTITIES[name] ?? whole;
  });
}

function attributes(tag) {
  const found = {};
  const inside = tag.replace(/^<\w+/, "").replace(/\/?>$/, "");
  for (const [, name, , double, single, bare] of inside.matchAll(
    /([^\s=/"'>]+)(\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g,
  )) {
    found[name.toLowerCase()] = decode(double ?? single ?? bare ?? "");
  }
  return found;
}

// Every form of the page: { action, method, fields: [{ name, type, value, checked }], buttons: [{ name, value }] }.
export function formsOf(html, url) {
  const forms = [];
  for (const [, open, body] of html.matchAll(/(<form\b[^>]*>)([\s\S]*?)<\/form>/gi)) {
    const form = attributes(open);
    const fields = [];
    const buttons = [];
    for (const [tag, kind] of body.matchAll(/<(input|button|select|textarea)\b[^>]*>/gi)) {
      const a = attributes(tag);
      const type = (a.type ?? (kind.toLowerCase() === "button" ? "submit" : "text")).toLowerCase();
      if (type === "submit") buttons.push({ name: a.name, value: a.value ?? "", action: a.formaction });
      else if (a.name) fields.push({ name: a.name, type, value: a.value ?? "", checked: "checked" in a });
    }
    forms.push({
      action: new URL(form.action || url, url),
      method: (form.method ?? "get").toLowerCase(),
      fields,
      buttons,
    });
  }
  return forms;
}

// What a browser would send: the fields as they stand, with `values` typed over them, and the button that was pressed.
export function filled(form, values, button) {
  const data = new URLSearchParams();
  for (const { name, type, value, checked } of form.fields) {
    if ((type === "checkbox" || type === "radio") && !checked && !(name in values)) continue;
    data.append(name, values[name] ?? (type === "checkbox" && value === "" ? "on" : value));
  }
  if (button?.name) data.append(button.name, button.value);
  return data;
}
