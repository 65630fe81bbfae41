// Commands about the active editor: the server finds the texts and edits; this says where.

import * as vscode from "vscode";
import { ExecuteCommandRequest, LanguageClient } from "vscode-languageclient/node";

import { DOCUMENTS } from "./server";
import { chooseVariant, Variants } from "./variants";

/** Run a command of the server's. What it refuses is said in one line, and undefined the answer. */
export async function ask<Answer>(
  client: LanguageClient | undefined,
  command: string,
  ...rest: unknown[]
): Promise<Answer | undefined> {
  if (!client?.isRunning()) {
    void vscode.window.showWarningMessage("infill: the server is not running");
    return undefined;
  }
  try {
    return await client.sendRequest(ExecuteCommandRequest.type, { command, arguments: rest });
  } catch (error) {
    void vscode.window.showInformationMessage(`infill: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
}

/** Fill every hole of the document, or of the selection. */
export async function fillHoles(client: LanguageClient | undefined): Promise<void> {
  await inDocument(client, "infill.fillHoles");
}

/** Write anew what does not parse, in the document or the selection. */
export async function repair(client: LanguageClient | undefined): Promise<void> {
  await inDocument(client, "infill.repair");
}

/** Write the selection anew. */
export async function refill(client: LanguageClient | undefined): Promise<void> {
  if (vscode.window.activeTextEditor?.selection.isEmpty) {
    void vscode.window.showInformationMessage("infill: select what is to be written anew");
    return;
  }
  await inDocument(client, "infill.refill");
}

/** Let the user choose among texts for the selection, or for the place of the cursor. */
export async function variants(client: LanguageClient | undefined): Promise<void> {
  const editor = editorWithCode();
  if (!client || !editor) return;
  const range = client.code2ProtocolConverter.asRange(editor.selection);
  const uri = client.code2ProtocolConverter.asUri(editor.document.uri);
  const found = await ask<Variants>(client, "infill.variants", uri, range);
  if (!found) return;
  const where = client.protocol2CodeConverter.asRange(found.range);
  const chosen = await chooseVariant(editor, where, found.variants);
  if (chosen) await ask(client, chosen.command.command, ...(chosen.command.arguments ?? []));
}

async function inDocument(client: LanguageClient | undefined, command: string): Promise<void> {
  const editor = editorWithCode();
  if (!client || !editor) return;
  const uri = client.code2ProtocolConverter.asUri(editor.document.uri);
  const selection = editor.selection;
  const range = selection.isEmpty ? [] : [client.code2ProtocolConverter.asRange(selection)];
  await ask(client, command, uri, ...range);
}

function editorWithCode(): vscode.TextEditor | undefined {
  const editor = vscode.window.activeTextEditor;
  return editor && vscode.languages.match(DOCUMENTS, editor.document) ? editor : undefined;
}
