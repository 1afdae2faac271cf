package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// authority is a certificate authority that speaks as much ACME (RFC 8555) as one order needs. It looks at the gateway's answer to a
// tls-alpn-01 challenge (RFC 8737) at the address at, wherever the name leads.
type authority struct {
	t      *testing.T
	url    string
	at     string
	key    *ecdsa.PrivateKey
	root   *x509.Certificate
	mu     sync.Mutex
	valid  bool
	issued []byte
	orders int
}

func newAuthority(t *testing.T, at string) *authority {
	t.Helper()
	a := &authority{t: t, at: at}
	a.key, a.root, _ = makeCertificate(t, "test authority", nil, nil)
	mux := http.NewServeMux()
	mux.HandleFunc("/dir", func(w http.ResponseWriter, r *http.Request) {
		a.say(w, 200, map[string]any{"newNonce": a.url + "/nonce", "newAccount": a.url + "/account", "newOrder": a.url + "/order", "revokeCert": a.url + "/revoke", "keyChange": a.url + "/key"})
	})
	mux.HandleFunc("/nonce", func(w http.ResponseWriter, r *http.Request) { a.say(w, 200, nil) })
	mux.HandleFunc("/account", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", a.url+"/account/1")
		a.say(w, 201, map[string]any{"status": "valid"})
	})
	mux.HandleFunc("/order", func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.orders++
		a.mu.Unlock()
		w.Header().Set("Location", a.url+"/order/1")
		a.say(w, 201, a.order())
	})
	mux.HandleFunc("/order/1", func(w http.ResponseWriter, r *http.Request) { a.say(w, 200, a.order()) })
	mux.HandleFunc("/authorization", func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		status := map[bool]string{false: "pending", true: "valid"}[a.valid]
		a.mu.Unlock()
		a.say(w, 200, map[string]any{"status": status, "identifier": map[string]string{"type": "dns", "value": "crm.example.com"},
			"challenges": []any{map[string]string{"type": "tls-alpn-01", "url": a.url + "/challenge", "token": "a-token", "status": status}}})
	})
	mux.HandleFunc("/challenge", func(w http.ResponseWriter, r *http.Request) {
		c, err := tls.Dial("tcp", a.at, &tls.Config{InsecureSkipVerify: true, ServerName: "crm.example.com", NextProtos: []string{"acme-tls/1"}})
		if err != nil {
			t.Errorf("challenge: %v", err)
			a.say(w, 400, map[string]any{"type": "urn:ietf:params:acme:error:connection"})
			return
		}
		defer c.Close()
		leaf := c.ConnectionState().PeerCertificates[0]
		a.mu.Lock()
		a.valid = c.ConnectionState().NegotiatedProtocol == "acme-tls/1" && len(leaf.DNSNames) == 1 && leaf.DNSNames[0] == "crm.example.com"
		a.mu.Unlock()
		a.say(w, 200, map[string]any{"type": "tls-alpn-01", "url": a.url + "/challenge", "token": "a-token", "status": "processing"})
	})
	mux.HandleFunc("/finalize", a.finalize)
	mux.HandleFunc("/certificate", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Replay-Nonce", fmt.Sprint(time.Now().UnixNano()))
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: a.issued})
		pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	a.url = s.URL
	return a
}

func (a *authority) say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Replay-Nonce", fmt.Sprint(time.Now().UnixNano()))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if v != nil {
		json.NewEncoder(w).Encode(v)
	}
}

func (a *authority) order() map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := map[string]any{"status": "pending", "identifiers": []any{map[string]string{"type": "dns", "value": "crm.example.com"}},
		"authorizations": []string{a.url + "/authorization"}, "finalize": a.url + "/finalize"}
	switch {
	case a.issued != nil:
		o["status"], o["certificate"] = "valid", a.url+"/certificate"
	case a.valid:
		o["status"] = "ready"
	}
	return o
}

func (a *authority) finalize(w http.ResponseWriter, r *http.Request) {
	var jws struct{ Payload string }
	var request struct{ CSR string }
	if err := json.NewDecoder(r.Body).Decode(&jws); err != nil {
		a.t.Error(err)
	}
	payload, _ := base64.RawURLEncoding.DecodeString(jws.Payload)
	if err := json.Unmarshal(payload, &request); err != nil {
		a.t.Error(err)
	}
	der, _ := base64.RawURLEncoding.DecodeString(request.CSR)
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		a.t.Error(err)
		return
	}
	template := leafTemplate(csr.DNSNames...)
	issued, err := x509.CreateCertificate(rand.Reader, template, a.root, csr.PublicKey, a.key)
	if err != nil {
		a.t.Error(err)
	}
	a.mu.Lock()
	a.issued = issued
	a.mu.Unlock()
	w.Header().Set("Location", a.url+"/order/1")
	a.say(w, 200, a.order())
}

func leafTemplate(names ...string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(90 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
}

// makeCertificate makes one for a name: an authority where parent is nil.
func makeCertificate(t *testing.T, name string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := leafTemplate(name)
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert, der
}
