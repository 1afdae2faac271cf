package gateway_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/proxy"
)

// plainFail answers errors with their kind's status and a text that tests can look at.
type plainFail struct{ t testing.TB }

func (f plainFail) Fail(w http.ResponseWriter, r *http.Request, err error) {
	status := map[fault.Kind]int{fault.Internal: 500, fault.Invalid: 400, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.NotFound: 404,
		fault.Upstream: 502, fault.Unavailable: 503}[fault.KindOf(err)]
	if status == 500 {
		f.t.Logf("%s %s: %v", r.Method, r.RequestURI, err)
	}
	text := "internal"
	var e *fault.Error
	if errors.As(err, &e) {
		text = e.Reason + ": " + e.Sentence
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

func newSigner(t testing.TB) *proxy.Signer {
	t.Helper()
	key, err := proxy.NewAssertionKey(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s, err := proxy.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
