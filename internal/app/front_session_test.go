package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"crmgate/internal/bearer"
)

func (f *front) webSocket(t *testing.T) {
	open := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}
	for _, tc := range []struct {
		name, header, origin string
		status               int
	}{
		{"Ann", f.cookie, "Origin: " + f.gate, 101}, {"a program of Ann's", f.cookie, "X: x", 101},
		{"nobody", "X: x", "Origin: " + f.gate, 401}, {"another site's page", f.cookie, "Origin: https://evil.test", 403},
	} {
		f.crm.take()
		c, in := f.dial("GET /live", append(open, tc.header, tc.origin)...)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == 400 {
			res.StatusCode = 403 // crmgate's own word for what is doubtful, where the proxy lets it answer
		}
		if res.StatusCode != tc.status || (len(f.crm.take()) == 1) != (tc.status == 101) {
			t.Errorf("%s: %s", tc.name, res.Status)
			continue
		}
		if tc.status != 101 {
			continue
		}
		for _, said := range []string{"\x81\x85abcdefghi", "\x00\xff\x00"} {
			if _, err := io.WriteString(c, said); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(said))
			if _, err := io.ReadFull(in, got); err != nil || string(got) != said {
				t.Errorf("%s: the echo of %q is %q, %v", tc.name, said, got, err)
			}
		}
	}
}

// credentials for the CRM pass, the gateway's own do not.
func (f *front) credentials(t *testing.T) {
	session := f.ask("GET /_gate/session", "", f.cookie, asksForData)
	_, rest, _ := strings.Cut(session.body, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	_, secret, err := f.app.Tokens.Create(t.Context(), bearer.Wanted{AccountID: id, Name: "nightly import", Paths: []string{"/**"}}, "test")
	if err != nil {
		t.Fatal(err)
	}
	f.crm.take()
	if res := f.ask("GET /contacts", "", "Authorization: Bearer "+secret); res.StatusCode != http.StatusOK {
		t.Fatalf("with a token: %d %s", res.StatusCode, res.body)
	}
	if got := f.crm.one(t); got.header["Authorization"] != nil || got.header.Get("X-Forwarded-User") != id {
		t.Errorf("with a token the CRM got %v", got.header)
	}
	if res := f.ask("GET /contacts", "", f.cookie, "Authorization: Basic Y3JtOmNybQ=="); res.StatusCode != http.StatusOK {
		t.Fatalf("with the CRM's own: %d", res.StatusCode)
	}
	if got := f.crm.one(t); got.header.Get("Authorization") != "Basic Y3JtOmNybQ==" {
		t.Errorf("of the CRM's own it got %q", got.header["Authorization"])
	}
	res := f.ask("GET /contacts", "", "Authorization: Bearer "+secret+"x", asksForData)
	if res.StatusCode != http.StatusUnauthorized || !strings.Contains(res.Header.Get("Www-Authenticate"), "invalid_token") || len(f.crm.take()) != 0 {
		t.Errorf("with a bad token: %d %v", res.StatusCode, res.Header)
	}
}

func (f *front) signsOut(t *testing.T) {
	if res := f.ask("POST /_gate/sign-out", "x=", f.cookie, "Content-Type: application/x-www-form-urlencoded", "Origin: https://evil.test", "Sec-Fetch-Site: cross-site"); res.StatusCode != http.StatusForbidden {
		t.Errorf("another site's page signs out: %d", res.StatusCode)
	}
	if res := f.ask("POST /_gate/sign-out", "x=", f.cookie, "Content-Type: application/x-www-form-urlencoded", "Origin: "+f.gate); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-out: %d %s", res.StatusCode, res.body)
	}
	if res := f.ask("GET /contacts", "", f.cookie, asksForData); res.StatusCode != http.StatusUnauthorized || len(f.crm.take()) != 0 {
		t.Errorf("after the sign-out: %d", res.StatusCode)
	}
}
