-- What a script of a spec sees as its global environment, on top of plain Lua 5.4.
--
-- Runs once per interpreter, in the untouched standard environment. It gets the table `host` of primitives (see
-- primitives.rs) and returns
--
--   fresh()      makes a new environment: copies of all library tables, empty module and hook tables
--   emit_values  prints the values that a script returned
--   classes      the metamethods of the four userdata types: ver, fd, file, macros
--
-- Two rules hold here. Nothing that a script can change may be used: every library function is a local of this file,
-- and strings are handled by functions, never by methods (the metatable of strings belongs to the script). Errors are
-- raised here and not by the primitives, so that a script which catches one sees a string with its own line in front,
-- as with rpm.
local host, dialect = ...

local assert, error, ipairs, next, pcall, rawequal, rawget, rawlen, rawset =
    assert, error, ipairs, next, pcall, rawequal, rawget, rawlen, rawset
local select, setmetatable, tonumber, tostring, type, xpcall = select, setmetatable, tonumber, tostring, type, xpcall
local getmetatable, native_load, native_pairs = getmetatable, load, pairs
local find, format, gmatch, gsub, match, native_rep, sub =
    string.find, string.format, string.gmatch, string.gsub, string.match, string.rep, string.sub
local concat, sort, pack, unpack, native_move = table.concat, table.sort, table.pack, table.unpack, table.move
local tointeger, native_seed = math.tointeger, math.randomseed
local co_create, co_resume, co_close, co_status = coroutine.create, coroutine.resume, coroutine.close, coroutine.status
local native_date, difftime = os.date, os.difftime

-- The state of the environment in use; `fresh` replaces it.
local current
-- Contents of rpm.ver, rpm.fd and file objects.
local objects = setmetatable({}, { __mode = "k" })

local V4_18, V4_20, V6 = 1, 2, 3

---------------------------------------------------------------------------------------------------------------------
-- Arguments and results

local function type_name(value)
    local meta = getmetatable(value)
    local name = type(meta) == "table" and rawget(meta, "__name")
    if type(name) == "string" then
        return name
    end
    return type(value)
end

-- `level` is that of the script: 3 if the library function calls this itself, 4 if one of the checks below does.
local function bad_argument(index, name, message, level)
    error(format("bad argument #%d to '%s' (%s)", index, name, message), level or 4)
end

local function string_argument(value, index, name)
    local kind = type(value)
    if kind == "string" then
        return value
    elseif kind == "number" then
        return tostring(value)
    end
    bad_argument(index, name, "string expected, got " .. type_name(value))
end

local function integer_argument(value, index, name, default)
    if value == nil and default ~= nil then
        return default
    end
    local number = tonumber(value)
    if number == nil or (type(value) ~= "number" and type(value) ~= "string") then
        bad_argument(index, name, "number expected, got " .. type_name(value))
    end
    local integer = tointeger(number)
    if integer == nil then
        bad_argument(index, name, "number has no integer representation")
    end
    return integer
end

local function table_argument(value, index, name)
    if type(value) ~= "table" then
        bad_argument(index, name, "table expected, got " .. type_name(value))
    end
    return value
end

local function is_text(value)
    local kind = type(value)
    return kind == "string" or kind == "number"
end

local function refuse(name)
    error(name .. " is refused: a spec may not change the machine that reads it", 3)
end

---------------------------------------------------------------------------------------------------------------------
-- The basic functions

local function print_values(...)
    local count = select("#", ...)
    if count == 1 then
        host.emit(tostring((...)))
        return
    end
    local texts = { ... }
    for i = 1, count do
        texts[i] = tostring(texts[i])
    end
    host.emit(unpack(texts, 1, count))
end

-- rpm prints what a script returns with whatever `print` the script left behind.
local function emit_values(...)
    current.globals.print(...)
end

-- A script may not catch the end of its budget and go on.
local function settle(ok, ...)
    if not ok and host.exhausted() then
        error(..., 0)
    end
    return ok, ...
end

local function guarded_pcall(...)
    return settle(pcall(...))
end

-- The error that ends a script is raised where no instruction is counted; its handler may not run there.
local function guarded_xpcall(action, handler, ...)
    if type(handler) ~= "function" then
        return settle(xpcall(action, handler, ...))
    end
    return settle(xpcall(action, function(message)
        if host.exhausted() then
            return message
        end
        return handler(message)
    end, ...))
end

local function guarded_resume(...)
    return settle(co_resume(...))
end

local function guarded_close(coroutine)
    if host.exhausted() then
        error("lua script ran too long", 0)
    end
    return co_close(coroutine)
end

local function wrapped_result(coroutine, ok, ...)
    if ok then
        return ...
    end
    if not host.exhausted() and co_status(coroutine) == "dead" then
        co_close(coroutine)
    end
    error((...), type((...)) == "string" and 3 or 0)
end

-- As the original, which would close a coroutine that ran too long, uncounted.
local function guarded_wrap(action)
    if type(action) ~= "function" then
        error("bad argument #1 to 'wrap' (function expected)", 2)
    end
    local coroutine = co_create(action)
    return function(...)
        local values = pack(wrapped_result(coroutine, co_resume(coroutine, ...)))
        return unpack(values, 1, values.n)
    end
end

-- Functions made by `bounded_closer`.
local closers = setmetatable({}, { __mode = "k" })

-- The end of the budget closes variables where no instruction is counted.
local function bounded_closer(closer)
    if type(closer) ~= "function" or closers[closer] then
        return closer
    end
    local function bounded(...)
        if not host.exhausted() then
            return closer(...)
        end
    end
    closers[bounded] = true
    return bounded
end

-- A finalizer would run at any time, perhaps within another spec: a metatable is set as if it had none.
local function guarded_setmetatable(object, meta)
    local finalizer
    if type(object) ~= "table" then
        bad_argument(1, "setmetatable", "table expected, got " .. type_name(object), 3)
    elseif type(meta) == "table" then
        finalizer = rawget(meta, "__gc")
        if rawget(meta, "__close") ~= nil then
            rawset(meta, "__close", bounded_closer(rawget(meta, "__close")))
        end
    end
    if finalizer == nil then
        return setmetatable(object, meta)
    end
    rawset(meta, "__gc", nil)
    local ok, message = pcall(setmetatable, object, meta)
    rawset(meta, "__gc", finalizer)
    if not ok then
        error(message, 2)
    end
    return object
end

-- The order of string keys in a Lua table is another one in each process. Numbers keep their order, strings follow in
-- the order of their bytes, so that the same spec gives the same answer everywhere.
local function stable_pairs(object)
    local meta = getmetatable(object)
    if type(object) ~= "table" or (type(meta) == "table" and meta.__pairs ~= nil) then
        return native_pairs(object)
    end
    local names, count = nil, 0
    for key in next, object do
        if type(key) == "string" then
            names = names or {}
            count = count + 1
            names[count] = key
        end
    end
    if count < 2 then
        return next, object, nil
    end
    sort(names)
    local keys, filled = {}, 0
    for key in next, object do
        if type(key) ~= "string" then
            filled = filled + 1
            keys[filled] = key
        end
    end
    for i = 1, count do
        keys[filled + i] = names[i]
    end
    local position = 0
    return function(_, _)
        while true do
            position = position + 1
            local key = keys[position]
            if key == nil then
                return nil
            end
            local value = rawget(object, key)
            if value ~= nil then
                return key, value
            end
        end
    end, object, nil
