package app_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/app"
)

// What `check --online` says about a CRM and a provider that are not well, each by the place in the file.
func TestOnlineNamesWhatIsWrong(t *testing.T) {
	crm := func(status int, off time.Duration, tls bool) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			w.WriteHeader(status)
		}))
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		if tls {
			s.StartTLS()
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		return s.URL
	}
	const provider = "{id: contoso, type: oidc, issuer: %q, client_id: crm, client_secret: s}"
	for _, tt := range []struct {
		name, upstream, provider, want string // want is the beginning of the only finding
	}{
		{"well", fmt.Sprintf("{id: crm, urls: [%q]}", crm(200, 0, false)), "", ""},
		{"a CRM that refuses", fmt.Sprintf("{id: crm, urls: [%q]}", crm(403, 0, false)), "", ""},
		{"a CRM whose health check fails", fmt.Sprintf("{id: crm, urls: [%q], health: {path: /up}}", crm(500, 0, false)), "", "upstreams[0].urls[0] does not answer: its health check /up has status 500"},
		{"a CRM whose certificate nobody trusts", fmt.Sprintf("{id: crm, urls: [%q]}", crm(200, 0, true)), "", "upstreams[0].urls[0] does not answer: tls"},
		{"a CRM that is not there", `{id: crm, urls: ["http://127.0.0.1:1"]}`, "", "upstreams[0].urls[0] does not answer: "},
		{"a CRM with another time", fmt.Sprintf("{id: crm, urls: [%q]}", crm(200, 5*time.Minute, false)), "", "upstreams[0].urls[0] warning: its clock is "},
		{"a CRM with another time to whom nothing is signed", fmt.Sprintf("{id: crm, urls: [%q], identity: {assertion: {enabled: false}}}", crm(200, 5*time.Minute, false)), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) { online(t, tt.upstream, tt.provider, tt.want) })
	}
	well := fmt.Sprintf("{id: crm, urls: [%q]}", crm(200, 0, false))
	t.Run("a provider with another time", func(t *testing.T) {
		for name, off := range map[string]time.Duration{"behind": -time.Hour, "ahead of": time.Hour} {
			s := fakeDiscovery(t, off)
			online(t, well, fmt.Sprintf(provider, s), "providers[0] its clock is 1h0m0s "+name)
		}
		online(t, well, fmt.Sprintf(provider, fakeDiscovery(t, 20*time.Second)), "")
	})
}

// A store that is down must not hide what else is.
func TestOnlineTriesTheRestWithoutStores(t *testing.T) {
	cfg := loaded(t, fmt.Sprintf("server: {public_url: http://127.0.0.1:1, data_dir: %q}\nupstreams: [{id: crm, urls: [\"http://127.0.0.1:1\"]}]\n"+
		"mail: {from: a@b.test, smtp: {host: 127.0.0.1, port: 1, security: none}}\nsession: {store: redis}\nredis: {addresses: [\"127.0.0.1:1\"]}\n"+
		"providers: [{id: contoso, type: oidc, issuer: \"http://127.0.0.1:1\", client_id: crm, client_secret: s}]\n", t.TempDir()))
	var got []string
	for _, f := range app.Online(t.Context(), cfg, slog.New(slog.DiscardHandler)) {
		got = append(got, f.Path)
	}
	if diff := cmp.Diff([]string{"redis", "providers[0]", "mail.smtp", "upstreams[0].urls[0]"}, got); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

// fakeDiscovery is as much of a provider as `check --online` asks.
func fakeDiscovery(t *testing.T, off time.Duration) string {
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/jwks" {
			fmt.Fprint(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","alg":"EdDSA","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
			return
		}
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":"%[2]s/a","token_endpoint":"%[2]s/t","jwks_uri":"%[2]s/jwks","response_types_supported":["code"],
			"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["EdDSA"]}`, s.URL, s.URL)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func online(t *testing.T, upstream, provider, want string) {
	t.Helper()
	cfg := loaded(t, fmt.Sprintf("server: {public_url: http://127.0.0.1:1, data_dir: %q}\nlocal: {reset: {enabled: false}}\nupstreams: [%s]\nproviders: [%s]\n", t.TempDir(), upstream, provider))
	var got []string
	for _, f := range app.Online(t.Context(), cfg, slog.New(slog.DiscardHandler)) {
		said := f.Path + " "
		if f.Warning {
			said += "warning: "
		}
		if got = append(got, said+f.Message); f.Hint == "" {
			t.Errorf("%+v says not what to do", f)
		}
	}
	if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], want)) {
		t.Errorf("findings %q, want one that begins with %q", got, want)
	}
}
