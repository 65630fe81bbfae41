-- Ghost text by Neovim's own client (0.12 and newer).

local server = require('infill.server')
local suggestions = require('infill.suggestion')

local M = {}

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

function M.trigger()
  -- Neovim has no public function for this.
  local asked = pcall(function()
    local active = require('vim.lsp._capability').all.inline_completion.active
    active[vim.api.nvim_get_current_buf()]:request(
      vim.lsp.protocol.InlineCompletionTriggerKind.Invoked
    )
  end)
  if not asked then
    vim.notify('infill: suggestions cannot be asked for here', vim.log.levels.WARN)
  end
end

return M
