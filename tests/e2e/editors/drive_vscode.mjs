// Drive VS Code in headless Chromium as a user would, and print what was seen, as JSON.
// The argument is JSON: { node, codeServer, chromium, driver, data, extensions, workspace, port }.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";

const given = JSON.parse(process.argv[2]);
const { chromium } = createRequire(given.driver)("playwright-core");
const address = `127.0.0.1:${given.port}`;

const server = spawn(
  given.node,
  [given.codeServer, "--auth", "none", "--bind-addr", address, "--disable-telemetry", "--disable-update-check",
    "--disable-workspace-trust", "--disable-getting-started-override", "--user-data-dir", given.data,
    "--extensions-dir", given.extensions, given.workspace],
  { stdio: ["ignore", process.stderr, process.stderr] },
);
const browser = await chromium.launch({
  executablePath: given.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
});

try {
  console.log(JSON.stringify(await drive()));
} finally {
  await browser.close();
  server.kill();
}

async function drive() {
  const page = await browser.newPage({ viewport: { width: 1100, height: 600 } });
  page.setDefaultTimeout(60_000);
  const hosts = new Set();
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol.startsWith("http") && host !== address) hosts.add(host);
  });
  const picture = (name) => page.screenshot({ path: `${given.workspace}/../${name}.png` });
  const key = (name) => page.keyboard.press(name);
  const ghost = async () => {
    const parts = await page.locator(".ghost-text-decoration").allTextContents();
    return parts.join("").replaceAll("\u00a0", " ");
  };
  const shown = async (text) => {
    for (let tries = 0; (await ghost()) !== text; tries++) {
      if (tries === 300) throw new Error(`"${text}" is not shown, but "${await ghost()}"`);
      await page.waitForTimeout(100);
    }
  };
  const status = page.locator('.statusbar-item[aria-label^="infill: "]');
  const reason = async (text) => {
    await page.locator(`.statusbar-item[aria-label*="infill: ${text}"]`).waitFor();
    return status.getAttribute("aria-label");
  };
  const seen = {};

  for (let tries = 0; ; tries++) {
    const up = await fetch(`http://${address}/healthz`).then(() => true, () => false);
    if (up) break;
    if (tries === 300) throw new Error("code-server does not start");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await page.goto(`http://${address}/?folder=${given.workspace}`);
  await page.dblclick('.explorer-folders-view .monaco-list-row:has-text("a.py")');
  await page.locator(".editor-instance .view-line").first().waitFor();
  seen.ready = await reason("fake on cpu");

  await page.click(".editor-instance .view-lines");
  await key("Control+Home");
  await key("ArrowDown");
  await key("End");
  await page.keyboard.type("t");
  await shown("otal = a + b");
  await picture("ghost-text");
  await key("Control+ArrowRight");
  await shown(" = a + b");
  await key("Tab");
  await shown("");
  await key("Control+s");

  await status.click();
  await page.locator('.quick-input-list .monaco-list-row:has-text("Snooze 5 minutes")').click();
  seen.snoozed = await reason("snoozed for 5 minutes");
  await status.click();
  await picture("menu");
  await page.locator('.quick-input-list .monaco-list-row:has-text("Switch off for python")').click();
  await page.click(".editor-instance .view-lines");
  await page.keyboard.type(" ");
  seen.languageOff = await reason("switched off for python");
  seen.hosts = [...hosts];
  return seen;
}
