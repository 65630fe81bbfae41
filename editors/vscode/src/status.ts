// The status bar's item: how the server is and why nothing is shown; a click opens a menu.

import * as vscode from "vscode";

import { DOCUMENTS } from "./server";

export interface Status {
  kind: "Normal" | "Warning" | "Error" | "Inactive";
  message: string;
  busy: boolean;
}

interface Choice extends vscode.QuickPickItem {
  run: () => unknown;
}

const SNOOZE_MINUTES = [5, 15, 60];
const ICONS = { Normal: "sparkle", Warning: "warning", Error: "error", Inactive: "circle-slash" };

export class StatusBar implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;
  private message = "";

  constructor(command: string) {
    this.item = vscode.window.createStatusBarItem("infill-lsp.status", vscode.StatusBarAlignment.Right);
    this.item.name = "infill-lsp";
    this.item.command = command;
  }

  show(status: Status): void {
    this.message = status.message;
    this.item.text = `$(${status.busy ? "loading~spin" : ICONS[status.kind]}) infill`;
    this.item.tooltip = `infill: ${status.message}`;
    this.item.accessibilityInformation = { label: `infill: ${status.message}` };
    const colour = { Warning: "warning", Error: "error", Normal: undefined, Inactive: undefined }[status.kind];
    this.item.backgroundColor = colour && new vscode.ThemeColor(`statusBarItem.${colour}Background`);
    this.item.show();
  }

  async menu(running: boolean): Promise<void> {
    const chosen = await vscode.window.showQuickPick(running ? [...serving(), ...always()] : [...always(), INSTALL], {
      title: "infill",
      placeHolder: this.message,
    });
    await chosen?.run();
  }

  dispose(): void {
    this.item.dispose();
  }
}

const run = (command: string, ...rest: unknown[]) => vscode.commands.executeCommand(command, ...rest);

// `infill.snooze` is the server's; vscode-languageclient makes it a command.
const serving = (): Choice[] => [
  ...SNOOZE_MINUTES.map((minutes) => ({
    label: `$(bell-slash) Snooze ${minutes} minutes`,
    run: () => run("infill.snooze", minutes),
  })),
  { label: "$(bell) End the snooze", run: () => run("infill.snooze", 0) },
  ...language(),
];

const always = (): Choice[] => [
  { label: "$(debug-restart) Restart the server", run: () => run("infill-lsp.restart") },
  { label: "$(output) Show the log", run: () => run("infill-lsp.log") },
  { label: "$(heart) Doctor: check model and device", run: () => run("infill-lsp.doctor") },
];

const INSTALL: Choice = {
  label: "$(desktop-download) Install the server",
  run: () => run("infill-lsp.install"),
};

/** Switch the active editor's language off, or on again. */
function language(): Choice[] {
  const document = vscode.window.activeTextEditor?.document;
  if (!document || !vscode.languages.match(DOCUMENTS, document)) return []; // e.g. the log
  const id = document.languageId;
  const settings = vscode.workspace.getConfiguration("infill");
  const off = settings.get<string[]>("disabledLanguages", []);
  const isOff = off.includes(id);
  return [
    {
      label: isOff ? `$(eye) Switch on for ${id}` : `$(eye-closed) Switch off for ${id}`,
      run: () =>
        settings.update(
          "disabledLanguages",
          isOff ? off.filter((other) => other !== id) : [...off, id],
          vscode.ConfigurationTarget.Global,
        ),
    },
  ];
}
