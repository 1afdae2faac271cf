package app_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crmgate/internal/app"
	"crmgate/internal/config"
)

// TestSideDoor runs `check --online` against a CRM that looks for the gateway's secret or its certificate and against one that does not.
func TestSideDoor(t *testing.T) {
	crm := func(refuses bool) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if refuses && r.Header.Get("X-Gate-Secret") != "0123456789abcdef" {
				w.WriteHeader(http.StatusForbidden)
			}
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	key, trusted, der := makeCertificate(t, "localhost", nil, nil)
	certFile, keyFile := writeCertificate(t, t.TempDir(), key, der)
	// It asks everybody for a certificate, and lets in those who have none or not.
	crmTLS := func(asks tls.ClientAuthType) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		pool := x509.NewCertPool()
		pool.AddCert(trusted)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, ClientAuth: asks, ClientCAs: pool}
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		s.StartTLS()
		t.Cleanup(s.Close)
		return fmt.Sprintf("{id: crm, urls: [%q], tls: {ca_file: %q, cert_file: %q, key_file: %q, server_name: localhost}}", s.URL, certFile, certFile, keyFile)
	}
	for _, tc := range []struct {
		name, upstream string
		warned         bool
	}{
		{"no guard", fmt.Sprintf("{id: crm, urls: [%q]}", crm(false)), false},
		{"a guard that works", fmt.Sprintf("{id: crm, urls: [%q], identity: {secret_header: {name: X-Gate-Secret, value: 0123456789abcdef}}}", crm(true)), false},
		{"a guard that nobody asks for", fmt.Sprintf("{id: crm, urls: [%q], identity: {secret_header: {name: X-Gate-Secret, value: 0123456789abcdef}}}", crm(false)), true},
		{"a certificate that is demanded", crmTLS(tls.RequireAnyClientCert), false},
		{"a certificate that nobody demands", crmTLS(tls.RequestClientCert), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "crmgate.yaml")
			yaml := fmt.Sprintf("server: {public_url: http://127.0.0.1:1, data_dir: %q}\nlocal: {reset: {enabled: false}}\nupstreams: [%s]\n", dir, tc.upstream)
			if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, report := config.Load(file, os.LookupEnv)
			if !report.OK() {
				t.Fatal(report.Findings)
			}
			warned := false
			for _, f := range app.Online(t.Context(), cfg, slog.New(slog.DiscardHandler)) {
				if !f.Warning || f.Path != "upstreams[0].urls[0]" || !strings.Contains(f.Message, "whoever asks it directly") || strings.Contains(f.Message+f.Hint, "0123") {
					t.Errorf("%+v", f)
				}
				warned = true
			}
			if warned != tc.warned {
				t.Errorf("warned: %t, want %t", warned, tc.warned)
			}
		})
	}
}
