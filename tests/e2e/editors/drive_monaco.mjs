// Monaco on a page of this machine, with editors/monaco; a.py is the outcome. The argument is JSON:
// { scenario, chromium, driver, packages, plugin, folder, address, token, port, model, options, text, ghost, keys }.

import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname } from "node:path";

import { grey, press, typeAll, until } from "./browser.mjs";

const given = JSON.parse(process.argv[2]);
const { chromium } = createRequire(given.driver)("playwright-core");
const { build } = createRequire(`${given.packages}/package.json`)("esbuild");

const PAGE = `
import * as monaco from "monaco-editor";
import { connect } from ${JSON.stringify(given.plugin)};
window.MonacoEnvironment = { getWorker: () => new Worker("data:text/javascript,") };
const model = monaco.editor.createModel(${JSON.stringify(given.text)}, "python");
const settings = { token: ${JSON.stringify(given.token)}, model: ${JSON.stringify(given.model)} };
await connect(monaco, ${JSON.stringify(given.address)}, settings);
window.editor = monaco.editor.create(document.body, { model, ...${JSON.stringify(given.options)} });
editor.setPosition(model.getFullModelRange().getEndPosition());
editor.focus();
`;

/** Type until this grey text is shown, and accept it. */
async function accept(page) {
  for (let tries = 0; (await grey(page)) !== given.ghost; tries++) {
    if (tries === 30) throw new Error(`it shows "${await grey(page)}"`);
    if (tries) await press(page, "Backspace"); // asked again: the engine may have been starting
    await page.keyboard.type("t");
    await page.waitForTimeout(2000);
  }
  await press(page, "Tab");
  await until("it stays grey", async () => (await grey(page)) === "");
  await page.screenshot({ path: `${given.folder}/monaco.png` });
}

/** The keys, as somebody types them. */
const type = (page) =>
  typeAll(page, page.locator(".view-lines .view-line"), given.keys, `${given.folder}/screens.json`);

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
await new Promise((listening) => server.listen(given.port, "127.0.0.1", listening));
const browser = await chromium.launch({ executablePath: given.chromium, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await browser.newPage({ viewport: { width: 800, height: 300 } });
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => console.error(error));
  await page.goto(`http://127.0.0.1:${given.port}/`);
  await page.locator(".view-line").first().waitFor();
  await { accept, type }[given.scenario](page);
  writeFileSync(`${given.folder}/a.py`, await page.evaluate(() => window.editor.getValue()));
} finally {
  await browser.close();
  server.close();
}
