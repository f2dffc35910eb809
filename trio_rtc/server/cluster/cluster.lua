-- A batch of operations of one server. It is done as a whole, or not at all, and one after another.
--
-- KEYS[1]  the prefix of all keys
-- ARGV     the server, the number of the batch, the limits mailbox_messages, mailbox_bytes and
--          room_peers, and then the operations: each a letter, and what belongs to it
--
-- It gives {replies of the operations, items for this server}, or {"gone"} when the server is none
-- any more. A batch that comes again is not done again: it gets the replies of the first time.
--
-- Keys (PREFIX:1: before each):
--   run, gen, id, tick  run_id of Redis; its generation; the last id; when a lease was renewed last
--   s:ID    hash of a session: o owner, e epoch, r received, a acknowledged, b bytes of messages
--           that wait, g generation, v see `verified`, k key, R room, L seconds to stay without an
--           owner, x to x7 state of its dialect. What is 0 may be left out, of r, a and b
--   m:ID    list of the mail that is not acknowledged; numbers are a + position
--   r:ROOM  hash of a room: id -> protocol NUL name, and v, its version
--   k:N     hash: first letter of the protocol, and key -> id, for one of 1024 parts of all keys
--   o:NAME  set of the blocks in which a server has sessions, o:NAME:BLOCK those of one: small sets
--           of numbers and small hashes take a tenth of the memory of large ones
--   b:NAME  the last batch of a server
--   servers, gone  sorted sets: the ends of leases; when sessions without an owner are over

local call, concat = redis.call, table.concat
local P, me, batch = KEYS[1], ARGV[1], ARGV[2]
local most_messages, most_bytes, most_peers = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local LEASE, RENEWED, WORK = 5000, 2500, 1000
local FENCED, UNKNOWN, FULL, GAP = -1, -2, -3, -5

local function text(number)
    return string.format('%.0f', number)
end

local now_
local function now()
    if not now_ then
        local time = call('TIME')
        now_ = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
    end
    return now_
end

local generation_
local function generation()
    if not generation_ then
        generation_ = call('GET', P .. 'gen') or '0'
    end
    return generation_
end

