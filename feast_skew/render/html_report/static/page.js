// Filters, and charts that are drawn when they are first looked at.
(() => {
  const features = [...document.querySelectorAll(".feature")];
  const form = document.getElementById("filters"), shown = document.getElementById("shown"), none = document.getElementById("none");
  const fields = form.elements;
  const markup = { createHTML: (text) => text };
  const own = window.trustedTypes ? trustedTypes.createPolicy("own", markup) : markup;
  let data = null;
  const words = new Map();

  // What a feature is found by: its name, owner, services and causes, in lower case.
  function wordsOf(feature) {
    if (!words.has(feature)) {
      const named = (field, places) => (fields[field] ? places.split(" ").map((place) => fields[field].querySelector(`option[value="${place}"]`)?.textContent ?? "") : []);
      const own = [feature.dataset.name, ...named("owner", feature.dataset.owner), ...named("service", feature.dataset.services), ...named("cause", feature.dataset.causes)];
      words.set(feature, own.join("\n").toLowerCase());
    }
    return words.get(feature);
  }

  function filter() {
    const verdicts = new Set([...form.querySelectorAll("[name=verdict]:checked")].map((box) => box.value));
    const wanted = fields.text.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const one = (field, held) => !fields[field] || fields[field].value === "" || held.split(" ").includes(fields[field].value);
    let count = 0;
    for (const feature of features) {
      const { verdict, owner, services, causes } = feature.dataset;
      const fits = verdicts.has(verdict) && one("owner", owner) && one("service", services) && one("cause", causes) &&
        (!wanted.length || wanted.every((word) => wordsOf(feature).includes(word)));
      feature.hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count.toLocaleString("en")} of ${features.length.toLocaleString("en")} features shown`;
    none.hidden = count > 0 || !features.length;
  }

  // What stands inside a feature is a noscript element to a browser with scripts, and so a text, until it is opened: a page of
  // 1,000 features is there at once. The text is the template's own markup, with every name in it escaped.
  function unfold(feature) {
    const held = feature.querySelector("noscript");
    if (!held) return;
    held.replaceWith(...new DOMParser().parseFromString(own.createHTML(held.textContent), "text/html").body.childNodes);
    define(feature);
  }

  function draw(feature) {
    unfold(feature);
    const place = feature.querySelector(".charts");
    if (place.childElementCount) return;
    data ??= JSON.parse(document.getElementById("data").textContent);
    charts.draw(place, data.features[+feature.id.slice("feature-".length)], data.runs);
  }

  // Each number of the table gets its definition from the end of the page.
  function define(feature) {
    for (const link of feature.querySelectorAll(".metrics th a")) {
      const text = document.getElementById(link.getAttribute("href").slice(1))?.querySelector(".text");
      if (!text || link.nextSibling) continue;
      const said = document.createElement("span");
      said.className = "text";
      said.textContent = text.textContent;
      link.after(said);
    }
  }

  // Many may be opened at once; only those that come near the window are drawn.
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target.closest(".feature")); }
  }, { rootMargin: "400px" });

  function opened(feature) {
    if (!feature.open) return;
    unfold(feature);
    near.observe(feature.querySelector(".charts"));
  }

  function goTo() {
    let name = location.hash.slice(1);
    try { name = decodeURIComponent(name); } catch { return; }
    const feature = name && features.find((one) => one.dataset.name === name || one.id === name);
    if (!feature) return;
    form.reset();
    filter();
    feature.open = true;
    feature.scrollIntoView();
    feature.querySelector("summary").focus();
  }

  for (const feature of features) feature.addEventListener("toggle", () => opened(feature));
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  document.getElementById("open").addEventListener("click", () => { for (const feature of features) feature.open = feature.open || !feature.hidden; });
  document.getElementById("close").addEventListener("click", () => { for (const feature of features) feature.open = false; });
  window.addEventListener("beforeprint", () => { for (const feature of features) if (feature.open && !feature.hidden) draw(feature); });
  window.addEventListener("hashchange", goTo);
  form.hidden = !features.length;
  filter();
  goTo();
  performance.mark("ready");
})();
