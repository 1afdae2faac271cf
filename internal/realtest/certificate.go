package realtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificate is a server certificate for localhost and 127.0.0.1 and the authority that signed it, as PEM files.
type Certificate struct {
	// CAFile is what a client must trust; no system store contains it.
	CAFile string
	// CertFile and KeyFile are the server's.
	CertFile, KeyFile string
}

// NewCertificate makes an authority of its own and a server certificate under it, valid for a day, in the test's directory.
func NewCertificate(t testing.TB) Certificate {
	t.Helper()
	return newCertificate(t, net.IPv4(127, 0, 0, 1))
}

// newCertificate is NewCertificate for a server at another address.
func newCertificate(t testing.TB, address net.IP) Certificate {
	t.Helper()
	dir := t.TempDir()
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "crmgate test authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{address},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caKey, leafKey := newKey(t), newKey(t)
	c := Certificate{CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "server.pem"), KeyFile: filepath.Join(dir, "server.key")}
	writePEM(t, c.CAFile, "CERTIFICATE", sign(t, ca, ca, caKey, caKey))
	writePEM(t, c.CertFile, "CERTIFICATE", sign(t, leaf, ca, leafKey, caKey))
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatalf("encode key: %v", err)
	}
	writePEM(t, c.KeyFile, "PRIVATE KEY", der)
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("generate key: %v", err)
	}
	return key
}

func sign(t testing.TB, cert, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatalf("sign certificate: %v", err)
	}
	return der
}

func writePEM(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatalf("write certificate: %v", err)
	}
}

// BundleCA writes the authorities of several servers into one file.
func BundleCA(t testing.TB, files ...string) string {
	t.Helper()
	var all []byte
	for _, f := range files {
		pem, err := os.ReadFile(f)
		if err != nil {
			t.Fatalf("bundle authorities: %v", err)
		}
		all = append(all, pem...)
	}
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(bundle, all, 0o600); err != nil {
		t.Fatalf("bundle authorities: %v", err)
	}
	return bundle
}
