// Commands about the active editor: the server finds the texts and edits; this says where.

import * as vscode from "vscode";
import { ExecuteCommandRequest, LanguageClient } from "vscode-languageclient/node";

import { DOCUMENTS } from "./server";
import { chooseVariant, Variants } from "./variants";

/** Run a command of the server's. What it refuses is said in one line, and undefined the answer. */
export async function ask<Answer>(
  client: LanguageClient,
  command: string,
  ...rest: unknown[]
): Promise<Answer | undefined> {
  try {
    return await client.sendRequest(ExecuteCommandRequest.type, { command, arguments: rest });
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
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
  if (vscode.window.activeTextEditor?.selection.isEmpty) return say("select what is to be written anew");
  await inDocument(client, "infill.refill");
}

/** Let the user choose among texts for the selection, or for the place of the cursor. */
export async function variants(client: LanguageClient | undefined): Promise<void> {
  const target = targetOf(client);
  if (!target) return;
  const { editor, client: server, uri, selection } = target;
  const found = await ask<Variants>(server, "infill.variants", uri, selection);
  if (!found) return;
  const where = server.protocol2CodeConverter.asRange(found.range);
  const chosen = await chooseVariant(editor, where, found.variants);
  if (chosen) await ask(server, chosen.command.command, ...(chosen.command.arguments ?? []));
}

async function inDocument(client: LanguageClient | undefined, command: string): Promise<void> {
  const target = targetOf(client);
  if (!target) return;
  const range = target.editor.selection.isEmpty ? [] : [target.selection];
  await ask(target.client, command, target.uri, ...range);
}

/** What a command is about; undefined, and said why, when there is nothing. */
function targetOf(client: LanguageClient | undefined) {
  const editor = vscode.window.activeTextEditor;
  if (!client?.isRunning()) return say("the server is not running");
  if (!editor || !vscode.languages.match(DOCUMENTS, editor.document)) return say("open a file first");
  return {
    client,
    editor,
    uri: client.code2ProtocolConverter.asUri(editor.document.uri),
    selection: client.code2ProtocolConverter.asRange(editor.selection),
  };
}

function say(what: string): undefined {
  void vscode.window.showInformationMessage(`infill: ${what}`);
}
