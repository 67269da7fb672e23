// Each view in each state: nothing that axe or the console complains of, light on a desk and dark on a phone, and nothing wider than
// the screen. What axe judges besides contrast and the size of targets is the same for both, and is judged once.
import { expect, test } from "@playwright/test";
import { DESK, PHONE, faultsOf, open, tooWide, visit } from "./visit.mjs";
import { VIEWS, go } from "./views.mjs";

// They only look, so they may go at the same time.
test.describe.configure({ mode: "parallel" });

// One window for each worker, for all views.
const windows = {};
test.beforeAll(async ({ browser }) => {
  for (const world of ["still", "strange", "empty"]) windows[world] = await visit(browser, world, "change-board");
});

// What is wrong with the view that is open.
async function wrong(page, name) {
  for (const [size, colorScheme] of [[DESK, "light"], [PHONE, "dark"]]) {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme });
    expect(await tooWide(page), `${name} at ${size.width}`).toBeLessThanOrEqual(0);
    expect(await faultsOf(page, size === PHONE ? ["color-contrast", "target-size"] : undefined), `${name}, ${colorScheme}`).toEqual([]);
  }
  await page.setViewportSize({ width: 320, height: 640 });
  expect(await tooWide(page), `${name} at 320`).toBeLessThanOrEqual(0);
}

for (const [name, way] of Object.entries(VIEWS)) {
  test(`the view ${name}`, async () => {
    const page = windows[way[0]];
    page.faults.length = 0;
    await go(page, way);
    await wrong(page, name);
    // Chromium itself says of a document that it was not found.
    const told = page.faults.filter((fault) => !(name === "not-found" && fault.includes("404")));
    expect(told).toEqual([]);
  });
}

test("a plan of a good job, and of a bad one", async () => {
  const page = windows.still;
  await page.goto("/approvals");
  const uid = await page.locator("tr[id^=plan-]").last().getAttribute("id");
  for (const [path, text] of [[`/plan?job=${uid.slice(5)}`, undefined], ["/plan", '{"id": "N", "kind": "gift"}']]) {
    await page.goto(path);
    if (text) await page.getByLabel("A job, as its message has it").fill(text);
    await page.getByRole("button", { name: "Plan", exact: true }).click();
    await expect(page.locator("main .state").first()).toHaveText(text ? "failed" : "planned");
    await wrong(page, "a plan");
    // What is changed there is planned again.
    await page.getByRole("button", { name: "Plan", exact: true }).click();
    await expect(page.locator("main .state").first()).toHaveText(text ? "failed" : "planned");
  }
});

test("the way in, and out", async ({ browser }) => {
  const page = await open(browser, "still");
  await page.goto("/jobs?state=parked");
  await wrong(page, "the login");
  await page.getByLabel("Token").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("alert")).toContainText("no such token");
  await wrong(page, "the login after a wrong token");
  await page.getByLabel("Token").fill("browser-finance");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page).toHaveURL(/state=parked/);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.goto("/");
  await expect(page.getByLabel("Token")).toBeVisible();
  await page.context().close();
});

test("a text of a stranger is shown, and does nothing", async () => {
  const page = windows.strange;
  page.faults.length = 0;
  for (const way of [
    ["strange", "/"], ["strange", "/jobs"], ["strange", "/jobs", "STRANGE-1"], ["strange", "/jobs", "STRANGE-2"], ["strange", "/jobs", "STRANGE-3"],
    ["strange", "/dead"],
    ["strange", "/dead", /script|no id/], ["strange", "/jobs?label=%3Cimg+src%3Dx%3E%3D1&requester=%22%3E%3Cscript%3E"],
    ["strange", "/plan"],
  ]) {
    await go(page, way);
    if (way[1] === "/plan") {
      await page.getByLabel("A job, as its message has it").fill('{"id": "</textarea><script>alert(3)</script>", "kind": "<img src=x>"}');
      await page.getByRole("button", { name: "Plan", exact: true }).click();
    }
    if (way[1].includes("?")) await expect(page.getByLabel("Label")).toHaveValue("<img src=x>=1");
    else await expect(page.locator("main")).toContainText(/<(script|img)/);
    const foreign = await page.evaluate(() => ({
      elements: document.querySelectorAll("main :is(img, script, iframe, b, i, style, link), [onerror], [style]").length,
      turned: /[\u202a-\u202e\u2066-\u2069]/.test(document.body.innerText + document.body.innerHTML),
    }));
    expect(foreign, String(way)).toEqual({ elements: 0, turned: false });
    await page.setViewportSize(PHONE);
    expect(await tooWide(page), String(way)).toBeLessThanOrEqual(0);
  }
  expect(page.faults).toEqual([]);
});

test("a script that stands in a document does not run, and nothing is loaded from elsewhere", async ({ browser }) => {
  const page = await visit(browser, "still", "finance");
  const blocked = await page.evaluate(async () => {
    const seen = [];
    document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
    const add = (name, fields) => document.body.append(Object.assign(document.createElement(name), fields));
    add("script", { textContent: "window.ran = true" });
    add("img", { src: "http://elsewhere.invalid/x.png" });
    document.body.setAttribute("style", "color: red");
    await new Promise((done) => setTimeout(done, 300));
    return { seen: seen.sort(), ran: window.ran ?? false };
  });
  expect(blocked).toEqual({ seen: ["img-src", "script-src-elem", "style-src-attr"], ran: false });
  await page.context().close();
});
