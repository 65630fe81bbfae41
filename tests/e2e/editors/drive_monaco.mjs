// Monaco on a page of this machine, with editors/monaco: type, see grey text, accept; a.py is the outcome.
// The argument is JSON: { chromium, driver, packages, plugin, folder, address, model, ghost }.

import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname } from "node:path";

const given = JSON.parse(process.argv[2]);
const { chromium } = createRequire(given.driver)("playwright-core");
const { build } = createRequire(`${given.packages}/package.json`)("esbuild");

const PAGE = `
import * as monaco from "monaco-editor";
import { connect } from ${JSON.stringify(given.plugin)};
window.MonacoEnvironment = { getWorker: () => new Worker("data:text/javascript,") };
const model = monaco.editor.createModel("def add(a, b):\\n    ", "python");
await connect(monaco, ${JSON.stringify(given.address)}, { model: ${JSON.stringify(given.model)} });
window.editor = monaco.editor.create(document.body, { model });
editor.setPosition({ lineNumber: 2, column: 5 });
editor.focus();
`;

writeFileSync(`${given.folder}/page.js`, PAGE);
await build({
  entryPoints: [`${given.folder}/page.js`],
  outdir: `${given.folder}/built`,
  bundle: true,
  format: "esm",
  nodePaths: [`${given.packages}/node_modules`],
  loader: { ".ttf": "dataurl" },
  logLevel: "error",
});

const HTML = `<!doctype html><link rel="stylesheet" href="/page.css"><body style="height:300px">
<script type="module" src="/page.js"></script>`;
const kinds = { ".css": "text/css", ".js": "text/javascript" };
const server = createServer(({ url }, response) => {
  response.setHeader("Content-Type", kinds[extname(url)] ?? "text/html");
  response.end(url === "/" ? HTML : kinds[extname(url)] && readFileSync(`${given.folder}/built${url}`));
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const browser = await chromium.launch({ executablePath: given.chromium, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await browser.newPage({ viewport: { width: 800, height: 300 } });
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => console.error(error));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.locator(".view-line").first().waitFor();
  const grey = page.locator(".ghost-text-decoration");
  const shown = async () => (await grey.allTextContents()).join("").replaceAll("\u00a0", " ");
  for (let tries = 0; (await shown()) !== given.ghost; tries++) {
    if (tries === 30) throw new Error(`it shows "${await shown()}"`);
    if (tries) await page.keyboard.press("Backspace"); // asked again: the engine may have been starting
    await page.keyboard.type("t");
    await page.waitForTimeout(2000);
  }
  await page.keyboard.press("Tab");
  await grey.first().waitFor({ state: "detached" });
  await page.screenshot({ path: `${given.folder}/monaco.png` });
  writeFileSync(`${given.folder}/a.py`, await page.evaluate(() => window.editor.getValue()));
} finally {
  await browser.close();
  server.close();
}
