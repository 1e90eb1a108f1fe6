-- A migration is opened and found broken, repaired in the buffer alone, found to break over rows, and accepted: printed as
-- a person would see it. Ends with an error status when something does not come.
local file = vim.env.MIGRATION
local severities = { 'error', 'warning', 'note' }

local function say(text) io.stdout:write(text, '\n') end
local function leave(status)
  io.stdout:flush()
  vim.cmd(status == 0 and 'qall!' or status .. 'cquit!')
end

local function diagnostics()
  local found = vim.diagnostic.get(0)
  table.sort(found, function(a, b) return a.lnum < b.lnum end)
  return found
end

local function await(what, wanted)
  local began = vim.loop.hrtime()
  if not vim.wait(60000, function() return wanted(diagnostics()) end, 5) then
    say('NOT IN A MINUTE: ' .. what)
    say(vim.inspect(diagnostics()))
    leave(1)
  end
  local state = vim.bo.modified and 'buffer not saved' or 'buffer as on disk'
  say(('-- %s (%s, %.0f ms)'):format(what, state, (vim.loop.hrtime() - began) / 1e6))
  for _, one in ipairs(diagnostics()) do
    local code = one.code or one.user_data.lsp.code
    local place = ('%s:%d:%d-%d'):format(vim.fn.expand('%:t'), one.lnum + 1, one.col + 1, one.end_col + 1)
    say(('%s: %s: %s: %s'):format(place, one.source, severities[one.severity], code))
    say('    ' .. one.message:gsub('\n', '\n    '))
  end
end

local function has(code)
  return function(found)
    for _, one in ipairs(found) do
      if (one.code or one.user_data.lsp.code) == code then return true end
    end
    return false
  end
end
local function none(found) return #found == 0 end

local function type_in(...) vim.api.nvim_buf_set_lines(0, 0, -1, true, { ... }) end

-- The quick fixes for the first diagnostic, in order.
local function fixes()
  local where = { line = diagnostics()[1].lnum, character = diagnostics()[1].col }
  local params = {
    textDocument = vim.lsp.util.make_text_document_params(),
    range = { start = where, ['end'] = where },
    context = { diagnostics = {} },
  }
  local answers = vim.lsp.buf_request_sync(0, 'textDocument/codeAction', params, 30000)
  for _, answer in pairs(answers) do
    for _, fix in ipairs(answer.result) do say('quick fix: ' .. fix.title) end
    return answer.result
  end
end

vim.cmd('edit ' .. file)
await('opened', has('apply.error'))
type_in('CREATE UNIQUE INDEX users_email ON users (email); -- 😀')
await('the table is named right', has('data.unique'))
for _, fix in ipairs(fixes()) do
  if fix.title:find('^Accept it') then vim.lsp.util.apply_workspace_edit(fix.edit, 'utf-16') end
end
await('accepted, without a reason', has('suppress.malformed'))
local line = vim.api.nvim_buf_get_lines(0, 0, 1, true)[1]
vim.api.nvim_buf_set_lines(0, 0, 1, true, { line .. 'one account for each address since 2021' })
await('accepted, with its reason', none)
say(table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\n'))
leave(0)
