// Package gateway owns the guarded path: canonical path, upstream, rule, session, decision, and then proxy, sign-in, refusal.
package gateway
