package proxy_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"crmgate/internal/proxy"
	"crmgate/internal/token"
)

// TestAssertionFollowsTheKey is a key that is replaced while an assertion signed with it has life left.
func TestAssertionFollowsTheKey(t *testing.T) {
	keys := make([]token.Key, 2)
	for i := range keys {
		var err error
		if keys[i], err = proxy.NewAssertionKey(time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	s, err := proxy.NewSigner(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	cfg := proxy.Config{}.Default()
	cfg.ID, cfg.URLs = "crm", []string{"http://127.0.0.1:1"}
	public, _ := url.Parse("https://crm.example.com")
	u, err := proxy.Open(cfg, proxy.Shared{PublicURL: public, Names: proxy.NewNames([]proxy.Config{cfg}, nil), Signer: s})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	id, err := u.Identify(proxy.Person{ID: "account-1"})
	if err != nil {
		t.Fatal(err)
	}
	told := func() (compact, kid string) {
		h := http.Header{}
		if err := u.Answer(h, asked, proxy.Path{}, id); err != nil {
			t.Fatal(err)
		}
		compact = h.Get(proxy.AssertionHeader)
		jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		return compact, jws.Signatures[0].Header.KeyID
	}
	first, kid := told()
	if kid != keys[0].ID {
		t.Fatalf("signed with %s", kid)
	}
	if err := s.Use(keys[0]); err != nil { // looked up again, nothing new
		t.Fatal(err)
	}
	if again, _ := told(); again != first {
		t.Error("signed anew although the key is the same")
	}
	if err := s.Use(keys[1]); err != nil {
		t.Fatal(err)
	}
	second, kid := told()
	if kid != keys[1].ID {
		t.Errorf("after the key was withdrawn the CRM is still told what %s signed", kid)
	}
	if again, _ := told(); again != second {
		t.Error("signed for every request")
	}
}
