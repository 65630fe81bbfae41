-- Draws a fill below its gap while the model refines it: anchors, noise, and tokens by how sure the
-- model is. Only while it is wanted; what is drawn goes when the fill is done.

local server = require('infill.server')

local api = vim.api
local namespace = api.nvim_create_namespace('infill.refinement')
local STAYS_MS = 700

local M = { wanted = false }

local links = {
  InfillAnchor = 'Comment',
  InfillNoise = 'NonText',
  InfillUnsure = 'DiagnosticWarn',
  InfillSure = 'DiagnosticOk',
}

---@param token { text: string, confidence: number, free: boolean, settled: boolean }
local function chunk(token)
  local text = token.text:gsub('\n', '↵')
  if not token.free then
    return { text, 'InfillAnchor' }
  elseif not token.settled then
    return { text == '' and '░' or text, 'InfillNoise' }
  end
  return { text, token.confidence > 0.5 and 'InfillSure' or 'InfillUnsure' }
end

local function clear(buffer)
  if api.nvim_buf_is_valid(buffer) then
    api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
  end
end

--- Handler of `infill/refinement`.
function M.show(_, step)
  local buffer = vim.uri_to_bufnr(step.uri)
  if not M.wanted or not api.nvim_buf_is_loaded(buffer) then
    return
  end
  clear(buffer)
  local row = math.min(step.position.line, api.nvim_buf_line_count(buffer) - 1)
  local id = api.nvim_buf_set_extmark(buffer, namespace, row, 0, {
    virt_lines = { vim.tbl_map(chunk, step.tokens) },
  })
  if step.final then
    vim.defer_fn(function()
      if api.nvim_buf_is_valid(buffer) then
        api.nvim_buf_del_extmark(buffer, namespace, id)
      end
    end, STAYS_MS)
  end
end

--- Tell a server, e.g. a new one, whether steps are wanted.
function M.tell(client)
  server.execute(client, { command = 'infill.watch', arguments = { M.wanted } })
end

---@param wanted? boolean nil: the other way than now
function M.watch(wanted)
  M.wanted = wanted == nil and not M.wanted or wanted == true
  for name, link in pairs(links) do
    api.nvim_set_hl(0, name, { default = true, link = link })
  end
  for _, client in ipairs(server.clients()) do
    M.tell(client)
  end
  if not M.wanted then
    vim.tbl_map(clear, api.nvim_list_bufs())
  end
end

return M