-- What each server is to be told, in the order in which it happens.
local told = {}
local function tell(server, item)
    local items = told[server]
    if not items then
        items = {}
        told[server] = items
    end
    items[#items + 1] = item
end

local work = 0

-- Put an entry into a mailbox, and give its number.
local function append(id, a, g, entry)
    work = work + 1
    local number = a + call('RPUSH', P .. 'm:' .. id, entry)
    if g ~= generation() then
        -- The history before this generation had at least this many.
        call('HSET', P .. 's:' .. id, 'g', generation(), 'v', text(number - 1))
    end
    return number
end

local function append_and_tell(id, s, entry)
    local number = append(id, tonumber(s.a), s.g, entry)
    if s.o ~= '' then
        tell(s.o, 'E ' .. #entry .. ' ' .. id .. ' ' .. text(number) .. '\n' .. entry)
    end
end

local function session(id)
    local s = call('HMGET', P .. 's:' .. id, 'o', 'e', 'r', 'a', 'g', 'R')
    return { o = s[1], e = s[2], r = s[3] or '0', a = s[4] or '0', g = s[5], R = s[6] }
end

-- A session that is this server's to speak for, at this epoch.
local function own(id, epoch)
    local s = session(id)
    if s.o == me and s.e == epoch then
        return s
    end
end

-- Whether a message with a number is the next one: 1, or 0 for a repetition, or what is wrong.
local function take_number(id, s, seq)
    if seq == '0' then
        return 1
    end
    local number, received = tonumber(seq), tonumber(s.r)
    if number <= received then
        return 0
    end
    if number > received + 1 then
        return GAP
    end
    call('HSET', P .. 's:' .. id, 'r', seq)
    return 1
end

-- Operations: each is given its arguments, of which there are `arguments[name]`.
local arguments = {
    h = 2, t = 0, d = 0, j = 6, s = 5, r = 4, o = 3, a = 4, l = 2, f = 2, x = 5, n = 3, y = 4, m = 1,
}
local operations = {}

function operations.s(id, epoch, seq, to, entry)
    local s
    if epoch == '0' then
        s = session(id)
    else
        s = own(id, epoch)
    end
    if not (s and s.R) then
        return FENCED
    end
    local is_new = take_number(id, s, seq)
    if is_new ~= 1 then
        return is_new
    end
    local receiver = session(to)
    local failed
    if receiver.R ~= s.R then
        failed = 'unknown_peer'
    elseif call('HINCRBY', P .. 's:' .. to, 'b', #entry) > most_bytes then
        call('HINCRBY', P .. 's:' .. to, 'b', -#entry)
        failed = 'mailbox_full'
    else
        local a = tonumber(receiver.a)
        local number = append(to, a, receiver.g, entry)
        if number - a <= most_messages then
            if receiver.o ~= '' then
                tell(receiver.o, 'E ' .. #entry .. ' ' .. to .. ' ' .. text(number) .. '\n' .. entry)
            end
            return 1
        end
        call('RPOP', P .. 'm:' .. to)
        call('HINCRBY', P .. 's:' .. to, 'b', -#entry)
        failed = 'mailbox_full'
    end
    if seq ~= '0' then
        append_and_tell(id, s, 'F ' .. seq .. ' ' .. to .. ' ' .. failed .. '\n')
    end
    return failed == 'mailbox_full' and FULL or UNKNOWN
end

function operations.a(id, epoch, received, bytes)
    local s = call('HMGET', P .. 's:' .. id, 'o', 'e', 'a')
    if s[1] ~= me or s[2] ~= epoch then
        return FENCED
    end
    local more = received - (s[3] or 0)
    if more > 0 and more <= call('LLEN', P .. 'm:' .. id) then
        call('LTRIM', P .. 'm:' .. id, text(more), -1)
        call('HSET', P .. 's:' .. id, 'a', received)
        if bytes ~= '0' then
            call('HINCRBY', P .. 's:' .. id, 'b', '-' .. bytes)
        end
    end
    return 1
end

-- What most batches do without: to make all these functions takes longer than to relay a message.
local function define_others()
    -- The protocol and the name of a member of a room.
    local function card(room, id)
        local value = call('HGET', P .. 'r:' .. room, id)
        if value then
            return string.match(value, '^(%Z*)%z(.*)$')
        end
    end

    -- Redis keeps up to so many whole numbers as an array (set-max-intset-entries).
    local BLOCK = 512

    local function block_of(id)
        return text(math.floor(tonumber(id) / BLOCK))
    end

    local function own_add(server, id)
        local all, block = P .. 'o:' .. server, block_of(id)
        call('SADD', all, block)
        call('SADD', all .. ':' .. block, id)
    end

    local function own_close(all, block)
        if call('EXISTS', all .. ':' .. block) == 0 then
            call('SREM', all, block)
        end
    end

    local function own_remove(server, id)
        local all, block = P .. 'o:' .. server, block_of(id)
        call('SREM', all .. ':' .. block, id)
        own_close(all, block)
    end

    -- Where the id of a key stands.
    local function index_of(key)
        return P .. 'k:' .. tonumber(string.sub(redis.sha1hex(key), 1, 3), 16) % 1024
    end

    -- Tell all in a room but one. Those who have no place even for that are given.
    local function tell_room(room, entry, except)
        local key = P .. 'r:' .. room
        local version = call('HINCRBY', key, 'v', 1)
        local targets, full = {}, {}
        for _, id in ipairs(call('HKEYS', key)) do
            if id ~= 'v' and id ~= except then
                local s = call('HMGET', P .. 's:' .. id, 'o', 'a', 'g')
                if s[1] then
                    local a = tonumber(s[2] or 0)
                    local number = append(id, a, s[3], entry)
                    if number - a > 2 * most_messages then
                        full[#full + 1] = id
                    end
                    if s[1] ~= '' then
                        local list = targets[s[1]]
                        if not list then
                            list = {}
                            targets[s[1]] = list
                        end
                        list[#list + 1] = id .. ' ' .. text(number)
                    end
                end
            end
        end
        for server, list in pairs(targets) do
            tell(server, 'R ' .. #entry .. ' ' .. #room .. ' ' .. text(version) .. '\n' .. room .. entry)
            tell(server, 'E ' .. #entry .. ' ' .. concat(list, ' ') .. '\n' .. entry)
        end
        return version, full
    end

    local function depart(first)
        local leaving = { first }
        while #leaving > 0 do
            local id = table.remove(leaving)
            local s = call('HMGET', P .. 's:' .. id, 'o', 'R', 'k')
            if s[2] then
                local room = P .. 'r:' .. s[2]
                local _, name = card(s[2], id)
                call('DEL', P .. 's:' .. id, P .. 'm:' .. id)
                call('ZREM', P .. 'gone', id)
                call('HDEL', room, id)
                if s[1] ~= '' then
                    own_remove(s[1], id)
                    tell(s[1], 'D 0 ' .. id .. '\n')
                end
                if s[3] ~= '' then
                    call('HDEL', index_of(s[3]), s[3])
                end
                if call('HLEN', room) == 1 then
                    call('DEL', room)
                else
                    local _, full = tell_room(s[2], 'L ' .. id .. '\n' .. (name or ''))
                    for _, other in ipairs(full) do
                        leaving[#leaving + 1] = other
                    end
                end
            end
        end
    end

    -- What a dialect keeps goes in parts: a hash with a longer value takes four times the memory.
    local PART, PARTS = 64, { 'x', 'x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7' }

    local function put_state(id, state)
        local key = P .. 's:' .. id
        call('HDEL', key, unpack(PARTS))
        for number, part in ipairs(PARTS) do
            local first = (number - 1) * PART + 1
            if first > #state then
                return
            end
            -- Whatever is left goes into the last one.
            local last = number == #PARTS and #state or first + PART - 1
            call('HSET', key, part, string.sub(state, first, last))
        end
    end

    local function get_state(id)
        local parts = call('HMGET', P .. 's:' .. id, unpack(PARTS))
        for number = 1, #PARTS do
            parts[number] = parts[number] or ''
        end
        return concat(parts)
    end

    -- Up to which number the mailbox of a session is the one that its server, or its client, knows. A
    -- Redis that has forgotten something may have given the numbers after that a second time.
    local function verified(id, s)
        local top = tonumber(s.a) + call('LLEN', P .. 'm:' .. id)
        local v = s.g == generation() and call('HGET', P .. 's:' .. id, 'v')
        return v and tonumber(v) or top
    end

    local function verify(id)
        call('HDEL', P .. 's:' .. id, 'v')
        call('HSET', P .. 's:' .. id, 'g', generation())
    end

    -- Take sessions from a server, so that they are nobody's for now; whether it has more.
    local function bury(server, most)
        local all = P .. 'o:' .. server
        local block = call('SRANDMEMBER', all)
        while block do
            if most == 0 then
                return 1
            end
            local ids = call('SPOP', all .. ':' .. block, most)
            most = most - #ids
            own_close(all, block)
            for _, id in ipairs(ids) do
                local s = call('HMGET', P .. 's:' .. id, 'o', 'L')
                if s[1] == server then
                    call('HSET', P .. 's:' .. id, 'o', '')
                    call('HINCRBY', P .. 's:' .. id, 'e', 1)
                    call('ZADD', P .. 'gone', text(now() + 1000 * tonumber(s[2])), id)
                end
            end
            block = call('SRANDMEMBER', all)
        end
        call('ZREM', P .. 'servers', server)
        call('DEL', P .. 'b:' .. server)
        return 0
    end

    local function sweep()
        for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'gone', '-inf', text(now()), 'LIMIT', 0, 256)) do
            if work > WORK then
                return
            end
            work = work + 1
            depart(id)
        end
    end

    -- A server is there, with a connection of its own: which generation this is, whether it was known,
    -- and what is its own.
    function operations.h(run, is_new)
        if call('GET', P .. 'run') ~= run then
            call('SET', P .. 'run', run)
            call('INCR', P .. 'gen')
            if not call('GET', P .. 'id') then
                call('SET', P .. 'id', text(math.floor(now() / 1000) % 100000 * 1000))
            else
                -- Ids may have been given that are forgotten.
                call('INCRBY', P .. 'id', 10000)
            end
            generation_ = nil
        end
        local known = call('ZSCORE', P .. 'servers', me)
        if known or is_new == '1' then
            call('ZADD', P .. 'servers', text(now() + LEASE), me)
        end
        local own_ids, all = {}, P .. 'o:' .. me
        for _, block in ipairs(call('SMEMBERS', all)) do
            for _, id in ipairs(call('SMEMBERS', all .. ':' .. block)) do
                own_ids[#own_ids + 1] = id
            end
        end
        return { tonumber(generation()), known and 1 or 0, own_ids }
    end

    -- A lease is renewed; others that are over are looked after. Whether there is more of that to do,
    -- how many servers there are, and how many sessions are nobody's.
    function operations.t()
        local last = tonumber(call('GET', P .. 'tick') or 0)
        call('SET', P .. 'tick', text(now()))
        if now() - last > RENEWED then
            -- Nobody could renew anything: that says nothing about any server.
            for _, server in ipairs(call('ZRANGE', P .. 'servers', 0, -1)) do
                call('ZADD', P .. 'servers', text(now() + LEASE), server)
            end
        end
        call('ZADD', P .. 'servers', text(now() + LEASE), me)
        local more = 0
        for _, server in ipairs(call('ZRANGEBYSCORE', P .. 'servers', '-inf', text(now()), 'LIMIT', 0, 1)) do
            bury(server, 500)
            more = 1
        end
        sweep()
        if work > WORK then
            more = 1
        end
        return { more, call('ZCARD', P .. 'servers'), call('ZCARD', P .. 'gone') }
    end

    -- A server goes: whether it has more sessions.
    function operations.d()
        return bury(me, 500)
    end

    function operations.j(protocol, name, room, key, state, linger)
        local there = P .. 'r:' .. room
        if call('HLEN', there) > most_peers then
            return { 'full' }
        end
        local index = ''
        if key ~= '' then
            index = string.sub(protocol, 1, 1) .. key
            if call('HEXISTS', index_of(index), index) == 1 then
                return { 'taken' }
            end
        end
        local id = text(call('INCR', P .. 'id'))
        if name == '' then
            name = 'peer_' .. id
        end
        local version, full = tell_room(room, 'J ' .. id .. ' ' .. protocol .. '\n' .. name)
        call('HSET', there, id, protocol .. '\0' .. name)
        call('HSET', P .. 's:' .. id, 'o', me, 'e', 1, 'g', generation(), 'k', index, 'R', room,
            'L', linger)
        put_state(id, state)
        own_add(me, id)
        if index ~= '' then
            call('HSET', index_of(index), index, id)
        end
        local all = call('HGETALL', there)
        for _, other in ipairs(full) do
            depart(other)
        end
        return { 'ok', tonumber(id), name, version, all }
    end

    -- Senders are told that there was no place for messages after all.
    function operations.r(id, epoch, seq, list)
        local s = own(id, epoch)
        if not s then
            return FENCED
        end
        local is_new = take_number(id, s, seq)
        if is_new == 1 then
            for sender, number in string.gmatch(list, '(%d+) (%d+)') do
                local other = session(sender)
                if other.R == s.R then
                    append_and_tell(sender, other, 'F ' .. number .. ' ' .. id .. ' mailbox_full\n')
                end
            end
        end
        return is_new
    end

    function operations.o(id, epoch, entry)
        local s = own(id, epoch)
        if not s then
            return FENCED
        end
        append_and_tell(id, s, entry)
        return 1
    end

    function operations.l(id, epoch)
        local s = session(id)
        if s.o ~= me or (epoch ~= '0' and s.e ~= epoch) then
            return FENCED
        end
        depart(id)
        return 1
    end

    function operations.f(protocol, key)
        local id = key
        if string.sub(key, 1, 1) == 'k' then
            local index = string.sub(protocol, 1, 1) .. string.sub(key, 2)
            id = call('HGET', index_of(index), index)
        else
            id = string.sub(key, 2)
        end
        if not id then
            return {}
        end
        local s = session(id)
        local its_protocol, name = card(s.R or '', id)
        if its_protocol ~= protocol then
            return {}
        end
        return { tonumber(id), name, s.R, tonumber(s.e), get_state(id) }
    end

    -- Go on with a session as it was found: its state says which connection is its last one, too.
    function operations.x(id, epoch, received, before, state)
        local s = session(id)
        if s.e ~= epoch or get_state(id) ~= before then
            return { 'no' }
        end
        if tonumber(received) > verified(id, s) then
            depart(id)
            return { 'lost' }
        end
        verify(id)
        local new = text(tonumber(epoch) + 1)
        call('HSET', P .. 's:' .. id, 'e', new, 'o', me)
        put_state(id, state)
        if s.o ~= '' and s.o ~= me then
            own_remove(s.o, id)
            tell(s.o, 'X 0 ' .. id .. ' ' .. new .. '\n')
        end
        own_add(me, id)
        call('ZREM', P .. 'gone', id)
        return { 'ok', tonumber(new), tonumber(s.r), tonumber(s.a), call('HGETALL', P .. 'r:' .. s.R),
            call('LRANGE', P .. 'm:' .. id, 0, -1) }
    end

    function operations.n(id, epoch, state)
        if not own(id, epoch) then
            return FENCED
        end
        put_state(id, state)
        return 1
    end

    -- After a connection is new: what has come for a session meanwhile, if it is what it was.
    function operations.y(id, epoch, top, received)
        local s = own(id, epoch)
        if not s then
            return { 'fenced' }
        end
        if tonumber(top) > verified(id, s) or tonumber(received) > tonumber(s.r) then
            depart(id)
            return { 'lost' }
        end
        verify(id)
        return { 'ok', call('LRANGE', P .. 'm:' .. id, text(math.max(0, top - s.a)), -1) }
    end

    function operations.m(room)
        return call('HGETALL', P .. 'r:' .. room)
    end
end

local replies = {}
if ARGV[6] ~= 'h' then
    if not call('ZSCORE', P .. 'servers', me) then
        return { 'gone' }
    end
    local last = call('GET', P .. 'b:' .. me)
    if last then
        last = cmsgpack.unpack(last)
        if last[1] == batch then
            return { last[2], '' }
        end
    end
end
local i = 6
while i <= #ARGV do
    local name = ARGV[i]
    local count = arguments[name]
    if not operations[name] then
        define_others()
    end
    replies[#replies + 1] = operations[name](unpack(ARGV, i + 1, i + count))
    i = i + 1 + count
end
if ARGV[6] ~= 'h' then
    call('SET', P .. 'b:' .. me, cmsgpack.pack({ batch, replies }))
end
for server, items in pairs(told) do
    if server ~= me then
        call('PUBLISH', P .. 'q:' .. server, concat(items))
    end
end
return { replies, told[me] and concat(told[me]) or '' }
