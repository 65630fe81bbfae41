-- Ghost text by Neovim's own client (0.12 and newer).

local server = require('infill.server')
local suggestions = require('infill.suggestion')

local M = {}

-- What Neovim has no public function for; nil where it is another way.
local found, completor = pcall(function()
  return require('vim.lsp._capability').all.inline_completion
end)
completor = found and completor or nil

--- Whether an item of ours no longer goes on from what stands before the cursor.
local function expired(item, buffer)
  local client = vim.lsp.get_client_by_id(item.client_id)
  if not client or client.name ~= server.NAME or buffer ~= vim.api.nvim_get_current_buf() then
    return false
  end
  local row, col = item.range:to_extmark()
  return suggestions.left({ row = row, col = col, text = item.insert_text }) == nil
end

-- Lest it flicker, Neovim goes on showing what has expired until the next answer. Here it goes at once.
if completor and completor.show then
  local show = completor.show
  completor.show = function(self, ...)
    if self.current and expired(self.current, self.bufnr) then
      self.current = nil
    end
    show(self, ...)
  end
end

function M.attach(_, buffer)
  vim.lsp.inline_completion.enable(true, { bufnr = buffer })
end

---@param part 'all'|'word'|'line'
---@return boolean
function M.accept(part)
  return vim.lsp.inline_completion.get({
    -- Inserted here and not by Neovim, which has no parts, and whose item may be older than the text.
    on_accept = function(item)
      local row, col = item.range:to_extmark()
      local whole, length =
        suggestions.take({ row = row, col = col, text = item.insert_text }, part)
      local client = vim.lsp.get_client_by_id(item.client_id)
      if length and item.command and client then
        server.accepted(client, item.command, not whole and length or nil)
      end
    end,
  })
end

---@param count integer
function M.select(count)
  vim.lsp.inline_completion.select({ count = count })
end

---@param kind integer
---@return boolean asked
local function ask(kind)
  return (pcall(function()
    completor.active[vim.api.nvim_get_current_buf()]:request(kind)
  end))
end

function M.trigger()
  if not ask(vim.lsp.protocol.InlineCompletionTriggerKind.Invoked) then
    vim.notify('infill: suggestions cannot be asked for here', vim.log.levels.WARN)
  end
end

--- As if something had been typed.
function M.ask()
  ask(vim.lsp.protocol.InlineCompletionTriggerKind.Automatic)
end

return M
