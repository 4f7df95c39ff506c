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
  Promise.all([import(base(own.dataset.js)), parsed])
    .then(function (all) { return all[0].default({ module_or_path: wasm }); })
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
