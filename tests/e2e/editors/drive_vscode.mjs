// Drive VS Code in headless Chromium as a user would; fails where something is not as it must be.
// The argument is JSON: { scenario, node, codeServer, chromium, driver, folder, pictures, port, source, keys }.

import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

import { grey, press, typeAll, until } from "./browser.mjs";

const given = JSON.parse(process.argv[2]);
const { chromium } = createRequire(given.driver)("playwright-core");
const address = `127.0.0.1:${given.port}`;
const began = Date.now();

/** Ghost text, a part of it, the menu, and a server that dies. */
async function use(page) {
  await reason(page, "fake on cpu");
  await page.click(".editor-instance .view-lines");
  await press(page, "Control+Home", "ArrowDown", "End");
  await frame(page);
  await page.keyboard.type("t");
  await ghost(page, "otal = a + b");
  await frame(page);
  await press(page, "Control+ArrowRight");
  await ghost(page, " = a + b");
  await frame(page);
  await press(page, "Tab");
  await ghost(page, "");
  await press(page, "Control+s", "ArrowDown"); // away from what is suggested next
  await frame(page);

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

  await choose(page, "Switch off for this file");
  const settings = `${given.folder}/workspace/.vscode/settings.json`;
  await until("the file is not off", () => existsSync(settings) && readFileSync(settings, "utf8").includes('"a.py"'));
}

/** Typed before the server is there, then while its model loads: grey text comes without another key. */
async function early(page) {
  await reason(page, "starting");
  await page.click(".editor-instance .view-lines");
  await press(page, "Control+Home", "ArrowDown", "End");
  await page.keyboard.type("t");
  writeFileSync(`${given.folder}/typed`, ""); // what the server waits for
  await ghost(page, "otal = a + b");
  await press(page, "Control+z", "ArrowUp");
  await ghost(page, "");

  await choose(page, "Restart the server");
  await reason(page, "the model is loading");
  await page.click(".editor-instance .view-lines");
  await press(page, "Control+Home", "ArrowDown", "End");
  await page.keyboard.type("t");
  if (!(await status(page, "the model is loading").isVisible())) throw new Error("it loads too fast");
  await ghost(page, "otal = a + b");
}

/** Holes, variants, a selection written anew, a repair: each one edit, undone in one step. */
async function edit(page) {
  await reason(page, "fake on cpu");
  const before = saved();
  await press(page, "Control+Home", "Alt+i", "h");
  await changes(page, before.replaceAll("...", "return a + b"));
  await press(page, "Control+z");
  await changes(page, before);

  await selectHole(page);
  await press(page, "Alt+i", "v");
  await page.locator(".quick-input-list .monaco-list-row").nth(2).waitFor();
  await press(page, "ArrowDown");
  await until("the variant is not shown", () => page.evaluate(() => {
    const drawn = [...document.querySelectorAll(".view-line span")];
    return drawn.some((span) => getComputedStyle(span, "::before").content.includes("return b + a"));
  }));
  await picture(page, "vscode-variants");
  await changes(page, before);
  await press(page, "Enter");
  const chosen = "for each in (a, b):\n        total += each\n    return b + a";
  await changes(page, before.replace("...", chosen));
  await press(page, "Control+z");
  await changes(page, before);

  await press(page, "Alt+i", "w");
  const view = page.frameLocator("iframe.webview").frameLocator("#active-frame");
  await view.locator("#step").waitFor();
  await page.click(".editor-instance .view-lines");
  await selectHole(page);
  await press(page, "Alt+i", "r");
  await view.locator("#step", { hasText: "done" }).waitFor();
  await changes(page, before.replace("...", "return a + b"));
  if ((await view.locator("#canvas").textContent()) !== "return a + b") throw new Error("not what was filled");
  await picture(page, "vscode-refinement");
  const first = await view.locator("#again").evaluate((again) => {
    again.click();
    return document.getElementById("step").textContent;
  });
  if (first !== "step 0") throw new Error(`it begins with ${first}`);
  await view.locator("#step", { hasText: "done" }).waitFor();
  await page.click(".editor-instance .view-lines");
  await press(page, "Control+z");
  await changes(page, before);

  await press(page, "Control+End", "ArrowUp", "End", "Backspace");
  await changes(page, before.replace("2))", "2)"));
  await press(page, "Alt+i", "p");
  await changes(page, before.replace("print(add(1, 2))", "return a + b"));
}

/** The first `...`, on the eighth line. */
async function selectHole(page) {
  await press(page, "Control+Home", ...Array(7).fill("ArrowDown"), "End", "Shift+Home");
}

