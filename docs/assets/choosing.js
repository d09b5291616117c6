/* The table of "Choosing a model": rows over the budget fade, the best one within it is bold. */
(function () {
  "use strict";
  function filter(slider, rows, shown) {
    var budget = Math.round(Math.pow(10, Number(slider.value)));
    var best = null;
    rows.forEach(function (row) {
      var fits = row.milliseconds <= budget;
      row.element.classList.toggle("over-budget", !fits);
      row.element.classList.remove("best-in-budget");
      if (fits && (best === null || row.quality > best.quality)) { best = row; }
    });
    if (best) { best.element.classList.add("best-in-budget"); }
    shown.value = budget + " ms";
  }
  function start() {
    var table = document.querySelector(".choosing table");
    var slider = document.querySelector(".budget input");
    if (!table || !slider) { return; }
    var rows = Array.prototype.map.call(table.tBodies[0].rows, function (element) {
      return {
        element: element,
        milliseconds: Number(element.cells[3].textContent),
        quality: Number(element.cells[4].textContent)
      };
    });
    var shown = document.querySelector(".budget output");
    var run = function () { filter(slider, rows, shown); };
    slider.addEventListener("input", run);
    slider.closest(".budget").hidden = false;
    run();
  }
  document.addEventListener("DOMContentLoaded", start);
}());
