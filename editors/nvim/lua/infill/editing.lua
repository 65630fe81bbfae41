-- What changes the text because the user asked for it. The server finds the texts and edits; this
-- says where.

local server = require('infill.server')

local M = {}

---@alias infill.Span { [1]: integer[], [2]: integer[] } (1,0)-indexed, the last character included

local function warn(message)
  vim.notify('infill: ' .. message, vim.log.levels.WARN)
end

--- Ask the server of this buffer.
---@param where fun(client: vim.lsp.Client): lsp.Range?
---@param answered? fun(client: vim.lsp.Client, result: table)
local function ask(command, where, answered)
  local client = server.clients(0)[1]
  if not client then
    warn('no server runs for this buffer')
    return
  end
  local arguments = { vim.uri_from_bufnr(0), where(client) }
  server.execute(client, { command = command, arguments = arguments }, function(result)
    if answered then
      answered(client, result)
    end
  end)
end

---@param span? infill.Span nil: the whole buffer
local function within(span)
  return function(client)
    return span
      and vim.lsp.util.make_given_range_params(span[1], span[2], 0, client.offset_encoding).range
  end
end

--- The cursor, as an empty range.
local function cursor(client)
  local here = vim.lsp.util.make_position_params(0, client.offset_encoding).position
  return { start = here, ['end'] = here }
end

---@param span? infill.Span
function M.fill_holes(span)
  ask('infill.fillHoles', within(span))
end

---@param span? infill.Span
function M.repair(span)
  ask('infill.repair', within(span))
end

---@param span infill.Span
function M.refill(span)
  ask('infill.refill', within(span))
end

--- Choose with `vim.ui.select` what is to stand in a span; without one, at the cursor.
---@param span? infill.Span
function M.variants(span)
  ask('infill.variants', span and within(span) or cursor, function(client, result)
    if #result.variants == 0 then
      warn('nothing good was found here')
      return
    end
    vim.ui.select(result.variants, {
      prompt = 'infill:',
      kind = 'infill',
      format_item = function(variant)
        return ('%3.0f %%  %s'):format(100 * variant.confidence, variant.command.title)
      end,
    }, function(variant)
      if variant then
        server.execute(client, variant.command)
      end
    end)
  end)
end

--- What was selected last, by characters or by lines.
---@return infill.Span
function M.selection()
  local first, last = vim.fn.getpos("'<"), vim.fn.getpos("'>")
  local line = vim.fn.getline(last[2])
  if vim.fn.visualmode() ~= 'v' then
    -- Lines keep their indentation, which is not for the model to write.
    local indent = #vim.fn.getline(first[2]):match('^%s*')
    return { { first[2], indent }, { last[2], math.max(#line - 1, 0) } }
  end
  return { { first[2], first[3] - 1 }, { last[2], math.max(math.min(last[3], #line) - 1, 0) } }
end

return M
