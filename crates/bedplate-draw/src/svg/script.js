(function () {
  "use strict";
  var script = document.currentScript;
  var svg = (script && script.ownerSVGElement) || document.documentElement;
  var SVG = "http://www.w3.org/2000/svg";
  var all = function (selector) { return Array.prototype.slice.call(svg.querySelectorAll(selector)); };
  var nodes = {}, needs = {}, users = {};
  all(".node").forEach(function (node) {
    nodes[node.dataset.node] = node;
    needs[node.dataset.node] = node.dataset.needs ? node.dataset.needs.split(" ") : [];
  });
  Object.keys(needs).forEach(function (id) {
    needs[id].forEach(function (need) { (users[need] = users[need] || []).push(id); });
  });
  var isPanels = svg.dataset.view === "panels";
  var waves = all(".wave[data-wave]");
  // As in panels.rs.
  var HEADER = 44, BETWEEN = 10, LEAVE = 14, REACH = 30, STRIP = 34;
  var lines = svg.querySelector(".lines");
  var pinned = null;

  function position(element) {
    var parts = /translate\(([-\d.]+)[ ,]+([-\d.]+)\)/.exec(element.getAttribute("transform") || "");
    return parts ? { x: +parts[1], y: +parts[2] } : { x: 0, y: 0 };
  }
  function waveOf(node) { return node.parentNode.parentNode; }
  function isClosed(wave) { return wave.classList.contains("closed"); }

  // Waves as panels: what is below a panel moves when it opens or closes.
  function bracket(x, lane, start, end) {
    var bend = Math.min(6, Math.abs(end - start) / 2) * (end < start ? -1 : 1);
    return "M" + x + " " + start + "H" + (lane + 6) + "Q" + lane + " " + start + " " + lane + " " + (start + bend) +
      "V" + (end - bend) + "Q" + lane + " " + end + " " + (lane + 6) + " " + end + "H" + x + "m-6 -3.5l6 3.5l-6 3.5";
  }
  var staticHeight = +svg.getAttribute("height");
  var firstTop = waves.length ? position(waves[0]).y : 0;
  var staticEnd = firstTop;
  waves.forEach(function (wave) { staticEnd += HEADER + +wave.dataset.body + BETWEEN; });
  function reflow() {
    var y = firstTop;
    waves.forEach(function (wave) {
      wave.setAttribute("transform", "translate(" + position(wave).x + " " + y + ")");
      y += HEADER + (isClosed(wave) ? 0 : +wave.dataset.body) + BETWEEN;
    });
    var left = waves.length ? position(waves[0]).x : 0;
    function leave(wave) { return position(waves[wave]).y + LEAVE; }
    all(".between [data-users]").forEach(function (lane) {
      var reach = position(waves[lane.dataset.toWave]).y + REACH, x = lane.dataset.x;
      var ends = lane.dataset.users.split(" ").map(leave).concat(reach);
      lane.setAttribute("d", "M" + x + " " + Math.min.apply(null, ends) + "V" + Math.max.apply(null, ends) +
        "M" + x + " " + reach + "H" + left + "m-6 -3.5l6 3.5l-6 3.5");
    });
    all(".between path[data-from-wave]").forEach(function (row) {
      row.setAttribute("d", "M" + left + " " + leave(row.dataset.fromWave) + "H" + row.dataset.x);
    });
    all(".between circle").forEach(function (dot) { dot.setAttribute("cy", leave(dot.dataset.fromWave)); });
    all(".path path").forEach(function (path) {
      var from = nodes[path.dataset.from], to = nodes[path.dataset.to];
      var x = position(waveOf(from)).x;
      path.setAttribute("d", bracket(x + STRIP, x + 14, anchor(from).y, anchor(to).y));
      path.style.display = isClosed(waveOf(from)) && isClosed(waveOf(to)) ? "none" : "";
    });
    var foot = svg.querySelector(".foot");
    if (foot) { foot.setAttribute("transform", "translate(0 " + (y - staticEnd) + ")"); }
    var height = staticHeight + y - staticEnd;
    svg.setAttribute("height", height);
    svg.setAttribute("viewBox", "0 0 " + svg.getAttribute("width") + " " + height);
    svg.querySelector(".page").setAttribute("height", height);
    point(pinned);
  }
  function setClosed(wave, closed) {
    wave.classList.toggle("closed", closed);
    wave.querySelector(".toggle").setAttribute("aria-expanded", String(!closed));
    wave.querySelector(".mark").setAttribute("transform", closed ? "rotate(-90 " + markCentre(wave) + " 20.5)" : "");
  }
  function markCentre(wave) { return +wave.querySelector(".head").getAttribute("width") - 22; }

  // The middle of a node, or of the header of its wave while that is closed.
  function anchor(node) {
    var wave = waveOf(node), base = position(wave);
    var box = isClosed(wave) ? wave.querySelector(".head") : node.querySelector(".box");
    var at = isClosed(wave) ? { x: 0, y: 0 } : position(node);
    return {
      x: base.x + at.x, y: base.y + at.y + +box.getAttribute("height") / 2, top: base.y + at.y,
      width: +box.getAttribute("width"), height: +box.getAttribute("height")
    };
  }
  function draw(from, to, kind) {
    var a = anchor(nodes[from]), b = anchor(nodes[to]);
    var up = b.top < a.top;
    var ax = a.x + Math.min(a.width / 2, 400), bx = b.x + Math.min(b.width / 2, 400);
    var ay = up ? a.top : a.top + a.height, by = up ? b.top + b.height : b.top;
    var reach = Math.max(24, Math.abs(by - ay) / 2) * (up ? -1 : 1);
    var tip = up ? 6 : -6;
    var path = document.createElementNS(SVG, "path");
    path.setAttribute("class", "edge " + kind);
    path.setAttribute("d", "M" + ax + " " + ay + "C" + ax + " " + (ay + reach) + " " + bx + " " + (by - reach) + " " + bx + " " + by +
      "m-3.5 " + tip + "L" + bx + " " + by + "l3.5 " + tip);
    lines.appendChild(path);
  }

  // What the node under the pointer needs, and who uses it.
  function point(id) {
    all(".at,.need,.use").forEach(function (element) { element.classList.remove("at", "need", "use"); });
    if (lines) { while (lines.firstChild) { lines.removeChild(lines.firstChild); } }
    svg.classList.toggle("pointing", id !== null);
    if (id === null) { return; }
    nodes[id].classList.add("at");
    needs[id].forEach(function (other) { nodes[other].classList.add("need"); });
    (users[id] || []).forEach(function (other) { nodes[other].classList.add("use"); });
    if (isPanels) {
      needs[id].forEach(function (other) { if (other !== id) { draw(id, other, "need"); } });
      (users[id] || []).forEach(function (other) { if (other !== id) { draw(other, id, "use"); } });
      return;
    }
    all(".edges .edge,.why").forEach(function (edge) {
      if (edge.dataset.from === id) { edge.classList.add("need"); } else if (edge.dataset.to === id) { edge.classList.add("use"); }
    });
  }
  Object.keys(nodes).forEach(function (id) {
    var node = nodes[id];
    node.addEventListener("mouseenter", function () { point(id); });
    node.addEventListener("mouseleave", function () { point(pinned); });
    node.addEventListener("focus", function () { point(id); });
    node.addEventListener("blur", function () { point(pinned); });
    node.addEventListener("click", function () { pinned = pinned === id ? null : id; point(pinned); });
    node.addEventListener("keydown", function (event) {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pinned = pinned === id ? null : id; point(id); }
    });
  });
  waves.forEach(function (wave) {
    var toggle = wave.querySelector(".toggle");
    function flip() { setClosed(wave, !isClosed(wave)); reflow(); }
    function trace(on) {
      svg.classList.toggle("tracing", on);
      all(".between [data-from-wave='" + wave.dataset.wave + "'],.between [data-to-wave='" + wave.dataset.wave + "']").forEach(
        function (part) { part.classList.toggle("on", on); });
    }
    toggle.addEventListener("mouseenter", function () { trace(true); });
    toggle.addEventListener("mouseleave", function () { trace(false); });
    toggle.addEventListener("focus", function () { trace(true); });
    toggle.addEventListener("blur", function () { trace(false); });
    toggle.addEventListener("click", flip);
    toggle.addEventListener("keydown", function (event) {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); flip(); }
    });
  });

  svg.querySelector(".hint").textContent = "Point at a node or click it: blue is what it needs, purple is who uses it. " +
    (isPanels ? "Click a wave to open or close it; + and - do so for all. " : "") + "/ finds a node by name, Escape ends it.";

  // The search box.
  var width = +svg.getAttribute("width");
  var frame = document.createElementNS(SVG, "foreignObject");
  [["x", width - 284], ["y", 16], ["width", 260], ["height", 32]].forEach(function (pair) { frame.setAttribute(pair[0], pair[1]); });
  var find = document.createElementNS("http://www.w3.org/1999/xhtml", "input");
  find.setAttribute("class", "find");
  find.setAttribute("type", "search");
  find.setAttribute("placeholder", "Find a node ( / )");
  find.setAttribute("aria-label", "Find a node by name; Enter goes to the next one");
  frame.appendChild(find);
  svg.appendChild(frame);
  var found = [], next = 0, opened = [];
  find.addEventListener("input", function () {
    var words = find.value.trim().toLowerCase();
    found = [];
    next = 0;
    Object.keys(nodes).forEach(function (id) {
      var name = nodes[id].querySelector("title").textContent.split("\n")[0].toLowerCase();
      var hit = words !== "" && name.indexOf(words) >= 0;
      nodes[id].classList.toggle("found", hit);
      if (hit) { found.push(nodes[id]); }
    });
    svg.classList.toggle("finding", words !== "");
    // What the search opened, it closes again.
    opened.forEach(function (wave) { setClosed(wave, true); });
    opened = [];
    if (isPanels) {
      found.forEach(function (node) {
        var wave = waveOf(node);
        if (isClosed(wave)) { setClosed(wave, false); opened.push(wave); }
      });
      reflow();
    }
  });
  find.addEventListener("keydown", function (event) {
    if (event.key === "Enter" && found.length) {
      var node = found[next % found.length];
      next += 1;
      node.scrollIntoView({ block: "center", inline: "center" });
      pinned = node.dataset.node;
      point(pinned);
    }
  });
  document.addEventListener("keydown", function (event) {
    // The picture may be part of a page that has fields of its own.
    var isTyping = /^(input|textarea|select)$/i.test(event.target.nodeName);
    if (event.key === "/" && !isTyping) { event.preventDefault(); find.focus(); }
    if (event.key === "Escape") {
      pinned = null;
      point(null);
      if (find.value) { find.value = ""; find.dispatchEvent(new Event("input")); }
    }
    if ((event.key === "+" || event.key === "-") && isPanels && !isTyping) {
      opened = [];
      waves.forEach(function (wave) { setClosed(wave, event.key === "-"); });
      reflow();
    }
  });
  if (isPanels) {
    waves.forEach(function (wave) { setClosed(wave, true); });
    reflow();
  }
})();
