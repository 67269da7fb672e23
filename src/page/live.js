// Asks for the view anew when the worker says that it has changed, and puts the sections that differ in place of the old ones.
// One that someone types in, or has opened something in, stays. Everything works without this script.
(() => {
  "use strict";
  const address = document.body.dataset.live;
  let wanted = false, busy = false;

  const isInUse = (section) =>
    section.contains(document.activeElement) && document.activeElement.matches("input, textarea, select") ||
    [...section.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue);

  const localTimes = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      time.title = new Date(time.dateTime).toLocaleString();
    }
  };

  const refresh = async () => {
    wanted = true;
    if (busy || document.hidden) return;
    busy = true;
    while (wanted) {
      wanted = false;
      try {
        const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
        if (answer.status === 401) return location.reload();
        if (!answer.ok) break;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const section of document.querySelectorAll("[data-part], #as-of")) {
          const other = section.dataset.part
            ? fresh.querySelector(`[data-part="${CSS.escape(section.dataset.part)}"]`)
            : fresh.getElementById("as-of");
          if (!other || isInUse(section) || section.isEqualNode(other)) continue;
          const open = new Set([...section.querySelectorAll("details[open]")].map((one) => one.id));
          const focused = document.activeElement && section.contains(document.activeElement) && document.activeElement.id;
          const node = document.importNode(other, true);
          for (const one of node.querySelectorAll("details[id]")) one.open = one.open || open.has(one.id);
          section.replaceWith(node);
          if (focused) document.getElementById(focused)?.focus();
        }
        localTimes();
      } catch {
        break;
      }
    }
    busy = false;
  };

  localTimes();
  if (!address) return;
  const events = new EventSource(address);
  events.addEventListener("changed", refresh);
  // What happened while the worker was away was told to no one here.
  let lost = false;
  events.addEventListener("error", () => { lost = true; });
  events.addEventListener("open", () => { if (lost) refresh(); lost = false; });
  document.addEventListener("visibilitychange", () => { if (wanted && !document.hidden) refresh(); });
})();
