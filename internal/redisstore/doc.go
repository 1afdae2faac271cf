// Package redisstore keeps sessions in Redis, so that replicas share them without a common SQL database being asked for each. It
// implements session.Store and nothing else; accounts, attempts and the rest stay in sqlstore.
//
// What is stored, all below one hash tag so that a script may touch several keys also in a cluster:
//
//	{crmgate}:session:<id>        hash: data (JSON), member, issuer, seen (unix milliseconds); expires by itself after the session's end
//	{crmgate}:sessions            sorted set of the members of all sessions, by their end
//	{crmgate}:account:<account>   the same of one account
//	{crmgate}:subject:<digest>    the same of one person at one provider
//	{crmgate}:sid:<digest>        the same of one session at one provider
//
// A member is "<id>|<digest of subject>|<digest of sid>|<account>": it names every index that it stands in.
//
// Decisions:
//   - Every change is one Lua script: a session and its places in the indexes come and go together, so a revocation misses
//     none and a touch cannot bring back what was ended a moment before.
//   - One hash tag puts all sessions of a cluster on one of its masters. That master does a hundred thousand look-ups a second, the
//     gateway asks once a second for a session in use, and in return revoking an account is atomic.
//   - The indexes do not expire and Redis may not evict them: with an index gone a revocation would report success and
//     leave sessions alive. Open refuses a server that evicts any key it likes (allkeys-*).
//   - No client-side caching: session.Manager asks again every second anyway, and that needs no connection that may have
//     dropped its invalidations.
//
// Libraries: rueidis pipelines by itself, knows sentinels and clusters, and can later invalidate caches on the server's word.
package redisstore
