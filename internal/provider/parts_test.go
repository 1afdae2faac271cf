package provider

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"crmgate/internal/identity"
)

func TestIsAddress(t *testing.T) {
	for address, want := range map[string]bool{
		"ann@contoso.example": true, "Ann.O'Neil+crm@CONTOSO.example": true, "jürgen@bücher.example": true,
		"": false, "ann": false, "@contoso.example": false, "ann@": false, "ann@evil@contoso.example": false,
		`"ann@evil"@contoso.example`: false, "ann@contoso.example.": false, "ann@contoso.example ": false, " ann@contoso.example": false,
		"ann@contoso..example": false, "ann@.contoso.example": false, "ann@contoso.example\r\nBcc: x": false, "ann@con\x00toso.example": false,
		"<ann@contoso.example>": false, "ann@contoso.example,bob@contoso.example": false, "ann@[127.0.0.1]": false, "ann@*": false,
		strings.Repeat("a", 320) + "@contoso.example": false,
	} {
		if got := isAddress(address); got != want {
			t.Errorf("isAddress(%q) = %v", address, got)
		}
	}
}

func TestChooseGroups(t *testing.T) {
	guids := []GroupMap{{From: "g-1", To: "crm-admins"}, {From: "g-2", To: "crm-sales"}}
	for _, tt := range []struct {
		name string
		cfg  GroupsConfig
		want []string
	}{
		{"neither", GroupsConfig{}, []string{"g-1", "g-2", "staff", "crm-admins"}},
		{"renamed", GroupsConfig{Map: guids}, []string{"crm-admins", "crm-sales", "staff"}},
		{"filtered by the provider's names", GroupsConfig{Allow: []string{"g-1", "staff"}, Map: guids}, []string{"crm-admins", "staff"}},
		{"filtered by the new names", GroupsConfig{Allow: []string{"crm-sales", "staff"}, Map: guids}, []string{"crm-sales", "staff"}},
		{"one group, two names, one of them filtered out", GroupsConfig{Allow: []string{"a"}, Map: []GroupMap{{From: "staff", To: "a"}, {From: "staff", To: "b"}}}, []string{"a"}},
		{"the old name of a renamed group is gone", GroupsConfig{Allow: []string{"staff"}, Map: []GroupMap{{From: "staff", To: "all"}}}, []string{"all"}},
		{"nothing passes", GroupsConfig{Allow: []string{"other"}, Map: guids}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.cfg.choose([]string{"g-1", "g-2", "staff", "crm-admins"})); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStableID(t *testing.T) {
	guid := []byte{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	for _, tt := range []struct {
		name, attribute string
		raw             []byte
		want            string
	}{
		{"objectGUID as Windows prints it", "objectGUID", guid, "00112233-4455-6677-8899-aabbccddeeff"},
		{"in other letters", "objectguid", guid, "00112233-4455-6677-8899-aabbccddeeff"},
		{"text", "entryUUID", []byte("5f3c0a2e-0000-1000-8000-00805f9b34fb"), "5f3c0a2e-0000-1000-8000-00805f9b34fb"},
		{"other bytes", "objectSid", []byte{1, 5, 0, 0xff}, "010500ff"},
		{"none", "entryUUID", nil, ""},
	} {
		if got := stableID(tt.attribute, tt.raw); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestNameInDN(t *testing.T) {
	for _, tt := range []struct{ dn, attribute, want string }{
		{`cn=crm-admins,ou=groups,dc=example`, "cn", "crm-admins"},
		{`CN=a\, b \"c\" (d)*,ou=groups`, "cn", `a, b "c" (d)*`},
		{`ou=x+cn=y,dc=z`, "cn", "y"},
		{`uid=x,dc=z`, "cn", "x"},
		{`cn=x,dc=z`, "DN", "cn=x,dc=z"},
	} {
		if got, err := nameInDN(tt.dn, tt.attribute); err != nil || got != tt.want {
			t.Errorf("nameInDN(%q, %s) = %q, %v, want %q", tt.dn, tt.attribute, got, err, tt.want)
		}
	}
	for _, dn := range []string{"", "no DN"} {
		if got, err := nameInDN(dn, "cn"); err == nil {
			t.Errorf("nameInDN(%q) = %q", dn, got)
		}
	}
}

func TestMemberOfInPartsIsNotTakenForAll(t *testing.T) {
	d := &directory{cfg: presetActiveDirectory(Config{})}
	if got, err := d.memberOf(ldap.NewEntry("cn=x", map[string][]string{"memberOf;range=0-1499": {"cn=a"}})); err == nil {
		t.Errorf("memberOf = %v", got)
	}
}

func TestPace(t *testing.T) {
	var p pace
	if got := p.rest(0); got != 0 {
		t.Errorf("an unknown pace waits %s", got)
	}
	for range 50 {
		p.observe(100 * time.Millisecond)
	}
	if got := p.rest(30 * time.Millisecond); got != 70*time.Millisecond {
		t.Errorf("rest = %s", got)
	}
	if got := p.rest(time.Second); got != 0 {
		t.Errorf("rest = %s", got)
	}
	p = pace{}
	p.observe(time.Hour)
	if got := p.rest(0); got != maxPace {
		t.Errorf("rest = %s, want the bound", got)
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	now := time.Unix(1_800_000_000, 0)
	for _, pause := range []time.Duration{1, 2, 4, 5, 5} {
		b.note(now, io.EOF)
		if b.failed(now.Add(pause*time.Second-1)) == nil || b.failed(now.Add(pause*time.Second)) != nil {
			t.Errorf("the pause is not %d s", pause)
		}
	}
	b.note(now, nil)
	if b.failed(now) != nil {
		t.Error("a success is remembered as a failure")
	}
}

func TestStayHere(t *testing.T) {
	var hops atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hops.Add(1) }))
	defer other.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/here", http.StatusFound) })
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	mux.HandleFunc("/here", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"a":"b"}`) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"a":"b"}`+strings.Repeat(" ", maxAnswer))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	client := newClient(nil, time.Second)
	for path, good := range map[string]bool{"/here": true, "/moved": true, "/round": false, "/away": false, "/large": false, "/missing": false} {
		var into map[string]string
		err := getJSON(context.Background(), client, srv.URL+path, "secret-token", &into)
		if (err == nil) != good || (good && into["a"] != "b") {
			t.Errorf("%s: %v, %v", path, into, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret-token") {
			t.Errorf("the log would show the token: %v", err)
		}
	}
	if hops.Load() != 0 {
		t.Error("a redirect led to another origin")
	}
}

func TestKeysThatAreNotForUs(t *testing.T) {
	const set = `{"keys":[
		{"kty":"OKP","crv":"Ed448","x":"AAAA","kid":"a"}, {"kty":"oct","k":"c2VjcmV0","kid":"b"}, 7, {"kty":"AKP","alg":"ML-DSA-0","pub":"AAAA","kid":"d"},
		{"kty":"EC","crv":"secp256k1","alg":"ES256K","x":"AA","y":"AA","kid":"c"},
		{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"enc","use":"enc"},
		{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","kid":"private"},
		{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"good","use":"sig"}]}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set) }))
	defer srv.Close()
	keys, err := newKeySet(srv.URL, srv.Client(), slog.New(slog.DiscardHandler), time.Now).ask(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range keys {
		ids = append(ids, k.KeyID)
	}
	if diff := cmp.Diff([]string{"good"}, ids); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestShape(t *testing.T) {
	for raw, good := range map[string]bool{
		"a.b.c": true, "": false, "a.b": false, "a.b.c.d.e": false, strings.Repeat(".", 1000): false, strings.Repeat("x", maxToken) + ".b.c": false,
	} {
		if err := checkShape(raw, maxToken); (err == nil) != good {
			t.Errorf("checkShape of %d bytes: %v", len(raw), err)
		}
	}
}

func TestForeignTokenTypes(t *testing.T) {
	key := jose.SigningKey{Algorithm: jose.HS256, Key: make([]byte, 32)}
	for typ, refused := range map[jose.ContentType]bool{"JWT": false, "": false, "at+jwt": true, "logout+JWT": true} {
		options := &jose.SignerOptions{}
		if typ != "" {
			options = options.WithType(typ)
		}
		signer, err := jose.NewSigner(key, options)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign([]byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		spent := fetchBudget{useless: freeFetches, last: time.Now()}
		s := &signedBy{algs: []string{"HS256"}, keys: &keySet{now: time.Now, fetched: time.Now(), budgets: [sources]fetchBudget{fromProvider: spent}}}
		_, err = s.VerifySignature(context.Background(), raw)
		if got := !errors.Is(err, errBadSignature); got != refused {
			t.Errorf("typ %q: %v", typ, err)
		}
	}
}

func TestClaimsAreReadByExactName(t *testing.T) {
	c := claims{"Email": []byte(`"evil@x.example"`), "email_verified": []byte(`"true"`), "n": []byte("1e400"), "auth_time": []byte("1800000000.5")}
	if got, ok := c.text("email"); ok {
		t.Errorf("email = %q", got)
	}
	if c.isTrue("email_verified") {
		t.Error(`"true" counts as true`)
	}
	if got := c.seconds("n"); !got.IsZero() {
		t.Errorf("n = %s", got)
	}
	if got := c.seconds("auth_time"); got.Unix() != 1_800_000_000 {
		t.Errorf("auth_time = %s", got)
	}
}

// The ID token and the userinfo answer may disagree about the address; the verification of one must not prove the other.
func TestAddressAndVerificationStayTogether(t *testing.T) {
	token := claims{"sub": []byte(`"s"`), "email": []byte(`"a@x.example"`)}
	userinfo := claims{"email": []byte(`"b@x.example"`), "email_verified": []byte("true"), "sub": []byte(`"t"`), "groups": []byte(`["g"]`)}
	id, err := token.complete(userinfo, "email").describe(ClaimsConfig{}.resolve(ClaimsConfig{}))
	if err != nil || id.Email != "a@x.example" || id.EmailVerified {
		t.Errorf("identity %+v, %v", id, err)
	}
	token = claims{"sub": []byte(`"s"`), "email_verified": []byte("true")}
	userinfo = claims{"email": []byte(`"b@x.example"`)}
	id, err = token.complete(userinfo, "email").describe(ClaimsConfig{}.resolve(ClaimsConfig{}))
	if err != nil || id.Email != "b@x.example" || id.EmailVerified {
		t.Errorf("identity %+v, %v", id, err)
	}
}

// A login never changes what the filter asks, only for whom.
func FuzzLoginInFilter(f *testing.F) {
	for _, login := range []string{"ann", "*", ")(uid=*", `\`, "\x00", "{login}", "ä", "(((", `CORP\ann`} {
		f.Add(login)
	}
	const filter = "(&(objectClass=inetOrgPerson)(|(uid={login})(mail={login})))"
	plain, err := ldap.CompileFilter(strings.ReplaceAll(filter, holdLogin, "x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, login string) {
		if login == "" {
			return
		}
		got, err := ldap.CompileFilter(strings.ReplaceAll(filter, holdLogin, ldap.EscapeFilter(login)))
		if err != nil {
			t.Fatalf("%q: %v", login, err)
		}
		either := got.Children[1]
		if len(got.Children) != len(plain.Children) || len(either.Children) != 2 {
			t.Fatalf("%q changes the filter", login)
		}
		for _, child := range either.Children {
			if child.Tag != ldap.FilterEqualityMatch || child.Children[1].Data.String() != login {
				t.Fatalf("%q is asked as %q", login, child.Children[1].Data.String())
			}
		}
	})
}

var (
	_ identity.Redirector      = (*redirector)(nil)
	_ identity.SignOuter       = (*redirector)(nil)
	_ identity.Pinger          = (*redirector)(nil)
	_ identity.PasswordChecker = (*directory)(nil)
	_ identity.PasswordChanger = (*directory)(nil)
	_ identity.Revalidator     = (*directory)(nil)
	_ identity.Pinger          = (*directory)(nil)
)

func TestEndpointsOfADocument(t *testing.T) {
	for _, tt := range []struct {
		name, issuer, endpoint string
		good                   bool
	}{
		{"https", "https://id.example", "https://elsewhere.example/token", true},
		{"all on this machine", "http://127.0.0.1:1", "http://localhost:2/token", true},
		{"a public provider names our loopback", "https://id.example", "http://127.0.0.1/token", false},
		{"one on this machine names the world in the clear", "http://127.0.0.1:1", "http://id.example/token", false},
		{"a script", "https://id.example", "javascript:alert(1)", false},
		{"a user name", "https://id.example", "https://u:p@id.example/token", false},
	} {
		m := metadata{EndSessionURL: tt.endpoint}
		m.IssuerURL, m.AuthURL, m.TokenURL, m.JWKSURL, m.UserInfoURL = tt.issuer, tt.endpoint, tt.endpoint, tt.endpoint, tt.endpoint
		if err := m.check(tt.issuer); (err == nil) != tt.good {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
