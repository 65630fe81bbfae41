-- Ghost text for Neovim 0.10 and 0.11, which have no inline completion of their own.
-- One suggestion is shown at a time, at the cursor of the buffer in insert mode; it stays while what
-- is typed follows it, and the server is asked again when it does not.

local server = require('infill.server')
local suggestions = require('infill.suggestion')

local api = vim.api
local METHOD = 'textDocument/inlineCompletion'
local INVOKED, AUTOMATIC = 1, 2
local DEBOUNCE_MS = 75

local M = {}

M.capabilities = vim.lsp.protocol.make_client_capabilities()
M.capabilities.textDocument.inlineCompletion = { dynamicRegistration = false }
-- Columns are bytes then, on both sides.
M.capabilities.general.positionEncodings = { 'utf-8' }

local namespace = api.nvim_create_namespace('infill')
local timer = assert(vim.uv.new_timer())

---@type infill.Suggestion[]
local items = {}
local index = 1
---@type { client: vim.lsp.Client, id: integer }?
local pending

local function shown()
  local item = items[index]
  return item and suggestions.left(item) and item
end

local function draw()
  api.nvim_buf_clear_namespace(0, namespace, 0, -1)
  local item = shown()
  if not item then
    return
  end
  local lines = vim.tbl_map(function(line)
    return { { line, 'InfillSuggestion' } }
  end, vim.split(suggestions.left(item), '\n', { plain = true }))
  if #items > 1 then
    table.insert(lines[#lines], { (' (%d/%d)'):format(index, #items), 'InfillSuggestion' })
  end
  local row, col = unpack(api.nvim_win_get_cursor(0))
  api.nvim_buf_set_extmark(0, namespace, row - 1, col, {
    virt_text = lines[1],
    virt_text_pos = 'inline',
    virt_lines = { unpack(lines, 2) },
    hl_mode = 'combine',
  })
end

local function stop()
  timer:stop()
  if pending then
    server.cancel(pending.client, pending.id)
    pending = nil
  end
end

local function forget()
  stop()
  items = {}
  draw()
end

local function answered(err, result, row)
  if err or not vim.startswith(api.nvim_get_mode().mode, 'i') then
    return
  end
  items, index = {}, 1
  for _, item in ipairs(result and (result.items or result) or {}) do
    table.insert(items, {
      row = row,
      col = item.range.start.character,
      text = item.insertText,
      command = item.command,
    })
  end
  draw()
end

---@param kind integer
local function ask(kind)
  stop()
  local buffer = api.nvim_get_current_buf()
  local client = server.clients(buffer)[1]
  if not client then
    return
  end
  local row, col = unpack(api.nvim_win_get_cursor(0))
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(buffer) },
    position = { line = row - 1, character = col },
    context = { triggerKind = kind },
    formattingOptions = vim.lsp.util.make_formatting_params().options,
  }
  local this
  local _, id = server.request(client, METHOD, params, function(err, result)
    -- Only the newest question counts; `stop` forgets it as soon as the text goes another way.
    if pending == this then
      pending = nil
      answered(err, result, row - 1)
    end
  end, buffer)
  if id then
    this = { client = client, id = id }
    pending = this
  end
end

local function moved()
  if shown() then
    draw()
    return
  end
  forget()
  timer:start(
    DEBOUNCE_MS,
    0,
    vim.schedule_wrap(function()
      if vim.startswith(api.nvim_get_mode().mode, 'i') then
        ask(AUTOMATIC)
      end
    end)
  )
end

function M.attach(_, buffer)
  api.nvim_set_hl(0, 'InfillSuggestion', { default = true, link = 'Comment' })
  local group = api.nvim_create_augroup('infill.ghost:' .. buffer, {})
  api.nvim_create_autocmd({ 'InsertEnter', 'CursorMovedI', 'TextChangedP' }, {
    group = group,
    buffer = buffer,
    callback = moved,
  })
  api.nvim_create_autocmd({ 'InsertLeave', 'BufLeave' }, {
    group = group,
    buffer = buffer,
    callback = forget,
  })
end

---@param part 'all'|'word'|'line'
---@return boolean
function M.accept(part)
  local item = shown()
  if not item then
    return false
  end
  vim.schedule(function()
    local client = server.clients(0)[1]
    local whole, length = suggestions.take(item, part)
    if length and item.command and client then
      server.accepted(client, item.command, not whole and length or nil)
    end
    draw()
  end)
  return true
end

---@param count integer
function M.select(count)
  if #items > 0 then
    index = (index - 1 + count) % #items + 1
    draw()
  end
end

function M.trigger()
  ask(INVOKED)
end

--- As if something had been typed.
function M.ask()
  ask(AUTOMATIC)
end

return M
