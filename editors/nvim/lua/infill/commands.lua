-- Commands of the command line.

local M = {}

--- What a command was given: the selection when that is its range, else lines; nil without a range.
local function span(command)
  if command.range == 0 then
    return nil
  end
  local first, last = command.line1, command.line2
  if vim.fn.line("'<") == first and vim.fn.line("'>") == last then
    return require('infill.editing').selection()
  end
  local indent = #vim.fn.getline(first):match('^%s*')
  return { { first, indent }, { last, math.max(#vim.fn.getline(last) - 1, 0) } }
end

function M.define()
  local infill = require('infill')
  local function define(name, run, options)
    vim.api.nvim_create_user_command('Infill' .. name, run, options)
  end
  define('Snooze', function(command)
    infill.snooze(tonumber(command.args))
  end, { nargs = '?', desc = 'No automatic suggestions for some minutes (60); 0 ends it' })
  define('Variants', function(command)
    infill.variants(span(command))
  end, { range = true, desc = 'Choose what is to stand at the cursor or in the selection' })
  define('FillHoles', function(command)
    infill.fill_holes(span(command))
  end, { range = true, desc = 'Fill what is left to write' })
  define('Refill', function(command)
    infill.refill(span(command))
  end, { range = true, desc = 'Write the selection anew' })
  define('Repair', function(command)
    infill.repair(span(command))
  end, { range = true, desc = 'Write anew what does not parse' })
  define('GetModel', function(command)
    infill.get_model(command.args ~= '' and command.args or nil)
  end, { nargs = '?', desc = 'Fetch a better model than the bundled one' })
  define('Watch', function()
    infill.watch()
  end, { desc = 'Draw fills while they are refined, or no more' })
end

return M
