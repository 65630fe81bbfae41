// A picker of variants; the one under the cursor is shown in its place, without touching the text.

import * as vscode from "vscode";
import type { Command, Range } from "vscode-languageclient/node";

export interface Variant {
  text: string;
  confidence: number;
  /** Puts it in place. */
  command: Command;
}

/** What the server answers to `infill.variants`. */
export interface Variants {
  range: Range;
  variants: Variant[];
}

interface Choice extends vscode.QuickPickItem {
  variant: Variant;
}

/** The variant that the user chose; undefined when it was none. */
export async function chooseVariant(
  editor: vscode.TextEditor,
  range: vscode.Range,
  variants: Variant[],
): Promise<Variant | undefined> {
  if (variants.length === 0) {
    void vscode.window.showInformationMessage("infill: nothing good was found here");
    return undefined;
  }
  editor.revealRange(range, vscode.TextEditorRevealType.InCenter); // the picker hides the top
  const preview = new Preview(editor, range);
  const picker = vscode.window.createQuickPick<Choice>();
  picker.title = `infill: ${variants.length} variants`;
  picker.items = variants.map((variant) => ({
    label: variant.command.title,
    description: `${Math.round(100 * variant.confidence)} %`,
    variant,
  }));
  try {
    return await new Promise((resolve) => {
      picker.onDidChangeActive(([active]) => active && preview.show(active.variant.text));
      picker.onDidAccept(() => resolve(picker.activeItems[0]?.variant));
      picker.onDidHide(() => resolve(undefined));
      picker.show();
    });
  } finally {
    picker.dispose();
    preview.dispose();
  }
}

/** A text drawn where it would stand. Its further lines are drawn over those that follow. */
class Preview implements vscode.Disposable {
  private readonly hidden = vscode.window.createTextEditorDecorationType({
    textDecoration: "none; display: none",
  });
  private readonly shown = vscode.window.createTextEditorDecorationType({});

  constructor(
    private readonly editor: vscode.TextEditor,
    private readonly range: vscode.Range,
  ) {}

  show(text: string): void {
    const lines = text.split(/\r?\n/);
    const end = this.editor.document.lineAt(this.range.end).range.end;
    let replaced = this.range;
    if (lines.length > 1) {
      // What follows on the line goes behind the last line.
      const rest = new vscode.Range(this.range.end, end);
      lines.push(lines.pop() + this.editor.document.getText(rest));
      replaced = this.range.with({ end });
    }
    const { start } = this.range;
    this.editor.setDecorations(this.hidden, [replaced]);
    this.editor.setDecorations(
      this.shown,
      lines.map((line, row) => ({
        range: new vscode.Range(start, start),
        renderOptions: { before: { contentText: line, ...style(row, this.editor.options.tabSize) } },
      })),
    );
  }

  dispose(): void {
    this.hidden.dispose();
    this.shown.dispose();
  }
}

// VS Code has no decoration of several lines; what follows the semicolon goes into its style sheet.
const style = (row: number, tabSize: number | string | undefined) => ({
  color: new vscode.ThemeColor("editorGhostText.foreground"),
  textDecoration:
    `none; white-space: pre; tab-size: ${tabSize}` +
    (row === 0
      ? ""
      : `; position: absolute; left: 0; top: calc(${row} * 1lh); height: 1lh; width: 100vw; z-index: 1` +
        "; background: var(--vscode-editor-background)"),
});
