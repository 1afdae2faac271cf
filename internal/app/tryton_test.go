package app_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"crmgate/internal/fakeidp"
	"crmgate/internal/realtest"
)

// TestTryton is examples/tryton: a real CRM behind the gateway, in a real browser.
func TestTryton(t *testing.T) {
	l, gate := listen(t)
	example := filepath.Join(realtest.Root(t), "examples", "tryton")
	crm := realtest.Tryton(t, realtest.Addr(t), realtest.TrytonConfig{
		Modules: filepath.Join(example, "module"), Activate: []string{"crmgate"}, CustomScript: filepath.Join(example, "custom.js"),
		Settings: fmt.Sprintf("[session]\nauthentications = crmgate\n[crmgate]\njwks = %s/_gate/jwks.json\nissuer = %s\naudience = tryton\n", gate, gate),
		Logins:   []string{"ann@contoso.test", "bob@contoso.test"},
	})
	idp := company(t, gate, func(c *fakeidp.Config) {
		c.Issuer = "/contoso"
		c.Users = []fakeidp.User{
			{Subject: "u-1", Email: "ann@contoso.test", Password: "p", Name: "Ann Archer"},
			{Subject: "u-2", Email: "bob@contoso.test", Password: "p", Name: "Bob Baker"},
		}
	})
	start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: tryton, urls: [%q], identity: {headers: [{name: X-Forwarded-User, value: account.id}]}}]
providers:
  - {id: contoso, type: oidc, name: Contoso, domains: [contoso.test], issuer: %q, client_id: crm, client_secret: s, logout: local}
branding: {product: Tryton}
`, gate, t.TempDir(), crm, idp.Issuer()))

	// Past the gateway nobody is anybody, whatever they claim.
	for _, parameters := range []string{`{}`, `{"password":""}`, `{"crmgate_person":"ann@contoso.test"}`} {
		if status := realtest.TrytonLogin(t, crm, "ann@contoso.test", parameters); status != http.StatusUnauthorized {
			t.Errorf("a sign-in past the gateway with %s = %d, want 401", parameters, status)
		}
	}

	b := realtest.Open(t)
	idp.SignInAs("ann@contoso.test")
	b.Go(gate + "/")
	b.Fill("input[name=identifier]", "ann@contoso.test")
	b.Click("button[type=submit]")
	b.Wait("#menu .tree")
	if got := b.Text("#user-preferences"); !strings.Contains(got, "Ann of Sales") {
		t.Errorf("Tryton greets %q", got)
	}
	if got := search(b, "ann@contoso.test"); !strings.Contains(got, "Prospect GmbH") {
		t.Errorf("Ann's customers = %s", got)
	}
	b.Eval(`new Promise(done => { const look = () => /Party/.test(document.querySelector("#menu").innerText) ? done() : setTimeout(look, 50); look(); })`)
	b.Desktop()
	b.Screenshot("tryton")

	// The next person at this computer is themselves: Ann's Tryton session, still in the browser, opens nothing.
	stolen := b.Eval(`localStorage.getItem("sao_session_crm")`)
	b.Go(gate + "/_gate/sign-out")
	b.Click("main button[type=submit]")
	idp.SignInAs("bob@contoso.test")
	b.Go(gate + "/_gate/sign-in/contoso?return_to=/")
	b.Wait("#menu .tree")
	if got := b.Text("#user-preferences"); !strings.Contains(got, "Bob of Sales") {
		t.Errorf("after Bob signed in Tryton greets %q", got)
	}
	b.Eval(fmt.Sprintf(`localStorage.setItem("sao_session_crm", %q)`, stolen))
	if got := search(b, "ann@contoso.test"); strings.Contains(got, "Prospect") || !strings.Contains(got, "401") {
		t.Errorf("with Ann's Tryton session Bob reads %s", got)
	}
}

// search asks Tryton for its customers with the session that lies in the browser.
func search(b *realtest.Browser, login string) string {
	return b.Eval(fmt.Sprintf(`(() => {
		const s = JSON.parse(localStorage.getItem("sao_session_crm"));
		const r = new XMLHttpRequest();
		r.open("POST", "/crm/", false);
		r.setRequestHeader("Content-Type", "application/json");
		r.setRequestHeader("X-Requested-With", "XMLHttpRequest"); // or the browser asks for a password
		r.setRequestHeader("Authorization", "Session " + btoa(%q + ":" + s.user_id + ":" + s.session));
		r.send(JSON.stringify({id: 1, method: "model.party.party.search_read", params: [[], 0, 5, null, ["name"], {}]}));
		return r.status + " " + r.responseText;
	})()`, login))
}
