"use strict";
// Draws each model before and after in one layout, so that what stays is at the same height.
const SVG = "http://www.w3.org/2000/svg";
const data = JSON.parse(document.getElementById("data").textContent);
const tip = document.getElementById("tip");
const HEIGHT = 40;
const SIDES = ["before", "after"];

function element(parent, name, attributes = {}, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.appendChild(made);
  return made;
}

function cut(text, most) {
  return text.length > most ? text.slice(0, most / 2) + "…" + text.slice(-most / 2 + 1) : text;
}

function width(node) {
  const longest = Math.max(cut(node.label, 30).length + 2, cut(node.class, 30).length);
  return Math.max(96, 36 + 7.1 * longest);
}

function isChanged(node) {
  return SIDES.some((side) => node[side] && node[side].action);
}

// The graph that is drawn: with `folded`, calls far from any change that stays visible are one node.
function visible(graph, folded) {
  const nodes = new Map();
  const name = (id) => (folded && graph.nodes[id].fold !== null ? "fold" + graph.nodes[id].fold : "n" + id);
  graph.nodes.forEach((node, id) => {
    const key = name(id);
    const there = nodes.get(key);
    if (key[0] === "n") nodes.set(key, node);
    else if (there) {
      there.size += 1;
      there.changed += isChanged(node);
    } else nodes.set(key, { label: "", class: "", size: 1, changed: Number(isChanged(node)), before: true, after: true, isFold: true, mark: "", config: {} });
  });
  for (const node of nodes.values()) if (node.isFold) node.label = node.changed ? `${node.size} calls, ${node.changed} changed` : `${node.size} unchanged`;
  const edges = new Map();
  for (const edge of graph.edges) {
    const [from, to] = [name(edge.from), name(edge.to)];
    if (from === to) continue;
    const key = from + " " + to;
    const seen = edges.get(key);
    if (!seen) edges.set(key, { ...edge, from, to });
    else for (const side of SIDES) seen[side] = seen[side] || edge[side];
  }
  return { nodes, edges: [...edges.values()] };
}

function layout(shown) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 22, ranksep: 26, marginx: 6, marginy: 6, ranker: "longest-path" });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const [key, node] of shown.nodes) graph.setNode(key, { width: width(node), height: node.isFold ? 24 : HEIGHT });
  for (const edge of shown.edges) graph.setEdge(edge.from, edge.to);
  dagre.layout(graph);
  return graph;
}

function path(points) {
  const [first, ...rest] = points;
  if (rest.length < 2) return `M${first.x},${first.y}` + rest.map((each) => `L${each.x},${each.y}`).join("");
  let made = `M${first.x},${first.y}`;
  for (let i = 0; i < rest.length - 1; i++) {
    const end = i === rest.length - 2 ? rest[i + 1] : { x: (rest[i].x + rest[i + 1].x) / 2, y: (rest[i].y + rest[i + 1].y) / 2 };
    made += `Q${rest[i].x},${rest[i].y} ${end.x},${end.y}`;
  }
  return made;
}

function maskColour(mask) {
  return mask === null ? null : mask < 0 ? "var(--mask-unknown)" : `var(--mask-${mask % 5})`;
}

function draw(graph, place, folded) {
  const shown = visible(graph, folded);
  const made = layout(shown);
  const size = made.graph();
  for (const side of SIDES) {
    const pane = document.getElementById(`pane-${place}-${side}`);
    pane.querySelector("svg")?.remove();
    const title = `${graph.title}, ${side}`;
    const svg = element(pane, "svg", {
      width: Math.ceil(size.width), height: Math.ceil(size.height),
      viewBox: `0 0 ${Math.ceil(size.width)} ${Math.ceil(size.height)}`, role: "group", "aria-label": title,
    });
    const marker = element(element(svg, "defs"), "marker", {
      id: `arrow-${place}-${side}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerUnits: "userSpaceOnUse", markerWidth: 9, markerHeight: 9, orient: "auto-start-reverse",
    });
    element(marker, "path", { d: "M0,0L8,4L0,8z", fill: "context-stroke" });
    for (const edge of shown.edges) {
      if (edge[side] === null) continue;
      const line = element(svg, "path", {
        class: "edge", d: path(made.edge(edge.from, edge.to).points), "marker-end": `url(#arrow-${place}-${side})`,
      });
      const colour = maskColour(edge[side].mask);
      if (colour) {
        line.classList.add("masked");
        if (edge[side].mask < 0) line.classList.add("unknown");
        line.style.stroke = colour;
      }
    }
    let first = true;
    for (const [key, node] of shown.nodes) {
      if (!node[side]) continue;
      drawNode(svg, node, key, made.node(key), side, place, first);
      first = false;
    }
  }
}

