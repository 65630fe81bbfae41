// Models that are not on this machine yet. The server knows which to offer and what was offered before, and
// fetches them; nothing is fetched that the user did not ask for.

import * as vscode from "vscode";
import { ExecuteCommandRequest, LanguageClient, WorkDoneProgress } from "vscode-languageclient/node";

import { ask } from "./commands";

interface Offer {
  model: string;
  message: string;
}

let fetches = 0;

/** Ask once whether to fetch a better model, where there is one for this machine. */
export async function offerModel(client: LanguageClient): Promise<void> {
  const commands = client.initializeResult?.capabilities.executeCommandProvider?.commands ?? [];
  if (!commands.includes("infill.offer")) return; // an older server
  const offer = await ask<Offer | null>(client, "infill.offer");
  if (!offer) return;
  const chosen = await vscode.window.showInformationMessage(`infill: ${offer.message}`, "Fetch It", "No");
  if (chosen === "Fetch It") await getModel(client, offer.model);
}

/** Fetch a model; without a name, the one that the server would offer. */
export async function getModel(client: LanguageClient | undefined, name?: string): Promise<void> {
  if (!client?.isRunning()) {
    void vscode.window.showInformationMessage("infill: the server is not running");
    return;
  }
  const location = vscode.ProgressLocation.Notification;
  const title = "infill: fetching the model";
  await vscode.window.withProgress({ location, title, cancellable: true }, async (progress, cancelled) => {
    const workDoneToken = `infill-fetch-${++fetches}`;
    let shown = 0;
    const watch = client.onProgress(WorkDoneProgress.type, workDoneToken, (report) => {
      if (report.kind !== "report") return;
      const percentage = report.percentage ?? shown;
      progress.report({ message: report.message, increment: percentage - shown });
      shown = percentage;
    });
    const params = { command: "infill.getModel", arguments: name ? [name] : [], workDoneToken };
    try {
      const answer: { message: string } = await client.sendRequest(ExecuteCommandRequest.type, params, cancelled);
      void vscode.window.showInformationMessage(`infill: ${answer.message}`);
    } catch (error) {
      if (cancelled.isCancellationRequested) return;
      void vscode.window.showErrorMessage(`infill: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      watch.dispose();
    }
  });
}
