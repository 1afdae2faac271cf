package gateway_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crmgate/internal/proxy"
	"crmgate/internal/realtest"
)

// script is a CRM that says what it was asked, as PHP sees it.
const script = `<?php
header('Content-Type: application/json');
echo json_encode(['server' => array_map('strval', array_filter($_SERVER, 'is_scalar')), 'cookies' => array_keys($_COOKIE),
	'path' => rawurldecode((string)parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH))], JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR);
`

// php starts nginx and PHP-FPM as a CRM, as careless about names of headers as nginx can be made, and returns its address.
func php(t *testing.T) string {
	fpm, addr, dir := realtest.PHPFPM(t), realtest.Addr(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.php"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	realtest.Nginx(t, addr, dir, fmt.Sprintf(`
server {
	listen %s;
	underscores_in_headers on;
	ignore_invalid_headers off;
	location / {
		fastcgi_pass %s;
		fastcgi_param SCRIPT_FILENAME %s/index.php;
		fastcgi_param REQUEST_METHOD $request_method;
		fastcgi_param REQUEST_URI $request_uri;
		fastcgi_param DOCUMENT_URI $document_uri;
		fastcgi_param QUERY_STRING $query_string;
		fastcgi_param SERVER_PROTOCOL $server_protocol;
		fastcgi_param CONTENT_TYPE $content_type;
		fastcgi_param CONTENT_LENGTH $content_length;
	}
}`, addr, fpm, dir))
	return "http://" + addr
}

// phpSaw is what the script says.
type phpSaw struct {
	Server  map[string]string
	Cookies []string
	Path    string
}

func readPHP(t *testing.T, a answer) phpSaw {
	t.Helper()
	var saw phpSaw
	if err := json.Unmarshal([]byte(a.body), &saw); err != nil {
		t.Fatalf("%d %q: %v", a.StatusCode, a.body, err)
	}
	return saw
}

// area is the part of the CRM that a path belongs to, in the words of the rules that guard sets.
func area(path string) string {
	for _, a := range []string{"/public", "/admin", "/internal"} {
		if path == a || strings.HasPrefix(path, a+"/") {
			return a
		}
	}
	return ""
}

// TestPathsAsPHPReadsThem sends targets that one server or another reads in its own way: nobody reaches with them what the rules keep from
// them, as nginx reads the path, as PHP reads it, and as a browser does; and what passes is read by all of them as it was decided on.
func TestPathsAsPHPReadsThem(t *testing.T) {
	g := guard(t, php(t), nil)
	targets := append(ambiguous(), random(300)...)
	browsers := asBrowsersRead(t, targets)
	passed := 0
	for i, target := range targets {
		for _, who := range []string{"X: nobody", asAnn} {
			res := g.get("GET "+target, who)
			if res.StatusCode != http.StatusOK {
				if res.StatusCode/100 != 4 || strings.Contains(res.body, "REQUEST_URI") {
					t.Errorf("%q: %d %s", target, res.StatusCode, res.body)
				}
				continue
			}
			if strings.HasPrefix(res.body, "own ") {
				continue
			}
			passed++
			saw := readPHP(t, res)
			decided, err := proxy.Canonical(&http.Request{Method: http.MethodGet, RequestURI: target})
			if err != nil {
				t.Errorf("%q passed: %v", target, err)
			}
			_, query, _ := strings.Cut(decided.Target, "?")
			if saw.Server["REQUEST_URI"] != decided.Target || saw.Server["DOCUMENT_URI"] != decided.Decoded || saw.Path != decided.Decoded || saw.Server["QUERY_STRING"] != query {
				t.Errorf("%q was decided on as %q and read as %q by nginx, %q by PHP, query %q", target, decided.Decoded, saw.Server["DOCUMENT_URI"], saw.Path, saw.Server["QUERY_STRING"])
			}
			for reader, path := range map[string]string{"nginx": saw.Server["DOCUMENT_URI"], "PHP": saw.Path, "a browser": browsers[i]} {
				a := area(path)
				if reached := a == "/admin" || a == "/internal" || who != asAnn && a != "/public"; reached {
					t.Errorf("%q (%s) brings to %q as %s reads it", target, who, path, reader)
				}
			}
		}
	}
	if passed < 60 {
		t.Errorf("only %d requests of %d passed: the table has too few honest ones to say much", passed, 2*len(targets))
	}
}

// ambiguous are the targets by hand, each in front of what is public, what is not, and nothing.
func ambiguous() []string {
	var all []string
	for _, s := range []string{
		"", "/", "//", "/.", "/./", "/..", "/../", "/...", "/.../x", "/%2e", "/%2e%2e", "/%2E%2e/", "/.%2e", "/%2e./", "/..;/", "/.;/", "/%2e%2e;/", "/;/", "/;x=1/", ";", ";/", ";x/y",
		"%3b", "/%3b/..", "\\", "/\\..\\", "/..\\", "%5c", "/%5c..", "/..%5c", "%2f", "%2F", "/%2f..", "/..%2f", "/..%2F..%2f", "%00", "/%00", "/%00/..", "/x%00.php", "%0a", "%0d%0a", "%09", "/%20", "/ ",
		"?", "?x", "?/../../admin", "?a;b", "?%2e%2e/", "%3f", "/%3fx", "%23", "/%23/../", "%2523", "%252e%252e", "/%252e%252e/", "/%252f..", "%25", "/%", "/%2", "/%zz", "/%u002e", "/%c0%ae%c0%ae/",
		"/%c0%af", "/%e0%80%af", "/%ff", "/é", "/%C3%A9", "/%E2%80%AE", "/%EF%BC%8F..", "/%EF%BC%8E%EF%BC%8E/", "/․․/", "/．．/", "/x.", "/x./", "/x%2e", "/x..", "/..x", "/x:y", "/x@y", "/x,y", "/x*", "/~x",
		"/x+y", "/(x)", "/'x'", "/%22", "/%3Cx%3E", "/|", "/^", "/[x]", "/{x}", "/`x", "/index.php/x", "/x.php/../y", "/x&y=1", "/x=..", "/%7e", "/%7F",
	} {
		for _, p := range []string{"/public", "/admin", "/contacts"} {
			all = append(all, p+s, p+s+"/admin", p+s+"/../admin")
		}
		all = append(all, s+"/admin/x", "/x"+s+"/../public/x")
	}
	return append(all, "/%61dmin", "/%41dmin/x", "/a%64min/%2e", "//crm.example.com/admin", "///admin", "http://crm.example.com/admin", "HTTPS://crm.example.com/public/x", "http://crm.example.com", "*", "admin", "/public#/x", "/_gate/../admin")
}

