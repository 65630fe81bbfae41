-- START HERE: what a user calls. The server decides every text; this only starts it, shows and
-- accepts. See `:help infill`.

local server = require('infill.server')

local M = {}

-- Who shows the text: Neovim itself or `infill.ghost`.
local view

---@class infill.Options
---@field cmd? string[] the server's command
---@field settings? table the section `infill`, e.g. `{ deadlineMs = 800 }`
---@field keymaps? table<string, string|false>|false keys by function; false for none

---@param options? infill.Options
function M.setup(options)
  options = options or {}
  view = require(vim.lsp.inline_completion and 'infill.builtin' or 'infill.ghost')
  server.start(options.cmd or { 'infill-lsp' }, options.settings or {}, view)
  if options.keymaps ~= false then
    require('infill.keys').map(options.keymaps or {})
  end
  vim.api.nvim_create_user_command('InfillSnooze', function(command)
    M.snooze(tonumber(command.args))
  end, { nargs = '?', desc = 'No automatic suggestions for some minutes (60); 0 ends it' })
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

--- How the server of this buffer is, in one line for a status line; empty where there is none.
---@return string
function M.status()
  return server.status()
end

return M
