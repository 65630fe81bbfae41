-- Keys of insert mode. A key that finds nothing to accept does what it did before.

local M = {}

M.defaults = {
  accept = '<Tab>',
  accept_word = '<M-w>',
  accept_line = '<M-l>',
  next = '<M-n>',
  previous = '<M-p>',
  trigger = '<M-i>',
}

--- What a key did until now, as a function for an `<expr>` mapping.
local function before(key)
  local mapping = vim.fn.maparg(key, 'i', false, true)
  if mapping.callback and mapping.expr == 1 then
    return mapping.callback
  end
  return function()
    return key
  end
end

---@param chosen table<string, string|false>
function M.map(chosen)
  local infill = require('infill')
  for name, key in pairs(vim.tbl_extend('force', M.defaults, chosen)) do
    if not M.defaults[name] then
      error(('infill: keymaps.%s is not known'):format(name))
    elseif key and vim.startswith(name, 'accept') then
      local otherwise = before(key)
      vim.keymap.set('i', key, function()
        return infill[name]() and '' or otherwise()
      end, { expr = true, desc = 'infill: ' .. name:gsub('_', ' ') })
    elseif key then
      vim.keymap.set('i', key, infill[name], { desc = 'infill: ' .. name .. ' suggestion' })
    end
  end
end

return M
