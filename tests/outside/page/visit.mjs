// A visit to the page: a browser of some size and colour, with a session, that hears everything its console says.
import { expect } from "@playwright/test";
import AxeBuilder from "@axe-core/playwright";

export const PHONE = { width: 360, height: 740 };
export const DESK = { width: 1280, height: 860 };

// Opens a browser window with a session of this token. `faults` collects what the console complains of.
export async function visit(browser, token, options = {}) {
  const context = await browser.newContext({ viewport: DESK, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("console", (message) => { if (message.type() === "error") page.faults.push(message.text()); });
  page.on("pageerror", (error) => page.faults.push(String(error)));
  await page.goto("/login");
  await page.getByLabel("Token").fill(`browser-${token}`);
  await page.getByLabel("Your name").fill("Ann");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("navigation", { name: "Views" })).toBeVisible();
  return page;
}

// What axe finds wrong with what is shown.
export async function faultsOf(page) {
  const found = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]).analyze();
  return found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
}

// The address of the job with this id.
export async function job(page, id) {
  await page.goto("/jobs");
  await page.getByRole("link", { name: id, exact: true }).first().click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(id);
}

export const effects = async (page) => (await page.request.get("/_effects")).json();
