-- Neovim with the plugin.
-- INFILL_COMMAND: JSON list, the server's command; INFILL_OPTIONS: JSON, settings.

vim.opt.runtimepath:prepend(vim.env.INFILL_PLUGIN)

require('infill').setup({
  cmd = vim.json.decode(vim.env.INFILL_COMMAND),
  settings = vim.json.decode(vim.env.INFILL_OPTIONS),
})

dofile(vim.env.INFILL_HERE .. '/report.lua')
