-- What a test asks of the Neovim that it drives: Report(), everything it may want to know, as JSON.

local answered = 0
vim.api.nvim_create_autocmd('LspRequest', {
  callback = function(event)
    local request = event.data.request
    if request.type == 'complete' and request.method == 'textDocument/inlineCompletion' then
      answered = answered + 1
    end
  end,
})

-- What is drawn under one of these names, as one text.
local function drawn(...)
  local namespaces = vim.api.nvim_get_namespaces()
  local namespace
  for _, name in ipairs({ ... }) do
    namespace = namespace or namespaces[name]
  end
  if not namespace then
    return ''
  end
  local marks = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
  local lines = {}
  for _, mark in ipairs(marks) do
    for _, line in ipairs({ mark[4].virt_text or {}, unpack(mark[4].virt_lines or {}) }) do
      local chunks = vim.tbl_map(function(chunk)
        return chunk[1]
      end, line)
      table.insert(lines, table.concat(chunks))
    end
  end
  return table.concat(lines, '\n')
end

function _G.Report()
  local client = vim.lsp.get_clients({ name = 'infill' })[1]
  return vim.json.encode({
    attached = client ~= nil and client.initialized == true,
    ghost = drawn('infill', 'nvim.lsp.inline_completion'),
    refinement = drawn('infill.refinement'),
    lines = vim.api.nvim_buf_get_lines(0, 0, -1, false),
    messages = vim.fn.execute('messages'),
    mode = vim.api.nvim_get_mode().mode,
    answered = answered,
    status = _G.Status or vim.NIL,
    log = vim.lsp.log.get_filename(),
  })
end
