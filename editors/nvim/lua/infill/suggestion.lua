-- One suggestion and the text at the cursor: whether it still fits, and how a part of it is taken.
-- A suggestion's text begins where its range begins, so what is typed of it stands there already,
-- and to accept is to insert the rest at the cursor.

local M = {}

---@class infill.Suggestion
---@field row integer 0-based
---@field col integer 0-based, in bytes: where the text begins
---@field text string
---@field command? lsp.Command

local parts = {
  all = function(text)
    return text
  end,
  word = function(text)
    return vim.fn.matchstr(text, [[^\_s*\%(\k\+\|\%(\k\|\s\|\n\)\@!.\)]])
  end,
  line = function(text)
    return text:match('^\n?[^\n]*')
  end,
}

--- What is left of a suggestion at the cursor; nil when it does not fit there (any more).
---@param suggestion infill.Suggestion
---@return string?
function M.left(suggestion)
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  if row - 1 ~= suggestion.row or col < suggestion.col then
    return nil
  end
  local typed = vim.api.nvim_get_current_line():sub(suggestion.col + 1, col)
  if #typed >= #suggestion.text or not vim.startswith(suggestion.text, typed) then
    return nil
  end
  return suggestion.text:sub(#typed + 1)
end

--- Insert a part of what is left at the cursor.
---@param suggestion infill.Suggestion
---@param part 'all'|'word'|'line'
---@return boolean? whole whether nothing is left of it; nil when it does not fit
---@return integer? length bytes of its text that stand in the buffer now
function M.take(suggestion, part)
  local left = M.left(suggestion)
  if not left then
    return nil
  end
  local taken = parts[part](left)
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local lines = vim.split(taken, '\n', { plain = true })
  vim.api.nvim_buf_set_text(0, row - 1, col, row - 1, col, lines)
  local last = #lines[#lines]
  vim.api.nvim_win_set_cursor(0, { row + #lines - 1, #lines == 1 and col + last or last })
  return taken == left, #suggestion.text - #left + #taken
end

return M
