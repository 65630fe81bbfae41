// Continue's own autocompletion, without its editor: it is asked as Continue's VS Code extension asks it.
// The argument is JSON: { packages, folder, config, clipboard, file, asks }; `asks` has
// { text, line, character, after }: the file's text and the cursor, so many milliseconds after the one before.
// outcomes.json gets { outcomes, errors }: what came of each ask, or null, and what would be complained of.

import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const given = JSON.parse(process.argv[2]);
const { build } = createRequire(`${given.packages}/package.json`)("esbuild");

const ENTRY = `
export { CompletionProvider } from "@continuedev/core/dist/autocomplete/CompletionProvider.js";
export { llmsFromModelConfig } from "@continuedev/core/dist/config/yaml/models.js";
export { parseConfigYaml } from "@continuedev/config-yaml";
`;

// Its cache of earlier answers and its counts are in SQLite, which is native code: they stay empty.
const EMPTY = {
  sqlite: `const nothing = async () => undefined;
    const db = { exec: nothing, run: nothing, get: nothing, all: async () => [] };
    export const open = async () => db;`,
  sqlite3: "export default {};",
};
const withoutSqlite = {
  name: "without SQLite",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^sqlite3?$/ }, ({ path }) => ({ path, namespace: "empty" }));
    onLoad({ filter: /./, namespace: "empty" }, ({ path }) => ({ contents: EMPTY[path] }));
  },
};

const built = `${given.folder}/built`;
await build({
  stdin: { contents: ENTRY, resolveDir: given.packages },
  outfile: `${built}/continue.cjs`,
  bundle: true,
  format: "cjs",
  platform: "node",
  plugins: [withoutSqlite],
  logLevel: "error",
});
// Where the extension has them, too: beside its one file.
symlinkSync(`${given.packages}/node_modules/web-tree-sitter/tree-sitter.wasm`, `${built}/tree-sitter.wasm`);
symlinkSync(`${given.packages}/node_modules/tree-sitter-wasms/out`, `${built}/tree-sitter-wasms`);
process.env.CONTINUE_GLOBAL_DIR = `${given.folder}/home`;
const load = createRequire(import.meta.url);
const { CompletionProvider, llmsFromModelConfig, parseConfigYaml } = load(`${built}/continue.cjs`);

const nothing = async () => undefined;
const none = async () => [];
const ide = {
  getWorkspaceDirs: async () => [pathToFileURL(given.folder).href],
  readFile: async (uri) => readFileSync(fileURLToPath(uri), "utf8"),
  getClipboardContent: async () => ({ text: given.clipboard, copiedAt: new Date().toISOString() }),
  getDiff: none,
  gotoDefinition: none,
  getRepoName: nothing,
  getUniqueId: async () => "a test",
  getIdeInfo: async () => ({ ideType: "vscode" }),
  onDidChangeActiveTextEditor() {},
};
const { models } = parseConfigYaml(given.config);
const [llm] = await llmsFromModelConfig(models[0], ide, "a test", {}, nothing, undefined, undefined);
const errors = [];
const settings = { loadConfig: async () => ({ config: {} }) };
const complain = (error) => errors.push(String(error));
const provider = new CompletionProvider(settings, ide, async () => llm, complain, none);

const asked = [];
let typedOn = new AbortController();
for (const [number, { text, line, character, after }] of given.asks.entries()) {
  await new Promise((passed) => setTimeout(passed, after));
  typedOn.abort();
  typedOn = new AbortController();
  writeFileSync(given.file, text);
  const input = {
    isUntitledFile: false,
    completionId: String(number),
    filepath: pathToFileURL(given.file).href,
    pos: { line, character },
    recentlyVisitedRanges: [],
    recentlyEditedRanges: [],
  };
  asked.push(provider.provideInlineCompletionItems(input, typedOn.signal));
}
const outcomes = (await Promise.all(asked)).map((outcome) => outcome ?? null);
writeFileSync(`${given.folder}/outcomes.json`, JSON.stringify({ outcomes, errors }));
process.exit(0); // its timers would go on