/** The model is not there: the reason is said, typing goes on. */
async function absent(page) {
  await reason(page, "no weights in /nowhere");
  const before = saved();
  await page.click(".editor-instance .view-lines");
  await press(page, "Control+Home", "ArrowDown", "End");
  await page.keyboard.type("ten keys a second", { delay: 100 });
  await ghost(page, "");
  await changes(page, before.replace("    \n", "    ten keys a second\n"));
}

/** No server is there: install one, and see ghost text. */
async function install(page) {
  await installServer(page);
  await reason(page, "fake on cpu");
  await page.click(".editor-instance .view-lines");
  await press(page, "Control+Home", "ArrowDown", "End");
  await page.keyboard.type("t");
  await ghost(page, "otal = a + b");
}

/** The keys, as somebody types them; then the file is saved. */
async function type(page) {
  await reason(page, "fake on cpu");
  await page.click(".editor-instance .view-lines");
  const lines = page.locator(".editor-instance .view-lines .view-line");
  await typeAll(page, lines, given.keys, `${given.folder}/screens.json`);
  await until("the file is not saved", async () => {
    await press(page, "Control+s");
    return saved() !== "";
  });
}

/** The real server, from its source, and its own model's ghost text; the seconds of both go to a file. */
async function first(page) {
  page.setDefaultTimeout(900_000);
  await installServer(page);
  await page.locator('.statusbar-item[aria-label*="on cpu"]').waitFor();
  const installed = Date.now();
  await page.click(".editor-instance .view-lines");
  await page.keyboard.type("def add(a, b):\n");
  await frame(page);
  await page.keyboard.type("return ");
  let shown = "";
  for (let tries = 1; !shown; tries++) {
    // Where a busy machine is late, the last letter is typed again after five seconds.
    if (tries % 50 === 0) await press(page, "Backspace", "Space");
    await sleep(100);
    shown = await grey(page);
  }
  const seen = Date.now();
  const seconds = [(installed - began) / 1000, (seen - installed) / 1000];
  writeFileSync(`${given.folder}/first.json`, JSON.stringify({ shown, seconds }));
  await frame(page);
  await press(page, "Tab");
  await until("it is not accepted", async () => (await grey(page)) !== shown);
  await frame(page);
}

/** As the extension offers it where there is no server. */
async function installServer(page) {
  await reason(page, "the server is not installed");
  await page.locator('.notification-toast .monaco-button:text-is("Install")').click();
  const box = page.locator(".quick-input-box input");
  await box.fill(given.source);
  await box.press("Enter");
}

/** Wait until this is the grey text. */
const ghost = (page, text) => until(`"${text}" is not shown`, async () => (await grey(page)) === text);

const status = (page, text) => page.locator(`.statusbar-item[aria-label*="infill: ${text}"]`);

/** Wait until the status bar says this. */
const reason = (page, text) => status(page, text).waitFor();

async function choose(page, entry) {
  await status(page, "").click();
  await pick(page, entry);
}

const pick = (page, entry) =>
  page.locator(`.quick-input-list .monaco-list-row:has-text("${entry}")`).first().click();

const saved = () => readFileSync(`${given.folder}/workspace/a.py`, "utf8");

/** Wait until the file, when it is saved, is this. */
async function changes(page, text) {
  await until(`the text is not ${JSON.stringify(text)}`, async () => {
    await press(page, "Control+s");
    return saved() === text;
  });
}

const picture = (page, name) => page.screenshot({ path: `${given.pictures}/${name}.png` });

let frames = 0;

/** One picture of the screencast: the editor without what is around it. */
const frame = (page) =>
  page.screenshot({
    path: `${given.folder}/frame-${frames++}.png`,
    clip: { x: 328, y: 34, width: 520, height: 170 },
  });

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
  page.setDefaultTimeout(180_000);
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
  await page.locator(".gettingStartedContainer", { hasText: "Install the server" }).waitFor();
  await picture(page, "vscode-walkthrough");
  await page.dblclick('.explorer-folders-view .monaco-list-row:has-text("a.py")');
  await page.locator(".editor-instance .view-line").first().waitFor();
  await { use, early, edit, absent, install, type, first }[given.scenario](page);
  if (elsewhere.size > 0) throw new Error(`asked other hosts: ${[...elsewhere]}`);
} catch (error) {
  await page.screenshot({ path: `${given.folder}/failed.png` });
  throw error;
} finally {
  await browser.close();
  server.kill();
}
