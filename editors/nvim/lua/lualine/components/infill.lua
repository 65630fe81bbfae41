-- For lualine: `lualine_x = { 'infill' }`. The state of the buffer's server; empty where none runs.

local component = require('lualine.component'):extend()

function component:update_status()
  return require('infill').status()
end

return component