end

-- When garbage is collected is not for a script to say; how much there is differs from machine to machine.
local function collect_garbage(what)
    if what == "count" then
        return 0.0
    elseif what == "step" or what == "isrunning" then
        return true
    elseif what == "generational" or what == "incremental" then
        return "incremental"
    end
    return 0
end

-- Bytecode can break the interpreter: only text is loaded.
local function load_text(chunk, name, mode, ...)
    local kind = type(chunk)
    if mode ~= nil and not find(mode, "t", 1, true) then
        return nil, "attempt to load a text chunk (mode is '" .. mode .. "')"
    end
    local environment = current.globals
    if select("#", ...) > 0 then
        environment = (...)
    end
    if kind == "number" then
        chunk = tostring(chunk)
    elseif kind ~= "string" and kind ~= "function" then
        error("bad argument #1 to 'load' (function expected, got " .. type_name(chunk) .. ")", 2)
    end
    return native_load(chunk, name or (kind == "function" and "=(load)" or chunk), "t", environment)
end

local function read_file(path)
    local virtual = current.virtual[path]
    if virtual then
        return concat(virtual)
    end
    return host.read(path)
end

local function load_path(path, mode, ...)
    local text, message
    if path == nil then
        text = ""
    else
        text, message = read_file(path)
        if not text then
            return nil, "cannot open " .. message
        end
    end
    if sub(text, 1, 1) == "#" then
        text = gsub(text, "^[^\n]*", "", 1)
    end
    return load_text(text, "@" .. (path or "=stdin"), mode, ...)
end

local function do_file(path)
    local chunk, message = load_path(path)
    if not chunk then
        error(message, 0)
    end
    return chunk()
end

-- Loops in C that count no instruction: their length is bounded here.
local function bounded_rep(text, count, separator)
    if not is_text(text) then
        bad_argument(1, "rep", "string expected, got " .. type_name(text), 3)
    elseif type(text) == "string" and #text == 0 and (separator == nil or separator == "") and type(count) == "number" then
        return ""
    end
    return native_rep(text, count, separator)
end

-- How many repetitions a pattern has; the time of a match is at most the length of the text to that power.
local repetitions, known_patterns = {}, 0

