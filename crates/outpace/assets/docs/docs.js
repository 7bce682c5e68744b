"use strict";
// Shows /v1/openapi.json. Everything is put in as text, nothing as HTML.

const METHODS = ["get", "post", "put", "patch", "delete"];
let document_ = {};

function element(tag, properties, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, properties || {});
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

/** What a `$ref` leads to. */
function resolved(value) {
  if (!value || !value.$ref) return value || {};
  return value.$ref.slice(2).split("/").reduce((at, part) => (at || {})[part], document_) || {};
}

function nameOf(schema) {
  return schema.$ref ? schema.$ref.split("/").pop() : "";
}

function kind(schema) {
  const name = nameOf(schema);
  if (name) return name;
  const choices = schema.oneOf || schema.anyOf;
  if (choices) return choices.map(kind).join(" or ");
  const type = [].concat(schema.type || "anything").join(" or ");
  if (schema.type === "array") return "list of " + kind(schema.items || {});
  const limits = [];
  if (schema.enum) limits.push(schema.enum.filter((word) => word !== null).join(" · "));
  if (schema.format && schema.format !== "int64") limits.push(schema.format);
  if (schema.minimum !== undefined && schema.maximum !== undefined) limits.push(schema.minimum + " to " + schema.maximum);
  if (schema.maxLength !== undefined) limits.push("at most " + schema.maxLength + " characters");
  return limits.length ? type + " (" + limits.join(", ") + ")" : type;
}

/** The schemas with fields of their own that a schema leads to. */
function objectsIn(schema) {
  if (schema.$ref) return [schema];
  if (schema.items) return objectsIn(schema.items);
  return (schema.oneOf || schema.anyOf || []).flatMap(objectsIn);
}

function fields(reference, depth) {
  const schema = resolved(reference);
  const required = new Set(schema.required || []);
  const table = element("table");
  for (const [name, field] of Object.entries(schema.properties || {})) {
    const about = element("td", {}, element("span", { className: "kind", textContent: kind(field) }));
    if (field.description) about.append(element("div", { textContent: field.description }));
    const inner = depth > 4 ? [] : objectsIn(field);
    for (const one of inner) {
      const box = element("details", {}, element("summary", { textContent: nameOf(one) }));
      box.addEventListener("toggle", () => {
        if (box.open && box.children.length === 1) {
          box.append(element("div", { className: "inner" }, fields(one, depth + 1)));
        }
      });
      about.append(box);
    }
    const label = element("td", {}, element("code", { textContent: name, className: required.has(name) ? "needed" : "" }));
    table.append(element("tr", {}, label, about));
  }
  return table;
}

function body(title, content) {
  const parts = [];
  for (const [type, { schema }] of Object.entries(content || {})) {
    parts.push(element("p", {}, title + " ", element("code", { textContent: type }), " ", kind(schema)));
    for (const one of objectsIn(schema)) parts.push(fields(one, 0));
  }
  return parts;
}

function inside(operation) {
  const parts = [element("p", { textContent: operation.description || "" })];
  if (operation.parameters) {
    const table = element("table");
    for (const one of operation.parameters.map(resolved)) {
      const name = element("code", { textContent: one.name, className: one.required ? "needed" : "" });
      const about = one.description ? " " + one.description : "";
      table.append(element("tr", {}, element("td", {}, name), element("td", { textContent: one.in }),
        element("td", {}, element("span", { className: "kind", textContent: kind(one.schema) }), about)));
    }
    parts.push(table);
  }
  if (operation.requestBody) parts.push(...body("Body", operation.requestBody.content));
  const refusals = element("table");
  for (const [status, answer] of Object.entries(operation.responses)) {
    if (status < "300") {
      parts.push(...body("Answer " + status, resolved(answer).content));
      if (!resolved(answer).content) parts.push(element("p", { textContent: "Answer " + status + ", without a body" }));
    } else {
      refusals.append(element("tr", {}, element("td", { textContent: status }),
        element("td", { textContent: resolved(answer).description })));
    }
  }
  parts.push(element("details", {}, element("summary", { textContent: "Refusals" }), refusals));
  return parts;
}

function show() {
  const main = document.getElementById("main");
  main.replaceChildren(element("p", { className: "intro", textContent: document_.info.description }));
  const sections = new Map();
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const method of METHODS.filter((name) => methods[name])) {
      const operation = methods[method];
      const tag = operation.tags[0];
      if (!sections.has(tag)) sections.set(tag, element("section", {}, element("h2", { textContent: tag })));
      const box = element("details", { className: "operation", id: operation.operationId },
        element("summary", {}, element("span", { className: "method " + method, textContent: method.toUpperCase() }),
          element("span", { className: "path", textContent: path }),
          element("span", { className: "about", textContent: operation.summary })));
      box.dataset.text = (method + " " + path + " " + operation.description + " " + operation.operationId).toLowerCase();
      box.addEventListener("toggle", () => {
        if (box.open && box.children.length === 1) box.append(element("div", {}, ...inside(operation)));
      });
      sections.get(tag).append(box);
    }
  }
  main.append(...sections.values());
  const named = document.getElementById(location.hash.slice(1));
  if (named) named.open = true;
}

document.getElementById("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const section of document.querySelectorAll("main section")) {
    const boxes = [...section.querySelectorAll("details.operation")];
    for (const box of boxes) box.hidden = !box.dataset.text.includes(wanted);
    section.hidden = boxes.every((box) => box.hidden);
  }
});

fetch("/v1/openapi.json")
  .then((response) => response.json())
  .then((found) => { document_ = found; show(); })
  .catch((error) => {
    document.getElementById("main").replaceChildren(element("p", { className: "wrong", textContent: "Cannot load: " + error }));
  });
