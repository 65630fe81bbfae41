-- Models that are not on this machine yet. The server knows which to offer and what was offered before,
-- and fetches them; nothing is fetched that the user did not ask for.

local server = require('infill.server')

local M = {}

--- Say once that there is a better model, where there is one for this machine.
---@param client? vim.lsp.Client
function M.offer(client)
  local commands = client and (client.server_capabilities.executeCommandProvider or {}).commands or {}
  if not vim.tbl_contains(commands, 'infill.offer') then
    return -- an older server
  end
  server.execute(client, { command = 'infill.offer' }, function(offer)
    if offer and offer ~= vim.NIL then
      -- On one line, or Neovim would ask for a key.
      local text = 'infill: :InfillGetModel fetches a better model (%.1f GB, %s)'
      vim.notify(text:format(offer.bytes / 1e9, offer.licence))
    end
  end)
end

---@param name? string nil: the one that the server would offer
function M.get(name)
  local client = server.clients(0)[1] or server.clients()[1]
  if not client then
    vim.notify('infill: no server runs; open a file first', vim.log.levels.WARN)
    return
  end
  vim.notify('infill: fetching the model; this takes minutes')
  server.execute(client, { command = 'infill.getModel', arguments = name and { name } or nil }, function(result)
    vim.notify('infill: ' .. result.message)
  end)
end

return M