function drawNode(svg, node, key, box, side, place, first) {
  const own = node.isFold ? { mark: "", action: "fold" } : node[side];
  const group = element(svg, "g", {
    class: `node ${own.action}`, tabindex: first ? 0 : -1, role: "img",
    transform: `translate(${box.x - box.width / 2},${box.y - box.height / 2})`,
    "aria-label": node.isFold ? node.label : `${own.mark ? own.action + ": " : ""}${node.label}, ${own.class}`,
  });
  group.dataset.path = node.path ?? "";
  group.dataset.y = box.y;
  if (own.action && own.action !== "fold") group.dataset.changed = "yes";
  element(group, "rect", { width: box.width, height: box.height, rx: 5 });
  const middle = box.width / 2;
  if (node.isFold) {
    element(group, "text", { x: middle, y: 16, "text-anchor": "middle" }, `⋯ ${node.label}`);
    group.classList.add("link");
    group.addEventListener("click", () => unfold(place));
    group.addEventListener("keydown", (event) => { if (event.key === "Enter") unfold(place); });
    return;
  }
  element(group, "text", { x: middle, y: 16, "text-anchor": "middle" }, cut(node.label, 30));
  element(group, "text", { class: "class", x: middle, y: 31, "text-anchor": "middle" }, cut(own.class, 30));
  if (own.mark) element(group, "text", { class: "mark", x: 6, y: 16 }, own.mark);
  if (own.uses !== null) {
    element(group, "circle", { class: "uses", cx: box.width - 9, cy: 10, r: 4 }).style.fill = maskColour(own.uses);
  }
  if (own.loses) element(group, "path", { class: "lost", d: `M${box.width - 13},6l8,8m0,-8l-8,8` });
  if (node.nested !== null) {
    group.classList.add("link");
    const go = () => document.getElementById(`model-${node.nested}`).scrollIntoView({ behavior: "smooth" });
    group.addEventListener("click", go);
    group.addEventListener("keydown", (event) => { if (event.key === "Enter") go(); });
  }
  const show = () => showTip(group, node, own);
  group.addEventListener("mouseenter", show);
  group.addEventListener("focus", show);
  group.addEventListener("mouseleave", hideTip);
  group.addEventListener("blur", hideTip);
}

function showTip(group, node, own) {
  tip.replaceChildren();
  const add = (parent, name, text, kind) => {
    const made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    parent.appendChild(made);
    return made;
  };
  add(tip, "strong", node.path);
  add(tip, "div", own.class, "faint");
  for (const text of own.said) add(tip, "div", text);
  const list = add(tip, "dl", "");
  for (const [key, value, changed] of own.config) {
    add(list, "dt", key, changed ? "changed" : "");
    add(list, "dd", value, changed ? "changed" : "");
  }
  tip.style.display = "block";
  const box = group.getBoundingClientRect();
  const right = box.right + 12 + tip.offsetWidth < innerWidth;
  const left = right ? box.right + 10 : box.left - tip.offsetWidth - 10;
  tip.style.left = Math.min(Math.max(left, 6), Math.max(innerWidth - tip.offsetWidth - 6, 6)) + "px";
  tip.style.top = Math.max(6, Math.min(box.top, innerHeight - tip.offsetHeight - 6)) + "px";
  for (const twin of document.querySelectorAll(".node.lit")) twin.classList.remove("lit");
  for (const twin of document.querySelectorAll(".node")) {
    if (twin.dataset.path && twin.dataset.path === group.dataset.path) twin.classList.add("lit");
  }
}

function hideTip() {
  tip.style.display = "none";
  for (const twin of document.querySelectorAll(".node.lit")) twin.classList.remove("lit");
}

function unfold(place) {
  const box = document.getElementById(`fold-${place}`);
  box.checked = false;
  draw(data.graphs[place], place, false);
}

function focusNode(node) {
  const svg = node.closest("svg");
  for (const each of svg.querySelectorAll(".node[tabindex='0']")) each.setAttribute("tabindex", -1);
  node.setAttribute("tabindex", 0);
  node.scrollIntoView({ block: "center", inline: "nearest" });
  node.focus({ preventScroll: true });
}

function step(direction) {
  const every = [...document.querySelectorAll(".node[data-changed]")];
  if (!every.length) return;
  const here = every.indexOf(document.activeElement);
  const next = here < 0 ? (direction > 0 ? 0 : every.length - 1) : (here + direction + every.length) % every.length;
  focusNode(every[next]);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.key === "n") step(1);
  else if (event.key === "p") step(-1);
  else if (event.key === "Escape") hideTip();
  else if (event.target.classList?.contains("node") && /^Arrow/.test(event.key)) {
    const here = event.target;
    let target;
    if (/Left|Right/.test(event.key)) {
      const other = event.key === "ArrowLeft" ? "before" : "after";
      const pane = document.getElementById(here.closest(".pane").id.replace(/(before|after)$/, other));
      const y = Number(here.dataset.y);
      target = [...pane.querySelectorAll(".node")].sort((a, b) => Math.abs(a.dataset.y - y) - Math.abs(b.dataset.y - y))[0];
    } else {
      const all = [...here.closest("svg").querySelectorAll(".node")].sort((a, b) => a.dataset.y - b.dataset.y);
      target = all[all.indexOf(here) + (event.key === "ArrowDown" ? 1 : -1)];
    }
    if (target) { event.preventDefault(); focusNode(target); }
  }
});

for (const button of document.querySelectorAll("ol.changes button")) {
  button.addEventListener("click", () => {
    const wanted = button.dataset.path;
    const nodes = [...document.querySelectorAll(".node")].filter((node) => node.dataset.path === wanted);
    const target = nodes.find((node) => node.dataset.changed && node.closest("[id$=after]")) ?? nodes[0];
    if (target) focusNode(target);
  });
}

data.graphs.forEach((graph, place) => {
  const box = document.getElementById(`fold-${place}`);
  box.addEventListener("change", () => draw(graph, place, box.checked));
  draw(graph, place, box.checked);
});
document.body.dataset.drawn = "yes";
