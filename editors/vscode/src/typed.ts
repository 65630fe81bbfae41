// Where text was typed last. What is typed before the server and its model are there gets no grey text
// from VS Code, which asks after keys only; so it is asked to once they are.

import * as vscode from "vscode";

import { DOCUMENTS } from "./server";

export class LastTyped implements vscode.Disposable {
  private place: { document: vscode.TextDocument; version: number; start: number; end: number } | undefined;
  private readonly watch = vscode.workspace.onDidChangeTextDocument(({ document, contentChanges, reason }) => {
    const [change, ...others] = contentChanges;
    if (!change || !vscode.languages.match(DOCUMENTS, document)) return; // saved, or the log
    const { rangeOffset: start, text } = change;
    const isTyped = reason === undefined && others.length === 0; // not undone, and with one cursor
    this.place = isTyped ? { document, version: document.version, start, end: start + text.length } : undefined;
  });

  /** @param extension this one's id: of its grey text alone there was none before */
  constructor(private readonly extension: string) {}

  /** Ask as after a key, if the cursor has stayed in what was typed last. */
  async ask(): Promise<void> {
    const { place } = this;
    const editor = vscode.window.activeTextEditor;
    if (!place || editor?.document !== place.document || editor.document.version !== place.version) return;
    const cursor = editor.document.offsetAt(editor.selection.active);
    if (!editor.selection.isEmpty || cursor < place.start || cursor > place.end) return;
    // An older VS Code does not know these arguments, and would ask whatever the user has set.
    const wanted = ["editor.inlineSuggest.enabled", "infill.automatic"];
    const settings = vscode.workspace.getConfiguration(undefined, editor.document);
    if (!wanted.every((name) => settings.get(name))) return;
    const providerId = `${this.extension}:*`;
    await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger", { providerId, explicit: false });
  }

  dispose(): void {
    this.watch.dispose();
  }
}
