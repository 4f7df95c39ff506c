// Sets the theme before anything is painted, then starts the console while the page is still being read.
(function () {
  "use strict";
  var doc = document, own = doc.currentScript, theme = null;
  try { theme = localStorage.getItem("gridhelm.theme"); } catch (e) { /* storage may be off: follow the system */ }
  if (theme !== "light" && theme !== "dark") theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  doc.documentElement.dataset.theme = theme;

  var base = function (name) { return new URL(name, doc.baseURI).href; };
  var parsed = new Promise(function (go) {
    if (doc.readyState === "loading") doc.addEventListener("DOMContentLoaded", go, { once: true }); else go();
  });
  var wasm = fetch(base(own.dataset.wasm));
  wasm.catch(function () { /* reported below */ });
  // Asked for while the program is on its way; the console takes it from here (src/deployment/config.rs), or asks itself.
  window.gridhelmDeployment = fetch(base("deployment.json"), { cache: "no-store", credentials: "omit" })
    .then(function (answer) { return answer.ok ? answer.text() : null; })
    .catch(function () { return null; });

  // The other pages' code: the files of each piece, as the build noted them (crates/xtask/src/build/pieces.rs). None in a build that is not cut.
  var pieces = JSON.parse(own.dataset.pieces || "{}"), fetched = {}, placed = {}, go_on;
  var started = new Promise(function (go) { go_on = go; });
  // What came is kept, what did not is asked for again the next time.
  var kept = function (store, file, make) {
    return store[file] || (store[file] = make().catch(function (error) { delete store[file]; throw error; }));
  };
  var code = function (file) {
    return kept(fetched, file, function () {
      return fetch(base(file)).then(function (answer) {
        if (!answer.ok) throw new Error(file + " answered " + answer.status);
        return answer.arrayBuffer();
      }).then(function (bytes) { return WebAssembly.compile(bytes); });
    });
  };
  var place = function (file) {
    return kept(placed, file, function () {
      return Promise.all([code(file), started]).then(function (all) {
        return WebAssembly.instantiate(all[0], { __wasm_split: all[1] });
      });
    });
  };
  // What the program imports: a function a piece, which calls back when the piece is in its place or did not come.
  var imports = window.gridhelmPieces = {};
  Object.keys(pieces).forEach(function (name) {
    imports["__wasm_split_load_" + name] = function (callback, data) {
      Promise.all(pieces[name].map(place)).then(function () { return 1; }, function (error) { console.error(error); return 0; })
        .then(function (came) {
          return started.then(function (program) { program.__indirect_function_table.get(callback)(data, came); });
        });
    };
  });
  // Whoever comes by a link to such a page waits for both at once.
  var of = { tasks: "work", repository: "work", replicate: "work", "switch": "watch", events: "watch", accounts: "watch", backups: "watch", packages: "watch" };
  var first = pieces[of[new URLSearchParams(location.search).get("page")]];
  if (first) first.forEach(function (file) { code(file).catch(function () { /* the page tells */ }); });

  Promise.all([import(base(own.dataset.js)), parsed])
    .then(function (all) { return all[0].default({ module_or_path: wasm }); })
    .then(go_on)
    .catch(function (error) {
      parsed.then(function () {
        var place = doc.getElementById("main");
        if (!place) return;
        var box = doc.createElement("div"), head = doc.createElement("h1"), text = doc.createElement("p");
        box.className = "boot-failed";
        box.setAttribute("role", "alert");
        head.textContent = "The console could not start";
        text.textContent = String(error) + ". Reload the page; if it stays so, this browser may lack WebAssembly, or the files of the console are not all of one build.";
        box.append(head, text);
        place.replaceChildren(box);
      });
    });
})();
