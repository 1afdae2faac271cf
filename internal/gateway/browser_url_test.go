package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"crmgate/internal/proxy"
)

// browserSees is how a browser resolves what stands in a Location or a link on a page at https://crm.example.com (WHATWG URL, 4.4, for a
// base with a special scheme): the host it goes to, and the path it sends.
func browserSees(ref string) (host, path string) {
	ref = strings.TrimFunc(ref, func(r rune) bool { return r <= ' ' })
	ref = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(ref)
	slash := func(i int) bool { return i < len(ref) && (ref[i] == '/' || ref[i] == '\\') }
	host = "crm.example.com"
	if i := strings.IndexByte(ref, ':'); i > 0 && !strings.ContainsAny(ref[:i], `/\?#@.`) {
		switch strings.ToLower(ref[:i]) {
		case "http", "ws", "wss", "ftp":
			ref = strings.TrimLeft(ref[i+1:], `/\`)
			host = ""
		case "https":
			ref = ref[i+1:]
			if slash(0) && slash(1) {
				ref, host = strings.TrimLeft(ref, `/\`), ""
			}
		default:
			return "not http", ref[i:]
		}
	} else if slash(0) && slash(1) {
		ref, host = strings.TrimLeft(ref, `/\`), ""
	}
	if host == "" {
		end := strings.IndexAny(ref, `/\?#`)
		if end < 0 {
			end = len(ref)
		}
		host, ref = ref[:end], ref[end:]
		if i := strings.LastIndexByte(host, '@'); i >= 0 {
			host = host[i+1:]
		}
	}
	path, _, _ = strings.Cut(ref, "#")
	path, query, asked := strings.Cut(path, "?")
	var out []string
	segments := strings.Split(strings.TrimPrefix(strings.ReplaceAll(path, `\`, "/"), "/"), "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(s), "%2e", ".") {
		case "..":
			out = out[:max(0, len(out)-1)]
			if last {
				out = append(out, "")
			}
		case ".":
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	path = "/" + strings.Join(out, "/")
	if asked {
		path += "?" + query
	}
	return host, path
}

// TestBrowsersAndWe is a table of what stands in links, what a browser makes of it, and what becomes of that here. What a browser
// resolves by itself never comes in; what it passes on is read as it reads it, or refused.
func TestBrowsersAndWe(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	for _, tc := range []struct {
		link, sends string
		status      int
	}{
		{"/admin", "/admin", 403}, {"/public/../admin", "/admin", 403}, {"/public/%2e%2e/admin", "/admin", 403}, {"/public/.%2E/admin", "/admin", 403},
		{`/public\..\admin`, "/admin", 403}, {`\admin`, "/admin", 403}, {"/pub\tlic/a", "/public/a", 200}, {"/ad\nmin", "/admin", 403},
		{"  /public/a ", "/public/a", 200}, {"/public/./a", "/public/a", 200}, {"/public/a/..", "/public/", 200}, {"/../../admin", "/admin", 403},
		{"/public//..//admin", "/public//admin", 200}, {"/public/..%2fadmin", "/public/..%2fadmin", 400}, {"/public/%252e%252e/admin", "/public/%252e%252e/admin", 400},
		{"/public/..;/admin", "/public/..;/admin", 400}, {"/admin;x", "/admin;x", 400}, {"/admin#public", "/admin", 403}, {"/admin?/../public", "/admin?/../public", 403},
		{"/public/%5c..%5cadmin", "/public/%5c..%5cadmin", 400}, {"https:/public/a", "/public/a", 200}, {"/public/a%00", "/public/a%00", 400}, {"/%61dmin", "/%61dmin", 403},
		{"/public/\u2025/admin", "/public/\u2025/admin", 200}, {"/\uff0e\uff0e/admin", "/\uff0e\uff0e/admin", 200},
	} {
		t.Run(tc.link, func(t *testing.T) {
			host, path := browserSees(tc.link)
			if host != "crm.example.com" || path != tc.sends {
				t.Fatalf("the table is wrong: a browser goes to %s for %q", host, path)
			}
			res := g.get("GET "+strings.NewReplacer("\u2025", "%E2%80%A5", "\uff0e", "%EF%BC%8E").Replace(path), asAnn)
			if res.StatusCode != tc.status {
				t.Errorf("status %d, want %d: %s", res.StatusCode, tc.status, res.body)
			}
			up.take(t)
		})
	}
}

// TestReturnAddresses asks for pages without being signed in, under addresses that a browser would read as another site's, and follows
// what the redirect says. Wherever it leads, it is ours.
func TestReturnAddresses(t *testing.T) {
	up := record(t)
	strict := guard(t, up.url, nil)
	loose := guard(t, up.url, func(s *setup) { s.upstreams[0].PathsAsIs = true })
	for _, target := range []string{
		"/x", "/x?a=b&c", "//evil.test", "///evil.test/x", `/\evil.test`, `\\evil.test`, "/%5cevil.test", "/%2f/evil.test", "/.//evil.test", "/..//evil.test", "/%09/evil.test",
		"/x/..//evil.test", "http://evil.test/", "http://crm.example.com//evil.test", "http://crm.example.com@evil.test/", "//evil.test%2f..", "/;//evil.test", "/javascript:alert(1)",
		"/x?return_to=https://evil.test", "/x%0d%0aLocation:%20https://evil.test", "/%E2%80%AEevil", "/" + strings.Repeat("a", 9000), "/?" + strings.Repeat("b", 9000),
	} {
		for name, g := range map[string]*gate{"strict": strict, "as is": loose} {
			res := g.get("GET "+target, "Sec-Fetch-Mode: navigate", "Accept: text/html", "Referer: https://evil.test/x", "X-Forwarded-Host: evil.test")
			if res.StatusCode == 400 {
				continue
			}
			location := res.Header.Get("Location")
			host, path := browserSees(location)
			if res.StatusCode != 303 || host != "crm.example.com" || !strings.HasPrefix(path, "/_gate/sign-in?return_to=") || len(location) > 8<<10 {
				t.Errorf("%s, %s: status %d, %q", target, name, res.StatusCode, location)
				continue
			}
			u, err := url.Parse(location)
			if err != nil {
				t.Fatal(err)
			}
			back := u.Query().Get("return_to")
			if host, _ := browserSees(back); host != "crm.example.com" || !strings.HasPrefix(back, "/") {
				t.Errorf("%s, %s: comes back to %q on %s", target, name, back, host)
			}
		}
	}
	for referer, want := range map[string]string{
		"https://crm.example.com/form?a": "/form?a", "https://evil.test/form": "/", "https://crm.example.com.evil.test/": "/", "https://crm.example.com//evil.test/x": "/evil.test/x",
		"https://crm.example.com/_gate/sign-out": "/", `https://crm.example.com/\evil.test`: "/", "https://crm.example.com/a/../b": "/", "//evil.test": "/", "": "/",
	} {
		res := strict.get("POST /form", "Sec-Fetch-Mode: navigate", "Content-Length: 0", "Referer: "+referer)
		u, err := url.Parse(res.Header.Get("Location"))
		if err != nil || u.Query().Get("return_to") != want {
			t.Errorf("Referer %q: %q, want %q", referer, res.Header.Get("Location"), want)
		}
	}
}

// FuzzPathsLikeNetHTTP holds our reading of a path against that of net/url and http.ServeMux: where we read one meaning, so do they.
func FuzzPathsLikeNetHTTP(f *testing.F) {
	for _, s := range []string{"/", "/a//b", "/%61", "/a;b", "/a%3fb?c", "/é", "/a%25", "/x%252Fy", "http://a/b", "/..x/.y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		p, err := proxy.Canonical(&http.Request{Method: "GET", RequestURI: target})
		if err != nil || p.Authority != "" {
			return
		}
		for name, read := range serversReadings(p.Target) {
			if name == "bytes" {
				continue
			}
			if strings.TrimSuffix(read, "/") != strings.TrimSuffix(p.Decoded, "/") {
				t.Errorf("%q: %s reads %q, we read %q", target, name, read, p.Decoded)
			}
		}
	})
}
