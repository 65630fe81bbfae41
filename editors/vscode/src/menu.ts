// The status bar's menu.

import * as vscode from "vscode";

import { DOCUMENTS } from "./server";

interface Choice extends vscode.QuickPickItem {
  run: () => unknown;
}

const SNOOZE_MINUTES = [5, 15, 60];
const MODELS = ["auto", "bundled", "qwen2.5-coder-1.5b", "diffusiongemma"];
const DEVICES = ["auto", "cpu", "cuda"];

/** running: whether a server is there. why: how it is. */
export async function showMenu(running: boolean, why: string): Promise<void> {
  const choices = running ? [...snooze(), ...files(), ...engine(), ...always()] : [...always(), INSTALL];
  const chosen = await vscode.window.showQuickPick(choices, { title: "infill", placeHolder: why });
  await chosen?.run();
}

const run = (command: string, ...rest: unknown[]) => vscode.commands.executeCommand(command, ...rest);

const settings = () => vscode.workspace.getConfiguration("infill");

// `infill.snooze` is the server's; vscode-languageclient makes it a command.
const snooze = (): Choice[] => [
  ...SNOOZE_MINUTES.map((minutes) => ({
    label: `$(bell-slash) Snooze ${minutes} minutes`,
    run: () => run("infill.snooze", minutes),
  })),
  { label: "$(bell) End the snooze", run: () => run("infill.snooze", 0) },
];

/** Switch the active editor's language or file off, or on again. */
function files(): Choice[] {
  const document = vscode.window.activeTextEditor?.document;
  if (!document || !vscode.languages.match(DOCUMENTS, document)) return []; // e.g. the log
  const language = toggle("disabledLanguages", document.languageId, document.languageId);
  if (!vscode.workspace.getWorkspaceFolder(document.uri)) return [language];
  // A path's pattern means the workspace's files, so it is kept there.
  const path = vscode.workspace.asRelativePath(document.uri, false);
  const pattern = path.replace(/[[*?]/g, "[$&]");
  return [language, toggle("disabledFiles", pattern, "this file", vscode.ConfigurationTarget.Workspace)];
}

function toggle(
  setting: string,
  entry: string,
  name: string,
  target = vscode.ConfigurationTarget.Global,
): Choice {
  const off = settings().get<string[]>(setting, []);
  const isOff = off.includes(entry);
  const wanted = isOff ? off.filter((other) => other !== entry) : [...off, entry];
  return {
    label: isOff ? `$(eye) Switch on for ${name}` : `$(eye-closed) Switch off for ${name}`,
    run: () => settings().update(setting, wanted, target),
  };
}

const engine = (): Choice[] => [
  { label: "$(package) Model", description: settings().get("model"), run: chooseModel },
  { label: "$(cloud-download) Fetch a better model", run: () => run("infill-lsp.getModel") },
  { label: "$(chip) Device", description: settings().get("device"), run: chooseDevice },
];

async function chooseModel(): Promise<void> {
  const folder = "A folder with weights…";
  let model = await vscode.window.showQuickPick([...MODELS, folder], { title: "infill: model" });
  if (model === folder) {
    const chosen = await vscode.window.showOpenDialog({ canSelectFolders: true, canSelectFiles: false });
    model = chosen?.[0]?.fsPath;
  }
  if (model) await settings().update("model", model, vscode.ConfigurationTarget.Global);
}

async function chooseDevice(): Promise<void> {
  const device = await vscode.window.showQuickPick(DEVICES, { title: "infill: device" });
  if (device) await settings().update("device", device, vscode.ConfigurationTarget.Global);
}

const always = (): Choice[] => [
  { label: "$(debug-restart) Restart the server", run: () => run("infill-lsp.restart") },
  { label: "$(output) Show the log", run: () => run("infill-lsp.log") },
  { label: "$(heart) Doctor: check model and device", run: () => run("infill-lsp.doctor") },
];

const INSTALL: Choice = {
  label: "$(desktop-download) Install the server",
  run: () => run("infill-lsp.install"),
};
