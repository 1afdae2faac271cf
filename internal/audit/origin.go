package audit

import "context"

// Origin is where a request came from, as far as the gateway believes it. Middleware decides once, from the connection and, where
// the peer is a trusted proxy, from what that proxy says; it puts the Origin into the context, and whoever records an event, asks
// for the client's address or tells the CRM about it reads it there.
type Origin struct {
	// Address is the client's IP address without port; empty where there is none (a Unix socket).
	Address   string
	UserAgent string
	// Reference is the request id.
	Reference string
	// Scheme is "http" or "https" and Host the authority, both as the client sees them.
	Scheme, Host string
	// Chain is the client's address and every proxy behind it up to our peer, as X-Forwarded-For has them.
	Chain string
	// Trace is the traceparent of this request (W3C Trace Context).
	Trace string
	// Trusted is true where the peer is a trusted proxy.
	Trusted bool
}

type originKey struct{}

// originContext carries an Origin in one allocation; context.WithValue would take three.
type originContext struct {
	context.Context
	origin Origin
}

func (c *originContext) Value(key any) any {
	if key == (originKey{}) {
		return &c.origin
	}
	return c.Context.Value(key)
}

// WithOrigin returns a context that carries o.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return &originContext{Context: ctx, origin: o}
}

// OriginOf returns the origin in ctx, zero where there is none (the command line).
func OriginOf(ctx context.Context) Origin {
	if o, ok := ctx.Value(originKey{}).(*Origin); ok {
		return *o
	}
	return Origin{}
}
