package session

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"crmgate/internal/token"
)

func TestPresented(t *testing.T) {
	id, secret := token.NewID(), token.NewSecret()
	good := id + "." + secret
	tests := []struct {
		name   string
		secure bool
		lines  []string
		want   bool
	}{
		{"alone", false, []string{"crmgate_session=" + good}, true},
		{"among others", false, []string{"a=b; crmgate_session=" + good + "; c=d"}, true},
		{"tabs and no space", false, []string{"a=b;\tcrmgate_session=" + good + "\t;c"}, true},
		{"second line", false, []string{"a=b", "crmgate_session=" + good}, true},
		{"junk around", false, []string{";;;=; ;x;crmgate_session=" + good + ";=="}, true},
		{"prefixed", true, []string{"__Host-crmgate_session=" + good}, true},
		{"none", false, nil, false},
		{"doubled", false, []string{"crmgate_session=" + good + "; crmgate_session=" + good}, false},
		{"doubled over lines", false, []string{"crmgate_session=" + good, "crmgate_session="}, false},
		{"unprefixed on https", true, []string{"crmgate_session=" + good}, false},
		{"prefixed on http", false, []string{"__Host-crmgate_session=" + good}, false},
		{"prefix in other letters", true, []string{"__HOST-crmgate_session=" + good}, false},
		{"name in other letters", false, []string{"Crmgate_session=" + good}, false},
		{"nameless that spells a name", true, []string{"=__Host-crmgate_session=" + good}, false},
		{"longer name", false, []string{"xcrmgate_session=" + good + "; crmgate_session2=" + good}, false},
		{"space before =", false, []string{"crmgate_session =" + good}, false},
		{"space after =", false, []string{"crmgate_session= " + good}, false},
		{"quoted", false, []string{`crmgate_session="` + good + `"`}, false},
		{"empty", false, []string{"crmgate_session="}, false},
		{"no =", false, []string{"crmgate_session"}, false},
		{"id alone", false, []string{"crmgate_session=" + id}, false},
		{"no secret", false, []string{"crmgate_session=" + id + "."}, false},
		{"short secret", false, []string{"crmgate_session=" + good[:len(good)-1]}, false},
		{"long secret", false, []string{"crmgate_session=" + good + "A"}, false},
		{"second spelling of a secret", false, []string{"crmgate_session=" + id + "." + strings.Repeat("A", 42) + "B"}, false},
		{"capital id", false, []string{"crmgate_session=" + strings.Repeat("A", 32) + "." + secret}, false},
		{"path for an id", false, []string{"crmgate_session=" + strings.Repeat("../", 10) + "xx." + secret}, false},
		{"percent", false, []string{"crmgate_session=" + id + "%2E" + secret[2:]}, false},
		{"control characters", false, []string{"crmgate_session=" + id + ".\x00" + secret[1:]}, false},
		{"four thousand", false, []string{strings.Repeat("crmgate_session=x; ", 4000)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Cookie"] = tt.lines
			m := &Manager{Secure: tt.secure}
			gotID, gotSecret, ok := m.presented(r)
			ok = ok && genuine(gotID, gotSecret)
			if ok != tt.want || ok && (gotID != id || gotSecret != secret) {
				t.Errorf("presented = %q, %q, %v; want %v", gotID, gotSecret, ok, tt.want)
			}
		})
	}
}

// FuzzPresented checks the hand-made scan against a slow one, and that whatever passes is what Start writes.
func FuzzPresented(f *testing.F) {
	good := token.NewID() + "." + token.NewSecret()
	for _, seed := range []string{"", "crmgate_session=" + good, "a=b; crmgate_session=" + good + ";", "crmgate_session=" + good + ";crmgate_session=x",
		";;=;", "__Host-crmgate_session=" + good, "crmgate_session=\"" + good + "\"", "\tcrmgate_session=" + good + " \t"} {
		f.Add(seed, "")
		f.Add("x=y", seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		lines := []string{first, second}
		m := &Manager{}
		r := &http.Request{Header: http.Header{"Cookie": lines}}
		id, secret, ok := m.presented(r)
		ok = ok && genuine(id, secret)
		var values []string
		for _, line := range lines {
			for _, pair := range strings.Split(line, ";") {
				if name, value, found := strings.Cut(strings.Trim(pair, " \t"), "="); found && name == m.CookieName() {
					values = append(values, value)
				}
			}
		}
		if !slices.Equal(values, every(lines, m.CookieName())) {
			t.Fatalf("every = %q, want %q", every(lines, m.CookieName()), values)
		}
		if !ok {
			if len(values) == 1 && len(values[0]) == idLen+1+secretLen && token.WellFormed(values[0][idLen+1:]) &&
				values[0][idLen] == '.' && strings.Trim(values[0][:idLen], "0123456789abcdef") == "" {
				t.Fatalf("refused %q", values[0])
			}
			return
		}
		if len(values) != 1 || values[0] != id+"."+secret {
			t.Fatalf("presented %q.%q, the header has %q", id, secret, values)
		}
		if len(id) != idLen || !token.WellFormed(secret) {
			t.Fatalf("presented malformed %q.%q", id, secret)
		}
		if got := opens(secret, &[32]byte{}); got {
			t.Fatal("a zero digest was opened")
		}
	})
}

func FuzzWellFormed(f *testing.F) {
	f.Add(token.NewSecret())
	f.Add(strings.Repeat("A", 42) + "B")
	f.Add(strings.Repeat("=", 43))
	f.Fuzz(func(t *testing.T, s string) {
		// encoding/base64 skips line breaks; a cookie cannot hold them.
		if want := token.WellFormed(s) && !strings.ContainsAny(s, "\r\n"); wellFormed(s) != want {
			t.Errorf("wellFormed(%q) = %v, want %v", s, !want, want)
		}
	})
}

// TestSame changes every field in turn, so that a field added later cannot be forgotten.
func TestSame(t *testing.T) {
	base := func() *Session {
		now := time.Unix(1000, 0)
		return &Session{Groups: []string{"a"}, AMR: []string{"pwd"}, SignedInAt: now, AuthTime: now, LastSeen: now, ExpiresAt: now}
	}
	if !same(base(), base()) {
		t.Error("two equal records are not the same")
	}
	for i := range reflect.TypeFor[Session]().NumField() {
		field := reflect.TypeFor[Session]().Field(i)
		changed := base()
		switch v := reflect.ValueOf(changed).Elem().Field(i).Addr().Interface().(type) {
		case *string:
			*v = "x"
		case *[]string:
			*v = []string{"x"}
		case *time.Time:
			*v = v.Add(time.Millisecond)
		case *time.Duration:
			*v++
		case *bool:
			*v = true
		default:
			t.Fatalf("field %s has a type that this test does not know", field.Name)
		}
		if got, want := same(base(), changed), field.Name == "LastSeen"; got != want {
			t.Errorf("records that differ in %s: same = %v, want %v", field.Name, got, want)
		}
	}
}
