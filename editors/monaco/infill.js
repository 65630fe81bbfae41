// Grey text from infill-lsp in Monaco: a page speaks to `infill-lsp --ws PORT --allow-origin ITS_ORIGIN`.
// The server decides the text and the range; Monaco asks, draws and accepts.

const ACCEPTED = "infill.accepted";
const AUTOMATIC = 2;

/**
 * Suggest in every editor of the page until the result is disposed of.
 * @param monaco the module `monaco-editor`
 * @param {string} address of the server, such as "ws://127.0.0.1:8765"
 * @param {object} settings the section `infill`, with the server's `token` in it
 */
export async function connect(monaco, address, settings = {}) {
  const server = await open(address);
  await server.request("initialize", {
    processId: null,
    rootUri: null,
    capabilities: { textDocument: { inlineCompletion: { dynamicRegistration: false } } },
    initializationOptions: { infill: settings },
  });
  server.notify("initialized", {});
  const disposables = [
    monaco.editor.onDidCreateModel((model) => follow(server, model)),
    monaco.editor.registerCommand(ACCEPTED, (_, ...rest) =>
      server.request("workspace/executeCommand", { command: ACCEPTED, arguments: rest }),
    ),
    monaco.languages.registerInlineCompletionsProvider("*", {
      provideInlineCompletions: (model, position, context, token) =>
        suggest(monaco, server, model, position, context, token),
      disposeInlineCompletions() {},
    }),
  ];
  monaco.editor.getModels().forEach((model) => follow(server, model));
  return {
    dispose() {
      disposables.forEach((one) => one.dispose());
      server.close();
    },
  };
}

/** Keep the server's copy of a text up to date. */
function follow(server, model) {
  const uri = model.uri.toString();
  const version = () => model.getVersionId();
  server.notify("textDocument/didOpen", {
    textDocument: { uri, languageId: model.getLanguageId(), version: version(), text: model.getValue() },
  });
  model.onDidChangeContent(() =>
    server.notify("textDocument/didChange", {
      textDocument: { uri, version: version() },
      contentChanges: [{ text: model.getValue() }],
    }),
  );
  model.onWillDispose(() => server.notify("textDocument/didClose", { textDocument: { uri } }));
}

async function suggest(monaco, server, model, position, context, token) {
  const explicit = monaco.languages.InlineCompletionTriggerKind.Explicit;
  const asked = server.request("textDocument/inlineCompletion", {
    textDocument: { uri: model.uri.toString() },
    position: { line: position.lineNumber - 1, character: position.column - 1 },
    context: { triggerKind: context.triggerKind === explicit ? 1 : AUTOMATIC },
  });
  const cancelled = token.onCancellationRequested(() => server.notify("$/cancelRequest", { id: asked.id }));
  const answer = await asked.catch(() => null); // cancelled, or a newer question came
  cancelled.dispose();
  const items = (answer?.items ?? []).map(({ insertText, range: { start, end }, command }) => ({
    insertText,
    range: new monaco.Range(start.line + 1, start.character + 1, end.line + 1, end.character + 1),
    command: { id: command.command, title: command.title, arguments: command.arguments },
  }));
  return { items };
}

/** A connection that speaks JSON-RPC, one message in each packet. */
async function open(address) {
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error(`no infill-lsp at ${address}; start it with --ws`));
  });
  const waiting = new Map();
  let last = 0;
  const send = (message) => socket.send(JSON.stringify({ jsonrpc: "2.0", ...message }));
  socket.onmessage = ({ data }) => {
    const { id, method, result, error } = JSON.parse(data);
    if (method !== undefined) {
      if (id !== undefined) send({ id, result: null }); // the server asks for nothing that matters here
      return;
    }
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error.message));
    else resolve(result);
  };
  return {
    request(method, params) {
      const id = ++last;
      const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
      send({ id, method, params });
      return Object.assign(answer, { id });
    },
    notify: (method, params) => send({ method, params }),
    close: () => socket.close(),
  };
}