// random puts pieces together that no hand would.
func random(n int) []string {
	pieces := []string{"/", "/", "//", "public", "public", "admin", "contacts", "..", ".", "%2e", "%2e%2e", "%2f", "%5c", "\\", ";", ";x", "%3b", "%3f", "?", "#", "%23", "%25", "%252e", "%00", "é", "%c3%a9", "x.php", "~", "%61", "="}
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]string, n)
	for i := range all {
		all[i] = "/"
		for range 1 + r.IntN(7) {
			all[i] += pieces[r.IntN(len(pieces))]
		}
	}
	return all
}

// asBrowsersRead returns the path of each target as the URL parser of browsers reads it, which Node has too; "" where it reads none.
func asBrowsersRead(t *testing.T, targets []string) []string {
	t.Helper()
	in, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	node := exec.Command(realtest.Program(t, "node", "nodejs"), "-e", `
		const read = target => {
			try {
				const path = new URL(target.startsWith("/") ? "https://crm.example.com" + target : target).pathname;
				try { return decodeURIComponent(path) } catch { return path }
			} catch { return "" }
		};
		process.stdout.write(JSON.stringify(JSON.parse(require("fs").readFileSync(0)).map(read)))`)
	node.Stdin = strings.NewReader(string(in))
	out, err := node.Output()
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	if err := json.Unmarshal(out, &paths); err != nil || len(paths) != len(targets) {
		t.Fatalf("%d answers, %v", len(paths), err)
	}
	return paths
}

// TestHeadersAsPHPReadsThem forges each identity header in every spelling that could become the same variable in PHP.
func TestHeadersAsPHPReadsThem(t *testing.T) {
	url := php(t)
	strict := guard(t, url, nil)
	lax := guard(t, url, func(s *setup) { s.upstreams[0].UnderscoreHeaders = true })
	honest := readPHP(t, strict.get("GET /contacts", asAnn)).Server
	for name, want := range map[string]string{"HTTP_X_FORWARDED_USER": "account-1", "HTTP_X_FORWARDED_EMAIL": "ann@contoso.com", "HTTP_X_FORWARDED_NAME": "Ann Example",
		"HTTP_X_FORWARDED_PREFERRED_USERNAME": "ann", "HTTP_X_FORWARDED_GROUPS": "sales", "HTTP_X_CRMGATE_PROVIDER": "contoso", "HTTP_HOST": "crm.example.com"} {
		if honest[name] != want {
			t.Fatalf("%s = %q, want %q", name, honest[name], want)
		}
	}
	if honest["HTTP_X_CRMGATE_ASSERTION"] == "" {
		t.Fatal("no assertion")
	}
	for _, name := range []string{"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Name", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups", "X-Crmgate-Provider",
		"X-Crmgate-Assertion", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id", "Proxy"} {
		variable := "HTTP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		for _, spelled := range aliases(name) {
			for _, g := range []*gate{strict, lax} {
				for _, line := range []string{"GET /contacts", "POST /contacts"} { // the two ways to the CRM
					saw := readPHP(t, g.get(line, asAnn, "Content-Length: 0", spelled+": forged", spelled+": forged again"))
					for key, value := range saw.Server {
						if strings.Contains(value, "forged") {
							t.Errorf("%s became $_SERVER[%q] = %q", spelled, key, value)
						}
					}
					if _, set := saw.Server[variable]; set != (name != "Proxy") || name != "X-Request-Id" && name != "X-Crmgate-Assertion" && saw.Server[variable] != honest[variable] {
						t.Errorf("with %s, %s = %q, want %q", spelled, variable, saw.Server[variable], honest[variable])
					}
				}
			}
		}
	}
	saw := readPHP(t, lax.get("GET /public/x", "X_Custom: kept", "X_Forwarded_User: forged", "Cookie: a=1; crmgate_session=x; b=2"))
	if _, told := saw.Server["HTTP_X_FORWARDED_USER"]; told || saw.Server["HTTP_X_CUSTOM"] != "kept" || strings.Join(saw.Cookies, " ") != "a b" {
		t.Errorf("%v", saw)
	}
}

// aliases are the names that some server could take for name: every byte that a name may have in place of each hyphen, and in other cases.
func aliases(name string) []string {
	all := []string{name, strings.ToLower(name), strings.ToUpper(name)}
	for _, c := range "_.~!#$%&'*+^`|" {
		all = append(all, strings.ReplaceAll(name, "-", string(c)), strings.Replace(strings.ToLower(name), "-", string(c), 1))
	}
	return all
}
