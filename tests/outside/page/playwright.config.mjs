// The page in a real Chromium: Debian's, which is not fetched by Playwright. A test of this project serves it until the browser is
// done (tests/one_process/page.rs).
import { defineConfig } from "@playwright/test";
import { FIRST_PORT, WORLDS, address } from "./visit.mjs";

export default defineConfig({
  testDir: ".",
  testMatch: process.env.PAGE_PICTURES ? "pictures.mjs" : "*.spec.mjs",
  // Two files at a time, each with a worker of its own. What is in one file goes one after the other: it shares that worker.
  workers: 2,
  fullyParallel: false,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  // Made for less than three minutes on two cores. A machine that does other things at the same time gets five.
  globalTimeout: 300_000,
  reporter: [["list"]],
  outputDir: "../../../target/outside-page",
  use: {
    timezoneId: "UTC",
    locale: "en-GB",
    launchOptions: { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] },
  },
  webServer: {
    command: process.env.PAGE_WORKER,
    env: { CROSSGRANT_PAGE: String(FIRST_PORT) },
    // The last one answers when all do.
    url: `${address(WORLDS.at(-1))}/healthz`,
    // Time to link the tests, if they are not built yet.
    timeout: 120_000,
    reuseExistingServer: false,
    cwd: "../../..",
  },
});
