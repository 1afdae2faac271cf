package middleware

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"crmgate/internal/audit"
)

// Failer is the one exit for errors (package page).
type Failer interface {
	// Fail answers a request with what an error means to the person, and logs it.
	Fail(w http.ResponseWriter, r *http.Request, err error)
}

// Recover turns a panic into an error page. Where the answer has begun already, the connection is cut instead: half an answer must not
// look whole. http.ErrAbortHandler passes, it is how a handler asks for just that.
func Recover(fail Failer, log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := record(w)
		defer func() {
			v := recover()
			switch {
			case v == nil:
			case v == http.ErrAbortHandler:
				panic(v)
			case rec.status != 0:
				log.ErrorContext(r.Context(), "panic in the middle of an answer", "panic", fmt.Sprint(v),
					"reference", audit.OriginOf(r.Context()).Reference, "stack", string(debug.Stack()))
				panic(http.ErrAbortHandler)
			default:
				fail.Fail(rec, r, fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
			}
		}()
		next.ServeHTTP(rec, r)
	})
}
