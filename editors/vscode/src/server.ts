// The server's program: where it is, and how it gets there.

import { spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import * as vscode from "vscode";

/** What the server is asked about. */
export const DOCUMENTS = [{ scheme: "file" }, { scheme: "untitled" }];

const WINDOWS = process.platform === "win32";
const PROGRAM = WINDOWS ? "infill-lsp.exe" : "infill-lsp";
const PROGRAMS = WINDOWS ? "Scripts" : "bin";
const PYTHONS = WINDOWS ? ["py", "python"] : ["python3", "python"];
const VERSION = "import sys; sys.exit(sys.version_info < (3, 11))";

/** What is used of the Python extension's interface. */
interface PythonExtension {
  environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { path: string };
    resolveEnvironment(path: { path: string }): Promise<{ executable: { uri?: vscode.Uri } } | undefined>;
  };
}

/** The program, or undefined where there is none. A path in the settings is taken at its word. */
export async function findServer(storage: vscode.Uri): Promise<string | undefined> {
  const path = vscode.workspace.getConfiguration("infill-lsp").get<string>("path");
  if (path) return path;
  const python = await selectedPython();
  const folders = vscode.workspace.workspaceFolders ?? [];
  const places = [
    ...(python ? [dirname(python)] : []),
    ...folders.map(({ uri }) => join(uri.fsPath, ".venv", PROGRAMS)),
    join(environment(storage), PROGRAMS),
    ...(process.env.PATH ?? "").split(delimiter).filter(Boolean),
    join(homedir(), ".infill-lsp", PROGRAMS), // as for other editors
  ];
  for (const place of places) {
    const program = join(place, PROGRAM);
    if (await runs(program)) return program;
  }
  return undefined;
}

/** Make an environment and install the server into it. False when the user thought better of it. */
export async function install(storage: vscode.Uri, log: vscode.LogOutputChannel): Promise<boolean> {
  const source = await vscode.window.showInputBox({
    title: "Install infill-lsp",
    prompt: "What pip installs: the folder with infill-lsp's source, or its wheel",
    placeHolder: "/path/to/infill-lsp",
  });
  if (!source) return false;
  return vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: "infill-lsp", cancellable: true },
    async (progress, cancelled) => {
      const step = async (message: string, program: string, ...rest: string[]) => {
        progress.report({ message });
        await execute(program, rest, log, cancelled);
      };
      const folder = environment(storage);
      await step("making a Python environment", await newEnoughPython(log), "-m", "venv", folder);
      const python = join(folder, PROGRAMS, "python");
      await step("installing; see the log", python, "-m", "pip", "install", "--upgrade", source);
      return true;
    },
  );
}

const environment = (storage: vscode.Uri) => join(storage.fsPath, "environment");

const runs = (program: string) =>
  access(program, constants.X_OK).then(
    () => true,
    () => false,
  );

async function selectedPython(): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension<PythonExtension>("ms-python.python");
  if (!extension) return undefined;
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  try {
    const { environments } = await extension.activate();
    const active = await environments.resolveEnvironment(environments.getActiveEnvironmentPath(folder));
    return active?.executable.uri?.fsPath;
  } catch {
    return undefined; // another extension's trouble; there are other places to look
  }
}

async function newEnoughPython(log: vscode.LogOutputChannel): Promise<string> {
  const selected = await selectedPython();
  for (const python of selected ? [selected, ...PYTHONS] : PYTHONS) {
    const works = execute(python, ["-c", VERSION], log).then(
      () => true,
      () => false,
    );
    if (await works) return python;
  }
  throw new Error("Python 3.11 or newer is needed, and none is found");
}

/** Run a program to its end; what it says goes to the log. */
export function execute(
  program: string,
  rest: string[],
  log: vscode.LogOutputChannel,
  cancelled?: vscode.CancellationToken,
): Promise<void> {
  log.info([program, ...rest].join(" "));
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest);
    const watch = cancelled?.onCancellationRequested(() => child.kill());
    child.stdout.on("data", (text) => log.info(String(text).trimEnd()));
    child.stderr.on("data", (text) => log.warn(String(text).trimEnd()));
    child.on("error", reject);
    child.on("close", (code) => {
      watch?.dispose();
      if (code === 0) resolve();
      else reject(new Error(cancelled?.isCancellationRequested ? "cancelled" : `${program} failed (${code})`));
    });
  });
}
