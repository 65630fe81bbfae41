-- Neovim as a user would set it up, plus two functions that the test asks.
-- INFILL_COMMAND: JSON list, the server's command; INFILL_OPTIONS: JSON, initialization options.

vim.lsp.config('infill', {
  cmd = vim.json.decode(vim.env.INFILL_COMMAND),
  filetypes = { 'python' },
  init_options = vim.json.decode(vim.env.INFILL_OPTIONS),
})
vim.lsp.enable('infill')
vim.lsp.inline_completion.enable(true)

vim.keymap.set('i', '<Tab>', function()
  if not vim.lsp.inline_completion.get() then
    return '<Tab>'
  end
end, { expr = true })

local answered = 0
vim.api.nvim_create_autocmd('LspRequest', {
  callback = function(event)
    local request = event.data.request
    if request.type == 'complete' and request.method == 'textDocument/inlineCompletion' then
      answered = answered + 1
    end
  end,
})

local statuses = {}
vim.lsp.handlers['didChangeStatus'] = function(_, status)
  table.insert(statuses, status)
end

-- What is shown in grey, as one text.
local function ghost()
  local namespace = vim.api.nvim_get_namespaces()['nvim.lsp.inline_completion']
  local marks = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
  local lines = {}
  for _, mark in ipairs(marks) do
    for _, chunk in ipairs(mark[4].virt_text or {}) do
      table.insert(lines, chunk[1])
    end
    for _, line in ipairs(mark[4].virt_lines or {}) do
      table.insert(lines, line[1][1])
    end
  end
  return table.concat(lines, '\n')
end

-- Everything the test wants to know, as JSON.
function _G.Report()
  local client = vim.lsp.get_clients({ name = 'infill' })[1]
  return vim.json.encode({
    attached = client ~= nil and client.initialized == true,
    ghost = ghost(),
    lines = vim.api.nvim_buf_get_lines(0, 0, -1, false),
    mode = vim.api.nvim_get_mode().mode,
    answered = answered,
    status = statuses[#statuses] or vim.NIL,
    log = vim.lsp.log.get_filename(),
  })
end
