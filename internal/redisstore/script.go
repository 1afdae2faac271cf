package redisstore

import "github.com/redis/rueidis"

const (
	sessionPrefix = "{crmgate}:session:"
	accountPrefix = "{crmgate}:account:"
	subjectPrefix = "{crmgate}:subject:"
	sidPrefix     = "{crmgate}:sid:"
	everybody     = "{crmgate}:sessions"
)

// sweepBatch is how many sessions one script removes: Redis does nothing else meanwhile.
const sweepBatch = 500

// scripts are the changes. Those marked retryable may run twice without harm when a connection breaks after the first.
type scripts struct{ create, touch, update, renew, remove, removeAll, sweep *rueidis.Lua }

func newScripts() scripts {
	return scripts{
		create:    rueidis.NewLuaScript(places + createScript),
		touch:     rueidis.NewLuaScriptRetryable(touchScript),
		update:    rueidis.NewLuaScript(updateScript),
		renew:     rueidis.NewLuaScript(places + renewScript + createScript),
		remove:    rueidis.NewLuaScriptRetryable(places + removeScript),
		removeAll: rueidis.NewLuaScript(places + removeAllScript),
		sweep:     rueidis.NewLuaScriptRetryable(places + sweepScript),
	}
}

// places begins the scripts that touch indexes. It knows from a session's member in which ones it stands, and takes it out of them and out
// of the world; what drop returns is 1 where the session was still there. The keys that are not in KEYS share its hash tag.
const places = `
local function places(member)
  local id, subject, sid, account = string.match(member, '^([^|]*)|([^|]*)|([^|]*)|(.*)$')
  local keys = {'` + everybody + `', '` + accountPrefix + `' .. account}
  if subject ~= '' then keys[#keys + 1] = '` + subjectPrefix + `' .. subject end
  if sid ~= '' then keys[#keys + 1] = '` + sidPrefix + `' .. sid end
  return '` + sessionPrefix + `' .. id, keys
end
local function drop(member)
  local session, indexes = places(member)
  for _, key in ipairs(indexes) do redis.call('ZREM', key, member) end
  return redis.call('DEL', session)
end
`

// createScript stores a session unless it exists. What ended long ago leaves the indexes on the way. Redis forgets the session itself a
// minute after its end: its clock may be ahead of ours.
//
//	KEYS session, everybody   ARGV member, data, seen, end, issuer
const createScript = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'data', ARGV[2], 'member', ARGV[1], 'seen', ARGV[3], 'issuer', ARGV[5])
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(ARGV[4]) + 60000))
local long_ago = string.format('%.0f', redis.call('TIME')[1] * 1000 - 120000)
local _, indexes = places(ARGV[1])
for _, key in ipairs(indexes) do
  if key ~= KEYS[2] then redis.call('ZREMRANGEBYSCORE', key, '-inf', long_ago) end
  redis.call('ZADD', key, ARGV[4], ARGV[1])
end
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

// renewScript begins createScript where a session takes the place of another: the other goes where it is still what was read.
//
//	KEYS (session, everybody), former session   ARGV (member, data, seen, end, issuer), data that was read, former member
const renewScript = `
if redis.call('HGET', KEYS[3], 'data') ~= ARGV[6] then return 0 end
drop(ARGV[7])`

// removeScript ends one session.
//
//	KEYS session
const removeScript = `
local member = redis.call('HGET', KEYS[1], 'member')
if not member then return 0 end
return drop(member)`

// removeAllScript ends the sessions of an index, but for one id and, where an issuer is given, those of other issuers. It returns the
// members of those that were there.
//
//	KEYS index   ARGV id to keep, issuer
const removeAllScript = `
local ended = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local session = places(member)
  local keep = session == '` + sessionPrefix + `' .. ARGV[1]
  if not keep and ARGV[2] ~= '' then
    local issuer = redis.call('HGET', session, 'issuer')
    keep = issuer and issuer ~= ARGV[2]
  end
  if not keep and drop(member) == 1 then ended[#ended + 1] = member end
end
return ended`

// sweepScript removes sessions that ended before a moment and returns how many entries it found.
//
//	KEYS everybody   ARGV moment, batch
const sweepScript = `
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(found) do drop(member) end
return #found`
