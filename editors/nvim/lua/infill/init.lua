-- START HERE: what a user calls. The server decides every text; this only starts it, shows and
-- accepts. See `:help infill`.

local server = require('infill.server')

local M = {}

-- Who shows the text: Neovim itself or `infill.ghost`.
local view

---@class infill.Options
---@field cmd? string[] the server's command; else `infill-lsp` of the PATH, or of ~/.infill-lsp
---@field settings? table the section `infill`, e.g. `{ deadlineMs = 800 }`
---@field keymaps? table<string, string|false>|false keys by function; false for none

---@param options? infill.Options
function M.setup(options)
  options = options or {}
  view = require(vim.lsp.inline_completion and 'infill.builtin' or 'infill.ghost')
  server.start(options.cmd or server.command(), options.settings or {}, view)
  if options.keymaps ~= false then
    require('infill.keys').map(options.keymaps or {})
  end
  require('infill.commands').define()
end

--- Each of these returns whether there was something to accept. The text is changed just after the
--- return, so that all may be used in an `<expr>` mapping.

---@return boolean
function M.accept()
  return view.accept('all')
end

---@return boolean
function M.accept_word()
  return view.accept('word')
end

---@return boolean
function M.accept_line()
  return view.accept('line')
end

function M.next()
  view.select(1)
end

function M.previous()
  view.select(-1)
end

--- Ask for suggestions now, also where none come by themselves: several, with more time.
function M.trigger()
  view.trigger()
end

---@param minutes? number 60 when not given; 0 ends it
function M.snooze(minutes)
  for _, client in ipairs(server.clients()) do
    server.execute(client, { command = 'infill.snooze', arguments = minutes and { minutes } or nil })
  end
end

--- The next ones take a span, `{ { row, column }, { row, column } }`: rows from 1, columns in bytes
--- from 0, the last one included. Each is one edit, undone in one step.

---@param span? infill.Span without one, the whole buffer
function M.fill_holes(span)
  require('infill.editing').fill_holes(span)
end

---@param span? infill.Span without one, the whole buffer
function M.repair(span)
  require('infill.editing').repair(span)
end

---@param span? infill.Span without one, the cursor's line
function M.refill(span)
  local line = vim.api.nvim_get_current_line()
  local row, indent = vim.fn.line('.'), #line:match('^%s*')
  require('infill.editing').refill(span or { { row, indent }, { row, math.max(#line - 1, 0) } })
end

---@param span? infill.Span without one, the place of the cursor
function M.variants(span)
  require('infill.editing').variants(span)
end

--- Fetch a model; takes minutes, during which everything goes on. The status says how far it is.
---@param name? string nil: the one that `auto` would take if it were here
function M.get_model(name)
  require('infill.models').get(name)
end

--- Draw fills while they are refined.
---@param wanted? boolean nil: the other way than now
function M.watch(wanted)
  require('infill.refinement').watch(wanted)
end

--- How the server of this buffer is, in one line for a status line; empty where there is none.
---@return string
function M.status()
  return server.status()
end

return M
