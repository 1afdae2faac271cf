// Package session owns one browser signed in: the Session record, its life cycle and limits, the cookie that names it, and
// the look-up on the hot path. Backends keep the records (packages sqlstore and redisstore); who may sign in is decided
// elsewhere (packages account and signin). It owns the record of a sign-in under way (Attempt) and the cookie that binds one to a browser as
// well, because backends keep them beside the sessions; what they mean is package signin's.
//
// Decisions:
//   - The cookie holds "id.secret". The id names the record and may be logged; of the secret only the digest is stored.
//     Lists of sessions and audit lines can therefore show ids without showing anything that opens one.
//   - Cookies are host-only, HttpOnly, SameSite=Lax and carry the __Host- prefix on https. A session cookie that comes twice is
//     nobody's. The cookie that binds a sign-in to its browser (Browser) has another name and lives an hour: a value planted
//     before the sign-in can never become a session.
//   - Records are immutable once read: the cache hands one *Session to many requests. A change is a new record.
//   - Look-ups are answered from memory for one second (Freshness) and then asked of the store again. Revocation by another
//     process (the command line, a second replica) is noticed within two seconds whatever the store, without a
//     subscription that could silently die. When the store cannot be asked, nobody passes. One process ends its own
//     sessions at once: also a look-up that is under way while its session ends comes back with nothing.
//   - Many requests with one session share one question to the store. It belongs to none of them: a client that goes away
//     does not cancel it.
//   - A sign-in always makes a new id and ends the browser's old session: a planted cookie is worth nothing.
//   - A renewed session is called by what follows from the secret it had before, so a sign-out with the former cookie finds it, whichever of
//     the two came first. The name opens nothing. A cookie from before two renewals finds the second one only
//     where the process that is asked knows of the first.
//   - What is open under a former name (Alive) goes on in every process: the account's sessions are asked for the one with the same Binding.
//     A request that comes with the former cookie is refused, as one with a stolen one must be: in another tab, in that moment, it is a 401
//     or a sign-in page, and the browser's next one carries the new cookie. A grace would be the thief's as well.
//   - A look-up that asks the store also asks whether the provider is to be asked again (Checker, package signin). What is found in memory
//     is never older than a second, so the hot path knows nothing of it. Requests go on with what is known while a provider is asked; one
//     that comes after it should long have been asked waits. Signing out asks nobody.
//   - Providers end sessions by their own names for them (EndProvider). A sign-in that is under way when they do begins a session all the
//     same: its code was given before the sign-out, and what is asked again soon ends it.
//   - A browser is sent to a provider without a click three times a minute at most, and not after a sign-out (Pace). The count is in a
//     cookie of its own: it must outlive sessions, and who forges it only fools themselves.
//   - To be known (KnownSecrets) is another cookie than to stand in for a second step (DeviceSecrets): the one opens nothing, so it may live for
//     400 days, which is the longest that browsers keep anything.
//   - gorilla/sessions is the way cookies are written and read on the sign-in pages; the hot path reads the same cookie
//     without it, because its registry and maps cost more than the rest of the look-up.
//
// Libraries: gorilla/sessions writes cookies in one known way; otter is a cache without goroutines of its own whose hit allocates nothing.
package session
