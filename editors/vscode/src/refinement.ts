// The view "Watch It Refine": the steps of the last fill. The server is asked for them only while the
// view is visible.

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";

import page from "./refinement.html";

export const REFINEMENT_VIEW = "infill-lsp.refinement";

export class RefinementView implements vscode.WebviewViewProvider {
  private view: vscode.WebviewView | undefined;

  /** watch: tells the server whether steps are wanted. */
  constructor(private readonly watch: (wanted: boolean) => void) {}

  resolveWebviewView(view: vscode.WebviewView): void {
    this.view = view;
    view.webview.options = { enableScripts: true };
    view.webview.html = page.replaceAll("NONCE", randomBytes(16).toString("hex"));
    view.onDidChangeVisibility(() => this.watch(view.visible));
    view.onDidDispose(() => {
      this.view = undefined;
      this.watch(false);
    });
    this.watch(view.visible);
  }

  /** Tell a server that is new here. */
  connected(): void {
    if (this.view?.visible) this.watch(true);
  }

  show(step: unknown): void {
    void this.view?.webview.postMessage(step);
  }
}
