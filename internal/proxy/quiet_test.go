package proxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"testing"
	"time"
)

// pair is a connection to the CRM as the Transport has it, and the CRM's end of it.
func pair(t *testing.T) (ours *quietConn, crm net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dial := quietly((&net.Dialer{}).DialContext)
	nc, err := dial(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	crm, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close(); crm.Close() })
	return nc.(*quietConn), crm
}

// reads lets somebody wait for what comes, as the Transport does on a connection that is kept.
func reads(t *testing.T, c *quietConn) <-chan error {
	t.Helper()
	came := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 10))
		came <- err
	}()
	for !c.reading.Load() {
		time.Sleep(time.Millisecond)
	}
	return came
}

func TestSettle(t *testing.T) {
	t.Run("nothing came", func(t *testing.T) {
		c, crm := pair(t)
		came := reads(t, c)
		if !c.settle() {
			t.Fatal("refused")
		}
		if _, err := c.Write([]byte("ask")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(crm, "answer"); err != nil {
			t.Fatal(err)
		}
		if err := <-came; err != nil {
			t.Errorf("the answer: %v", err)
		}
	})
	t.Run("something comes before the request", func(t *testing.T) {
		c, crm := pair(t)
		came := reads(t, c)
		if !c.settle() {
			t.Fatal("refused")
		}
		if _, err := io.WriteString(crm, "hidden"); err != nil {
			t.Fatal(err)
		}
		if err := <-came; !errors.Is(err, errUnasked) {
			t.Errorf("%v, want %v", err, errUnasked)
		}
	})
	t.Run("something came that nobody has read", func(t *testing.T) {
		c, crm := pair(t)
		c.reading.Store(true) // on its way into Read
		if _, err := io.WriteString(crm, "hidden"); err != nil {
			t.Fatal(err)
		}
		for c.ear.Quiet() {
			time.Sleep(time.Millisecond)
		}
		if c.settle() || !c.closed.Load() {
			t.Error("fit for the next request")
		}
	})
	t.Run("what was read is not used up", func(t *testing.T) {
		c, _ := pair(t)
		if c.settle() || !c.closed.Load() {
			t.Error("fit for the next request")
		}
	})
	t.Run("closed", func(t *testing.T) {
		c, _ := pair(t)
		c.Close()
		if c.settle() {
			t.Error("fit for the next request")
		}
	})
}

// TestUnfitConnectionAndNoOther has a request meet a connection that is not fit, and then a CRM that is gone: it fails, and is not tried for ever.
func TestUnfitConnectionAndNoOther(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	gone, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	srv.Close()
	cfg := Config{}.Default()
	cfg.ID, cfg.URLs = "crm", []string{gone.String()}
	cfg.Identity.Assertion.Enabled = false
	u, err := Open(cfg, Shared{PublicURL: gone, Names: NewNames([]Config{cfg}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	early := &early{upstream: u}
	unfit, _ := pair(t)
	unfit.Close()
	early.got(httptrace.GotConnInfo{Conn: unfit, Reused: true})
	if !early.unsent {
		t.Fatal("a closed connection is fit")
	}
	e := u.pool.endpoints[0]
	out := httptest.NewRequestWithContext(t.Context(), "POST", "/", nil)
	out.URL, out.RequestURI = &url.URL{Scheme: e.scheme, Host: e.host, Path: "/"}, ""
	if _, err := u.send(out, e, early); err == nil {
		t.Error("an answer from nobody")
	}
}
