// Takes the pictures of docs/page.md, by `make screenshots`: of a worker whose clock stands, so that they change with the page alone.
import { test } from "@playwright/test";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { DESK, PHONE, open, visit } from "./visit.mjs";
import { VIEWS, go } from "./views.mjs";

const FOLDER = new URL(process.env.PAGE_PICTURES, "file:///").pathname;
// The most points in height: what is below says no more.
const MOST = { 1280: 1300, 390: 1300 };
const BOTH = ["desk-light", "desk-dark", "phone-light", "phone-dark"];

// Which pictures there are of which view.
const PICTURES = {
  now: BOTH,
  "job-half-done": BOTH,
  jobs: ["desk-light", "phone-dark"],
  "job-waiting": ["desk-dark"],
  "job-going-back": ["desk-light"],
  "approvals-plan": ["desk-light", "phone-light"],
  instance: ["desk-light"],
  batches: ["desk-light"],
  batch: ["phone-light"],
  dead: ["desk-light"],
  "dead-rejected": ["desk-light", "phone-dark"],
  code: ["desk-light"],
  "now-empty": ["desk-light"],
};

async function picture(page, name, way) {
  const [size, colorScheme] = way.split("-");
  const viewport = size === "phone" ? PHONE : DESK;
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme });
  await page.evaluate(() => { document.activeElement?.blur(); scrollTo(0, 0); });
  const height = Math.min(await page.evaluate(() => document.documentElement.scrollHeight), MOST[viewport.width]);
  const path = `${FOLDER}/${name}-${way}.png`;
  await page.screenshot({ path, fullPage: true, clip: { x: 0, y: 0, width: viewport.width, height } });
  execFileSync("pngquant", ["--force", "--ext", ".png", "--strip", "--speed", "1", "--nofs", "24", path]);
}

test("the pictures", async ({ browser }) => {
  test.setTimeout(170_000);
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const windows = { still: await visit(browser, "still", "change-board"), empty: await visit(browser, "empty", "change-board") };
  for (const [name, ways] of Object.entries(PICTURES)) {
    const page = windows[VIEWS[name][0]];
    await page.setViewportSize(DESK);
    await go(page, VIEWS[name]);
    for (const way of ways) await picture(page, name, way);
  }
  const stranger = await open(browser, "still");
  await stranger.goto("/");
  await picture(stranger, "login", "phone-light");
});
