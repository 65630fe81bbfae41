// START HERE: starts the server and shows how it is. The grey text itself needs nothing here:
// vscode-languageclient asks the server for it, and VS Code draws and accepts it.

import * as vscode from "vscode";
import { LanguageClient, State } from "vscode-languageclient/node";

import { ask, fillHoles, refill, repair, variants } from "./commands";
import { showMenu } from "./menu";
import { getModel, offerModel } from "./models";
import { REFINEMENT_VIEW, RefinementView } from "./refinement";
import { DOCUMENTS, execute, findServer, install } from "./server";
import { Status, StatusBar } from "./status";
import { LastTyped } from "./typed";

let client: LanguageClient | undefined;
let starting: Promise<void> = Promise.resolve();
let log: vscode.LogOutputChannel;
let bar: StatusBar;
let refinement: RefinementView;
let typed: LastTyped;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  log = vscode.window.createOutputChannel("infill-lsp", { log: true });
  bar = new StatusBar("infill-lsp.menu");
  refinement = new RefinementView((wanted) => client?.isRunning() && void ask(client, "infill.watch", wanted));
  typed = new LastTyped(context.extension.id);
  const command = (name: string, run: () => unknown) =>
    vscode.commands.registerCommand(`infill-lsp.${name}`, run);
  context.subscriptions.push(
    log,
    bar,
    typed,
    vscode.window.registerWebviewViewProvider(REFINEMENT_VIEW, refinement),
    command("trigger", () => vscode.commands.executeCommand("editor.action.inlineSuggest.trigger")),
    command("variants", () => variants(client)),
    command("fillHoles", () => fillHoles(client)),
    command("refill", () => refill(client)),
    command("repair", () => repair(client)),
    command("watch", () => vscode.commands.executeCommand(`${REFINEMENT_VIEW}.focus`)),
    command("menu", () => showMenu(client?.state === State.Running, bar.message)),
    command("restart", () => start(context)),
    command("log", () => log.show(true)),
    command("doctor", () => doctor(context)),
    command("install", () => installAndStart(context)),
    command("getModel", () => getModel(client)),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("infill-lsp.path")) void start(context);
    }),
  );
  await welcome(context);
  await start(context);
}

export async function deactivate(): Promise<void> {
  await client?.dispose();
}

/** Start the server in place of the one before. Never two at once. */
function start(context: vscode.ExtensionContext): Promise<void> {
  const run = () => startNow(context);
  starting = starting.then(run, run);
  return starting;
}

async function startNow(context: vscode.ExtensionContext): Promise<void> {
  const before = client;
  client = undefined;
  await before?.dispose().catch((error: unknown) => log.warn(String(error)));
  const program = await findServer(context.globalStorageUri);
  if (!program) {
    bar.show({ kind: "Warning", message: "the server is not installed", busy: false });
    void offerToInstall();
    return;
  }
  log.info(`starting ${program}`);
  bar.show({ kind: "Normal", message: "starting", busy: true });
  const started = new LanguageClient(
    "infill-lsp",
    "infill-lsp",
    { command: program, args: [] },
    {
      documentSelector: DOCUMENTS,
      outputChannel: log,
      initializationOptions: { infill: vscode.workspace.getConfiguration("infill") },
      middleware: { executeCommand: (name, rest) => ask(started, name, ...rest) },
    },
  );
  client = started;
  let loading = true;
  started.onNotification("didChangeStatus", (status: Status) => {
    bar.show(status);
    if (loading && !status.busy) {
      void typed.ask();
      void offerModel(started);
    }
    loading &&= status.busy;
  });
  started.onNotification("infill/refinement", (step: unknown) => refinement.show(step));
  started.onDidChangeState(({ newState }) => {
    const running = newState === State.Running;
    void vscode.commands.executeCommand("setContext", "infill-lsp.running", running);
    if (running) refinement.connected();
    loading ||= newState === State.Starting;
    if (newState === State.Stopped && client === started) {
      bar.show({ kind: "Error", message: "the server stopped; see the log", busy: false });
    }
  });
  try {
    await started.start();
  } catch (error) {
    log.error(String(error));
    bar.show({ kind: "Error", message: `the server does not start: ${error}`, busy: false });
  }
}

/** The walkthrough, the first time. */
async function welcome(context: vscode.ExtensionContext): Promise<void> {
  if (context.globalState.get("welcomed")) return;
  await context.globalState.update("welcomed", true);
  await vscode.commands.executeCommand("workbench.action.openWalkthrough", `${context.extension.id}#start`);
}

async function offerToInstall(): Promise<void> {
  const chosen = await vscode.window.showInformationMessage(
    "infill-lsp is not found. Install it into a Python environment of its own?",
    "Install",
    "Give Its Path",
  );
  if (chosen === "Install") await vscode.commands.executeCommand("infill-lsp.install");
  if (chosen === "Give Its Path") {
    await vscode.commands.executeCommand("workbench.action.openSettings", "infill-lsp.path");
  }
}

async function installAndStart(context: vscode.ExtensionContext): Promise<void> {
  try {
    if (await install(context.globalStorageUri, log)) await start(context);
  } catch (error) {
    const chosen = await vscode.window.showErrorMessage(`infill-lsp: ${error}`, "Show the Log");
    if (chosen) log.show(true);
  }
}

async function doctor(context: vscode.ExtensionContext): Promise<void> {
  const program = await findServer(context.globalStorageUri);
  if (!program) return offerToInstall();
  const settings = vscode.workspace.getConfiguration("infill");
  const options = ["model", "device"].flatMap((name) => [`--${name}`, String(settings.get(name))]);
  log.show(true);
  await execute(program, ["doctor", ...options], log).catch((error: unknown) => log.error(String(error)));
}
