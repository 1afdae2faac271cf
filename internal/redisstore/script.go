package redisstore

import "github.com/redis/rueidis"

const (
	sessionPrefix = "{crmgate}:session:"
	accountPrefix = "{crmgate}:account:"
	everybody     = "{crmgate}:sessions"
)

// sweepBatch is how many sessions one script removes: Redis does nothing else meanwhile.
const sweepBatch = 500

// scripts are the changes. Those marked retryable may run twice without harm when a connection breaks after the first.
type scripts struct{ create, touch, update, remove, removeAccount, sweep *rueidis.Lua }

func newScripts() scripts {
	return scripts{
		create:        rueidis.NewLuaScript(createScript),
		touch:         rueidis.NewLuaScriptRetryable(touchScript),
		update:        rueidis.NewLuaScript(updateScript),
		remove:        rueidis.NewLuaScriptRetryable(removeScript),
		removeAccount: rueidis.NewLuaScript(removeAccountScript),
		sweep:         rueidis.NewLuaScriptRetryable(sweepScript),
	}
}

// createScript stores a session unless it exists. What ended long ago leaves the account's index on the way. Redis forgets
// the session itself a minute after its end: its clock may be ahead of ours.
//
//	KEYS session, account, everybody   ARGV id, account, data, seen, end
const createScript = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'data', ARGV[3], 'account', ARGV[2], 'seen', ARGV[4])
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(ARGV[5]) + 60000))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', redis.call('TIME')[1] * 1000 - 120000))
redis.call('ZADD', KEYS[2], ARGV[5], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[1] .. '|' .. ARGV[2])
return 1`

// touchScript moves seen on, never back, and says whether the session is there.
//
//	KEYS session   ARGV seen
const touchScript = `
local seen = redis.call('HGET', KEYS[1], 'seen')
if not seen then return 0 end
if tonumber(seen) < tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'seen', ARGV[1]) end
return 1`

// updateScript replaces a session's data where it is still what was read; the time of its end stays.
//
//	KEYS session   ARGV data that was read, new data
const updateScript = `
if redis.call('HGET', KEYS[1], 'data') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'data', ARGV[2])
return 1`

// removeScript ends one session.
//
//	KEYS session, everybody   ARGV id, account prefix
const removeScript = `
local account = redis.call('HGET', KEYS[1], 'account')
if not account then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', ARGV[2] .. account, ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1] .. '|' .. account)
return 1`

// removeAccountScript ends the sessions of an account but for one and returns the ids of those that were there.
//
//	KEYS account, everybody   ARGV account, except, session prefix
const removeAccountScript = `
local ended = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if id ~= ARGV[2] then
    if redis.call('DEL', ARGV[3] .. id) == 1 then ended[#ended + 1] = id end
    redis.call('ZREM', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id .. '|' .. ARGV[1])
  end
end
return ended`

// sweepScript removes sessions that ended before a moment and returns how many entries it found.
//
//	KEYS everybody   ARGV moment, batch, session prefix, account prefix
const sweepScript = `
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(found) do
  local bar = string.find(member, '|', 1, true)
  local id = string.sub(member, 1, bar - 1)
  redis.call('DEL', ARGV[3] .. id)
  redis.call('ZREM', ARGV[4] .. string.sub(member, bar + 1), id)
  redis.call('ZREM', KEYS[1], member)
end
return #found`
