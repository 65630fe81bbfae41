-- `:checkhealth infill`

local server = require('infill.server')

local M = {}

local function check_neovim()
  if vim.lsp.inline_completion then
    vim.health.ok('Neovim shows inline completion itself')
  elseif vim.fn.has('nvim-0.10') == 1 then
    vim.health.ok("Neovim before 0.12: the plugin's own ghost text")
  else
    vim.health.error('Neovim 0.10 or newer is needed')
  end
end

local function check_command()
  if not server.cmd then
    vim.health.error('not set up', "Call require('infill').setup({}) in your configuration.")
    return
  end
  local program = server.cmd[1]
  if vim.fn.executable(program) == 1 then
    vim.health.ok('server: ' .. vim.fn.exepath(program))
    vim.health.info('`infill-lsp doctor` checks the model and the device')
  else
    vim.health.error(('`%s` is not found'):format(program), {
      'Install infill-lsp, or give its path:',
      "require('infill').setup({ cmd = { '/path/to/infill-lsp' } })",
    })
  end
end

local function check_clients()
  local clients = server.clients()
  if #clients == 0 then
    vim.health.info('no server runs; open a file to start one')
  end
  for _, client in ipairs(clients) do
    local status = server.status_of(client)
    local said = status and status.message or 'nothing said yet'
    local report = status and status.kind == 'Error' and vim.health.error or vim.health.ok
    report(('server %d, %s: %s'):format(client.id, client.root_dir or 'no root', said))
    local commands = (client.server_capabilities.executeCommandProvider or {}).commands or {}
    if not vim.tbl_contains(commands, 'infill.watch') then
      vim.health.warn('this server is older than the plugin', 'Install infill-lsp anew.')
    end
  end
end

function M.check()
  vim.health.start('infill')
  check_neovim()
  check_command()
  check_clients()
end

return M
