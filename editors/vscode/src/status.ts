// The status bar's item: how the server is and why nothing is shown; a click opens the menu.

import * as vscode from "vscode";

export interface Status {
  kind: "Normal" | "Warning" | "Error" | "Inactive";
  message: string;
  busy: boolean;
}

const ICONS = { Normal: "sparkle", Warning: "warning", Error: "error", Inactive: "circle-slash" };

export class StatusBar implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;
  /** How the server is, in one line. */
  message = "";

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

  dispose(): void {
    this.item.dispose();
  }
}
