-- The server: how it is started, what it says of itself, and how it is told something.

local M = {}

M.NAME = 'infill'

---@type table<integer, { kind: string, message: string, busy: boolean }>
local statuses = {}

---@type table<integer, boolean> by client, whether its model has been loaded
local ready = {}

local CRASHES, CRASHES_MS = 4, 180000
---@type integer[] when the server ended by itself, in milliseconds
local crashes = {}
---@type fun() have a server for every open file
local attach_all

--- Whether a request for suggestions is still to be answered.
---@param id integer the client's
local function waiting(id)
  for _, request in pairs(vim.lsp.get_client_by_id(id).requests) do
    if request.type == 'pending' and request.method == 'textDocument/inlineCompletion' then
      return true
    end
  end
  return false
end

--- The command where none is given: the one on the PATH, or where the README has it installed.
---@return string[]
function M.command()
  local own = ('~/.infill-lsp/%s/infill-lsp'):format(vim.fn.has('win32') == 1 and 'Scripts' or 'bin')
  own = vim.fs.normalize(own)
  local use_own = vim.fn.executable('infill-lsp') == 0 and vim.fn.executable(own) == 1
  return { use_own and own or 'infill-lsp' }
end

--- Start the server for every file, one for each root.
---@param cmd string[]
---@param settings table
---@param shower { attach: fun(client: vim.lsp.Client, buffer: integer), ask: fun(), capabilities?: table }
function M.start(cmd, settings, shower)
  M.cmd = cmd
  local config = {
    name = M.NAME,
    cmd = cmd,
    settings = { infill = settings },
    init_options = { infill = settings },
    capabilities = shower.capabilities,
    on_attach = shower.attach,
    on_init = function(client)
      local refinement = require('infill.refinement')
      if refinement.wanted then
        refinement.tell(client)
      end
    end,
    handlers = {
      didChangeStatus = function(_, status, context)
        local loading = not ready[context.client_id]
        ready[context.client_id] = not loading or not status.busy
        statuses[context.client_id] = status
        vim.cmd.redrawstatus({ bang = true })
        -- What was typed before the server was there was not asked about, and for a model that loads
        -- for long the server does not hold its answer back.
        local typing = vim.startswith(vim.api.nvim_get_mode().mode, 'i')
        if loading and not status.busy and typing and not waiting(context.client_id) then
          shower.ask()
        end
        if loading and not status.busy then
          require('infill.models').offer(vim.lsp.get_client_by_id(context.client_id))
        end
      end,
      ['infill/refinement'] = function(...)
        require('infill.refinement').show(...)
      end,
    },
    on_exit = function(code, signal, client_id)
      statuses[client_id], ready[client_id] = nil, nil
      if code ~= 0 or signal ~= 0 then
        vim.schedule(M._start_again)
      end
    end,
  }
  if vim.lsp.config then
    config.root_markers = { '.git' }
    vim.lsp.config(M.NAME, config)
    vim.lsp.enable(M.NAME)
    attach_all = function()
      vim.lsp.enable(M.NAME, false)
      vim.lsp.enable(M.NAME)
    end
  else
    attach_all = M._start_by_hand(config)
    attach_all()
  end
end

--- After a crash; not for ever, when it crashes each time.
function M._start_again()
  local now = vim.uv.now()
  table.insert(crashes, now)
  local before = crashes[#crashes - CRASHES]
  if vim.v.exiting ~= vim.NIL then
    return
  elseif before and now - before < CRASHES_MS then
    vim.notify('infill: the server crashes again and again; see :checkhealth infill', vim.log.levels.ERROR)
  else
    attach_all()
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
  return function()
    for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
      if vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].filetype ~= '' then
        attach(buffer)
      end
    end
  end
end

---@param buffer? integer only the servers of this buffer
---@return vim.lsp.Client[]
function M.clients(buffer)
  return vim.lsp.get_clients({ name = M.NAME, bufnr = buffer })
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
---@param answered? fun(result: any) not called when the server refuses, which is said
function M.execute(client, command, answered)
  local params = { command = command.command, arguments = command.arguments }
  M.request(client, 'workspace/executeCommand', params, function(err, result)
    if err then
      vim.notify('infill: ' .. err.message, vim.log.levels.WARN)
    elseif answered then
      answered(result)
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
