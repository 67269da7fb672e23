// The page in a real Chromium: Debian's, which is not fetched by Playwright. The worker is a test of this project that serves until
// the browser is done (tests/one_process/page.rs).
import { defineConfig } from "@playwright/test";

const at = process.env.CROSSGRANT_PAGE ?? "127.0.0.1:19187";

export default defineConfig({
  testDir: ".",
  testMatch: "*.spec.mjs",
  // The tests share one worker, and some of them change it: one after the other.
  workers: 1,
  fullyParallel: false,
  retries: 0,
  timeout: 30_000,
  globalTimeout: 180_000,
  reporter: [["list"]],
  outputDir: "../../../target/outside-page",
  use: {
    baseURL: `http://${at}`,
    timezoneId: "UTC",
    launchOptions: { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] },
  },
  webServer: {
    command: process.env.PAGE_WORKER,
    url: `http://${at}/healthz`,
    timeout: 60_000,
    reuseExistingServer: false,
    cwd: "../../..",
  },
});
