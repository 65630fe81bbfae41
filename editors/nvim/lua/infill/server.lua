-- The server: how it is started, what it says of itself, and how it is told something.

local M = {}

local NAME = 'infill'

---@type table<integer, { kind: string, message: string, busy: boolean }>
local statuses = {}

--- Start the server for every file, one for each root.
---@param cmd string[]
---@param settings table
---@param shower { attach: fun(client: vim.lsp.Client, buffer: integer), capabilities?: table }
function M.start(cmd, settings, shower)
  M.cmd = cmd
  local config = {
    name = NAME,
    cmd = cmd,
    settings = { infill = settings },
    init_options = { infill = settings },
    capabilities = shower.capabilities,
    on_attach = shower.attach,
    handlers = {
      didChangeStatus = function(_, status, context)
        statuses[context.client_id] = status
        vim.cmd.redrawstatus({ bang = true })
      end,
    },
    on_exit = function(_, _, client_id)
      statuses[client_id] = nil
    end,
  }
  if vim.lsp.config then
    config.root_markers = { '.git' }
    vim.lsp.config(NAME, config)
    vim.lsp.enable(NAME)
  else
    M._start_by_hand(config)
  end
end

-- For Neovim 0.10, which has no `vim.lsp.config`.
function M._start_by_hand(config)
  local function attach(buffer)
    if vim.bo[buffer].buftype == '' then
      config.root_dir = vim.fs.root(buffer, '.git')
      vim.lsp.start(config, { bufnr = buffer })
    end
  end
  vim.api.nvim_create_autocmd('FileType', {
    group = vim.api.nvim_create_augroup('infill.start', {}),
    callback = function(event)
      attach(event.buf)
    end,
  })
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].filetype ~= '' then
      attach(buffer)
    end
  end
end

---@param buffer? integer only the servers of this buffer
---@return vim.lsp.Client[]
function M.clients(buffer)
  return vim.lsp.get_clients({ name = NAME, bufnr = buffer })
end

--- Methods of a client took no `self` before 0.11.
---@return boolean sent, integer? id
function M.request(client, ...)
  if vim.fn.has('nvim-0.11') == 1 then
    return client:request(...)
  end
  return client.request(...)
end

function M.cancel(client, id)
  if vim.fn.has('nvim-0.11') == 1 then
    client:cancel_request(id)
  else
    client.cancel_request(id)
  end
end

---@param command { command: string, arguments?: any[] }
function M.execute(client, command)
  local params = { command = command.command, arguments = command.arguments }
  M.request(client, 'workspace/executeCommand', params, function(err)
    if err then
      vim.notify('infill: ' .. err.message, vim.log.levels.ERROR)
    end
  end)
end

--- Tell the server that a suggestion was accepted.
---@param command { command: string, arguments?: any[] } the item's
---@param length? integer bytes of its text that stand now; nil: all
function M.accepted(client, command, length)
  local arguments = vim.list_extend({}, command.arguments or {})
  table.insert(arguments, length)
  M.execute(client, { command = command.command, arguments = arguments })
end

---@return string
function M.status()
  local client = M.clients(0)[1]
  if not client then
    return ''
  end
  local status = statuses[client.id] or { message = 'starting', busy = true }
  -- A percent sign would begin an item of 'statusline'.
  local message = status.message:gsub('%%', '%%%%')
  return ('infill%s: %s'):format(status.busy and '…' or '', message)
end

--- For `:checkhealth`.
function M.status_of(client)
  return statuses[client.id]
end

return M
