vim9script
# Grey text from infill-lsp in Vim 9: shown in insert mode, <Tab> accepts it. Needs +job and virtual
# text (9.0.0185), and 'encoding' utf-8, which makes columns bytes on both sides. To be set before:
#   g:infill_command   list; else `infill-lsp` of the PATH, or of ~/.infill-lsp
#   g:infill_settings  dictionary, the section `infill`

if exists('g:loaded_infill') || !has('job') || !has('patch-9.0.0185')
  finish
endif
g:loaded_infill = true

const DEBOUNCE_MS = 75
var server: job
var ready = false
var loaded = false
var item: dict<any> = {}  # line, col (bytes from 0), text and command of what is shown
var timer = -1
var question = 0  # only the newest one's answer counts
var unanswered = 0  # the last one that was sent

def Notify(method: string, params: dict<any>)
  ch_sendexpr(server, {method: method, params: params})
enddef

def Command(): list<string>
  const own = expand('~/.infill-lsp/bin/infill-lsp')
  return [executable('infill-lsp') || !executable(own) ? 'infill-lsp' : own]
enddef

def Start()
  server = job_start(get(g:, 'infill_command', Command()), {in_mode: 'lsp', out_mode: 'lsp',
    noblock: 1, err_io: 'null', callback: (_, message) => Hear(message)})
  if job_status(server) != 'run'
    return
  endif
  var params = {
    processId: getpid(),
    rootUri: 'file://' .. getcwd(),
    capabilities: {general: {positionEncodings: ['utf-8']},
      textDocument: {inlineCompletion: {dynamicRegistration: false}}},
    initializationOptions: {infill: get(g:, 'infill_settings', {})}}
  ch_sendexpr(server, {method: 'initialize', params: params}, {callback: (_, _) => {
    ready = true
    Notify('initialized', {})
  }})
enddef

def Synchronize(): string  # the buffer's URI, once the server has its text
  var uri = 'file://' .. expand('%:p')
  var text = join(getline(1, '$'), "\n") .. "\n"
  if !exists('b:infill_tick')
    Notify('textDocument/didOpen', {textDocument:
      {uri: uri, languageId: &filetype, version: b:changedtick, text: text}})
  elseif b:infill_tick != b:changedtick
    Notify('textDocument/didChange', {textDocument: {uri: uri, version: b:changedtick},
      contentChanges: [{text: text}]})
  endif
  b:infill_tick = b:changedtick
  return uri
enddef

def Left(): string  # of the suggestion, at the cursor; empty when it does not fit there
  if empty(item) || mode()[0] != 'i' || line('.') != item.line || col('.') - 1 < item.col
    return ''
  endif
  var typed = strpart(getline('.'), item.col, col('.') - 1 - item.col)
  return stridx(item.text, typed) == 0 ? strpart(item.text, strlen(typed)) : ''
enddef

def Draw()
  prop_remove({type: 'infill', all: true})
  var lines = split(substitute(Left(), "\t", repeat(' ', shiftwidth()), 'g'), "\n", true)
  if !empty(get(lines, 0, ''))
    prop_add(line('.'), col('.'), {type: 'infill', text: lines[0]})
  endif
  for below in lines[1 :]
    prop_add(line('.'), 0, {type: 'infill', text: below ?? ' ', text_align: 'below'})
  endfor
enddef

def Ask()
  if !ready || mode()[0] != 'i' || &buftype != '' || &encoding != 'utf-8' || expand('%') == ''
    return
  endif
  question += 1
  var number = question
  unanswered = number
  var row = line('.')
  var params = {textDocument: {uri: Synchronize()}, context: {triggerKind: 2},
    position: {line: row - 1, character: col('.') - 1},
    formattingOptions: {tabSize: shiftwidth(), insertSpaces: !!&expandtab}}
  ch_sendexpr(server, {method: 'textDocument/inlineCompletion', params: params},
    {callback: (_, answer) => {
      unanswered = unanswered == number ? 0 : unanswered
      var items = get(get(answer, 'result', {}) ?? {}, 'items', [])
      if number == question && !empty(items)
        item = {line: row, col: items[0].range.start.character, text: items[0].insertText,
          command: items[0].command}
        Draw()
      endif
    }})
enddef

def Hear(message: dict<any>)  # what the server says of itself
  if message.method != 'didChangeStatus' || message.params.busy || loaded
    return
  endif
  loaded = true
  if Left() == '' && unanswered != question
    Ask()  # about what was typed before
  endif
enddef

def Moved()
  question += 1
  timer_stop(timer)
  if Left() == ''
    item = {}
    timer = timer_start(DEBOUNCE_MS, (_) => Ask())
  endif
  Draw()
enddef

def Forget()
  question += 1
  item = {}
  Draw()
enddef

def Tab()
  var taken = Left()
  if taken == ''
    feedkeys("\<Tab>", 'in')
    return
  endif
  var [row, column, text] = [line('.'), col('.') - 1, getline('.')]
  var lines = split(strpart(text, 0, column) .. taken, "\n", true)
  var end = strlen(lines[-1])
  lines[-1] ..= strpart(text, column)
  setline(row, lines[0])
  append(row, lines[1 :])
  cursor(row + len(lines) - 1, end + 1)
  Synchronize()  # before it is told, for the next suggestion is made ahead then
  var accepted = {command: item.command.command, arguments: item.command.arguments}
  ch_sendexpr(server, {method: 'workspace/executeCommand', params: accepted},
    {callback: (_, _) => 0})
  Forget()
enddef

highlight default link InfillSuggestion Comment
prop_type_add('infill', {highlight: 'InfillSuggestion'})
inoremap <Tab> <ScriptCmd>Tab()<CR>
augroup infill
  autocmd VimEnter * Start()
  autocmd InsertEnter,CursorMovedI,TextChangedI * Moved()
  autocmd InsertLeave,BufLeave * Forget()
augroup END
