-- Neovim 0.12 with nothing but its own LSP client, as a user without the plugin would set it up.
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

vim.lsp.handlers['didChangeStatus'] = function(_, status)
  _G.Status = status
end

dofile(vim.env.INFILL_HERE .. '/report.lua')
