// Drive VS Code in headless Chromium as a user would; fails where something is not as it must be.
// The argument is JSON: { scenario, node, codeServer, chromium, driver, folder, port, source }.

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const given = JSON.parse(process.argv[2]);
const { chromium } = createRequire(given.driver)("playwright-core");
const address = `127.0.0.1:${given.port}`;

async function until(what, check) {
  for (let tries = 0; !(await check()); tries++) {
    if (tries === 300) throw new Error(what);
    await sleep(100);
  }
}

/** Ghost text, a part of it, the menu, and a server that dies. */
async function use(page) {
  await reason(page, "fake on cpu");
  await page.click(".editor-instance .view-lines");
  await press(page, "Control+Home", "ArrowDown", "End");
  await page.keyboard.type("t");
  await ghost(page, "otal = a + b");
  await picture(page, "ghost-text");
  await press(page, "Control+ArrowRight");
  await ghost(page, " = a + b");
  await press(page, "Tab");
  await ghost(page, "");
  await press(page, "Control+s");

  await choose(page, "Snooze 5 minutes");
  await reason(page, "snoozed for 5 minutes");

  await choose(page, "Doctor");
  // The log stays empty here: it is written by a part of VS Code that has to be compiled.
  await page.locator(".output-view").waitFor();
  await until("the doctor does not run", () => existsSync(`${given.folder}/doctor`));

  const first = serverId();
  process.kill(first);
  await until("the server is not started again", () => serverId() !== first);
  await reason(page, "fake on cpu");

  await choose(page, "Switch off for python");
  await page.click(".editor-instance .view-lines");
  await until("the language is not off", async () => {
    await page.keyboard.type(" "); // the server hears of a setting a little later
    return status(page, "switched off for python").isVisible();
  });
}

/** No server is there: install one, and see ghost text. */
async function install(page) {
  await reason(page, "the server is not installed");
  await page.locator('.notification-toast .monaco-button:text-is("Install")').click();
  const box = page.locator(".quick-input-box input");
  await box.fill(given.source);
  await picture(page, "install");
  await box.press("Enter");
  await reason(page, "fake on cpu");
  await page.click(".editor-instance .view-lines");
  await press(page, "Control+Home", "ArrowDown", "End");
  await page.keyboard.type("t");
  await ghost(page, "otal = a + b");
}

async function press(page, ...keys) {
  for (const key of keys) await page.keyboard.press(key);
}

/** Wait until this is the grey text. */
async function ghost(page, text) {
  const shown = async () => {
    const parts = await page.locator(".ghost-text-decoration").allTextContents();
    return parts.join("").replaceAll("\u00a0", " ");
  };
  await until(`"${text}" is not shown`, async () => (await shown()) === text);
}

const status = (page, text) => page.locator(`.statusbar-item[aria-label*="infill: ${text}"]`);

/** Wait until the status bar says this. */
const reason = (page, text) => status(page, text).waitFor();

async function choose(page, entry) {
  await status(page, "").click();
  await page.locator(`.quick-input-list .monaco-list-row:has-text("${entry}")`).click();
}

const picture = (page, name) => page.screenshot({ path: `${given.folder}/${name}.png` });

const serverId = () => Number(readFileSync(`${given.folder}/server.pid`, "utf8"));

const server = spawn(
  given.node,
  [given.codeServer, "--auth", "none", "--bind-addr", address, "--disable-telemetry", "--disable-update-check",
    "--disable-workspace-trust", "--disable-getting-started-override", "--user-data-dir", `${given.folder}/data`,
    "--extensions-dir", `${given.folder}/extensions`, `${given.folder}/workspace`],
  { stdio: "inherit" },
);
const browser = await chromium.launch({
  executablePath: given.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
});
const page = await browser.newPage({ viewport: { width: 1100, height: 600 } });
try {
  page.setDefaultTimeout(60_000);
  const elsewhere = new Set();
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol.startsWith("http") && host !== address) elsewhere.add(host);
  });
  await until("code-server does not start", () =>
    fetch(`http://${address}/healthz`).then(
      () => true,
      () => false,
    ),
  );
  await page.goto(`http://${address}/?folder=${given.folder}/workspace`);
  await page.dblclick('.explorer-folders-view .monaco-list-row:has-text("a.py")');
  await page.locator(".editor-instance .view-line").first().waitFor();
  await { use, install }[given.scenario](page);
  if (elsewhere.size > 0) throw new Error(`asked other hosts: ${[...elsewhere]}`);
} catch (error) {
  await picture(page, "failed");
  throw error;
} finally {
  await browser.close();
  server.kill();
}
