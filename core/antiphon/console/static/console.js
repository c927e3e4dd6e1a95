// Keeps a page fresh: fetches it again and puts in what changed. Everything works without it.
"use strict";
(() => {
  const news = document.getElementById("news");
  const waits = document.body.hasAttribute("data-waits");
  const every = Number(document.body.dataset.every || 3) * 1000;
  const longest = 30000;
  let paused = false;
  let failures = 0;
  let timer = 0;

  const say = (words) => {
    if (news && news.firstChild && news.firstChild.nodeValue !== words) news.firstChild.nodeValue = words;
  };

  // A region somebody is typing in is left alone, until they have sent it or gone elsewhere.
  const busy = (region) => {
    const focused = document.activeElement;
    if (region.contains(focused) && focused.matches("input:not([type=hidden]), select, textarea")) return true;
    return [...region.querySelectorAll("input:not([type=hidden]), textarea")].some(
      (field) => field.type !== "radio" && field.value !== field.defaultValue,
    );
  };

  const put = (region, fresh) => {
    if (region.innerHTML === fresh.innerHTML && region.hidden === fresh.hidden) return;
    if (busy(region)) return;
    const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
    const opened = [...region.querySelectorAll("details[open][id]")].map((one) => one.id);
    const scrolled = [...region.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    region.replaceWith(fresh);
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    fresh.querySelectorAll(".scroll").forEach((one, n) => { one.scrollLeft = scrolled[n] || 0; });
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };

  const refresh = async () => {
    const answer = await fetch(location.href, {
      headers: { "X-Antiphon-Live": "1" }, credentials: "same-origin", cache: "no-store", redirect: "error",
    });
    if (answer.status === 401 || answer.status === 404) { location.reload(); return; }
    if (answer.status === 400) return; // the address makes no sense, and will not later
    if (!answer.ok) throw new Error(String(answer.status));
    if (waits) { location.reload(); return; }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const before = document.getElementById("state")?.dataset.say;
    const after = page.getElementById("state")?.dataset.say;
    for (const region of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(region.id);
      if (fresh) put(region, document.importNode(fresh, true));
    }
    document.title = page.title;
    if (page.body.dataset.every) document.body.dataset.every = page.body.dataset.every;
    const seen = page.getElementById("news")?.firstChild?.nodeValue ?? "";
    if (before !== after && after) say(`${after}. ${seen}`);
    else if (news) { news.setAttribute("aria-live", "off"); say(seen); news.setAttribute("aria-live", "polite"); }
    document.body.classList.remove("stale");
  };

  const next = (delay) => { clearTimeout(timer); timer = setTimeout(turn, delay); };

  const turn = async () => {
    if (paused || document.hidden) { next(every); return; }
    const began = performance.now();
    try {
      await refresh();
      failures = 0;
    } catch {
      failures += 1;
      if (!waits) {
        document.body.classList.add("stale");
        say(`The console or its server does not answer. What is shown was so at ${news?.dataset.seen ?? "an earlier time"}; trying again.`);
      }
    }
    if (waits) { next(2000); return; }
    // A page that takes long to make is asked for less often.
    const took = performance.now() - began;
    const pace = Number(document.body.dataset.every || every / 1000) * 1000;
    next(Math.min(Math.max(pace, took * 5) * 2 ** Math.min(failures, 3), longest));
  };

  // The counts above every page are no reason to fetch it again.
  const lives = document.querySelector("main [data-live]") !== null;
  if (news && lives) {
    const toggle = document.createElement("button");
    toggle.type = "button";
    toggle.className = "quiet";
    toggle.id = "live";
    const label = () => { toggle.textContent = paused ? "Go on updating" : "Stop updating"; };
    toggle.addEventListener("click", () => { paused = !paused; label(); if (!paused) next(0); });
    label();
    news.after(toggle);
  }
  if (!waits && !lives) return;
  document.addEventListener("visibilitychange", () => { if (!document.hidden) next(0); });
  next(waits ? 2000 : every);
})();