local function risky(text, pattern)
    local count = repetitions[pattern]
    if not count then
        local _
        _, count = gsub(pattern, "[*+?-]", "")
        if known_patterns == 1000 then
            repetitions, known_patterns = {}, 0
        end
        repetitions[pattern] = count
        known_patterns = known_patterns + 1
    end
    return count > 0 and (#text + 1) ^ (count + 1) > 1e7
end

-- The functions of `string` that match: as the original, unless the match would take too long.
local function bounded_matcher(name, original, all)
    return function(text, pattern, ...)
        if not is_text(text) then
            bad_argument(1, name, "string expected, got " .. type_name(text), 3)
        elseif not is_text(pattern) then
            bad_argument(2, name, "string expected, got " .. type_name(pattern), 3)
        end
        text, pattern = tostring(text), tostring(pattern)
        if risky(text, pattern) then
            local start = not all and tointeger((...)) or 1
            if start < 0 then
                start = #text + start + 1
            end
            if not (name == "find" and select(2, ...)) and not host.bounded(text, pattern, start < 1 and 1 or start, all) then
                error("pattern too complex", 2)
            end
        end
        return original(text, pattern, ...)
    end
end

local function check_length(list, name)
    local meta = type(list) == "table" and getmetatable(list)
    if type(meta) == "table" and meta.__len ~= nil and #list > 50000000 then
        error("bad argument #1 to '" .. name .. "' (object length is too big)", 3)
    end
end

local function bounded_list(name, original)
    return function(list, ...)
        check_length(list, name)
        return original(list, ...)
    end
end

local function bounded_move(from, first, last, to, target)
    local a, b = tointeger(first), tointeger(last)
    if a and b and b - a > 50000000 then
        error("bad argument #3 to 'move' (too many elements to move)", 2)
    end
    return native_move(from, first, last, to, target or from)
end

---------------------------------------------------------------------------------------------------------------------
-- Modules

local function search_path(name, path, separator, replacement)
    name = gsub(name, "%" .. (separator or "."), replacement or "/")
    local tried = {}
    for template in gmatch(path, "[^;]+") do
        local file = gsub(template, "%?", (gsub(name, "%%", "%%%%")))
        if current.virtual[file] or host.readable(file) then
            return file
        end
        tried[#tried + 1] = "no file '" .. file .. "'"
    end
    return nil, concat(tried, "\n\t")
end

local function preload_searcher(name)
    local loader = current.package.preload[name]
    if loader == nil then
        return "no field package.preload['" .. name .. "']"
    end
    return loader, ":preload:"
end

local function file_searcher(name)
    local path = current.package.path
    if type(path) ~= "string" then
        error("'package.path' must be a string", 0)
    end
    local file, message = search_path(name, path)
    if not file then
        return message
    end
    local chunk, why = load_path(file)
    if not chunk then
        error(format("error loading module '%s' from file '%s':\n\t%s", name, file, why), 0)
    end
    return chunk, file
end

local function require(name)
    name = string_argument(name, 1, "require")
    local loaded = current.loaded
    local value = loaded[name]
    if value then
        return value
    end
    local searchers = current.package.searchers
    if type(searchers) ~= "table" then
        error("'package.searchers' must be a table", 2)
    end
    local messages = {}
    for _, searcher in ipairs(searchers) do
        local ok, loader, data = guarded_pcall(searcher, name)
        if not ok then
            error(loader, 2)
        elseif type(loader) == "function" then
            local result = loader(name, data)
            if result ~= nil then
                loaded[name] = result
            elseif loaded[name] == nil then
                loaded[name] = true
            end
            return loaded[name], data
        elseif type(loader) == "string" then
            messages[#messages + 1] = "\n\t" .. loader
        end
    end
    error(format("module '%s' not found:%s", name, concat(messages)), 2)
end

---------------------------------------------------------------------------------------------------------------------
-- Files in memory: what a script reads, and the temporary files that it may write

local function open_handle(kind, path, text, virtual)
    local handle = host.object(kind)
    objects[handle] = { path = path, text = text, position = 1, virtual = virtual }
    return handle
end

local function is_temporary(path)
    return current.virtual[path] ~= nil
end

local function temporary_name(template)
    current.temporaries = current.temporaries + 1
    local name = format("%s%06d", template, current.temporaries)
    current.virtual[name] = {}
    return name
end

local function content(state)
    if state.virtual then
        return concat(state.virtual)
    end
    return state.text
end

local function read_line(state, keep)
    local text, position = content(state), state.position
    if position > #text then
        return nil
    end
    local newline = find(text, "\n", position, true)
    if not newline then
        state.position = #text + 1
        return sub(text, position)
    end
    state.position = newline + 1
    return sub(text, position, keep and newline or newline - 1)
end

local function read_number(state)
    local text = content(state)
    local start, stop = find(text, "^[ \t\n\r\f\v]*[+-]?0[xX][0-9a-fA-F]*%.?[0-9a-fA-F]*[pP]?[+-]?[0-9]*", state.position)
    if not start then
        start, stop = find(text, "^[ \t\n\r\f\v]*[+-]?[0-9]*%.?[0-9]*[eE]?[+-]?[0-9]*", state.position)
    end
    if not start then
        return nil
    end
    state.position = stop + 1
    return tonumber(sub(text, start, stop))
end

local function read_format(state, what, index)
    if type(what) == "number" then
        local count = tointeger(what)
        local text = content(state)
        if count == 0 then
            return state.position <= #text and "" or nil
        end
        if state.position > #text then
            return nil
        end
        local piece = sub(text, state.position, state.position + count - 1)
        state.position = state.position + #piece
        return piece
    end
    local letter = type(what) == "string" and match(what, "^%*?(.)")
    if letter == "l" then
        return read_line(state, false)
    elseif letter == "L" then
        return read_line(state, true)
    elseif letter == "n" then
        return read_number(state)
    elseif letter == "a" then
        local piece = sub(content(state), state.position)
        state.position = state.position + #piece
        return piece
    end
    error(format("bad argument #%d to 'read' (invalid format)", index), 3)
end

local function read_formats(state, ...)
    local count = select("#", ...)
    if count == 0 then
        return (read_line(state, false))
    end
    local formats, values = { ... }, {}
    for i = 1, count do
        values[i] = read_format(state, formats[i], i)
        if values[i] == nil then
            return unpack(values, 1, i)
        end
    end
    return unpack(values, 1, count)
end

local function file_state(handle, name)
    local state = type(handle) == "userdata" and objects[handle]
    if not state or host.kind(handle) ~= "file" then
        error(format("bad argument #1 to '%s' (FILE* expected, got %s)", name, type_name(handle)), 3)
    end
    if state.closed then
        error("attempt to use a closed file", 3)
    end
    return state
end

local function write_values(handle, state, ...)
    for i = 1, select("#", ...) do
        local value = select(i, ...)
        if not is_text(value) then
            error(format("bad argument #%d to 'write' (string expected, got %s)", i, type_name(value)), 2)
        end
        value = tostring(value)
        if state.stream then
            host.message(state.stream, value)
        elseif state.sink then
            -- /dev/null
        elseif state.virtual and not state.readonly then
            local text = content(state)
            local position = state.append and #text + 1 or state.position
            local joined = sub(text, 1, position - 1) .. value .. sub(text, position + #value)
            for j = #state.virtual, 1, -1 do
                state.virtual[j] = nil
            end
            state.virtual[1] = joined
            state.position = position + #value
        else
            return nil, "Bad file descriptor", 9
        end
    end
    return handle
end

local function seek_state(state, whence, offset)
    local size = #content(state)
    local base = whence == "set" and 0 or whence == "cur" and state.position - 1 or size
    local position = base + offset
    if position < 0 then
        return nil
    end
    state.position = position + 1
    return position
end

local function close_state(state)
    state.closed = true
    if state.status ~= nil then
        if state.status == 0 then
            return true, "exit", 0
        elseif state.status > 128 then
            return nil, "signal", state.status - 128
        end
        return nil, "exit", state.status
    end
    return true
end

local file_methods = {}

function file_methods.read(handle, ...)
    return read_formats(file_state(handle, "read"), ...)
end

function file_methods.write(handle, ...)
    return write_values(handle, file_state(handle, "write"), ...)
end

function file_methods.close(handle)
    return close_state(file_state(handle, "close"))
end

function file_methods.flush(handle)
    file_state(handle, "flush")
    return handle
end

function file_methods.setvbuf(handle)
    file_state(handle, "setvbuf")
    return true
end

function file_methods.seek(handle, whence, offset)
    local state = file_state(handle, "seek")
    whence = whence or "cur"
    if whence ~= "set" and whence ~= "cur" and whence ~= "end" then
        error(format("bad argument #1 to 'seek' (invalid option '%s')", tostring(whence)), 2)
    end
    local position = seek_state(state, whence, integer_argument(offset, 2, "seek", 0))
    if not position then
        return nil, "Invalid argument", 22
    end
    return position
end

local function line_iterator(state, close, ...)
    local formats = pack(...)
    return function()
        if state.closed then
            error("file is already closed", 2)
        end
        local values = pack(read_formats(state, unpack(formats, 1, formats.n)))
        if values[1] == nil and close then
            state.closed = true
        end
        return unpack(values, 1, values.n)
    end
end

function file_methods.lines(handle, ...)
    return line_iterator(file_state(handle, "lines"), false, ...)
end

local file_class = {
    __name = "FILE*",
    __index = file_methods,
    __tostring = function(handle)
        local state = objects[handle]
        return state.closed and "file (closed)" or "file (" .. (state.path or "?") .. ")"
    end,
    __close = function(handle)
        objects[handle].closed = true
    end,
}

-- Opens for io.open and io.lines: a handle, or nil, message and number.
local function open_file(path, mode)
    if path == "/dev/null" then
        local handle = open_handle("file", path, "")
        objects[handle].sink = true
        return handle
    end
    local kind = sub(mode, 1, 1)
    if kind == "r" and not find(mode, "+", 1, true) then
        local text, message, number = read_file(path)
        if not text then
            return nil, message, number
        end
        return open_handle("file", path, text)
    end
    if path == "/dev/stdout" or path == "/dev/stderr" then
        local handle = open_handle("file", path, "")
        objects[handle].stream = path == "/dev/stderr" and 2 or 1
        return handle
    end
    if not is_temporary(path) then
        return false
    end
    local virtual = current.virtual[path]
    if kind == "w" then
        for i = #virtual, 1, -1 do
            virtual[i] = nil
        end
    end
    local handle = open_handle("file", path, nil, virtual)
    objects[handle].append = kind == "a"
    return handle
end

local io_functions = {}

function io_functions.open(path, mode)
    path = string_argument(path, 1, "open")
    mode = mode == nil and "r" or string_argument(mode, 2, "open")
    if not find(mode, "^[rwa]%+?b*$") then
        error("bad argument #2 to 'open' (invalid mode)", 2)
    end
    local handle, message, number = open_file(path, mode)
    if handle == false then
        refuse("writing to `" .. path .. "`")
    end
    return handle, message, number
end

function io_functions.lines(path, ...)
    if path == nil then
        return line_iterator(file_state(current.input, "lines"), false, ...)
    end
    path = string_argument(path, 1, "lines")
    local handle, message = open_file(path, "r")
    if not handle then
        error(message, 2)
    end
    return line_iterator(objects[handle], true, ...), nil, nil, handle
end

function io_functions.read(...)
    return read_formats(file_state(current.input, "read"), ...)
end

function io_functions.write(...)
    return write_values(current.output, file_state(current.output, "write"), ...)
end

function io_functions.close(handle)
    return close_state(file_state(handle or current.output, "close"))
end

local function default_file(field, mode, name)
    return function(file)
        if is_text(file) then
            local handle, message = open_file(tostring(file), mode)
            if handle == false then
                refuse("writing to `" .. file .. "`")
            elseif not handle then
                error(message, 2)
            end
            current[field] = handle
        elseif file ~= nil then
            file_state(file, name)
            current[field] = file
        end
        return current[field]
    end
end

io_functions.input = default_file("input", "r", "input")
io_functions.output = default_file("output", "w", "output")

function io_functions.type(object)
    local state = type(object) == "userdata" and objects[object]
    if not state or host.kind(object) ~= "file" then
        return nil
    end
    return state.closed and "closed file" or "file"
end

function io_functions.tmpfile()
    return open_file(temporary_name("/tmp/tmpf_"), "w+")
end

function io_functions.popen(command, mode)
    command = string_argument(command, 1, "popen")
    mode = mode == nil and "r" or string_argument(mode, 2, "popen")
    if mode == "w" then
        refuse("io.popen with mode 'w'")
    elseif mode ~= "r" then
        error("bad argument #2 to 'popen' (invalid mode)", 2)
    end
    local out, status = host.shell(command)
    if not out then
        error("io.popen: " .. status, 2)
    end
    local handle = open_handle("file", command, out)
    objects[handle].status = status
    return handle
end

---------------------------------------------------------------------------------------------------------------------
-- os

-- Days from 1970-01-01 to a day of the civil calendar.
local function civil_days(year, month, day)
    year = year + (month - 1) // 12
    month = (month - 1) % 12 + 1
    if month <= 2 then
        year = year - 1
    end
    local era = year // 400
    local year_of_era = year - era * 400
    local day_of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468 + day - 1
end

local function date_of(pattern, time)
    return native_date("!" .. pattern, time)
end

local os_functions = { difftime = difftime }

local function date_field(fields, key, default)
    local value = fields[key]
    local integer = tointeger(value)
    if integer == nil and is_text(value) then
        integer = tointeger(tonumber(value))
    end
    if integer == nil then
        if value ~= nil then
            error("field '" .. key .. "' is not an integer", 3)
        elseif default == nil then
            error("field '" .. key .. "' missing in date table", 3)
        end
        return default
    end
    return integer
end

function os_functions.time(fields)
    if fields == nil then
        return host.now()
    end
    table_argument(fields, 1, "time")
    local year, month, day = date_field(fields, "year"), date_field(fields, "month"), date_field(fields, "day")
    local hour, min, sec = date_field(fields, "hour", 12), date_field(fields, "min", 0), date_field(fields, "sec", 0)
    if year > 1000000000 or year < -1000000000 then
        error("field 'year' is out-of-bound", 2)
    end
    local time = civil_days(year, month, day) * 86400 + hour * 3600 + min * 60 + sec
    local ok, normal = pcall(native_date, "!*t", time)
    if ok then
        for key, value in next, normal do
            fields[key] = value
        end
    end
    return time
end

function os_functions.date(pattern, time)
    pattern = pattern == nil and "%c" or string_argument(pattern, 1, "date")
    time = time == nil and host.now() or integer_argument(time, 2, "date")
    if sub(pattern, 1, 1) == "!" then
        pattern = sub(pattern, 2)
    else
        -- The time zone of the build is UTC; the C library calls it GMT here.
        pattern = gsub(gsub(pattern, "%%%%", "%%%%\0"), "%%Z", "UTC")
        pattern = gsub(pattern, "%%%%\0", "%%%%")
    end
    local ok, text = pcall(date_of, pattern, time)
    if not ok then
        error(gsub(text, "'%?'", "'date'"), 2)
    end
    return text
end

function os_functions.clock()
    current.clock = current.clock + 1
    return current.clock * 1e-6
end

function os_functions.getenv(name)
    return host.getenv(string_argument(name, 1, "getenv"))
end

function os_functions.setlocale(locale)
    local default = host.getenv("LC_ALL") or host.getenv("LANG") or "C"
    if locale == nil or locale == "" or locale == default then
        return default
    end
    return (locale == "C" or locale == "POSIX") and "C" or nil
end

function os_functions.tmpname()
    return temporary_name("/tmp/lua_")
end

function os_functions.exit()
    error("exit not permitted in this context", 2)
end

function os_functions.remove(path)
    path = string_argument(path, 1, "remove")
    if is_temporary(path) then
        current.virtual[path] = nil
        return true
    elseif not host.exists(path) then
        return nil, path .. ": No such file or directory", 2
    end
    refuse("os.remove of `" .. path .. "`")
end

function os_functions.rename(from, to)
    from, to = string_argument(from, 1, "rename"), string_argument(to, 2, "rename")
    if is_temporary(from) then
        current.virtual[from], current.virtual[to] = nil, current.virtual[from]
        return true
    elseif not host.exists(from) then
        return nil, from .. ": No such file or directory", 2
    end
    refuse("os.rename of `" .. from .. "`")
end

local function run_shell(name, command)
    local out, status = host.shell(command)
    if not out then
        error(name .. ": " .. status, 3)
    end
    host.message(1, out)
    return status
end

function os_functions.execute(command)
    if command == nil then
        return true
    end
    local status = run_shell("os.execute", string_argument(command, 1, "execute"))
    if status == 0 then
        return true, "exit", 0
    elseif status > 128 then
        return nil, "signal", status - 128
    end
    return nil, "exit", status
end

---------------------------------------------------------------------------------------------------------------------
-- rpm

local rpm_functions = {}

function rpm_functions.expand(text)
    local ok, value = host.expand(string_argument(text, 1, "expand"))
    if not ok then
        error("error expanding macro", 2)
    end
    return value
end

function rpm_functions.define(text)
    if not host.define(string_argument(text, 1, "define")) then
        error("error defining macro", 2)
    end
end

function rpm_functions.undefine(name)
    if not host.undefine(string_argument(name, 1, "undefine")) and dialect >= V6 then
        error("error undefining macro", 2)
    end
end

function rpm_functions.isdefined(name)
    local parametric = host.isdefined(string_argument(name, 1, "isdefined"))
    return parametric ~= nil, parametric == true
end

function rpm_functions.load(path)
    return host.load(string_argument(path, 1, "load")) and 0.0 or -1.0
end

function rpm_functions.interactive()
    error("not a tty", 2)
end

function rpm_functions.vercmp(first, second)
    first, second = string_argument(first, 1, "vercmp"), string_argument(second, 2, "vercmp")
    if first == "" then
        error("bad argument #1 to 'vercmp' (invalid version )", 2)
    elseif second == "" then
        error("bad argument #2 to 'vercmp' (invalid version )", 2)
    end
    return host.vercmp(first, second)
end

function rpm_functions.b64encode(text, ...)
    text = string_argument(text, 1, "b64encode")
    if text == "" then
        return select("#", ...) == 1 and (...) or text
    end
    local length = -1
    if select("#", ...) == 1 then
        length = integer_argument((...), 2, "b64encode")
    end
    return host.b64encode(text, length)
end

function rpm_functions.b64decode(text)
    return host.b64decode(string_argument(text, 1, "b64decode"))
end

function rpm_functions.splitargs(text)
    return host.splitargs(string_argument(text, 1, "splitargs"))
end

function rpm_functions.unsplitargs(arguments)
    table_argument(arguments, 1, "unsplitargs")
    local words = {}
    for i = 1, rawlen(arguments) do
        local word = rawget(arguments, i)
        if word == nil then
            break
        elseif not is_text(word) then
            error("bad argument #-1 to 'unsplitargs' (string expected, got " .. type_name(word) .. ")", 2)
        end
        words[i] = "\31" .. word .. "\31"
    end
    return concat(words, " ")
end

-- Hooks are a channel between scripts: rpm itself calls none while it reads a spec.
function rpm_functions.register(name, hook)
    if not is_text(name) then
        error("bad argument #1 to 'register' (hook name expected)", 2)
    elseif type(hook) ~= "function" then
        error("bad argument #2 to 'register' (function expected)", 2)
    end
    name = tostring(name)
    local list = current.hooks[name] or {}
    current.hooks[name] = list
    local handle = host.object("hook")
    list[#list + 1] = { handle = handle, run = hook }
    return handle
end

function rpm_functions.unregister(name, handle)
    if not is_text(name) then
        error("bad argument #1 to 'unregister' (hook name expected)", 2)
    elseif type(handle) ~= "userdata" then
        error("bad argument #2 to 'unregister' (hook information expected)", 2)
    end
    local list = current.hooks[tostring(name)] or {}
    for i = #list, 1, -1 do
        if rawequal(list[i].handle, handle) then
            for j = i, #list do
                list[j] = list[j + 1]
            end
        end
    end
end

function rpm_functions.call(name, ...)
    if not is_text(name) then
        error("bad argument #1 to 'call' (hook name expected)", 2)
    end
    for i = 1, select("#", ...) do
        local kind = type((select(i, ...)))
        if kind == "boolean" or kind == "table" or kind == "function" or kind == "thread" then
            error("unsupported Lua type passed to hook", 2)
        end
    end
    local list = current.hooks[tostring(name)]
    if not list then
        return
    end
    local snapshot = { unpack(list) }
    for i = 1, #snapshot do
        local ok, result = guarded_pcall(snapshot[i].run, { ... })
        if not ok then
            host.message(2, "error: lua hook failed: " .. tostring(result) .. "\n")
        elseif type(result) == "number" and result ~= 0 then
            return
        end
    end
end

local function quote(word)
    return "'" .. gsub(word, "'", "'\\''") .. "'"
end

-- What rpm.execute and rpm.spawn answer for an exit status.
local function status_values(status)
    if status == 0 then
        return 0.0
    elseif dialect == V4_18 then
        local raw = status > 128 and status - 128 or status * 256
        return nil, raw < 134 and host.strerror(raw) or "Unknown error " .. raw, raw + 0.0
    elseif status > 128 then
        return nil, "exit signal", status - 128.0
    end
    return nil, "exit code", status + 0.0
end

function rpm_functions.execute(file, ...)
    local words = { quote(string_argument(file, 1, "execute")) }
    for i = 1, select("#", ...) do
        words[i + 1] = quote(string_argument((select(i, ...)), i + 1, "execute"))
    end
    return status_values(run_shell("rpm.execute", concat(words, " ")))
end

function rpm_functions.spawn(command, actions)
    table_argument(command, 1, "spawn")
    if #command == 0 then
        error("command not supplied", 2)
    end
    local words = {}
    for i = 1, #command do
        words[i] = quote(string_argument(rawget(command, i), i, "spawn"))
    end
    if type(actions) == "table" then
        local operators = { stdin = " <", stdout = " >>", stderr = " 2>>" }
        for key, value in stable_pairs(actions) do
            local operator = operators[key]
            if not operator then
                error("invalid spawn directive: " .. tostring(key), 2)
            end
            words[#words + 1] = operator .. quote(string_argument(value, 2, "spawn"))
        end
    end
    return status_values(run_shell("rpm.spawn", concat(words, " ")))
end

function rpm_functions.glob(pattern, flags)
    pattern = string_argument(pattern, 1, "glob")
    local keep = dialect < V6 or (flags ~= nil and find(string_argument(flags, 2, "glob"), "c", 1, true))
    local found = host.glob(pattern)
    if #found == 0 then
        if keep then
            return { pattern }
        end
        -- rpm pushes no result here, so that its last argument comes back.
        return flags == nil and pattern or flags
    end
    return found
end

-- The functions that only make sense after a fork: 4.20 warns, 6 has removed them.
local function check_deprecated(name)
    if dialect >= V6 then
        error(name .. "() is no longer available, use rpm.spawn() or rpm.execute() instead", 3)
    elseif dialect == V4_20 then
        host.message(2, "warning: " .. name .. "(): .fork(), .exec(), .wait() and .redirect2null() are deprecated, use "
            .. "rpm.spawn() or rpm.execute() instead\n")
    end
end

function rpm_functions.redirect2null()
    check_deprecated("rpm.redirect2null")
    error("redirect2null not permitted in this context", 2)
end

-- Version objects.

local function version_state(value, index, name)
    local state = type(value) == "userdata" and objects[value]
    if not state or host.kind(value) ~= "ver" then
        error(format("bad argument #%d to '%s' (rpm.ver expected, got %s)", index, name, type_name(value)), 4)
    end
    return state
end

local function compare_versions(first, second, name)
    local a, b = version_state(first, 1, name), version_state(second, 2, name)
    return host.evrcmp(a.e, a.v, a.r, b.e, b.v, b.r)
end

local version_class = {
    __name = "rpm.ver",
    __index = function(version, key)
        local state = objects[version]
        if key ~= "e" and key ~= "v" and key ~= "r" then
            error("invalid attribute: " .. string_argument(key, 2, "index"), 2)
        end
        return state[key]
    end,
    __tostring = function(version)
        local state = objects[version]
        return (state.e and state.e .. ":" or "") .. state.v .. (state.r and "-" .. state.r or "")
    end,
    __eq = function(a, b)
        return compare_versions(a, b, "__eq") == 0
    end,
    __lt = function(a, b)
        return compare_versions(a, b, "__lt") < 0
    end,
    __le = function(a, b)
        return compare_versions(a, b, "__le") <= 0
    end,
}

function rpm_functions.ver(...)
    local count = select("#", ...)
    local e, v, r = ...
    if count == 1 then
        if not is_text(e) or tostring(e) == "" then
            return
        end
        e, v, r = host.parse_evr(tostring(e))
    elseif count == 3 then
        e, v, r = is_text(e) and tostring(e) or nil, is_text(v) and tostring(v) or nil, is_text(r) and tostring(r) or nil
        if v == nil or v == "" then
            return
        end
    else
        error("invalid number of arguments: " .. count, 2)
    end
    local object = host.object("ver")
    objects[object] = { e = e, v = v, r = r }
    return object
end

-- rpm's own file streams.

local function fd_state(handle, name)
    local state = type(handle) == "userdata" and objects[handle]
    if not state or host.kind(handle) ~= "fd" then
        error(format("bad argument #1 to '%s' (rpm.fd expected, got %s)", name, type_name(handle)), 3)
    end
    return state
end

local fd_methods = {}

function fd_methods.read(handle, length)
    local state = fd_state(handle, "read")
    length = integer_argument(length, 1, "read", -1)
    if state.closed then
        error("error reading (null): Bad file descriptor", 2)
    end
    local text = content(state)
    local piece = length < 0 and sub(text, state.position) or sub(text, state.position, state.position + length - 1)
    state.position = state.position + #piece
    return piece
end

function fd_methods.write(handle, text, size)
    local state = fd_state(handle, "write")
    text = string_argument(text, 1, "write")
    size = integer_argument(size, 2, "write", #text)
    local done, message = write_values(handle, state, sub(text, 1, size))
    if state.closed or not done then
        error(format("error writing %s: %s", state.path, message or "Bad file descriptor"), 2)
    end
    return size
end

function fd_methods.flush(handle)
    fd_state(handle, "flush")
    return 0
end

function fd_methods.close(handle)
    local state = fd_state(handle, "close")
    if state.closed then
        return -1
    end
    state.closed = true
    return 0
end

function fd_methods.seek(handle, whence, offset)
    local state = fd_state(handle, "seek")
    whence = whence or "cur"
    if whence ~= "set" and whence ~= "cur" and whence ~= "end" then
        error(format("bad argument #1 to 'seek' (invalid option '%s')", tostring(whence)), 2)
    end
    local position = seek_state(state, whence, integer_argument(offset, 2, "seek", 0))
    if not position then
        error(format("%s: seek failed: Invalid argument", state.path), 2)
    end
    return position
end

local function check_compression(text, mode, level)
    local flags = match(mode, "%.(%w+)$")
    if flags == nil or flags == "ufdio" or flags == "fdio" or flags == "fpio" then
        return
    end
    local packed = find(text, "^\31\139") or find(text, "^BZh") or find(text, "^\253" .. "7zXZ") or find(text, "^%(\181/\253")
        or find(text, "^\93\0\0")
    if packed then
        error("rpm.open: compressed files cannot be read while a spec is parsed", level + 1)
    end
end

function fd_methods.reopen(handle, mode)
    local state = fd_state(handle, "reopen")
    mode = string_argument(mode, 1, "reopen")
    if not find(mode, "^[rwa]") then
        error(state.path .. " stream reopen failed (invalid mode?)", 2)
    end
    check_compression(content(state), mode, 2)
    return handle
end

local fd_class = {
    __name = "rpm.fd",
    __index = fd_methods,
    __tostring = function(handle)
        return fd_state(handle, "tostring").path
    end,
}

function rpm_functions.open(path, mode)
    path = string_argument(path, 1, "open")
    mode = mode == nil and "r" or string_argument(mode, 2, "open")
    if not find(mode, "^[rwa]") then
        error(path .. " open failed: Invalid argument", 2)
    end
    if find(mode, "^[wa]") or find(mode, "^r[^.]*%+") then
        if not is_temporary(path) then
            refuse("writing to `" .. path .. "`")
        end
        local virtual = current.virtual[path]
        if find(mode, "^w") then
            for i = #virtual, 1, -1 do
                virtual[i] = nil
            end
        end
        local handle = open_handle("fd", path, nil, virtual)
        objects[handle].append = find(mode, "^a") ~= nil
        return handle
    end
    local text, message = read_file(path)
    if not text then
        error(path .. " open failed: " .. (match(message, ": ([^:]*)$") or message), 2)
    end
    check_compression(text, mode, 2)
    return open_handle("fd", path, text)
end

-- The global table `macros`.

local function call_macro(name, ...)
    local count = select("#", ...)
    local argument = (...)
    if count > 1 then
        error("too many arguments", 3)
    end
    if is_text(argument) then
        local ok, value = host.expand("%{" .. name .. " " .. argument .. "}")
        if not ok then
            error("error expanding macro", 3)
        end
        return value
    elseif type(argument) ~= "table" then
        error(format("bad argument #1 to '%s' (string or table expected)", name), 3)
    end
    local words = {}
    for i = 1, rawlen(argument) do
        local word = rawget(argument, i)
        if is_text(word) then
            words[i] = tostring(word)
        elseif dialect == V4_18 then
            break
        else
            error(format("bad argument #%d to '%s' (cannot convert to string)", i, name), 3)
        end
    end
    local ok, value = host.call_macro(name, words)
    if not ok then
        if dialect == V4_18 then
            return
        end
        error("error expanding macro", 3)
    end
    return value
end

local macros_class = {
    __name = "rpm.mc",
    __index = function(_, name)
        name = string_argument(name, 2, "index")
        local parametric = host.isdefined(name)
        if parametric == nil then
            return
        elseif parametric then
            return function(...)
                local value = call_macro(name, ...)
                return value
            end
        end
        local ok, value = host.expand("%{" .. name .. "}")
        if not ok then
            error("error expanding macro", 2)
        end
        return value
    end,
    __newindex = function(_, name, body)
        name = string_argument(name, 2, "__newindex")
        if body == nil then
            if not host.undefine(name) then
                error("error undefining macro " .. name, 2)
            end
            return
        end
        if not host.define(name .. " " .. string_argument(body, 3, "__newindex")) then
            error("error defining macro " .. name, 2)
        end
    end,
}

---------------------------------------------------------------------------------------------------------------------
-- posix: facts of a fixed machine; what would change the real one is refused

local posix_functions = { version = "posix library for Lua 5.4 / Nov 2003" }

local function select_field(names, values, name, ...)
    if select("#", ...) == 0 then
        local all = {}
        for i = 1, #names do
            all[names[i]] = values[names[i]]
        end
        return all
    end
    local wanted = string_argument((...), 2, name)
    for i = 1, #names do
        if names[i] == wanted then
            return values[wanted]
        end
    end
    -- Called in the last place: the library function is gone from the stack.
    error(format("bad argument #2 to '%s' (invalid option '%s')", name, wanted), 2)
end

local function no_such_file(path)
    current.errno = { "No such file or directory", 2.0 }
    return nil, path .. ": No such file or directory", 2.0
end

function posix_functions.access(path, mode)
    path = string_argument(path, 1, "access")
    mode = mode == nil and "f" or string_argument(mode, 2, "access")
    local unknown = match(mode, "[^ rwxf]")
    if unknown then
        error("bad argument #2 to 'access' (unknown mode option `" .. unknown .. "')", 2)
    end
    if is_temporary(path) then
        return 0.0
    elseif not host.exists(path) then
        return no_such_file(path)
    elseif find(mode, "w", 1, true) then
        current.errno = { "Permission denied", 13.0 }
        return nil, path .. ": Permission denied", 13.0
    end
    return 0.0
end

function posix_functions.dir(path)
    path = path == nil and "." or string_argument(path, 1, "dir")
    local names = host.list(path)
    if not names then
        return no_such_file(path)
    end
    return names
end

function posix_functions.files(path)
    path = path == nil and "." or string_argument(path, 1, "files")
    local names = host.list(path)
    if not names then
        return no_such_file(path)
    end
    local position = 0
    return function()
        if position > #names then
            error("attempt to use closed dir", 2)
        end
        position = position + 1
        return names[position]
    end
end

local stat_names = { "mode", "ino", "dev", "nlink", "uid", "gid", "size", "atime", "mtime", "ctime", "type", "_mode" }

function posix_functions.stat(path, ...)
    path = string_argument(path, 1, "stat")
    local kind, mode, size, mtime
    if is_temporary(path) then
        kind, mode, size, mtime = "regular", 384, #read_file(path), host.now()
    else
        kind, mode, size, mtime = host.stat(path)
    end
    if not kind then
        return no_such_file(path)
    end
    local text = {}
    for i = 0, 8 do
        text[i + 1] = (mode >> (8 - i)) & 1 == 1 and sub("rwxrwxrwx", i + 1, i + 1) or "-"
    end
    local types = { regular = 32768, directory = 16384 }
    return select_field(stat_names, {
        mode = concat(text), ino = 1.0, dev = 1.0, nlink = 1.0, uid = 0.0, gid = 0.0, size = size + 0.0,
        atime = mtime + 0.0, mtime = mtime + 0.0, ctime = mtime + 0.0, type = kind,
        _mode = (types[kind] or 0) + mode + 0.0,
    }, "stat", ...)
end

function posix_functions.readlink(path)
    path = string_argument(path, 1, "readlink")
    local target = host.readlink(path)
    if target then
        return target
    elseif not host.exists(path) then
        return no_such_file(path)
    end
    current.errno = { "Invalid argument", 22.0 }
    return nil, path .. ": Invalid argument", 22.0
end

function posix_functions.getcwd()
    return host.cwd()
end

function posix_functions.getenv(...)
    if select("#", ...) == 0 then
        return host.environment()
    end
    return host.getenv(string_argument((...), 1, "getenv"))
end

function posix_functions.setenv(name, value, overwrite)
    name, value = string_argument(name, 1, "setenv"), string_argument(value, 2, "setenv")
    if overwrite == nil or overwrite or host.getenv(name) == nil then
        host.setenv(name, value)
    end
    return 0.0
end

function posix_functions.unsetenv(name)
    host.setenv(string_argument(name, 1, "unsetenv"), nil)
end

function posix_functions.putenv(text)
    text = string_argument(text, 1, "putenv")
    local name, value = match(text, "^([^=]*)=(.*)$")
    host.setenv(name or text, value)
    return 0.0
end

function posix_functions.uname(pattern)
    pattern = pattern == nil and "%s %n %r %v %m" or string_argument(pattern, 1, "uname")
    local bad
    local values = { s = "Linux", n = "localhost", r = "6.0.0", v = "#1", ["%"] = "%" }
    local text = gsub(pattern, "%%(.?)", function(letter)
        if letter == "m" then
            return host.hardware()
        end
        bad = bad or (values[letter] == nil and letter)
        return values[letter]
    end)
    if bad then
        error("bad argument #2 to 'uname' (unknown format option `" .. bad .. "')", 2)
    end
    return text
end

function posix_functions.errno()
    return current.errno[1], current.errno[2]
end

function posix_functions.getprocessid(...)
    local names = { "egid", "euid", "gid", "uid", "pgrp", "pid", "ppid" }
    local values = { egid = 1000.0, euid = 1000.0, gid = 1000.0, uid = 1000.0, pgrp = 1000.0, pid = 1000.0, ppid = 1.0 }
    return select_field(names, values, "getprocessid", ...)
end

local accounts = {
    { name = "root", uid = 0.0, gid = 0.0, dir = "/root", shell = "/bin/sh", gecos = "root", passwd = "x" },
    { name = "builder", uid = 1000.0, gid = 1000.0, dir = "/nonexistent", shell = "/bin/sh", gecos = "", passwd = "x" },
}

local function account(key, identifier)
    if key == nil then
        return accounts[2]
    end
    for i = 1, #accounts do
        if accounts[i].name == key or accounts[i][identifier] == tonumber(key) then
            return accounts[i]
        end
    end
end

function posix_functions.getpasswd(user, ...)
    if user ~= nil and not is_text(user) then
        error("bad argument #1 to 'getpasswd' (string or number expected, got " .. type_name(user) .. ")", 2)
    end
    local found = account(user, "uid")
    if not found then
        return nil
    end
    return select_field({ "name", "uid", "gid", "dir", "shell", "gecos", "passwd" }, found, "getpasswd", ...)
end

function posix_functions.getgroup(group)
    if not is_text(group) then
        error("bad argument #1 to 'getgroup' (string or number expected, got " .. type_name(group) .. ")", 2)
    end
    local found = account(group, "gid")
    return found and { name = found.name, gid = found.gid } or nil
end

function posix_functions.getlogin()
    return nil
end

function posix_functions.ttyname()
    return nil
end

function posix_functions.ctermid()
    return "/dev/tty"
end

function posix_functions.times(...)
    local names = { "utime", "stime", "cutime", "cstime", "elapsed" }
    return select_field(names, { utime = 0.0, stime = 0.0, cutime = 0.0, cstime = 0.0, elapsed = 0.0 }, "times", ...)
end

function posix_functions.pathconf(path, ...)
    string_argument(path, 1, "pathconf")
    return select_field(
        { "link_max", "max_canon", "max_input", "name_max", "path_max", "pipe_buf", "chown_restricted", "no_trunc", "vdisable" },
        {
            link_max = 127.0, max_canon = 255.0, max_input = 255.0, name_max = 255.0, path_max = 4096.0, pipe_buf = 4096.0,
            chown_restricted = 1.0, no_trunc = 1.0, vdisable = 0.0,
        }, "pathconf", ...)
end

function posix_functions.sysconf(...)
    return select_field(
        { "arg_max", "child_max", "clk_tck", "ngroups_max", "stream_max", "tzname_max", "open_max", "job_control", "saved_ids", "version" },
        {
            arg_max = 2097152.0, child_max = 63000.0, clk_tck = 100.0, ngroups_max = 65536.0, stream_max = 16.0, tzname_max = -1.0,
            open_max = 1024.0, job_control = 1.0, saved_ids = 1.0, version = 200809.0,
        }, "sysconf", ...)
end

function posix_functions.umask(...)
    if select("#", ...) > 0 then
        refuse("posix.umask with a mode")
    end
    return "rwxr-xr-x"
end

function posix_functions.sleep(seconds)
    integer_argument(seconds, 1, "sleep")
    return 0.0
end

function posix_functions.mkstemp(template)
    template = string_argument(template, 1, "mkstemp")
    local name = temporary_name((gsub(template, "XXXXXX$", "")))
    return open_file(name, "a+"), name
end

function posix_functions.unlink(path)
    path = string_argument(path, 1, "unlink")
    if is_temporary(path) then
        current.virtual[path] = nil
        return 0.0
    elseif not host.exists(path) then
        return no_such_file(path)
    end
    refuse("posix.unlink of `" .. path .. "`")
end

for _, name in ipairs({ "kill", "link", "mkdir", "mkfifo", "setgid", "setuid", "symlink" }) do
    posix_functions[name] = function()
        refuse("posix." .. name)
    end
end

-- These fail anyway if there is no such file.
for _, name in ipairs({ "chdir", "chmod", "chown", "rmdir", "utime" }) do
    posix_functions[name] = function(path)
        path = string_argument(path, 1, name)
        if not is_temporary(path) and not host.exists(path) then
            return no_such_file(path)
        end
        refuse("posix." .. name)
    end
end

function posix_functions.exec()
    check_deprecated("posix.exec")
    error("exec not permitted in this context", 2)
end

function posix_functions.fork()
    check_deprecated("posix.fork")
    refuse("posix.fork")
end

function posix_functions.wait()
    check_deprecated("posix.wait")
    current.errno = { "No child processes", 10.0 }
    return nil, "No child processes", 10.0
end

posix_functions.redirect2null = rpm_functions.redirect2null

if dialect == V4_18 then
    rpm_functions.glob = nil
    rpm_functions.spawn = nil
end

---------------------------------------------------------------------------------------------------------------------
-- debug: what can be had without the unsafe library

local debug_functions = {}

function debug_functions.traceback(message, level)
    if message ~= nil and not is_text(message) then
        return message
    end
    return host.traceback(message and tostring(message), (tointeger(level) or 1) + 1)
end

function debug_functions.getinfo(what)
    if type(what) == "function" then
        return { func = what, what = "Lua", source = "=?", short_src = "?", currentline = -1, linedefined = -1, lastlinedefined = -1, nups = 0 }
    end
    local level = integer_argument(what, 1, "getinfo")
    return host.getinfo(level + 1)
end

function debug_functions.getmetatable(object)
    return type(object) == "table" and getmetatable(object) or nil
end

---------------------------------------------------------------------------------------------------------------------
-- Environments

-- A function that makes copies of a table fast: a constructor that names every field.
local function copier(library)
    local names, fields = {}, {}
    for name in next, library do
        names[#names + 1] = name
    end
    sort(names)
    for i, name in ipairs(names) do
        fields[i] = name .. "=l." .. name
    end
    return assert(native_load("local l = ...; return function() return {" .. concat(fields, ",") .. "} end", "=copier", "t"))(library)
end

local function with(library, changes)
    local all = {}
    for name, value in next, library do
        all[name] = value
    end
    for name, value in next, changes do
        all[name] = value
    end
    return all
end

local new_string = copier(with(string, {
    rep = bounded_rep,
    find = bounded_matcher("find", find, false),
    match = bounded_matcher("match", match, false),
    gmatch = bounded_matcher("gmatch", gmatch, true),
    gsub = bounded_matcher("gsub", gsub, true),
}))
local new_string_meta = copier(with(getmetatable(""), {}))
local new_table = copier(with(table, {
    move = bounded_move,
    insert = bounded_list("insert", table.insert),
    remove = bounded_list("remove", table.remove),
    sort = bounded_list("sort", table.sort),
}))
local new_math = copier(with(math, {
    randomseed = function(...)
        if select("#", ...) == 0 then
            return native_seed(0)
        end
        return native_seed(...)
    end,
}))
local new_utf8 = copier(utf8)
local new_coroutine = copier(with(coroutine, { resume = guarded_resume, close = guarded_close, wrap = guarded_wrap }))
local new_rpm, new_posix = copier(rpm_functions), copier(posix_functions)
local new_io, new_os, new_debug = copier(io_functions), copier(os_functions), copier(debug_functions)

local new_globals = copier({
    _VERSION = _VERSION, assert = assert, collectgarbage = collect_garbage, dofile = do_file, error = error,
    getmetatable = getmetatable, ipairs = ipairs, load = load_text, loadfile = load_path, next = next, pairs = stable_pairs,
    pcall = guarded_pcall, print = print_values, rawequal = rawequal, rawget = rawget, rawlen = rawlen, rawset = rawset,
    require = require, select = select, setmetatable = guarded_setmetatable, tonumber = tonumber, tostring = tostring,
    type = type, xpcall = guarded_xpcall,
    warn = function(...)
        local words = { ... }
        if sub(words[1] or "", 1, 1) ~= "@" then
            host.message(2, "Lua warning: " .. concat(words) .. "\n")
        end
    end,
})

local searchpath = function(name, path, separator, replacement)
    return search_path(string_argument(name, 1, "searchpath"), string_argument(path, 2, "searchpath"), separator, replacement)
end
local loadlib = function()
    return nil, "C libraries cannot be loaded while a spec is parsed", "absent"
end

local macros_object

local function standard_stream(path, stream)
    local handle = open_handle("file", path, "")
    objects[handle].stream = stream
    return handle
end

local function fresh(config_dir)
    local globals = new_globals()
    globals._G = globals
    globals.string, globals.table, globals.math, globals.utf8 = new_string(), new_table(), new_math(), new_utf8()
    globals.coroutine, globals.debug = new_coroutine(), new_debug()
    globals.rpm, globals.posix, globals.io, globals.os = new_rpm(), new_posix(), new_io(), new_os()
    macros_object = macros_object or host.object("macros")
    globals.macros = macros_object
    local loaded = {
        _G = globals, string = globals.string, table = globals.table, math = globals.math, utf8 = globals.utf8,
        coroutine = globals.coroutine, debug = globals.debug, rpm = globals.rpm, posix = globals.posix, io = globals.io,
        os = globals.os,
    }
    local package = {
        path = config_dir .. "//lua/?.lua", cpath = "", config = "/\n;\n?\n!\n-\n", loaded = loaded, preload = {},
        searchers = { preload_searcher, file_searcher }, searchpath = searchpath, loadlib = loadlib,
    }
    globals.package, loaded.package = package, package
    local input, output = open_handle("file", "stdin", ""), standard_stream("stdout", 1)
    globals.io.stdin, globals.io.stdout, globals.io.stderr = input, output, standard_stream("stderr", 2)
    current = {
        globals = globals, package = package, loaded = loaded, hooks = {}, virtual = {}, temporaries = 0, clock = 0,
        errno = { "Success", 0.0 }, input = input, output = output,
    }
    native_seed(0)
    local meta = new_string_meta()
    meta.__index = globals.string
    return globals, meta
end

return fresh, emit_values, { ver = version_class, fd = fd_class, file = file_class, macros = macros_class }, load_path
