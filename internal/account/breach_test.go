package account

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func sha1Hex(p string) string {
	d := sha1.Sum([]byte(p))
	return strings.ToUpper(hex.EncodeToString(d[:]))
}

// buildFilter makes a filter of n passwords and those given.
func buildFilter(t *testing.T, n int, extra ...string) string {
	t.Helper()
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "%s:%d\r\n", sha1Hex(fmt.Sprint("stolen ", i)), 1+i%9)
	}
	for _, p := range extra {
		fmt.Fprintln(&list, strings.ToLower(sha1Hex(p)))
	}
	in, out := filepath.Join(t.TempDir(), "hashes.txt"), filepath.Join(t.TempDir(), "filter")
	if err := os.WriteFile(in, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := BuildFilter(in, out, 0)
	if err != nil || got != n+len(extra) {
		t.Fatalf("%d digests, error %v", got, err)
	}
	return out
}

func TestFilter(t *testing.T) {
	const n = 20_000
	path := buildFilter(t, n, goodPassword)
	f, err := openFilter(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	has := func(p string) bool {
		found, err := f.has(sha1.Sum([]byte(p)))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for i := range n {
		if !has(fmt.Sprint("stolen ", i)) {
			t.Fatalf("password %d of the list is not found", i)
		}
	}
	wrong := 0
	for i := range n {
		if has(fmt.Sprint("fresh ", i)) {
			wrong++
		}
	}
	if rate := float64(wrong) / n; rate > 2*FalsePositives {
		t.Errorf("%.4f of good passwords are refused, %.4f promised", rate, FalsePositives)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 2*n+100 {
		t.Errorf("%d bytes for %d digests", info.Size(), n)
	}
	b := newBench(t)
	a := b.local(t, ann)
	l, _ := a.Local()
	b.Config.Password.BreachCheck = path
	var weak *PasswordError
	if _, err := b.checkNew(t.Context(), a, l, otherPassword); err != nil {
		t.Errorf("a password that is not on the list: %v", err)
	}
	b.Config.Password.History = 0
	if _, err := b.checkNew(t.Context(), a, l, goodPassword); !errors.As(err, &weak) || !strings.Contains(weak.Sentence, "stolen") {
		t.Errorf("a password of the list: %v", err)
	}
	b.Config.Password.BreachCheck = path + ".gone"
	if _, err := b.checkNew(t.Context(), a, l, goodPassword); err != nil || !strings.Contains(b.logs(), "not compared") {
		t.Errorf("without the file: %v, log %s", err, b.logs())
	}
}

func TestFilterBuilding(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	good := sha1Hex("x")
	tests := []struct {
		name, list string
		atLeast, n int
		wrong      string
	}{
		{name: "with counts", list: good + ":3\r\n" + sha1Hex("y") + ":1\r\n", n: 2},
		{name: "seen often", list: good + ":3\n" + sha1Hex("y") + ":1\n", atLeast: 2, n: 1},
		{name: "empty lines", list: "\n" + good + "\n\n", n: 1},
		{name: "nothing", list: "\n", wrong: "no digest"},
		{name: "plain passwords", list: good + "\nhunter2\n", wrong: "line 2"},
		{name: "another digest", list: good + "00\n", wrong: "line 1"},
		{name: "no count", list: good + ":x\n", wrong: "line 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			os.Remove(out)
			if err := os.WriteFile(in, []byte(tt.list), 0o600); err != nil {
				t.Fatal(err)
			}
			n, err := BuildFilter(in, out, tt.atLeast)
			if (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), tt.wrong) || n != tt.n {
				t.Errorf("%d, %v", n, err)
			}
			if _, statErr := os.Stat(out); (statErr == nil) != (err == nil) {
				t.Errorf("file %v after %v", statErr, err)
			}
		})
	}
	if err := os.WriteFile(out, []byte(filterMagic+"\x00\x00\x00\x00\x00\x00\x01\x00cut short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{out, in, dir, filepath.Join(dir, "none"), "http://api.example.test/range", "https://", "https://a:b@c/range"} {
		if err := checkBreachSource(source); err == nil {
			t.Errorf("%s was taken", source)
		}
	}
	for _, source := range []string{"", "https://api.example.test/range", "http://127.0.0.1:9/range", buildFilter(t, 3)} {
		if err := checkBreachSource(source); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestRangeAPI(t *testing.T) {
	tests := []struct {
		name   string
		answer func(http.ResponseWriter)
		found  bool
		log    string
	}{
		{name: "known", answer: func(w http.ResponseWriter) {
			fmt.Fprintf(w, "0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n%s:42\r\n", sha1Hex(goodPassword)[5:])
		}, found: true},
		{name: "not known", answer: func(w http.ResponseWriter) { fmt.Fprint(w, "0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n") }},
		{name: "padding", answer: func(w http.ResponseWriter) { fmt.Fprintf(w, "%s:0\r\n", sha1Hex(goodPassword)[5:]) }},
		{name: "trouble", answer: func(w http.ResponseWriter) { w.WriteHeader(503) }, log: "status 503"},
		{name: "elsewhere", answer: func(w http.ResponseWriter) { w.Header().Set("Location", "https://elsewhere.test/"); w.WriteHeader(302) }, log: "status 302"},
		{name: "slow", answer: func(http.ResponseWriter) { time.Sleep(300 * time.Millisecond) }, log: "ask range API"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			a := b.local(t, ann)
			l, _ := a.Local()
			b.Config.Password.History = 0
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/range/"+sha1Hex(goodPassword)[:5] || r.Header.Get("Add-Padding") != "true" || r.URL.RawQuery != "" {
					t.Errorf("asked %s with %v", r.URL, r.Header)
				}
				tt.answer(w)
			}))
			defer api.Close()
			b.Config.Password.BreachCheck = api.URL + "/range"
			if tt.name == "slow" {
				b.HTTP = &http.Client{Timeout: 50 * time.Millisecond}
			}
			_, err := b.checkNew(t.Context(), a, l, goodPassword)
			var weak *PasswordError
			if errors.As(err, &weak) != tt.found || (err == nil) == tt.found {
				t.Errorf("error %v", err)
			}
			if logs := b.logs(); !strings.Contains(logs, tt.log) || (tt.log == "") != (logs == "") || strings.Contains(logs, sha1Hex(goodPassword)[:5]) {
				t.Errorf("log %q", logs)
			}
			if err := b.Weakness(t.Context(), goodPassword); err != nil {
				t.Errorf("while typing: %v", err)
			}
		})
	}
}
