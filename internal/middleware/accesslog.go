package middleware

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"crmgate/internal/audit"
)

// AccessLog writes one line for each request when it ends: never a query, a cookie or any other header but the user agent, and no
// segment of a path below prefix that could be a mailed token. What fails and what is ours is logged at Info; what passed to the CRM and
// came back well, nearly everything, at Debug: the CRM has a log of its own, and a line for each of its requests would cost a third of what
// passing it on does. A nil logger, or one that is not enabled for Info, costs nothing.
func AccessLog(log *slog.Logger, prefix string, next http.Handler) http.Handler {
	if log == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !log.Enabled(r.Context(), slog.LevelInfo) {
			next.ServeHTTP(w, r)
			return
		}
		rec, start, complete := record(w), time.Now(), false
		// Deferred, because a connection that is cut is a panic; one that is cut before any answer is logged with status 0.
		defer func() {
			if complete && rec.status == 0 {
				rec.status = http.StatusOK // what the server sends for a handler that wrote nothing
			}
			level := slog.LevelDebug
			if rec.status == 0 || rec.status >= http.StatusBadRequest || strings.HasPrefix(r.URL.Path, prefix+"/") {
				level = slog.LevelInfo
			}
			if !log.Enabled(r.Context(), level) {
				return
			}
			o := audit.OriginOf(r.Context())
			log.LogAttrs(r.Context(), level, "request",
				slog.String("method", r.Method),
				slog.String("host", r.Host),
				slog.String("path", loggedPath(r.RequestURI, prefix)),
				slog.Int("status", rec.status),
				slog.Int64("bytes", rec.bytes),
				slog.Duration("duration", time.Since(start)),
				slog.String("address", o.Address),
				slog.String("user_agent", o.UserAgent),
				slog.String("reference", o.Reference))
		}()
		next.ServeHTTP(rec, r)
		complete = true
	})
}

const (
	maxLoggedPath = 512
	// maxPlainSegment is what a segment below the prefix may have and still be logged; tokens have more.
	maxPlainSegment = 36
)

// loggedPath looks at every path that could be ours: repeated slashes, escapes and the absolute form lead to our pages as well.
func loggedPath(target, prefix string) string {
	path, _, _ := strings.Cut(target, "?")
	if strings.Contains(path, prefix+"/") || strings.Contains(path, "%") {
		segments := strings.Split(path, "/")
		for i, s := range segments {
			if len(s) > maxPlainSegment {
				segments[i] = "…"
			}
		}
		path = strings.Join(segments, "/")
	}
	if len(path) > maxLoggedPath {
		path = path[:maxLoggedPath] + "…"
	}
	return path
}
